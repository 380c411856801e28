//! A keeper under test: its orders, its clock, and what it has reported.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use instant_acme::RevocationRequest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use weir_tests::folder::Folder;
use weir_tls::acme::{
    Account, BackOff, Challenge, Event, External, Keeper, KeyType, Order, Origin, Pace, Problem, Why,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::pki::Pki;
use crate::site::Site;

/// How long anything may take, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Keeping {
    pub(crate) orders: Vec<Order>,
    pub(crate) pace: Pace,
    state_dir: PathBuf,
    challenges: weir_tls::acme::Challenges,
    clock_ahead_ms: Arc<AtomicU64>,
    sender: UnboundedSender<Event>,
    events: UnboundedReceiver<Event>,
    /// What came, for the message of a test that waits in vain.
    seen: Arc<Mutex<Vec<String>>>,
    folder: Arc<Folder>,
}

impl Keeping {
    /// One order, for `shop.example` by http-01.
    pub(crate) fn new(pki: &Pki, site: &Site, directory: &str) -> Keeping {
        let order = Order {
            name: "shop".to_owned(),
            domains: vec!["shop.example".to_owned()],
            account: Account {
                directory: directory.to_owned(),
                email: Some("ops@shop.example".to_owned()),
                ca: Some(pki.ca.clone()),
                external: None,
            },
            challenge: Challenge::Http01,
            key_type: KeyType::Ecdsa,
        };
        Keeping::with(vec![order], Arc::new(Folder::new("acme")), site.challenges.clone())
    }

    /// Another process with the same files and the same site.
    pub(crate) fn beside(&self) -> Keeping {
        Keeping::with(self.orders.clone(), Arc::clone(&self.folder), self.challenges.clone())
    }

    fn with(orders: Vec<Order>, folder: Arc<Folder>, challenges: weir_tls::acme::Challenges) -> Keeping {
        let (sender, events) = unbounded_channel();
        let clock_ahead_ms = Arc::new(AtomicU64::new(0));
        let ahead = Arc::clone(&clock_ahead_ms);
        let pace = Pace {
            clock: Arc::new(move || SystemTime::now() + Duration::from_millis(ahead.load(Ordering::Relaxed))),
            look: Duration::from_millis(20),
            // Long enough that nothing is tried twice before a test turns the clock.
            back_off: BackOff { min: Duration::from_secs(600), max: Duration::from_secs(600) },
            window: (Duration::from_millis(50), Duration::from_millis(50)),
        };
        let state_dir = folder.path().join("acme");
        let seen = Arc::default();
        Keeping { orders, pace, state_dir, challenges, clock_ahead_ms, sender, events, seen, folder }
    }

    pub(crate) fn start(&mut self) -> Result<Keeper, Problem> {
        let (sender, seen) = (self.sender.clone(), Arc::clone(&self.seen));
        let report = Arc::new(move |event: Event| {
            seen.lock().expect("nobody panics with it").push(event.to_string());
            // The test may be over.
            let _ = sender.send(event);
        });
        Keeper::start(
            &Handle::current(),
            &self.state_dir,
            self.orders.clone(),
            self.challenges.clone(),
            report,
            self.pace.clone(),
        )
    }

    /// Starts when an earlier keeper of this process is really gone and has given back the lock.
    pub(crate) async fn start_alone(&mut self) -> Keeper {
        let lock = std::fs::File::open(self.state_dir.join("lock")).expect("an earlier keeper made it");
        tokio::task::spawn_blocking(move || lock.lock()).await.expect("no panic").expect("it can be locked");
        self.start().expect("the state directory is fine")
    }

    /// What was served before `start` returned.
    pub(crate) fn served_already(&mut self) -> Served {
        while let Ok(event) = self.events.try_recv() {
            if let Some(served) = Seen(event).served() {
                return served;
            }
        }
        panic!("nothing was served: {:?}", self.seen);
    }

    /// Whether something was served since the last event that was waited for.
    pub(crate) fn served_since(&mut self) -> bool {
        std::iter::from_fn(|| self.events.try_recv().ok()).any(|event| Seen(event).served().is_some())
    }

    pub(crate) fn forget_events(&mut self) {
        while self.events.try_recv().is_ok() {}
    }

    /// Waits for an event of one kind, passing over others.
    pub(crate) async fn until<T>(&mut self, kind: impl Fn(Seen) -> Option<T>) -> T {
        let wait = async {
            loop {
                let event = self.events.recv().await.expect("we hold a sender");
                if let Some(found) = kind(Seen(event)) {
                    return found;
                }
            }
        };
        match tokio::time::timeout(DEADLINE, wait).await {
            Ok(found) => found,
            Err(_) => panic!("waited in vain; so far: {:#?}", self.seen),
        }
    }

    pub(crate) fn turn_clock(&self, ahead: Duration) {
        let millis = u64::try_from(ahead.as_millis()).expect("not that far");
        self.clock_ahead_ms.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.pace.clock)()
    }

    /// Revokes the certificate that is stored, as somebody with the account's key.
    pub(crate) async fn revoke(&self, pki: &Pki) {
        let mut accounts = std::fs::read_dir(self.state_dir.join("accounts")).expect("it is ours");
        let account = accounts.next().expect("there is an account").expect("it is ours").path();
        let account: serde_json::Value =
            serde_json::from_slice(&std::fs::read(account).expect("it is ours")).expect("JSON");
        let credentials = serde_json::from_value(account["credentials"].clone()).expect("credentials");
        let account = instant_acme::Account::builder_with_http(Box::new(crate::fetch::Plain::new(pki)));
        let account = account.from_credentials(credentials).await.expect("the authority answers");
        let certificate = CertificateDer::from_pem_file(self.state_dir.join("certificates/shop.pem"));
        let certificate = certificate.expect("a certificate");
        let request = RevocationRequest { certificate: &certificate, reason: None };
        account.revoke(&request).await.expect("the authority revokes it");
    }

    pub(crate) fn all_files_are_ours_alone(&self) {
        let mut folders = vec![self.state_dir.clone()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            assert_eq!(mode(&folder), 0o700, "{}", folder.display());
            for entry in std::fs::read_dir(&folder).expect("it is ours") {
                let path = entry.expect("it is ours").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files += 1;
                    assert_eq!(mode(&path), 0o600, "{}", path.display());
                }
            }
        }
        assert_eq!(files, 3, "lock, account and certificate");
    }

    pub(crate) fn open_to_others(&self) {
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&self.state_dir, mode).expect("it is ours");
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

pub(crate) fn external(key_id: &str, hmac_key: &str) -> External {
    External { key_id: key_id.to_owned(), hmac_key: hmac_key.to_owned() }
}

/// An event, with a way to ask whether it is of a kind.
pub(crate) struct Seen(pub(crate) Event);

pub(crate) struct Served {
    pub(crate) name: String,
    pub(crate) origin: Origin,
    certificate: Arc<CertifiedKey>,
}

#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) served_until: Option<SystemTime>,
    pub(crate) problem: Problem,
    pub(crate) failures: u32,
    pub(crate) next_try: SystemTime,
}

impl Seen {
    pub(crate) fn served(self) -> Option<Served> {
        match self.0 {
            Event::Serve { name, certificate, origin } => Some(Served { name, origin, certificate }),
            _ => None,
        }
    }

    pub(crate) fn ordering(self) -> Option<Why> {
        if let Event::Ordering { why, .. } = self.0 { Some(why) } else { None }
    }

    pub(crate) fn issued(self) -> Option<(SystemTime, SystemTime)> {
        if let Event::Issued { not_after, renew_at, .. } = self.0 {
            Some((not_after, renew_at))
        } else {
            None
        }
    }

    pub(crate) fn failed(self) -> Option<Failed> {
        match self.0 {
            Event::Failed { served_until, problem, failures, next_try, .. } => {
                Some(Failed { served_until, problem, failures, next_try })
            }
            _ => None,
        }
    }

    pub(crate) fn rescheduled(self) -> Option<(SystemTime, Option<String>)> {
        match self.0 {
            Event::Rescheduled { renew_at, explanation, .. } => Some((renew_at, explanation)),
            _ => None,
        }
    }

    pub(crate) fn role(self) -> Option<bool> {
        if let Event::Role { orders } = self.0 { Some(orders) } else { None }
    }
}

impl Served {
    /// The DNS names in the certificate, sorted.
    pub(crate) fn names(&self) -> String {
        let leaf = self.leaf();
        let names = leaf.subject_alternative_name().expect("well-formed").expect("it has names");
        let names = names.value.general_names.iter().map(|name| match name {
            GeneralName::DNSName(name) => *name,
            other => panic!("{other} is no DNS name"),
        });
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        names.join(" ")
    }

    pub(crate) fn is(&self, name: &str, certificate: &Arc<CertifiedKey>) -> bool {
        self.name == name && Arc::ptr_eq(&self.certificate, certificate)
    }

    pub(crate) fn not_before(&self) -> SystemTime {
        moment(self.leaf().validity().not_before.timestamp())
    }

    pub(crate) fn not_after(&self) -> SystemTime {
        moment(self.leaf().validity().not_after.timestamp())
    }

    pub(crate) fn key_type(&self) -> &'static str {
        match self.certificate.key.algorithm() {
            rustls::SignatureAlgorithm::RSA => "rsa",
            rustls::SignatureAlgorithm::ECDSA => "ecdsa",
            _ => "other",
        }
    }

    fn leaf(&self) -> X509Certificate<'_> {
        X509Certificate::from_der(&self.certificate.cert[0]).expect("a certificate").1
    }
}

fn moment(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).expect("after 1970"))
}
