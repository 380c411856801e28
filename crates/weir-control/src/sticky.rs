//! Keys of Weir's own cookies: read or made when a configuration is loaded, and changed in time while it runs.
//!
//! All pools and routes without `keys` use the secrets of the state directory; what one of them seals is nothing to
//! another, since keys are derived from where they are good. Shared keys are read again by a reload, as those of session
//! tickets are.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{runtime::Handle, task::JoinHandle as Task};
use weir_config::{Config, Late, OwnCookie, Place, Severity, StickyBy};
use weir_tls::Seals;

use crate::log;

/// How often it is looked whether keys are to be changed.
const KEYS_LOOK: Duration = Duration::from_secs(600);

/// What a configuration needs for its cookies.
#[derive(Debug, Default)]
pub(crate) struct Sticky {
    /// In the order of the pools.
    pub(crate) pools: Vec<Option<Arc<Seals>>>,
    /// In the order of the listeners and their routes.
    pub(crate) splits: Vec<Vec<Option<Arc<Seals>>>>,
    /// Those among them whose keys are Weir's own.
    own: Vec<Arc<Seals>>,
    /// The longest life of their cookies.
    life: Duration,
    dir: PathBuf,
}

/// Where Weir keeps its own keys for cookies.
fn keys_dir(config: &Config) -> PathBuf {
    config.runtime.state_dir.path.join("sticky")
}

impl Sticky {
    /// `writes`: what is missing in the state directory is made. What is wrong is added to `found`.
    pub(crate) fn load(config: &Config, writes: bool, found: &mut Vec<Late>) -> Self {
        let mut own = Vec::new();
        let mut life = Duration::ZERO;
        let mut first = None;
        let mut seals = |cookie: &OwnCookie, ttl: Duration, place: Place, context: String| {
            let secrets = match &cookie.keys {
                Some(keys) => weir_tls::shared_secrets(keys).map_err(|problems| found.extend(problems)).ok(),
                None => Some(Vec::new()),
            };
            let seals = Arc::new(Seals::new(&secrets.unwrap_or_default(), context));
            if cookie.keys.is_none() {
                life = life.max(ttl);
                first = first.or(Some(place));
                own.push(Arc::clone(&seals));
            }
            seals
        };
        let pools = config.pools.iter().map(|pool| {
            let sticky = pool.sticky.as_ref()?;
            let StickyBy::Cookie(cookie) = &sticky.by else { return None };
            Some(seals(cookie, sticky.ttl, sticky.place, format!("pool\n{}", pool.name)))
        });
        let pools = pools.collect();
        let splits = config.listeners.iter().map(|listener| {
            let routes = listener.routes.iter().map(|route| {
                let split = route.split_sticky.as_ref()?;
                // By the cookie and not by the route: a route without a name is called by its place, and routes that
                // share a cookie share a client's side.
                let context = format!("split\n{}", split.cookie.name);
                Some(seals(&split.cookie, split.ttl, split.place, context))
            });
            routes.collect()
        });
        let splits = splits.collect();
        let sticky = Self { pools, splits, own, life, dir: keys_dir(config) };
        if let Some(place) = first
            && let Err(message) = sticky.begin(writes)
        {
            let help = "give `runtime.state_dir` a directory that Weir may write, or name shared `keys`";
            let help = Some(help.to_owned());
            found.push(Late { severity: Severity::Error, place, message, help });
        }
        sticky
    }

    fn begin(&self, writes: bool) -> Result<(), String> {
        if writes { self.turn().map(|_| ()) } else { weir_tls::check_own_secrets(&self.dir) }
    }

    /// Takes the secrets as they are to be now.
    fn turn(&self) -> Result<bool, String> {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let own = weir_tls::own_secrets(&self.dir, self.life, now_s)?;
        self.own.iter().for_each(|seals| seals.replace(&own.secrets));
        Ok(own.changed)
    }

    /// Looks after the keys as long as the task lives. `None`: there is nothing to look after.
    pub(crate) fn look_after(&self, runtime: &Handle) -> Option<Task<()>> {
        if self.own.is_empty() {
            return None;
        }
        let this = Arc::new(Self {
            pools: Vec::new(),
            splits: Vec::new(),
            own: self.own.clone(),
            dir: self.dir.clone(),
            life: self.life,
        });
        Some(runtime.spawn(async move {
            loop {
                tokio::time::sleep(KEYS_LOOK).await;
                let this = Arc::clone(&this);
                let turned = tokio::task::spawn_blocking(move || {
                    this.turn().map(|changed| (changed, this.dir.clone()))
                });
                match turned.await {
                    Ok(Ok((true, dir))) => say(&dir),
                    // The keys that are there go on sealing; what is wrong may be mended.
                    Ok(Err(error)) => log::error("keys of cookies cannot be changed", &[("reason", &error)]),
                    Ok(Ok((false, _))) | Err(_) => {}
                }
            }
        }))
    }
}

fn say(dir: &Path) {
    log::info("keys of cookies changed", &[("dir", &dir.display())]);
}
