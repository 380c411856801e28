//! The servers of one pool under watch: the loop that sends their checks, and whether any of them takes requests.
//!
//! The loop takes what is due from the pool's agenda and starts it as a task, at most `concurrency` at a time, and
//! all pools together at most [`CHECKS_IN_FLIGHT_MAX`](crate::CHECKS_IN_FLIGHT_MAX). What has to wait begins late, and how late
//! is counted. A task lives as long as its check, so memory follows the checks under way and not the servers.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit},
    task::JoinSet,
};
use weir_balance::{Health, WhenAllDown};
use weir_config::Probe;

use crate::{
    AllDown, Event,
    agenda::{Agenda, Entry, Errand},
    agent,
    checker::Shared,
    history::Standing,
    probe::{Asked, probe},
    watched::Watched,
};

/// What all servers of a pool share while they are watched. Outlives changes of the file.
#[derive(Debug)]
pub(crate) struct PoolWatch {
    name: String,
    agenda: Agenda,
    concurrency: AtomicUsize,
    /// Its first servers have all been taken in: what comes now comes to others.
    has_begun: AtomicBool,
    slow_start: Mutex<Option<Duration>>,
    is_gone: AtomicBool,
    gone: Notify,
    tally: Mutex<Tally>,
}

/// How the pool stands as a whole.
#[derive(Debug)]
struct Tally {
    servers: usize,
    /// Their first result is missing.
    unknown: usize,
    /// They take new requests.
    taking: usize,
    all_down: bool,
    when_all_down: WhenAllDown,
    /// A new file is being taken in: what holds in between is no news.
    is_changing: bool,
}

impl PoolWatch {
    pub(crate) fn new(name: &str, when_all_down: WhenAllDown) -> Self {
        let tally =
            Tally { servers: 0, unknown: 0, taking: 0, all_down: false, when_all_down, is_changing: false };
        Self {
            name: name.to_owned(),
            agenda: Agenda::default(),
            concurrency: AtomicUsize::new(1),
            has_begun: AtomicBool::new(false),
            slow_start: Mutex::new(None),
            is_gone: AtomicBool::new(false),
            gone: Notify::new(),
            tally: Mutex::new(tally),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Takes what a new file says of the pool as a whole. Its servers follow, and then [`PoolWatch::end_change`].
    pub(crate) fn begin_change(&self, concurrency: usize, when_all_down: WhenAllDown) {
        self.concurrency.store(concurrency.max(1), Relaxed);
        let mut tally = self.lock();
        tally.when_all_down = when_all_down;
        tally.is_changing = true;
    }

    /// The whole change has been taken in.
    pub(crate) fn end_change(&self, shared: &Shared) {
        let mut tally = self.lock();
        tally.is_changing = false;
        self.has_begun.store(true, Relaxed);
        self.judge(&mut tally, shared);
    }

    /// Whether a server that comes now comes to others, which were there at the beginning.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Relaxed)
    }

    pub(crate) fn set_slow_start(&self, slow_start: Option<Duration>) {
        *self.slow_start.lock().unwrap_or_else(PoisonError::into_inner) = slow_start;
    }

    /// How long a server that comes up now takes to its whole share. `None`: no time, also where no other takes requests:
    /// nobody is there to bear what it does not.
    pub(crate) fn slow_start(&self) -> Option<Duration> {
        let slow_start = *self.slow_start.lock().unwrap_or_else(PoisonError::into_inner);
        slow_start.filter(|_| self.lock().taking > 0)
    }

    /// Enters something into the agenda.
    pub(crate) fn put(&self, entry: Entry) {
        self.agenda.put(entry);
    }

    /// These servers have left the configuration.
    pub(crate) fn forget(&self, gone: &[Arc<Watched>]) {
        if !gone.is_empty() {
            self.agenda.forget(gone);
        }
    }

    /// The pool has left the configuration: its loop ends, with all that it has under way.
    pub(crate) fn retire(&self) {
        self.is_gone.store(true, Relaxed);
        self.agenda.clear();
        self.gone.notify_one();
    }

    /// Whether none of its servers takes requests.
    pub(crate) fn all_down(&self) -> bool {
        self.lock().all_down
    }

    /// Counts a change of one server, tells it with `tell`, and tells when it was the last or the first that takes
    /// requests. `None` is a server that is not there, before or after.
    pub(crate) fn count(&self, from: Option<Standing>, to: Option<Standing>, shared: &Shared) {
        let takes = |standing: Option<Standing>| {
            standing
                .is_some_and(|it| it.health == Health::Up && it.weight_percent > 0 && it.ejected.is_none())
        };
        let is_unknown = |standing: Option<Standing>| standing.is_some_and(|it| it.health == Health::Unknown);
        let mut tally = self.lock();
        tally.servers = tally.servers + usize::from(to.is_some()) - usize::from(from.is_some());
        tally.unknown = tally.unknown + usize::from(is_unknown(to)) - usize::from(is_unknown(from));
        tally.taking = tally.taking + usize::from(takes(to)) - usize::from(takes(from));
        self.judge(&mut tally, shared);
    }

    fn judge(&self, tally: &mut Tally, shared: &Shared) {
        if tally.is_changing || self.is_gone.load(Relaxed) {
            return;
        }
        let all_down = match (tally.taking, tally.unknown) {
            (1.., _) => false,
            // Of a server that is not known yet, nobody can say.
            (0, 1..) => tally.all_down,
            (0, 0) => tally.servers > 0,
        };
        if std::mem::replace(&mut tally.all_down, all_down) != all_down {
            let (pool, when_all_down, servers) = (self.name.clone(), tally.when_all_down, tally.servers);
            shared.tell(match all_down {
                true => Event::AllDown(AllDown { pool, when_all_down, servers }),
                false => Event::NoLongerAllDown { pool },
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop of one pool. Ends when the pool is gone, or by being aborted with all that it has under way.
pub(crate) async fn watch_over(pool: Arc<PoolWatch>, shared: Arc<Shared>) {
    let mut running = JoinSet::new();
    while !pool.is_gone.load(Relaxed) {
        let has_room = running.len() < pool.concurrency.load(Relaxed);
        tokio::select! {
            _ = running.join_next(), if !running.is_empty() => {}
            () = pool.gone.notified() => {}
            entry = pool.agenda.next(), if has_room => {
                let slot = shared.slot().await;
                match entry.errand {
                    Errand::Check => start_check(entry, slot, &shared, &mut running).await,
                    Errand::Agent => start_reading(entry, slot, &shared, &mut running),
                }
            }
        }
    }
    // What is under way is given up, and enters nothing any more.
    running.shutdown().await;
    pool.agenda.clear();
}

async fn start_check(
    entry: Entry,
    slot: OwnedSemaphorePermit,
    shared: &Arc<Shared>,
    running: &mut JoinSet<()>,
) {
    let Some(begun) = entry.watched.begin_check(entry.due) else { return };
    let program = match begun.settings.probe {
        Probe::Exec(_) => Some(shared.program_slot().await),
        _ => None,
    };
    if let Some(due) = begun.due {
        shared.lateness.count(due.elapsed());
    }
    let shared = Arc::clone(shared);
    running.spawn(async move {
        let asked = Asked {
            address: begun.address,
            health: &begun.settings,
            speech: &begun.speech,
            pool: begun.pool.name(),
            server: &begun.label,
        };
        let outcome = probe(asked).await;
        entry.watched.handle_outcome(outcome, &shared);
        drop((slot, program));
    });
}

fn start_reading(entry: Entry, slot: OwnedSemaphorePermit, shared: &Arc<Shared>, running: &mut JoinSet<()>) {
    let Some((ip, agent)) = entry.watched.begin_reading(entry.due) else { return };
    let shared = Arc::clone(shared);
    running.spawn(async move {
        let said = agent::read(SocketAddr::new(ip, agent.port), &agent).await;
        entry.watched.handle_reading(said, &shared);
        drop(slot);
    });
}
