//! What is known of one server. Everything here happens under its lock.

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use tokio::time::Instant;
use weir_balance::{Health, RAMP_PERCENT_MIN, Server, ejection::Cause, ramp_percent};
use weir_config::{Agent, Health as Settings};

use super::{
    CHECK_SPACING_MIN, Duration, Event, History, PoolWatch, RETRY_PAUSE, Report, Shared, Speech, Target,
    Verdict,
};
use crate::{
    EjectionChanged, HealthChanged, WeightChanged,
    history::{Change, Standing},
    probe::Outcome,
    schedule::Schedule,
    verdict::{self, Thresholds},
};

#[derive(Debug)]
pub(super) struct State {
    pool: Arc<PoolWatch>,
    pub(super) server: Arc<Server>,
    pub(super) label: String,
    /// Where checks go.
    pub(super) check: SocketAddr,
    /// It has a weight in the file.
    pub(super) has_weight: bool,
    /// `None`: not checked, always up.
    pub(super) settings: Option<Arc<Settings>>,
    pub(super) speech: Speech,
    pub(super) verdict: Verdict,
    /// What its agent said last.
    pub(super) report: Report,
    /// What the workers are told, from both.
    pub(super) standing: Standing,
    pub(super) history: History,
    /// How often traffic has taken it out, by cause.
    pub(super) ejections: [u64; Cause::ALL.len()],
    /// It was there when its pool began.
    is_of_the_first: bool,
    /// Since when its share grows, and how long that takes.
    warming: Option<(Instant, Duration)>,
    schedule: Schedule,
    pub(super) last_start: Option<Instant>,
    pub(super) next_start: Instant,
    /// A check is under way.
    pub(super) under_way: bool,
    /// A connect of a request has failed since the latest check that passed.
    pub(super) is_suspect: bool,
    pub(super) agent_schedule: Schedule,
    /// `None`: it has no agent.
    pub(super) next_reading: Option<Instant>,
    /// A reading of its agent is under way.
    pub(super) reading: bool,
    /// No longer in the configuration: nothing that is still under way may touch it.
    pub(super) retired: bool,
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) not_made: u64,
    pub(super) connect_failures: u64,
    pub(super) understood: u64,
    pub(super) misread: u64,
    pub(super) last_reason: String,
    pub(super) last_agent_reason: String,
}

impl State {
    pub(super) fn new(
        pool: Arc<PoolWatch>,
        target: Target,
        (settings, speech): (Option<Arc<Settings>>, Speech),
        seed: u64,
    ) -> Self {
        Self {
            is_of_the_first: !pool.has_begun(),
            ejections: [0; Cause::ALL.len()],
            warming: None,
            pool,
            server: target.server,
            label: target.label,
            check: target.check,
            has_weight: target.has_weight,
            settings,
            speech,
            verdict: Verdict::new(Health::Unknown),
            report: Report::default(),
            standing: Standing::UNKNOWN,
            history: History::default(),
            schedule: Schedule::new(seed),
            last_start: None,
            next_start: Instant::now(),
            under_way: false,
            is_suspect: false,
            agent_schedule: Schedule::new(!seed),
            next_reading: None,
            reading: false,
            retired: false,
            passed: 0,
            failed: 0,
            not_made: 0,
            connect_failures: 0,
            understood: 0,
            misread: 0,
            last_reason: String::new(),
            last_agent_reason: String::new(),
        }
    }

    /// Takes what a new file says of the server itself.
    pub(super) fn take(&mut self, target: Target, speech: Speech) {
        self.label = target.label;
        self.server = target.server;
        self.server.set_health(self.standing.health);
        self.server.set_weight_percent(self.standing.weight_percent);
        self.server.set_ejected(self.standing.ejected);
        self.check = target.check;
        self.has_weight = target.has_weight;
        self.speech = speech;
    }

    /// How it is asked for its agent's line; `None` when that must not count any more.
    pub(super) fn agent(&self) -> Option<&Agent> {
        self.settings.as_ref().filter(|_| !self.retired)?.agent.as_ref()
    }

    /// How to judge a result; `None` when it must not count any more.
    pub(super) fn thresholds(&self) -> Option<Thresholds> {
        let settings = self.settings.as_ref().filter(|_| !self.retired)?;
        Some(Thresholds { fall: settings.fall, rise: settings.rise })
    }

    /// From one check to the next, as it stands.
    pub(super) fn interval_of(&self, settings: &Settings) -> Duration {
        match self.verdict.health() {
            Health::Down => settings.down_interval,
            Health::Unknown | Health::Up => settings.interval,
        }
    }

    pub(super) fn next_pause(&mut self, settings: &Settings) -> Duration {
        let interval = self.interval_of(settings);
        self.schedule.next_pause(interval).max(CHECK_SPACING_MIN.min(interval))
    }

    /// As its pool counts it: a server without a weight takes no requests.
    pub(super) fn counted(&self) -> Standing {
        counted(self.standing, self.has_weight)
    }

    pub(super) fn handle_outcome(&mut self, outcome: Outcome, shared: &Shared) {
        let Some(thresholds) = self.thresholds() else { return };
        match outcome {
            Outcome::Passed => {
                self.passed += 1;
                self.is_suspect = false;
                let change = self.verdict.handle_success(thresholds);
                self.handle_change(change, "check passed", shared);
            }
            Outcome::Failed(reason) => {
                self.failed += 1;
                let change = self.verdict.handle_failure(thresholds);
                self.handle_change(change, &reason, shared);
                self.last_reason = reason;
                if self.is_suspect {
                    // What requests have met is settled without waiting for the interval.
                    self.bring_forward();
                }
            }
            Outcome::NotChecked(reason) => {
                self.not_made += 1;
                self.next_start = self.next_start.min(Instant::now() + RETRY_PAUSE);
                self.last_reason.clone_from(&reason);
                let (pool, label) = (self.server.pool().to_owned(), self.label.clone());
                shared.tell(Event::NotChecked { pool, label, reason });
            }
        }
    }

    pub(super) fn handle_reading(&mut self, said: Result<Report, String>, shared: &Shared) {
        match said {
            Ok(report) => {
                self.understood += 1;
                let reason = match (&report.down, report.weight_percent) {
                    (Some(reason), _) => reason.clone(),
                    (None, 0) => "its agent says `drain`".to_owned(),
                    (None, 100) => "its agent says `up`".to_owned(),
                    (None, percent) => format!("its agent says `{percent}%`"),
                };
                self.report = report;
                self.settle(&reason, shared);
            }
            Err(reason) => {
                self.misread += 1;
                self.last_agent_reason = reason;
            }
        }
    }

    /// `health: none`: up from now on, never asked.
    pub(super) fn leave_unchecked(&mut self, shared: &Shared) {
        self.verdict = Verdict::new(Health::Up);
        self.settle("not checked", shared);
    }

    /// Sets the next check to the earliest time that is allowed. A server that is down already has nothing to
    /// find out in a hurry.
    pub(super) fn bring_forward(&mut self) -> bool {
        if self.verdict.health() == Health::Down {
            return false;
        }
        let now = Instant::now();
        let earliest = self.last_start.map_or(now, |start| now.max(start + CHECK_SPACING_MIN));
        let sooner = earliest < self.next_start;
        if sooner {
            self.next_start = earliest;
        }
        sooner
    }

    fn handle_change(&mut self, change: Option<verdict::Change>, reason: &str, shared: &Shared) {
        let Some(change) = change else { return };
        self.change_pace(change);
        let reason = match change.in_a_row {
            0 | 1 => reason.to_owned(),
            many => format!("{reason}, {many} times in a row"),
        };
        self.settle(&reason, shared);
    }

    /// The pause that has begun becomes as long as the new judgement wants it, with the same share of its jitter or phase.
    fn change_pace(&mut self, change: verdict::Change) {
        let (Some(settings), Some(start)) = (&self.settings, self.last_start) else { return };
        let (up, down) = (settings.interval.as_secs_f64(), settings.down_interval.as_secs_f64());
        let factor = match (change.from, change.to) {
            (Health::Down, Health::Up) => up / down,
            (_, Health::Down) => down / up,
            _ => return,
        };
        let pause = self.next_start.saturating_duration_since(start).mul_f64(factor);
        self.next_start = start + pause.max(CHECK_SPACING_MIN.min(settings.down_interval));
    }

    /// Brings what the workers are told up to date, and tells of it where it changes.
    pub(super) fn settle(&mut self, reason: &str, shared: &Shared) {
        let from = self.standing;
        let health = match (self.verdict.health(), &self.report.down) {
            (Health::Up, Some(_)) => Health::Down,
            (health, _) => health,
        };
        let to = Standing { health, weight_percent: self.report.weight_percent, ..from };
        if from == to {
            return;
        }
        self.server.set_weight_percent(to.weight_percent);
        if from.health != to.health {
            // Before the health: no request may find it up with its whole share first.
            self.set_warming(self.warming_of(from.health, to.health));
        }
        self.server.set_health(to.health);
        // What holds now may have another cause than what has just changed.
        let reason = match &self.report.down {
            Some(down) if to.health == Health::Down && self.verdict.health() == Health::Up => down.as_str(),
            _ => reason,
        };
        let reason = reason.to_owned();
        self.tell(from, to, &reason, shared);
        self.stand(to, reason, shared);
        if from.health == Health::Unknown && to.health != Health::Unknown {
            shared.first_result_settled();
        }
    }

    /// Traffic takes it out.
    pub(super) fn eject(&mut self, cause: Cause, time: Duration, reason: &str, shared: &Shared) {
        if self.retired {
            return;
        }
        self.ejections[cause as usize] += 1;
        self.set_warming(None);
        self.server.set_ejected(Some(cause));
        self.tell_ejection(Some((cause, time)), reason, shared);
        self.stand(Standing { ejected: Some(cause), ..self.standing }, format!("ejected: {reason}"), shared);
    }

    /// It comes in again; on probation, its share takes so long to be whole.
    pub(super) fn release(&mut self, probation: Option<Duration>, reason: &str, shared: &Shared) {
        if self.retired || self.standing.ejected.is_none() {
            return;
        }
        if probation.is_some() {
            self.set_warming(probation);
        }
        self.server.set_ejected(None);
        self.tell_ejection(None, reason, shared);
        self.stand(
            Standing { ejected: None, ..self.standing },
            format!("no longer ejected: {reason}"),
            shared,
        );
    }

    /// Gives it the share that it is to have by now.
    pub(super) fn warm(&mut self) {
        let Some((begun, length)) = self.warming else { return };
        let ms = |duration: Duration| duration.as_millis() as u64;
        let percent = ramp_percent(ms(begun.elapsed()), ms(length));
        self.server.set_ramp_percent(percent);
        if percent == 100 {
            self.warming = None;
        }
    }

    /// How long its share takes to grow when its health becomes this.
    fn warming_of(&self, from: Health, to: Health) -> Option<Duration> {
        // When all begin at once, none of them is newer than the others.
        let is_new = from == Health::Down || !self.is_of_the_first;
        self.pool.slow_start().filter(|_| to == Health::Up && is_new)
    }

    fn set_warming(&mut self, length: Option<Duration>) {
        self.warming = length.map(|length| (Instant::now(), length));
        self.server.set_ramp_percent(if length.is_some() { RAMP_PERCENT_MIN } else { 100 });
    }

    /// Enters how it stands from now on.
    fn stand(&mut self, to: Standing, reason: String, shared: &Shared) {
        let from = std::mem::replace(&mut self.standing, to);
        self.history.push(Change { at: SystemTime::now(), from, to, reason });
        self.pool.count(Some(counted(from, self.has_weight)), Some(self.counted()), shared);
    }

    fn tell_ejection(&self, to: Option<(Cause, Duration)>, reason: &str, shared: &Shared) {
        shared.tell(Event::EjectionChanged(EjectionChanged {
            pool: self.server.pool().to_owned(),
            address: self.server.address(),
            label: self.label.clone(),
            to,
            reason: reason.to_owned(),
        }));
    }

    fn tell(&self, from: Standing, to: Standing, reason: &str, shared: &Shared) {
        if from.weight_percent != to.weight_percent {
            shared.tell(Event::WeightChanged(WeightChanged {
                pool: self.server.pool().to_owned(),
                address: self.server.address(),
                label: self.label.clone(),
                from: from.weight_percent,
                to: to.weight_percent,
                reason: reason.to_owned(),
            }));
        }
        if from.health != to.health {
            shared.tell(Event::HealthChanged(HealthChanged {
                pool: self.server.pool().to_owned(),
                address: self.server.address(),
                label: self.label.clone(),
                from: from.health,
                to: to.health,
                reason: reason.to_owned(),
            }));
        }
    }
}

fn counted(standing: Standing, has_weight: bool) -> Standing {
    Standing { weight_percent: if has_weight { standing.weight_percent } else { 0 }, ..standing }
}
