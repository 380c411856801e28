//! All certificates of a configuration, and the resolvers of its listeners.
//!
//! A reload makes a new store from the old one: what is unchanged is taken over, with all that is loaded; what is
//! wrong refuses the whole, and the old store goes on. Between reloads, files that change are taken over by
//! [`Store::look`].

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use rustls::{server::ResolvesServerCert, sign::CertifiedKey};
use weir_config::{CertificateIndex, Config, Late, ListenerTls, Severity};

use crate::acme::{Challenges, Origin};

use super::{
    pair::Pair,
    resolver::{Fallback, Resolver, Table},
    source::{Serves, Source},
    watch::{Change, What},
};

/// The certificates of one configuration. Cheap to clone, the same for all clones.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// Taken by the control plane only, never in a handshake.
    sources: Mutex<Vec<Source>>,
    listeners: Vec<Option<Served>>,
}

/// What a listener serves.
struct Served {
    certificates: Vec<CertificateIndex>,
    default: CertificateIndex,
    resolver: Arc<Resolver>,
}

/// What a store needs beside the configuration.
#[derive(Clone, Default)]
pub struct Options {
    /// Where the indices of directories are kept; `None`: nowhere, as for `weir check`.
    pub state_dir: Option<PathBuf>,
    /// What the ACME client has to answer in handshakes.
    pub challenges: Challenges,
    /// Every certificate of a directory is read with its key, not only its names: for `weir check`, which has the time.
    pub thorough: bool,
}

/// A store that was loaded, and what is hardly meant in it.
pub struct Loaded {
    /// Ready to serve.
    pub store: Store,
    /// For [`weir_config::Checked::report`].
    pub warnings: Vec<Late>,
}

/// How far [`Status::ending`] looks ahead, in days.
pub const ENDING_DAYS: [u16; 3] = [0, 7, 30];

/// What is known of one of the file's `certificates`, for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its name in the file.
    pub name: String,
    /// When it ends; of a directory, the first of its certificates. Unknown before an ACME certificate is there.
    pub not_after: Option<SystemTime>,
    /// How many end within so many days as [`ENDING_DAYS`] has at the same place.
    pub ending: [usize; ENDING_DAYS.len()],
    /// How many certificates it has, and how many names they have.
    pub certificates: usize,
    /// See `certificates`.
    pub names: usize,
    /// Of a directory: how many are held with their keys, at most [`super::LOADED_MAX`].
    pub loaded: usize,
    /// Of a directory: certificates read for a handshake, since the start.
    pub loads: u64,
    /// Of a directory: certificates given up because there were [`super::LOADED_MAX`].
    pub evictions: u64,
    /// Of a directory: certificates that could not be read for a handshake.
    pub failures: u64,
}

impl Store {
    /// Reads everything that the configuration names.
    ///
    /// # Errors
    /// All that is wrong with it, errors and warnings, for [`weir_config::Checked::report`].
    pub fn load(
        config: &Config,
        previous: Option<&Store>,
        options: &Options,
        now: SystemTime,
    ) -> Result<Loaded, Vec<Late>> {
        let mut found = Vec::new();
        let mut sources = Vec::with_capacity(config.certificates.len());
        {
            let old = previous.map(Store::sources);
            for certificate in &config.certificates {
                let old = old.as_ref().and_then(|old| old.iter().find(|old| old.name == certificate.name));
                sources.extend(Source::load(certificate, old, options, now, &mut found));
            }
        }
        if found.iter().any(|late| late.severity == Severity::Error) {
            return Err(found);
        }
        let served = |tls: &ListenerTls| Served {
            certificates: tls.certificates.clone(),
            default: tls.default,
            resolver: Arc::new(Resolver::new(Table::default(), options.challenges.clone())),
        };
        let listeners = config.listeners.iter().map(|listener| listener.tls.as_ref().map(served)).collect();
        let store = Store { inner: Arc::new(Inner { sources: Mutex::default(), listeners }) };
        store.swap(&sources);
        *store.sources() = sources;
        Ok(Loaded { store, warnings: found })
    }

    /// The certificates of the listener with this number in the configuration; `None` if it has no TLS.
    pub fn resolver(&self, listener: usize) -> Option<Arc<dyn ResolvesServerCert>> {
        let served = self.inner.listeners.get(listener)?.as_ref()?;
        Some(Arc::clone(&served.resolver) as Arc<dyn ResolvesServerCert>)
    }

    /// Serves what the ACME client got for the certificate of this name. `false` if the file has none such.
    /// Before the first one, nothing is served under the name. It may wait for a look at the files: not on an event
    /// loop. During a reload, what is put into the old store after the new one is loaded is lost to the new one:
    /// whoever reloads holds back or repeats it.
    pub fn put(&self, name: &str, certified: Arc<CertifiedKey>, origin: Origin) -> bool {
        let Some(pair) = Pair::of(certified).map(Arc::new) else { return false };
        let mut sources = self.sources();
        let taken = sources
            .iter_mut()
            .find(|source| source.name == name)
            .is_some_and(|source| source.put(pair, origin));
        if taken {
            self.swap(&sources);
        }
        taken
    }

    /// Takes over files that have changed since the last call, once they rest. It reads files: not on an event loop.
    /// Of a large directory, each file is only looked at every [`super::DIRECTORY_LOOK`], unless `all` is set.
    pub fn look(&self, now: SystemTime, all: bool) -> Vec<Change> {
        let mut sources = self.sources();
        let mut changes = Vec::new();
        for source in sources.iter_mut() {
            let name = source.name.clone();
            changes.extend(
                source.look(now, all).into_iter().map(|what| Change { certificate: name.clone(), what }),
            );
        }
        if changes.iter().any(|change| matches!(change.what, What::Taken { .. } | What::StapleEnded)) {
            self.swap(&sources);
        }
        changes
    }

    /// What is known of each certificate, in the order of the file.
    pub fn status(&self, now: SystemTime) -> Vec<Status> {
        self.sources().iter().map(|source| status(source, now)).collect()
    }

    /// Gives every resolver what is served now.
    fn swap(&self, sources: &[Source]) {
        for served in self.inner.listeners.iter().flatten() {
            served.resolver.swap(served.table(sources));
        }
    }

    fn sources(&self) -> MutexGuard<'_, Vec<Source>> {
        self.inner.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Served {
    fn table(&self, sources: &[Source]) -> Table {
        let (mut pairs, mut directories) = (Vec::new(), Vec::new());
        for source in self.certificates.iter().filter_map(|index| sources.get(index.0)) {
            match &source.serves {
                Serves::Files { pair, .. } => pairs.push(Arc::clone(pair)),
                Serves::Acme { pair, .. } => pairs.extend(pair.clone()),
                Serves::Directory { directory, .. } => directories.push(Arc::clone(directory)),
            }
        }
        let fallback = match sources.get(self.default.0).map(|source| &source.serves) {
            Some(Serves::Files { pair, .. } | Serves::Acme { pair: Some(pair), .. }) => {
                Fallback::Pair(Arc::clone(pair))
            }
            Some(Serves::Directory { directory, .. }) => Fallback::Directory(Arc::clone(directory)),
            Some(Serves::Acme { pair: None, .. }) | None => Fallback::None,
        };
        Table::new(pairs, directories, fallback)
    }
}

fn status(source: &Source, now: SystemTime) -> Status {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let moments = ENDING_DAYS.map(|days| now + u64::from(days) * 86_400);
    let mut status = Status {
        name: source.name.clone(),
        not_after: None,
        ending: [0; ENDING_DAYS.len()],
        certificates: 0,
        names: 0,
        loaded: 0,
        loads: 0,
        evictions: 0,
        failures: 0,
    };
    match &source.serves {
        Serves::Acme { pair: None, .. } | Serves::Acme { is_placeholder: true, .. } => {}
        Serves::Files { pair, .. } | Serves::Acme { pair: Some(pair), .. } => {
            status.not_after = Some(pair.leaf.not_after);
            status.ending = moments.map(|moment| usize::from(pair.leaf.ends() < moment));
            status.certificates = 1;
            status.names = pair.leaf.names.len();
            status.loaded = 1;
        }
        Serves::Directory { directory, .. } => {
            let cache = &directory.cache;
            let first = directory.first_end().map(Duration::from_secs);
            status.not_after = first.and_then(|first| SystemTime::UNIX_EPOCH.checked_add(first));
            status.ending = moments.map(|moment| directory.ending(moment));
            status.certificates = directory.len();
            status.names = directory.names();
            status.loaded = cache.loaded();
            status.loads = cache.loads.load(Relaxed);
            status.evictions = cache.evictions.load(Relaxed);
            status.failures = cache.failures.load(Relaxed);
        }
    }
    status
}
