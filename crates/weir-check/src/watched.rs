//! One server under watch: what is known of it, when it is checked next, and what came of the checks.
//!
//! Its lock is held for a few instructions, by the server's own check loop, by the reader of passive signals
//! and by whoever reads metrics; no worker ever takes it. Events are told under the lock, so that those of one
//! server arrive in the order in which they happened.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{Instant, timeout_at},
};
use weir_balance::{Health, Server};
use weir_config::Health as Settings;

use crate::{
    Event, HealthChanged, Speech, Target,
    checker::Outlet,
    probe::Outcome,
    schedule::Schedule,
    verdict::{Change, Thresholds, Verdict},
};

/// The shortest time between the starts of two checks of one server, however many connects fail.
const CHECK_SPACING_MIN: Duration = Duration::from_millis(100);

/// How soon a check that could not be made is tried again, when the interval is longer.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// One server's record, for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its pool.
    pub pool: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its name in logs and metrics.
    pub label: String,
    /// The judgement.
    pub health: Health,
    /// Checks that passed, since the server is known.
    pub checks_passed: u64,
    /// Checks that failed.
    pub checks_failed: u64,
    /// Checks that could not be made for a reason on this side.
    pub checks_not_made: u64,
    /// Failed connects that workers reported.
    pub connect_failures: u64,
    /// Why the latest failure failed, or the latest check that was not made was not; empty before the first.
    pub last_reason: String,
}

/// One server under watch.
#[derive(Debug)]
pub(crate) struct Watched {
    state: Mutex<State>,
    /// The time of the next check has been brought forward.
    moved: Notify,
}

#[derive(Debug)]
struct State {
    server: Arc<Server>,
    label: String,
    /// `None`: not checked, always up.
    settings: Option<Arc<Settings>>,
    speech: Speech,
    verdict: Verdict,
    schedule: Schedule,
    last_start: Option<Instant>,
    /// A connect of a request has failed since the latest check that passed.
    is_suspect: bool,
    next_start: Instant,
    /// No longer in the configuration: nothing that is still under way may touch it.
    retired: bool,
    task: Option<AbortHandle>,
    passed: u64,
    failed: u64,
    not_made: u64,
    connect_failures: u64,
    last_reason: String,
}

impl Watched {
    /// A server that is new here: unknown, whatever it was in an earlier life.
    pub(crate) fn new(target: Target, seed: u64, outlet: &Outlet) -> Self {
        target.server.set_health(Health::Unknown);
        outlet.expect_first_result();
        let mut state = State {
            server: target.server,
            label: target.label,
            settings: target.health.map(Arc::new),
            speech: target.speech,
            verdict: Verdict::new(Health::Unknown),
            schedule: Schedule::new(seed),
            last_start: None,
            is_suspect: false,
            next_start: Instant::now(),
            retired: false,
            task: None,
            passed: 0,
            failed: 0,
            not_made: 0,
            connect_failures: 0,
            last_reason: String::new(),
        };
        if state.settings.is_none() {
            state.leave_unchecked(outlet);
        }
        Self { state: Mutex::new(state), moved: Notify::new() }
    }

    /// Takes what a reload says of a server that stays. Judgement, counts and the time of the next check are
    /// kept; only a shorter interval brings the next check forward.
    pub(crate) fn update(&self, target: Target, outlet: &Outlet) {
        let mut state = self.lock();
        state.label = target.label;
        state.server = target.server;
        state.server.set_health(state.verdict.health());
        state.speech = target.speech;
        let before = state.settings.take();
        state.settings = target.health.map(Arc::new);
        match (before, state.settings.clone()) {
            (_, None) => state.leave_unchecked(outlet),
            (None, Some(_)) => state.next_start = Instant::now(),
            (Some(before), Some(now)) if now.interval != before.interval => {
                let pause = state.schedule.next_pause(now.interval);
                state.next_start = state.next_start.min(Instant::now() + pause);
                self.moved.notify_one();
            }
            (Some(_), Some(_)) => {}
        }
    }

    /// Starts the check loop if there should be one and is none.
    pub(crate) fn ensure_task(&self, start: impl FnOnce() -> AbortHandle) {
        let mut state = self.lock();
        if state.settings.is_some() && state.task.is_none() {
            state.task = Some(start());
        }
    }

    /// The server has left the configuration: its loop ends, and results still on their way are ignored.
    pub(crate) fn retire(&self, outlet: &Outlet) {
        let mut state = self.lock();
        state.retired = true;
        state.stop_task();
        if state.verdict.health() == Health::Unknown {
            outlet.first_result_settled();
        }
    }

    /// Waits for the time of the next check, which may be brought forward meanwhile.
    pub(crate) async fn due(&self) {
        loop {
            let next_start = self.lock().next_start;
            if timeout_at(next_start, self.moved.notified()).await.is_err() {
                return;
            }
        }
    }

    /// A check starts now: where, what it asks, and how. Sets the time of the one after it.
    pub(crate) fn begin(&self) -> Option<(SocketAddr, Arc<Settings>, Speech)> {
        let mut state = self.lock();
        let settings = Arc::clone(state.settings.as_ref()?);
        let now = Instant::now();
        let pause =
            state.schedule.next_pause(settings.interval).max(CHECK_SPACING_MIN.min(settings.interval));
        state.last_start = Some(now);
        state.next_start = now + pause;
        Some((state.server.address(), settings, state.speech.clone()))
    }

    /// Takes in what came of a check.
    pub(crate) fn handle_outcome(&self, outcome: Outcome, outlet: &Outlet) {
        let mut state = self.lock();
        let Some(thresholds) = state.thresholds() else { return };
        match outcome {
            Outcome::Passed => {
                state.passed += 1;
                state.is_suspect = false;
                let change = state.verdict.handle_success(thresholds);
                state.tell(change, "check passed", outlet);
            }
            Outcome::Failed(reason) => {
                state.failed += 1;
                let change = state.verdict.handle_failure(thresholds);
                state.tell(change, &reason, outlet);
                state.last_reason = reason;
                if state.is_suspect {
                    // What requests have met is settled without waiting for the interval.
                    state.bring_forward();
                }
            }
            Outcome::NotChecked(reason) => {
                state.not_made += 1;
                state.next_start = state.next_start.min(Instant::now() + RETRY_PAUSE);
                state.last_reason.clone_from(&reason);
                let (pool, label) = (state.server.pool().to_owned(), state.label.clone());
                outlet.tell(Event::NotChecked { pool, label, reason });
            }
        }
    }

    /// Takes in one connect that failed for a worker: a reason to look at once, and a step towards down that only a check can complete.
    pub(crate) fn handle_connect_failure(&self) {
        const REASON: &str = "connect failed for a request";
        let mut state = self.lock();
        state.connect_failures += 1;
        let Some(thresholds) = state.thresholds() else { return };
        state.verdict.handle_signal(thresholds);
        state.is_suspect = true;
        REASON.clone_into(&mut state.last_reason);
        if state.bring_forward() {
            self.moved.notify_one();
        }
    }

    /// Its record.
    pub(crate) fn status(&self) -> Status {
        let state = self.lock();
        Status {
            pool: state.server.pool().to_owned(),
            address: state.server.address(),
            label: state.label.clone(),
            health: state.verdict.health(),
            checks_passed: state.passed,
            checks_failed: state.failed,
            checks_not_made: state.not_made,
            connect_failures: state.connect_failures,
            last_reason: state.last_reason.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock can only come from the listener of events; the state itself is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How to judge a result; `None` when it must not count any more.
    fn thresholds(&self) -> Option<Thresholds> {
        let settings = self.settings.as_ref().filter(|_| !self.retired)?;
        Some(Thresholds { fall: settings.fall, rise: settings.rise })
    }

    /// `health: none`: up from now on, never asked.
    fn leave_unchecked(&mut self, outlet: &Outlet) {
        self.stop_task();
        let from = self.verdict.health();
        self.verdict = Verdict::new(Health::Up);
        if from != Health::Up {
            self.tell(Some(Change { from, to: Health::Up, in_a_row: 1 }), "not checked", outlet);
        }
    }

    fn stop_task(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// Sets the next check to the earliest time that is allowed. A server that is down already has nothing to
    /// find out in a hurry.
    fn bring_forward(&mut self) -> bool {
        if self.verdict.health() == Health::Down {
            return false;
        }
        let earliest = self.last_start.map_or_else(Instant::now, |start| start + CHECK_SPACING_MIN);
        let sooner = earliest < self.next_start;
        if sooner {
            self.next_start = earliest;
        }
        sooner
    }

    /// Writes a changed judgement where the workers read it, and tells of it.
    fn tell(&self, change: Option<Change>, reason: &str, outlet: &Outlet) {
        let Some(change) = change else { return };
        self.server.set_health(change.to);
        outlet.tell(Event::HealthChanged(HealthChanged {
            pool: self.server.pool().to_owned(),
            address: self.server.address(),
            label: self.label.clone(),
            from: change.from,
            to: change.to,
            reason: match change.in_a_row {
                0 | 1 => reason.to_owned(),
                many => format!("{reason}, {many} times in a row"),
            },
        }));
        if change.from == Health::Unknown {
            outlet.first_result_settled();
        }
    }
}
