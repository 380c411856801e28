//! New certificates, by a reload and by a file that changes: no connection notices.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};
use std::thread;

use rustls::ClientConfig;
use weir_tests::{
    Weir,
    pki::Identity,
    tls::{TlsClient, trusting},
    until,
};

use super::stage::Stage;

const CONNECTIONS: usize = 20;

/// Clients that ask all the time: some on a connection that stays, some on new ones.
struct Busy {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<Vec<String>>>,
}

impl Busy {
    fn start(weir: &Weir, config: &Arc<ClientConfig>) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let address = weir.address();
        let threads = (0..CONNECTIONS).map(|index| {
            let (stop, done, config) = (Arc::clone(&stop), Arc::clone(&done), Arc::clone(config));
            thread::spawn(move || {
                let mut failed = Vec::new();
                let mut client = TlsClient::connect(address, &config, "a.example");
                while !stop.load(Relaxed) {
                    // Every fourth one begins anew each time.
                    if index % 4 == 0 {
                        match TlsClient::try_connect(address, &config, "a.example") {
                            Ok(new) => client = new,
                            Err(error) => failed.push(error.to_string()),
                        }
                    }
                    match client.try_get("/", "") {
                        Ok(answer) if answer.status == 200 => drop(done.fetch_add(1, Relaxed)),
                        other => failed.push(format!("{other:?}")),
                    }
                }
                failed
            })
        });
        let threads = threads.collect();
        Self { stop, done, threads }
    }

    /// Waits until some more requests were answered.
    #[track_caller]
    fn wait_for_more(&self) {
        let mark = self.done.load(Relaxed) + 5 * CONNECTIONS as u64;
        until("requests go on", || self.done.load(Relaxed) >= mark);
    }

    #[track_caller]
    fn expect_no_failure(self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads {
            assert_eq!(thread.join().expect("it does not panic"), [""; 0]);
        }
    }
}

#[track_caller]
fn wait_until_shown(weir: &Weir, config: &Arc<ClientConfig>, identity: &Identity) {
    until("the new certificate is served", || {
        TlsClient::connect(weir.address(), config, "a.example").is_shown(identity)
    });
}

#[test]
fn a_reload_and_a_changed_file_swap_under_load() {
    let stage = Stage::new();
    let [first, second, third] = [(); 3].map(|()| stage.authority.server(&["a.example"]));
    let file = stage.pem("own.pem", &first);
    let yaml = stage.yaml(&format!("own: {{ cert: {file} }}"), "certificates: [own], tickets: none");
    let mut weir = Weir::start(&yaml);
    let config = trusting(&stage.authority);
    let busy = Busy::start(&weir, &config);
    busy.wait_for_more();

    stage.replace("own.pem", &second.both());
    weir.reload(&yaml);
    assert!(TlsClient::connect(weir.address(), &config, "a.example").is_shown(&second));
    busy.wait_for_more();

    let mark = weir.mark();
    stage.replace("own.pem", &third.both());
    wait_until_shown(&weir, &config, &third);
    weir.wait_for_log(mark, "certificate `own`: changed, and served from now on");
    busy.wait_for_more();
    busy.expect_no_failure();
    let taken = [("certificate", "own"), ("result", "taken")];
    assert_eq!(weir.metrics().sum("weir_certificate_file_changes_total", &taken), 1.0);
    assert!(weir.metrics().sum("weir_certificate_expiry_timestamp_seconds", &[("certificate", "own")]) > 1e9);
}

#[test]
fn a_half_written_file_is_never_served_and_the_log_says_why() {
    let stage = Stage::new();
    let [first, second] = [(); 2].map(|()| stage.authority.server(&["a.example"]));
    let (cert, key) = (stage.file("own.crt", &first.cert), stage.file("own.key", &first.key));
    let weir = Weir::start(
        &stage.yaml(&format!("own: {{ cert: {cert}, key: {{ file: {key} }} }}"), "certificates: [own]"),
    );
    let config = trusting(&stage.authority);
    let is_first = || TlsClient::connect(weir.address(), &config, "a.example").is_shown(&first);
    assert!(is_first());

    // Half of the certificate, and the key of the old one.
    let mark = weir.mark();
    stage.file("own.crt", &second.cert[..second.cert.len() / 2]);
    weir.wait_for_log(mark, "the one before is still served");
    assert!(is_first());
    // All of it, but still the old key.
    let mark = weir.mark();
    stage.file("own.crt", &second.cert);
    weir.wait_for_log(mark, "the private key does not belong to the certificate");
    assert!(is_first());
    let refused = [("certificate", "own"), ("result", "refused")];
    assert_eq!(weir.metrics().sum("weir_certificate_file_changes_total", &refused), 2.0);

    stage.file("own.key", &second.key);
    wait_until_shown(&weir, &config, &second);
}
