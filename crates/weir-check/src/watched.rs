//! One server under watch: what is known of it, when it is asked next, and what came of that.
//!
//! Its lock is held for a few instructions, by its pool's loop, by the reader of passive signals and by whoever reads
//! metrics; no worker ever takes it. Events are told under the lock, so that those of one server arrive in the order in
//! which they happened. The locks of the pool (its agenda, its tally) are taken under it, never the other way.

mod state;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use weir_balance::{Health, Server, ejection::Cause};
use weir_config::{Agent, Health as Settings};

use self::state::State;
use crate::{
    Event, History, Speech, Target,
    agenda::{Entry, Errand},
    agent::Report,
    checker::Shared,
    pool::PoolWatch,
    probe::Outcome,
    verdict::Verdict,
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
    /// What is known of it: the judgement of its checks, and what its agent says.
    pub health: Health,
    /// Its live weight in percent of the written one.
    pub weight_percent: u16,
    /// For what traffic has taken it out; `None`: it has not.
    pub ejected: Option<Cause>,
    /// How often traffic has taken it out, in the order of [`Cause::ALL`].
    pub ejections: [u64; Cause::ALL.len()],
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
    /// Lines of its agent that were understood, and readings that failed; `None` without an agent.
    pub agent_readings: Option<(u64, u64)>,
    /// Why the latest reading of its agent failed; empty before the first.
    pub last_agent_reason: String,
    /// Its last changes.
    pub history: History,
}

/// One server under watch.
#[derive(Debug)]
pub(crate) struct Watched {
    pool: Arc<PoolWatch>,
    state: Mutex<State>,
}

/// A check that begins.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) address: SocketAddr,
    pub(crate) settings: Arc<Settings>,
    pub(crate) speech: Speech,
    pub(crate) pool: Arc<PoolWatch>,
    pub(crate) label: String,
    /// The time that was set for it; `None` for the first of all.
    pub(crate) due: Option<Instant>,
}

impl Watched {
    /// A server that is new here: unknown, whatever it was in an earlier life.
    pub(crate) fn new(
        pool: &Arc<PoolWatch>,
        target: Target,
        asked: (Option<Arc<Settings>>, Speech),
        seed: u64,
        shared: &Shared,
    ) -> Arc<Self> {
        target.server.set_health(Health::Unknown);
        target.server.set_weight_percent(100);
        target.server.set_ejected(None);
        target.server.set_ramp_percent(100);
        shared.expect_first_result();
        let state = State::new(Arc::clone(pool), target, asked, seed);
        pool.count(None, Some(state.counted()), shared);
        let watched = Arc::new(Self { pool: Arc::clone(pool), state: Mutex::new(state) });
        let mut state = watched.lock();
        match state.settings {
            None => state.leave_unchecked(shared),
            Some(_) => watched.enter(&state),
        }
        watched.enter_agent(&mut state);
        drop(state);
        watched
    }

    /// Takes what a reload says of a server that stays. Judgement, counts and the time of the next check are
    /// kept; only a shorter interval brings the next check forward.
    pub(crate) fn update(
        self: &Arc<Self>,
        target: Target,
        (settings, speech): (Option<Arc<Settings>>, Speech),
        shared: &Shared,
    ) {
        let mut state = self.lock();
        let before = state.counted();
        state.take(target, speech);
        self.pool.count(Some(before), Some(state.counted()), shared);
        let before = std::mem::replace(&mut state.settings, settings);
        match (before, state.settings.clone()) {
            (_, None) => state.leave_unchecked(shared),
            (None, Some(_)) => {
                state.next_start = Instant::now();
                self.enter(&state);
            }
            (Some(before), Some(now)) if state.interval_of(&before) != state.interval_of(&now) => {
                let pause = state.next_pause(&now);
                let sooner = Instant::now() + pause;
                if sooner < state.next_start {
                    state.next_start = sooner;
                    self.enter(&state);
                }
            }
            (Some(_), Some(_)) => {}
        }
        if state.agent().is_none() {
            state.report = Report::default();
            state.settle("it has no agent any more", shared);
        }
        self.enter_agent(&mut state);
    }

    /// The server has left the configuration: results still on their way are ignored.
    pub(crate) fn retire(&self, shared: &Shared) {
        let mut state = self.lock();
        state.retired = true;
        if state.standing.health == Health::Unknown {
            shared.first_result_settled();
        }
        self.pool.count(Some(state.counted()), None, shared);
    }

    /// A check that was due at `due` begins, unless that is out of date. Sets the time of the one after it.
    pub(crate) fn begin_check(&self, due: Instant) -> Option<Begun> {
        let mut state = self.lock();
        let settings = state.settings.clone().filter(|_| !state.retired)?;
        if state.under_way || state.next_start != due {
            return None;
        }
        let now = Instant::now();
        let pause = state.next_pause(&settings);
        state.under_way = true;
        let is_first = state.last_start.replace(now).is_none();
        state.next_start = now + pause;
        Some(Begun {
            address: state.check,
            settings,
            speech: state.speech.clone(),
            pool: Arc::clone(&self.pool),
            label: state.label.clone(),
            due: (!is_first).then_some(due),
        })
    }

    /// Takes in what came of a check, and enters the next one.
    pub(crate) fn handle_outcome(self: &Arc<Self>, outcome: Outcome, shared: &Shared) {
        let mut state = self.lock();
        state.under_way = false;
        if state.retired || state.settings.is_none() {
            return;
        }
        state.handle_outcome(outcome, shared);
        state.next_start = state.next_start.max(Instant::now());
        self.enter(&state);
    }

    /// A reading of the agent that was due at `due` begins, unless that is out of date: at which IP address, and how.
    pub(crate) fn begin_reading(&self, due: Instant) -> Option<(IpAddr, Agent)> {
        let mut state = self.lock();
        let agent = state.agent().cloned()?;
        if state.reading || state.next_reading != Some(due) {
            return None;
        }
        state.reading = true;
        state.next_reading = Some(Instant::now() + state.agent_schedule.next_pause(agent.interval));
        Some((state.server.address().ip(), agent))
    }

    /// Takes in what an agent said, and enters the next reading. What could not be read changes nothing.
    pub(crate) fn handle_reading(self: &Arc<Self>, said: Result<Report, String>, shared: &Shared) {
        let mut state = self.lock();
        state.reading = false;
        if state.agent().is_none() {
            return;
        }
        state.handle_reading(said, shared);
        state.next_reading = state.next_reading.map(|next| next.max(Instant::now()));
        self.enter_agent(&mut state);
    }

    /// Takes in one connect that failed for a worker: a reason to look at once, and a step towards down that only a check can complete.
    pub(crate) fn handle_connect_failure(self: &Arc<Self>) {
        const REASON: &str = "connect failed for a request";
        let mut state = self.lock();
        state.connect_failures += 1;
        let Some(thresholds) = state.thresholds() else { return };
        state.verdict.handle_signal(thresholds);
        state.is_suspect = true;
        REASON.clone_into(&mut state.last_reason);
        if state.bring_forward() {
            self.enter(&state);
        }
    }

    /// Traffic takes it out for so long.
    pub(crate) fn eject(&self, cause: Cause, time: Duration, reason: &str, shared: &Shared) {
        self.lock().eject(cause, time, reason, shared);
    }

    /// It comes in again; on probation, its share takes so long to be whole.
    pub(crate) fn release(&self, probation: Option<Duration>, reason: &str, shared: &Shared) {
        self.lock().release(probation, reason, shared);
    }

    /// It would have to be taken out, but may not.
    pub(crate) fn hold(&self, reason: &str, shared: &Shared) {
        let state = self.lock();
        let (pool, label) = (self.pool.name().to_owned(), state.label.clone());
        shared.tell(Event::EjectionHeld { pool, label, reason: reason.to_owned() });
    }

    /// Gives a server that has come lately the share that it is to have by now.
    pub(crate) fn warm(&self) {
        self.lock().warm();
    }

    /// The live server, and whether it has a weight in the file.
    pub(crate) fn live(&self) -> (Arc<Server>, bool) {
        let state = self.lock();
        (Arc::clone(&state.server), state.has_weight)
    }

    /// Its record.
    pub(crate) fn status(&self) -> Status {
        let state = self.lock();
        Status {
            pool: self.pool.name().to_owned(),
            address: state.server.address(),
            label: state.label.clone(),
            health: state.standing.health,
            weight_percent: state.standing.weight_percent,
            ejected: state.standing.ejected,
            ejections: state.ejections,
            checks_passed: state.passed,
            checks_failed: state.failed,
            checks_not_made: state.not_made,
            connect_failures: state.connect_failures,
            last_reason: state.last_reason.clone(),
            agent_readings: state.agent().map(|_| (state.understood, state.misread)),
            last_agent_reason: state.last_agent_reason.clone(),
            history: state.history.clone(),
        }
    }

    /// Enters the next check, unless one is under way: that enters the next when it ends.
    fn enter(self: &Arc<Self>, state: &State) {
        if !state.under_way {
            let watched = Arc::clone(self);
            self.pool.put(Entry { due: state.next_start, errand: Errand::Check, watched });
        }
    }

    /// Enters the next reading of its agent, unless it has none, or one is under way.
    fn enter_agent(self: &Arc<Self>, state: &mut State) {
        if state.agent().is_none() {
            state.next_reading = None;
        } else if !state.reading {
            let due = *state.next_reading.get_or_insert_with(Instant::now);
            self.pool.put(Entry { due, errand: Errand::Agent, watched: Arc::clone(self) });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock can only come from the listener of events; the state itself is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
