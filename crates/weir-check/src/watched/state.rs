//! What is known of one server. Everything here happens under its lock.

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use tokio::time::Instant;
use weir_balance::{Health, Server};
use weir_config::{Agent, Health as Settings};

use super::{
    CHECK_SPACING_MIN, Duration, Event, History, PoolWatch, RETRY_PAUSE, Report, Shared, Speech, Target,
    Verdict,
};
use crate::{
    HealthChanged, WeightChanged,
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
    has_weight: bool,
    /// `None`: not checked, always up.
    pub(super) settings: Option<Arc<Settings>>,
    pub(super) speech: Speech,
    pub(super) verdict: Verdict,
    /// What its agent said last.
    pub(super) report: Report,
    /// What the workers are told, from both.
    pub(super) standing: Standing,
    pub(super) history: History,
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
            pool,
            server: target.server,
            label: target.label,
            check: target.check,
            has_weight: target.has_weight,
            settings,
            speech,
            verdict: Verdict::new(Health::Unknown),
            report: Report::default(),
            standing: Standing { health: Health::Unknown, weight_percent: 100 },
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
        let to = Standing { health, weight_percent: self.report.weight_percent };
        if from == to {
            return;
        }
        self.standing = to;
        self.server.set_weight_percent(to.weight_percent);
        self.server.set_health(to.health);
        // What holds now may have another cause than what has just changed.
        let reason = match &self.report.down {
            Some(down) if to.health == Health::Down && self.verdict.health() == Health::Up => down.as_str(),
            _ => reason,
        };
        self.history.push(Change { at: SystemTime::now(), from, to, reason: reason.to_owned() });
        self.tell(from, to, reason, shared);
        self.pool.count(Some(counted(from, self.has_weight)), Some(self.counted()), shared);
        if from.health == Health::Unknown && to.health != Health::Unknown {
            shared.first_result_settled();
        }
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
