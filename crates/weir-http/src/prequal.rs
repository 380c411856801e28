//! What servers say of their load, and how they are asked for it (`balance: { prequal: … }`).
//!
//! A server's last report is kept with its link. Before each pick some servers are drawn at random, and those whose report
//! is recent are put before the picker, as the answers of the paper's probes are: a report is so worth many picks, and
//! requests that have begun here since then are added to it. With `probe`, the first one drawn whose report is not fresh is
//! asked, beside the request: so a server is asked by each worker some ten times a second at most, however many requests
//! there are, and not at all when there are none. Three probes for each request, as in the paper, were rejected: a proxy
//! has many more requests than one client, and three times their number.
//!
//! With `header`, each answer brings a report. A server of which there is none counts as what this worker knows of it.

mod report;

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::task::spawn_local;
use weir_balance::Load;
use weir_config::LoadSource;
use weir_net::Buffer;
use weir_tls::Stream;

pub(crate) use report::{Report, read};

use crate::{
    counters::Limit,
    engine::Worker,
    h1::{HeadLimits, Progress, ResponseParser},
    head::{BodyLength, ResponseHead},
    site::PoolSite,
    upstream::{PoolLink, ServerLink},
};

/// Servers that are put before the picker for each request.
const DRAWS: usize = 3;

/// A report that is older is no longer used.
const AGE_MAX_MS: u64 = 1_000;

/// A server whose report is older is asked anew.
const FRESH_MS: u64 = 100;

/// A connection for probes that was not used for so long is closed.
const IDLE_MAX_MS: u64 = 30_000;

/// What a head of an answer to a probe may have.
const LIMITS: HeadLimits = HeadLimits { bytes_max: 16 * 1024, fields_max: 100, uri_bytes_max: 1 };

/// The field that carries a report.
const FIELD: &[u8] = b"endpoint-load-metrics";

/// How the servers of a pool come to say what they have to do; of one worker.
#[derive(Debug)]
pub(crate) struct Prequal {
    source: LoadSource,
    tls: Option<Arc<weir_tls::Client>>,
    running: Cell<u32>,
}

/// What is known of one server's load.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    last: Cell<Option<Said>>,
    is_asked: Cell<bool>,
    /// When it was asked last, whatever came of it.
    asked_ms: Cell<u64>,
    /// The connection for probes, and when it was used last.
    idle: RefCell<Option<(Stream, u64)>>,
}

#[derive(Debug, Clone, Copy)]
struct Said {
    report: Report,
    at_ms: u64,
    /// Requests in flight from here, when it was said.
    in_flight: u32,
}

impl Prequal {
    pub(crate) fn of(site: &PoolSite) -> Option<Rc<Self>> {
        let source = site.load_source.clone()?;
        Some(Rc::new(Self { source, tls: site.tls.clone(), running: Cell::new(0) }))
    }

    pub(crate) fn listens(&self) -> bool {
        self.source == LoadSource::Header
    }

    /// Puts some servers before the picker, for the request that comes now.
    pub(crate) fn prepare(self: &Rc<Self>, pool: &PoolLink, worker: &Rc<Worker>) {
        let now_ms = worker.deadlines.recent_ms();
        let mut rng = worker.rng.borrow_mut();
        let mut picker = pool.picker.borrow_mut();
        let mut stale = None;
        for _ in 0..DRAWS {
            let Some(index) = picker.wants_probe(&mut rng) else { return };
            let link = &pool.servers[index.get()];
            match link.heard.load(link, worker.index, now_ms) {
                Some(load) => picker.probed(index, load, now_ms),
                None if self.listens() => {
                    let latency = link.server.expected_us(worker.index).unwrap_or_default();
                    let requests = link.server.in_flight() as f32;
                    picker.probed(index, Load { requests, latency }, now_ms);
                }
                None => {}
            }
            if link.heard.is_due(now_ms) {
                stale = stale.or(Some(link));
            }
        }
        if let (LoadSource::Probe { target, timeout, max }, Some(link)) = (&self.source, stale) {
            self.ask(link, worker, target, *timeout, *max);
        }
    }

    fn ask(
        self: &Rc<Self>,
        link: &Rc<ServerLink>,
        worker: &Rc<Worker>,
        target: &str,
        timeout: Duration,
        max: u32,
    ) {
        if self.running.get() >= max {
            worker.counters.reached(Limit::MaxProbes);
            return;
        }
        let under_way = UnderWay::begin(self, link);
        link.heard.asked_ms.set(worker.deadlines.recent_ms());
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: {}\r\nUser-Agent: weir-probe\r\n\r\n", link.address());
        let (link, worker) = (Rc::clone(link), Rc::clone(worker));
        spawn_local(async move {
            match tokio::time::timeout(timeout, probe(&under_way, &worker, request.as_bytes())).await {
                Ok(Ok(report)) => {
                    link.counters.probes.add(1);
                    link.heard.hear(&link, report, worker.deadlines.recent_ms());
                }
                Ok(Err(_)) => link.counters.probe_failures.add(1),
                Err(_) => {
                    link.counters.probe_failures.add(1);
                    worker.counters.reached(Limit::ProbeTimeout);
                }
            }
        });
    }
}

/// A probe, until it is dropped.
struct UnderWay {
    prequal: Rc<Prequal>,
    link: Rc<ServerLink>,
}

impl UnderWay {
    fn begin(prequal: &Rc<Prequal>, link: &Rc<ServerLink>) -> Self {
        prequal.running.update(|running| running + 1);
        link.heard.is_asked.set(true);
        Self { prequal: Rc::clone(prequal), link: Rc::clone(link) }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.prequal.running.update(|running| running - 1);
        self.link.heard.is_asked.set(false);
    }
}

impl Heard {
    /// What a server of these fields has said, if it has.
    pub(crate) fn listen(&self, link: &ServerLink, response: &ResponseHead, text: &[u8], now_ms: u64) {
        if let Some(report) = reported(response, text) {
            self.hear(link, report, now_ms);
        }
    }

    fn hear(&self, link: &ServerLink, report: Report, now_ms: u64) {
        self.last.set(Some(Said { report, at_ms: now_ms, in_flight: link.server.in_flight() }));
    }

    /// Whether it is to be asked again.
    fn is_due(&self, now_ms: u64) -> bool {
        let said_ms = self.last.get().map_or(0, |said| said.at_ms);
        let last_ms = said_ms.max(self.asked_ms.get());
        !self.is_asked.get() && (last_ms == 0 || now_ms > last_ms + FRESH_MS)
    }

    /// Its load now, as far as that is known.
    fn load(&self, link: &ServerLink, worker: usize, now_ms: u64) -> Option<Load> {
        let Said { report, in_flight, .. } =
            self.last.get().filter(|said| now_ms <= said.at_ms + AGE_MAX_MS)?;
        let since = link.server.in_flight().saturating_sub(in_flight);
        let own = || link.server.expected_us(worker).unwrap_or_default();
        Some(Load {
            requests: report.requests + since as f32,
            latency: report.latency_us.unwrap_or_else(own),
        })
    }

    /// Closes the connection for probes if nobody needs it any more.
    pub(crate) fn sweep(&self, now_ms: u64) {
        let mut idle = self.idle.borrow_mut();
        if idle.as_ref().is_some_and(|(_, used_ms)| now_ms > used_ms + IDLE_MAX_MS) {
            *idle = None;
        }
    }
}

fn reported(response: &ResponseHead, text: &[u8]) -> Option<Report> {
    let fields = response.fields.iter();
    let field = fields.rev().find(|field| field.name.of(text).eq_ignore_ascii_case(FIELD))?;
    read(field.value.of(text))
}

/// Asks a server. An answer that says nothing is an error.
async fn probe(under_way: &UnderWay, worker: &Rc<Worker>, request: &[u8]) -> io::Result<Report> {
    let link = &under_way.link;
    let kept = link.heard.idle.borrow_mut().take();
    let kept = kept.and_then(|(mut stream, _)| stream.is_quiet().then_some(stream));
    let mut stream = match kept {
        Some(stream) => stream,
        None => dial(&under_way.prequal, link, worker).await?,
    };
    send(&mut stream, request).await?;
    let mut buffer = worker.buffers.take();
    let (report, is_reusable) = receive(&mut stream, &mut buffer).await?;
    if is_reusable {
        *link.heard.idle.borrow_mut() = Some((stream, worker.deadlines.recent_ms()));
    }
    report.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

async fn dial(prequal: &Prequal, link: &ServerLink, worker: &Worker) -> io::Result<Stream> {
    let tcp = weir_net::Stream::connect(link.address()).await?;
    let Some(tls) = &prequal.tls else { return Ok(tcp.into()) };
    let mut stream = Stream::with_tls(tcp, tls.connect(link.address(), &worker.tls_rooms));
    poll_fn(|context| stream.poll_handshake(context)).await?;
    Ok(stream)
}

async fn send(stream: &mut Stream, mut request: &[u8]) -> io::Result<()> {
    while !request.is_empty() || stream.has_unsent() {
        match poll_fn(|context| stream.poll_write(context, request)).await? {
            0 if !request.is_empty() => return Err(io::ErrorKind::WriteZero.into()),
            n => request = &request[n..],
        }
    }
    Ok(())
}

/// The report of an answer, and whether the connection can be used again. All of it must fit into the buffer.
async fn receive(stream: &mut Stream, buffer: &mut Buffer) -> io::Result<(Option<Report>, bool)> {
    let (mut parser, mut head) = (ResponseParser::default(), ResponseHead::default());
    loop {
        if !buffer.is_empty()
            && parser.parse(buffer.filled(), &mut head, &LIMITS, false).map_err(|_| invalid())?
                == Progress::Whole
        {
            break;
        }
        fill(stream, buffer).await?;
    }
    if !(200..300).contains(&head.status) {
        return Err(invalid());
    }
    let length = match head.body {
        BodyLength::None => 0,
        BodyLength::Sized(bytes) if bytes <= report::REPORT_BYTES_MAX as u64 => bytes as usize,
        // What comes in pieces may go on for long: its head says all, or nothing is said.
        _ => return Ok((reported(&head, buffer.filled()), false)),
    };
    let end = head.len + length;
    while buffer.len() < end {
        fill(stream, buffer).await?;
    }
    let text = buffer.filled();
    let report = reported(&head, text).or_else(|| read(&text[head.len..end]));
    Ok((report, head.keeps_alive() && text.len() == end))
}

async fn fill(stream: &mut Stream, buffer: &mut Buffer) -> io::Result<()> {
    let n = poll_fn(|context| {
        if buffer.is_full() {
            return Poll::Ready(Err(invalid()));
        }
        stream.poll_read(context, buffer)
    });
    if n.await? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

fn invalid() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
