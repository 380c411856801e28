//! Runs the cases of a section against Weir, or against another server to test the suite itself.
//!
//! All cases of a section run at once, each on a connection of its own. Weir is started once for all sections that run
//! at the same time. `WEIR_TESTS_H2` names another one that is tested instead: `nginx` or `haproxy`.

use std::{
    env,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use super::{
    Block, Event, Expect, Frame, H2Client,
    expect::Grade,
    frame::{data, headers, window_update},
};
use crate::{Origin, Request, Weir, peer::Peer, wait::DEADLINE, weir::simple};

mod answers;
mod websocket;

/// Weir is tested, and nobody else for comparison.
pub fn is_against_weir() -> bool {
    env::var_os("WEIR_TESTS_H2").is_none()
}

/// Cases that belong together.
pub struct Section {
    name: &'static str,
    has_preface: bool,
    cases: Vec<Case>,
}

struct Case {
    name: String,
    cites: &'static str,
    run: Box<dyn FnOnce(&mut Talk<'_>) -> Grade + Send>,
}

/// What a case works with.
pub struct Talk<'a> {
    /// A connection behind its prefaces, unless the section has none.
    pub client: H2Client,
    /// Requests that no other case sends.
    pub ask: Ask,
    /// Who is tested.
    pub target: &'a Target,
}

/// Requests with a path of their own.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The path, which no other case has.
    pub path: String,
}

impl Ask {
    /// The pseudo-header fields of a request with this method.
    pub fn fields(&self, method: &str) -> Block {
        let fields =
            [(":method", method), (":scheme", "http"), (":path", &self.path), (":authority", "weir.test")];
        Block::of(&fields)
    }

    /// A whole GET.
    pub fn get(&self, stream: u32) -> Frame {
        headers(stream, self.fields("GET")).end()
    }

    /// A whole GET with more fields.
    pub fn get_with(&self, stream: u32, fields: &[(&str, &str)]) -> Frame {
        headers(stream, self.fields("GET").and(&Block::of(fields))).end()
    }

    /// The head of a POST.
    pub fn post(&self, stream: u32) -> Frame {
        headers(stream, self.fields("POST"))
    }

    /// The head of a POST with more fields.
    pub fn post_with(&self, stream: u32, fields: &[(&str, &str)]) -> Frame {
        headers(stream, self.fields("POST").and(&Block::of(fields)))
    }

    /// A request of these fields only. `PATH` stands for the path.
    pub fn of(&self, stream: u32, fields: &[(&str, &str)]) -> Frame {
        let own = |&(name, value)| (name, if value == "PATH" { &self.path[..] } else { value });
        let fields: Vec<_> = fields.iter().map(own).collect();
        headers(stream, Block::of(&fields)).end()
    }

    /// The same with what the server is to do: its name becomes the beginning of the path.
    #[must_use]
    pub fn to(&self, what: &str) -> Self {
        Self { path: format!("/{what}{}", self.path) }
    }

    /// A small body that ends the stream.
    pub fn body(&self, stream: u32) -> Frame {
        data(stream, "hello").end()
    }
}

impl Section {
    /// No cases yet.
    pub fn new(name: &'static str) -> Self {
        Self { name, has_preface: true, cases: Vec::new() }
    }

    /// The same, whose connections have no preface yet.
    pub fn without_preface(name: &'static str) -> Self {
        Self { has_preface: false, ..Self::new(name) }
    }

    /// Frames that are sent behind the prefaces, and what must come of them.
    pub fn check(
        &mut self,
        name: impl Into<String>,
        cites: &'static str,
        frames: impl FnOnce(&Ask) -> Vec<Frame> + Send + 'static,
        expected: Expect,
    ) {
        self.add(name, cites, move |talk| {
            talk.client.send(frames(&talk.ask));
            let grade = expected.check(&mut talk.client);
            if expected.unseen {
                talk.expect_unseen();
            }
            grade
        });
    }

    /// A case in its own words.
    pub fn talk(
        &mut self,
        name: impl Into<String>,
        cites: &'static str,
        run: impl FnOnce(&mut Talk<'_>) + Send + 'static,
    ) {
        self.add(name, cites, move |talk| {
            run(talk);
            Grade::Exact
        });
    }

    /// A case in its own words, which ends in an expectation.
    pub fn talk_graded(
        &mut self,
        name: impl Into<String>,
        cites: &'static str,
        run: impl FnOnce(&mut Talk<'_>) -> Grade + Send + 'static,
    ) {
        self.add(name, cites, run);
    }

    fn add(
        &mut self,
        name: impl Into<String>,
        cites: &'static str,
        run: impl FnOnce(&mut Talk<'_>) -> Grade + Send + 'static,
    ) {
        self.cases.push(Case { name: name.into(), cites, run: Box::new(run) });
    }

    /// Runs all cases and fails with the list of those that failed.
    #[track_caller]
    pub fn run(self) {
        let target = Target::get();
        let name = self.name;
        let is_weir = matches!(target.who, Who::Weir(_));
        let outcomes = self.outcomes(&target);
        let wrong = |outcome: &&Outcome| match outcome.result {
            Ok(Grade::Exact) => false,
            Ok(Grade::Lenient) => is_weir,
            Err(_) => true,
        };
        let failed: Vec<String> = outcomes.iter().filter(wrong).map(ToString::to_string).collect();
        let lenient: Vec<_> =
            outcomes.iter().filter(|outcome| outcome.result == Ok(Grade::Lenient)).collect();
        println!("{name}: {} cases, {} failed, {} lenient", outcomes.len(), failed.len(), lenient.len());
        for outcome in lenient.iter().filter(|_| !is_weir) {
            println!("{outcome}");
        }
        assert!(
            failed.is_empty(),
            "{name}: {} of {} failed:\n{}",
            failed.len(),
            outcomes.len(),
            failed.join("\n")
        );
    }

    fn outcomes(self, target: &Target) -> Vec<Outcome> {
        let has_preface = self.has_preface;
        thread::scope(|scope| {
            let run = |case: Case| scope.spawn(move || case.outcome(target, has_preface));
            let running: Vec<_> = self.cases.into_iter().map(run).collect();
            running.into_iter().map(|case| case.join().expect("a case catches its panics")).collect()
        })
    }
}

struct Outcome {
    name: String,
    cites: &'static str,
    result: Result<Grade, String>,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, cites, result } = self;
        match result {
            Ok(Grade::Exact) => write!(f, "  {name}: passed"),
            Ok(Grade::Lenient) => write!(f, "  {name}: only a generic code, or no GOAWAY\n    {cites}"),
            Err(error) => write!(f, "  {name}: {error}\n    {cites}"),
        }
    }
}

impl Case {
    fn outcome(self, target: &Target, has_preface: bool) -> Outcome {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let ask = Ask { path: format!("/case-{}", NEXT.fetch_add(1, Relaxed)) };
        let run = || {
            let mut client = H2Client::connect_raw(target.address);
            client.link.patience = target.patience;
            if has_preface {
                client.preface(&[]);
            }
            (self.run)(&mut Talk { client, ask, target })
        };
        let result = catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
        });
        Outcome { name: self.name, cites: self.cites, result }
    }
}

impl Talk<'_> {
    /// Another connection like the first.
    #[track_caller]
    pub fn connect_with(&self, settings: &[(u16, u32)]) -> H2Client {
        let mut client = H2Client::connect_raw(self.target.address);
        client.link.patience = self.target.patience;
        client.preface(settings);
        client
    }

    /// Brings stream 1 to be reset by the server; false when it takes that as an error of the connection, as it may
    /// (section 5.4.1) and Weir does not.
    #[track_caller]
    pub fn make_server_reset(&mut self) -> bool {
        self.client.send([self.ask.post(1), window_update(1, 0)]);
        let event = self.client.wait_for("RST_STREAM", |event| match event {
            Event::Reset { stream: 1, .. } | Event::GoAway { .. } => Some(event.clone()),
            _ => None,
        });
        let is_reset = matches!(event, Event::Reset { .. });
        assert!(is_reset || !self.target.is_weir(), "an error of the connection for one of the stream");
        is_reset
    }

    /// Whole requests of this case that reached the server.
    pub fn seen(&self) -> Vec<Request> {
        let mut requests = self.target.origin.requests();
        requests.retain(|request| request.target.ends_with(&self.ask.path));
        requests
    }

    /// The only request of this case, as the server got it.
    #[track_caller]
    pub fn seen_once(&self) -> Request {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "requests at the server: {seen:?}");
        seen.remove(0)
    }

    /// No request of this case reached the server whole.
    #[track_caller]
    pub fn expect_unseen(&self) {
        let seen = self.seen();
        assert!(seen.is_empty(), "it went to the server: {seen:?}");
    }
}

/// Who is tested, with the server behind it.
pub struct Target {
    who: Who,
    /// Where it listens.
    pub address: SocketAddr,
    /// The server behind it, which speaks HTTP/1.1.
    pub origin: Origin,
    patience: Duration,
}

enum Who {
    Weir(#[allow(dead_code, reason = "it runs until it is dropped")] Weir),
    Peer(#[allow(dead_code, reason = "it runs until it is dropped")] Peer),
}

/// Others fail some cases, and waiting is all that these cost.
const PATIENCE_WITH_PEERS: Duration = Duration::from_secs(3);

impl Target {
    /// The one that is running, or a new one.
    #[track_caller]
    fn get() -> Arc<Self> {
        static RUNNING: Mutex<Weak<Target>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        running.upgrade().unwrap_or_else(|| {
            let target = Arc::new(Self::start());
            *running = Arc::downgrade(&target);
            target
        })
    }

    #[track_caller]
    fn start() -> Self {
        let origin = Origin::start(answers::answer);
        let (who, address, patience) = match env::var("WEIR_TESTS_H2").as_deref() {
            Err(_) => {
                let weir = Weir::start(&simple(&[&origin], "{}"));
                let address = weir.address();
                (Who::Weir(weir), address, DEADLINE)
            }
            Ok(name) => {
                let peer = match name {
                    "nginx" => Peer::nginx_h2_before(&origin),
                    "haproxy" => Peer::haproxy_h2_before(&origin),
                    _ => panic!("WEIR_TESTS_H2 is nginx or haproxy, not {name}"),
                };
                let address = peer.address();
                (Who::Peer(peer), address, PATIENCE_WITH_PEERS)
            }
        };
        Self { who, address, origin, patience }
    }

    /// It is Weir, not another one for comparison.
    pub fn is_weir(&self) -> bool {
        matches!(self.who, Who::Weir(_))
    }

    /// It does what no standard asks of everybody, and Weir and this one do.
    fn is_weir_or(&self, name: &str) -> bool {
        self.is_weir() || env::var("WEIR_TESTS_H2").is_ok_and(|who| who == name)
    }

    /// The host of a request goes on (nginx has the name of its `proxy_pass`).
    pub fn passes_host(&self) -> bool {
        self.is_weir_or("haproxy")
    }

    /// Trailers of answers go on.
    pub fn passes_trailers(&self) -> bool {
        self.is_weir_or("haproxy")
    }

    /// 103 goes on.
    pub fn passes_hints(&self) -> bool {
        self.is_weir_or("haproxy")
    }

    /// Fields that `Connection` of an answer names stay here.
    pub fn removes_named(&self) -> bool {
        self.is_weir()
    }

    /// It knows extended CONNECT.
    pub fn tunnels(&self) -> bool {
        self.is_weir_or("haproxy")
    }

    /// This field of a request goes on as it is.
    pub fn keeps(&self, name: &str) -> bool {
        self.is_weir() || !["from", "date", "server"].contains(&name)
    }
}
