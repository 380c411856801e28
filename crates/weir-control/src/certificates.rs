//! Certificates while the process lives: files that change, and certificates that ACME brings.
//!
//! Both put what is new into the store that is served at that moment, without a reload. A reload brings another store:
//! what ACME has got so far is put into it before anybody sees it, under the lock under which everything else is put in,
//! so that nothing is lost between the two.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{runtime::Handle, sync::Notify, task::JoinHandle as Task};
use weir_config::{Config, LogLevel};
use weir_tls::{
    acme::{Challenges, Event, Keeper, Pace, Report, Status},
    certs::{self, Change, Store, What},
};

use crate::{acme, log, source::Error};

/// Where the ACME client keeps its things.
pub(crate) fn acme_dir(config: &Config) -> PathBuf {
    config.runtime.state_dir.path.join("acme")
}

/// What looks after certificates.
pub(crate) struct Certificates {
    runtime: Handle,
    /// One for the life of the process: orders go on over reloads.
    challenges: Challenges,
    current: Mutex<Store>,
    keeper: Mutex<Option<(PathBuf, Keeper)>>,
    /// There are new certificates in the keeper.
    arrived: Arc<Notify>,
    files: Mutex<BTreeMap<String, FileChanges>>,
    tasks: Mutex<Vec<Task<()>>>,
}

/// What became of the files of one certificate that changed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FileChanges {
    /// They are served.
    pub(crate) taken: u64,
    /// They are not right, and not served.
    pub(crate) refused: u64,
}

impl Certificates {
    /// For a process that serves `store` first.
    pub(crate) fn new(runtime: &Handle, challenges: Challenges, store: Store) -> Arc<Self> {
        Arc::new(Self {
            runtime: runtime.clone(),
            challenges,
            current: Mutex::new(store),
            keeper: Mutex::default(),
            arrived: Arc::default(),
            files: Mutex::default(),
            tasks: Mutex::default(),
        })
    }

    /// What ACME servers may ask for.
    pub(crate) fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// What is served now.
    pub(crate) fn store(&self) -> Store {
        locked(&self.current).clone()
    }

    /// How the certificates stand that come by ACME.
    pub(crate) fn ordered(&self) -> Vec<Status> {
        locked(&self.keeper).as_ref().map(|(_, keeper)| keeper.status()).unwrap_or_default()
    }

    /// What became of files that changed, by certificate.
    pub(crate) fn files(&self) -> BTreeMap<String, FileChanges> {
        locked(&self.files).clone()
    }

    /// Goes on with `store`, as `config` says. An error changes nothing. Must come before any handshake can see `store`.
    pub(crate) fn change(self: &Arc<Self>, config: &Config, store: Store) -> Result<(), Error> {
        let wrong = |problem| Error::system("certificates cannot be ordered", problem);
        let orders = acme::orders(config).map_err(|problems| {
            let messages: Vec<String> = problems.into_iter().map(|late| late.message).collect();
            Error::System(messages.join("; "))
        })?;
        let dir = acme_dir(config);
        let mut keeper = locked(&self.keeper);
        match &*keeper {
            _ if orders.is_empty() => *keeper = None,
            Some((of, keeper)) if *of == dir => keeper.change(orders).map_err(wrong)?,
            _ => {
                let (challenges, report) = (self.challenges.clone(), self.report());
                let started = Keeper::start(&self.runtime, &dir, orders, challenges, report, Pace::default());
                *keeper = Some((dir, started.map_err(wrong)?));
            }
        }
        let mut current = locked(&self.current);
        put(keeper.as_ref().map(|(_, keeper)| keeper), &store);
        *current = store;
        drop((current, keeper));
        self.look_after(config);
        Ok(())
    }

    /// Starts what a configuration with certificates needs, once. A configuration without pays for nothing.
    fn look_after(self: &Arc<Self>, config: &Config) {
        let mut tasks = locked(&self.tasks);
        if config.certificates.is_empty() || !tasks.is_empty() {
            return;
        }
        let (watched, told) = (Arc::clone(self), Arc::clone(self));
        let watch = certs::watch(move || watched.store(), move |change| told.changed(&change));
        tasks.extend([self.runtime.spawn(watch), self.runtime.spawn(Arc::clone(self).take_orders())]);
    }

    /// Puts what the keeper gets into the store that is current then.
    async fn take_orders(self: Arc<Self>) {
        loop {
            self.arrived.notified().await;
            let this = Arc::clone(&self);
            // The store may be waiting for files.
            let taken = tokio::task::spawn_blocking(move || {
                let keeper = locked(&this.keeper);
                put(keeper.as_ref().map(|(_, keeper)| keeper), &locked(&this.current));
            });
            // A panic has been reported; the next one is as good as any.
            let _ = taken.await;
        }
    }

    fn report(&self) -> Report {
        let arrived = Arc::clone(&self.arrived);
        Arc::new(move |event| {
            say(&event);
            if matches!(event, Event::Serve { .. }) {
                arrived.notify_one();
            }
        })
    }

    /// A look at the files found something.
    fn changed(&self, change: &Change) {
        let level = match change.what {
            What::Taken { .. } => LogLevel::Info,
            What::Kept(_) | What::Unfit(_) => LogLevel::Error,
            What::Doubt(_) | What::StapleEnded => LogLevel::Warn,
        };
        log::log(level, &change.to_string(), &[]);
        let mut files = locked(&self.files);
        let count = files.entry(change.certificate.clone()).or_default();
        match change.what {
            What::Taken { .. } => count.taken += 1,
            What::Kept(_) | What::Unfit(_) => count.refused += 1,
            What::Doubt(_) | What::StapleEnded => {}
        }
    }

    /// Ends everything.
    pub(crate) fn stop(&self) {
        *locked(&self.keeper) = None;
        locked(&self.tasks).drain(..).for_each(|task| task.abort());
    }
}

/// Puts everything that is to be served by ACME into `store`. What is there already is put in again: that is cheap and
/// rare, and needs no memory of what was.
fn put(keeper: Option<&Keeper>, store: &Store) {
    for (name, certificate, origin) in keeper.map(Keeper::served).unwrap_or_default() {
        store.put(&name, certificate, origin);
    }
}

fn say(event: &Event) {
    let level = match event {
        Event::Failed { .. } => LogLevel::Error,
        Event::Trouble { .. } => LogLevel::Warn,
        _ => LogLevel::Info,
    };
    log::log(level, &event.to_string(), &[]);
}

/// What is behind it is whole after any panic: it is only ever replaced.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
