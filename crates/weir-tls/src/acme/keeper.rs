//! Keeps a list of certificates: a task for each, all with the same state directory, challenges and limits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use rustls::sign::CertifiedKey;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::challenges::Challenges;
use super::event::{Event, Origin, Report};
use super::keep::Keep;
use super::lead::lead;
use super::problem::Problem;
use super::schedule::BackOff;
use super::settings::Order;
use super::state::State;

/// So many orders run at the same time; the others wait. Authorities limit what comes from one address.
pub const ORDERS_AT_ONCE: usize = 4;

/// Keeps certificates until it is dropped: renews them, and reports what it does.
pub struct Keeper {
    shared: Arc<Shared>,
    runtime: Handle,
    kept: Mutex<BTreeMap<String, Kept>>,
    lead: JoinHandle<()>,
}

/// How fast things go. The default is for production; tests turn it up.
#[derive(Clone)]
pub struct Pace {
    /// Tells the time.
    pub clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// How often to look at the clock, at files that another process may have changed, and at the lock.
    pub look: Duration,
    /// Between failed orders.
    pub back_off: BackOff,
    /// How often to ask the authority for its window, at most and at least, whatever it says.
    pub window: (Duration, Duration),
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            clock: Arc::new(SystemTime::now),
            look: Duration::from_secs(15),
            back_off: BackOff::default(),
            // RFC 9773, section 4.3.2: reasonable limits are one minute and one day.
            window: (Duration::from_secs(60), Duration::from_secs(24 * 3600)),
        }
    }
}

/// How a certificate stands, and what happened so far: for the metrics and for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The name in the file.
    pub name: String,
    /// When what is served ends; `None` as long as that is the placeholder.
    pub not_after: Option<SystemTime>,
    /// When it will be renewed.
    pub renew_at: Option<SystemTime>,
    /// When the next order is made after a failed one.
    pub next_try: Option<SystemTime>,
    /// Orders that were begun.
    pub orders: u64,
    /// Orders that succeeded.
    pub issued: u64,
    /// Orders that failed.
    pub failed: u64,
    /// Of these, the ones that the authority refused because there were too many.
    pub rate_limited: u64,
    /// Orders that failed since the last one that succeeded.
    pub failures: u32,
    /// Why the last order failed, if it did.
    pub problem: Option<Problem>,
}

/// What all tasks have in common.
pub(super) struct Shared {
    pub(super) state: State,
    pub(super) challenges: Challenges,
    pub(super) report: Report,
    pub(super) pace: Pace,
    pub(super) orders: Semaphore,
    pub(super) accounts: tokio::sync::Mutex<()>,
    pub(super) leads: Arc<watch::Sender<bool>>,
}

struct Kept {
    order: Order,
    task: JoinHandle<()>,
    record: Arc<Record>,
}

/// What is known of a certificate from outside of its task. It outlives a change of its order.
#[derive(Default)]
pub(super) struct Record {
    pub(super) status: Mutex<Status>,
    pub(super) served: Mutex<Option<(Arc<CertifiedKey>, Origin)>>,
}

impl Keeper {
    /// Begins to keep `orders`. `state_dir` is for the keeper alone; it is made where it is missing. Before it returns it has reported [`super::Event::Serve`] for each: what was stored, or
    /// a placeholder. The error says what is wrong with the directory or an order; nothing is kept then.
    pub fn start(
        runtime: &Handle,
        state_dir: &Path,
        orders: Vec<Order>,
        challenges: Challenges,
        report: Report,
        pace: Pace,
    ) -> Result<Keeper, Problem> {
        let orders = checked(orders)?;
        let state = State::open(state_dir)?;
        let lock = state.lock()?;
        let leads = Arc::new(watch::Sender::new(lock.is_some()));
        report(Event::Role { orders: lock.is_some() });
        let lead = lead(state.clone(), lock, Arc::clone(&leads), Arc::clone(&report), pace.look);
        let shared = Shared {
            state,
            challenges,
            report,
            pace,
            orders: Semaphore::new(ORDERS_AT_ONCE),
            accounts: tokio::sync::Mutex::new(()),
            leads,
        };
        let keeper = Keeper {
            shared: Arc::new(shared),
            runtime: runtime.clone(),
            kept: Mutex::default(),
            lead: runtime.spawn(lead),
        };
        keeper.keep(&orders);
        Ok(keeper)
    }

    /// Keeps these from now on. An order that stays the same goes on undisturbed; a changed one is served what there is
    /// until its new certificate has come; one that is not in the list is not kept any more, but its file stays. An error
    /// changes nothing.
    pub fn change(&self, orders: Vec<Order>) -> Result<(), Problem> {
        self.keep(&checked(orders)?);
        Ok(())
    }

    /// How all certificates stand, by name.
    pub fn status(&self) -> Vec<Status> {
        self.kept().values().map(|kept| locked(&kept.record.status).clone()).collect()
    }

    /// What is to be served under each name at this moment, for a certificate store that was just made: what the last
    /// [`Event::Serve`] for the name said.
    pub fn served(&self) -> Vec<(String, Arc<CertifiedKey>, Origin)> {
        let kept = self.kept();
        let served = kept.iter().map(|(name, kept)| {
            let (certificate, origin) = locked(&kept.record.served).clone()?;
            Some((name.clone(), certificate, origin))
        });
        served.flatten().collect()
    }

    fn keep(&self, orders: &[Order]) {
        let mut kept = self.kept();
        let stays = |order: &Order| kept.get(&order.name).is_some_and(|kept| kept.order == *order);
        let mut begun = Vec::new();
        for order in orders.iter().filter(|order| !stays(order)) {
            let record = kept.get(&order.name).map(|kept| Arc::clone(&kept.record));
            let record = record.unwrap_or_default();
            locked(&record.status).name.clone_from(&order.name);
            begun.push((Keep::new(&self.shared, order.clone(), Arc::clone(&record)), order.clone(), record));
        }

        let names: BTreeSet<&str> = orders.iter().map(|order| order.name.as_str()).collect();
        kept.retain(|name, kept| {
            let stays = names.contains(name.as_str());
            if !stays {
                kept.task.abort();
            }
            stays
        });
        for (mut keep, order, record) in begun {
            let before = kept.remove(&order.name).map(|kept| kept.task);
            keep.serve_first();
            let task = self.runtime.spawn(async move {
                if let Some(before) = before {
                    before.abort();
                    // An abort is no error; a panic was reported by the runtime.
                    let _ = before.await;
                }
                keep.run().await;
            });
            kept.insert(order.name.clone(), Kept { order, task, record });
        }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        locked(&self.kept)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.lead.abort();
        for kept in self.kept().values() {
            kept.task.abort();
        }
    }
}

fn checked(orders: Vec<Order>) -> Result<Vec<Order>, Problem> {
    let orders: Vec<Order> = orders.into_iter().map(Order::checked).collect::<Result<_, _>>()?;
    let mut names = BTreeSet::new();
    match orders.iter().find(|order| !names.insert(order.name.as_str())) {
        Some(twice) => Err(Problem::new(format!("two certificates are named `{}`", twice.name))),
        None => Ok(orders),
    }
}

/// What is behind it is whole after any panic: it is only ever replaced field by field.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
