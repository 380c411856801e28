//! A server that speaks HTTP/2 and does what a test tells it, frame by frame.

use std::{
    fmt, io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread::{self, JoinHandle},
};

use super::{
    Block, PREFACE,
    audit::Side,
    frame::{self, Frame},
    link::{Event, Link},
};
use crate::{message::Fields, wait::until};

/// A server on a loopback port of its own. Each connection runs the same script on a thread of its own.
pub struct H2Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    socket: Arc<TcpListener>,
    thread: Option<JoinHandle<()>>,
}

type Script = dyn Fn(&mut H2Connection) -> io::Result<()> + Send + Sync;

struct Shared {
    script: Box<Script>,
    settings: Vec<(u16, u32)>,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    connections: usize,
    events: Vec<(usize, Event)>,
    requests: Vec<H2Request>,
    broken: Vec<String>,
    open: Vec<(usize, TcpStream)>,
    streams_open_max: usize,
}

/// A request, as the server got it.
#[derive(Debug, Clone, Default)]
pub struct H2Request {
    /// Which connection it came on, from 0.
    pub connection: usize,
    /// Its stream.
    pub stream: u32,
    /// All fields, with the pseudo-header fields.
    pub fields: Fields,
    /// The whole body.
    pub body: Vec<u8>,
    /// The fields behind the body.
    pub trailers: Fields,
    /// Its end has come.
    pub is_whole: bool,
}

impl H2Request {
    /// The path.
    pub fn path(&self) -> &str {
        self.fields.get(":path").unwrap_or_default()
    }
}

impl fmt::Display for H2Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl H2Origin {
    /// A server that has these settings and runs `script` on each connection, behind the prefaces. An error in it ends
    /// the connection.
    pub fn start_with(
        settings: &[(u16, u32)],
        script: impl Fn(&mut H2Connection) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let socket = Arc::new(TcpListener::bind("127.0.0.1:0").expect("a loopback port is free"));
        let address = socket.local_addr().expect("bound");
        let (script, settings) = (Box::new(script), settings.to_vec());
        let shared = Arc::new(Shared { script, settings, log: Mutex::default() });
        let (serving, accepting) = (Arc::clone(&shared), Arc::clone(&socket));
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = accepting.accept() {
                let shared = Arc::clone(&serving);
                let index = shared.begin(&stream);
                thread::spawn(move || shared.run(stream, index));
            }
        });
        Self { address, shared, socket, thread: Some(thread) }
    }

    /// The same with the initial settings.
    pub fn start(script: impl Fn(&mut H2Connection) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::start_with(&[], script)
    }

    /// A server that answers every request with this text.
    pub fn saying(text: &'static str) -> Self {
        Self::start(move |connection| {
            while let Some(request) = connection.request()? {
                connection.send(&connection.answer(request.stream, text))?;
            }
            Ok(())
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.log().connections
    }

    /// All requests whose head came, in their order.
    pub fn requests(&self) -> Vec<H2Request> {
        self.log().requests.clone()
    }

    /// Everything that came, with the connections' numbers.
    pub fn events(&self) -> Vec<(usize, Event)> {
        self.log().events.clone()
    }

    /// The most streams that were open at once on one connection.
    pub fn streams_open_max(&self) -> usize {
        self.log().streams_open_max
    }

    /// Waits for something to come.
    #[track_caller]
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Event) -> bool) {
        until(what, || self.log().events.iter().any(|(_, event)| wanted(event)));
    }

    /// Waits until so many requests are whole.
    #[track_caller]
    pub fn wait_for_requests(&self, count: usize) -> Vec<H2Request> {
        until(&format!("{count} requests at {self}"), || {
            self.log().requests.iter().filter(|request| request.is_whole).count() >= count
        });
        self.requests()
    }

    /// The client broke no rule on any connection.
    #[track_caller]
    pub fn expect_unbroken(&self) {
        let broken = self.log().broken.clone();
        assert!(broken.is_empty(), "the client breaks rules: {broken:#?}");
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.shared.log()
    }
}

impl Drop for H2Origin {
    fn drop(&mut self) {
        // It wakes the thread out of its accept.
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("accepting does not panic");
        }
        for (_, stream) in self.log().open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        if thread::panicking() {
            eprintln!("--- rules that the client broke: {:#?}", self.log().broken);
        } else {
            self.expect_unbroken();
        }
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("nobody panics while holding it")
    }

    fn begin(&self, stream: &TcpStream) -> usize {
        let mut log = self.log();
        let index = log.connections;
        log.connections += 1;
        log.open.push((index, stream.try_clone().expect("descriptors are left")));
        index
    }

    fn run(self: Arc<Self>, stream: TcpStream, index: usize) {
        let link = Link::new(stream, Side::Server);
        let mut connection = H2Connection { link, shared: Arc::clone(&self), index };
        if let Err(error) = connection.begin().and_then(|()| (self.script)(&mut connection))
            && error.kind() == io::ErrorKind::InvalidData
        {
            self.log().broken.push(error.to_string());
        }
        drop(connection);
        // The copy for `drop` would keep it open.
        self.log().open.retain(|(other, _)| *other != index);
    }
}

/// A connection, as its script sees it.
pub struct H2Connection {
    /// The connection itself.
    pub link: Link,
    shared: Arc<Shared>,
    index: usize,
}

impl H2Connection {
    fn begin(&mut self) -> io::Result<()> {
        let settings = self.shared.settings.clone();
        self.link.send(&[frame::settings(&settings)])?;
        self.link.expect_octets(PREFACE)
    }

    /// Which connection of the server this is, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The next event; an error when the client breaks a rule.
    pub fn event(&mut self) -> io::Result<Event> {
        let result = self.link.event();
        let mut log = self.shared.log();
        log.streams_open_max = log.streams_open_max.max(self.link.audit.streams_open_max);
        let event = result.map_err(|rule| io::Error::new(io::ErrorKind::InvalidData, rule))?;
        log.note(self.index, &event);
        Ok(event)
    }

    /// The next request with its body; `None` at the end of the connection.
    pub fn request(&mut self) -> io::Result<Option<H2Request>> {
        self.next_request(true)
    }

    /// The next request as soon as its head is there; `None` at the end of the connection.
    pub fn head(&mut self) -> io::Result<Option<H2Request>> {
        self.next_request(false)
    }

    fn next_request(&mut self, whole: bool) -> io::Result<Option<H2Request>> {
        loop {
            let (stream, ends) = match self.event()? {
                Event::Head { stream, ends, .. } => (stream, ends),
                Event::Data { stream, ends, .. } if whole => (stream, ends),
                Event::Closed | Event::Late => return Ok(None),
                _ => continue,
            };
            if ends || !whole {
                let log = self.shared.log();
                let mut requests = log.requests.iter().rev();
                return Ok(requests.find(|r| (r.connection, r.stream) == (self.index, stream)).cloned());
            }
        }
    }

    /// Takes events until one of them is wanted; false at the end of the connection.
    pub fn wait_for(&mut self, wanted: impl Fn(&Event) -> bool) -> io::Result<bool> {
        loop {
            match self.event()? {
                event if wanted(&event) => return Ok(true),
                Event::Closed | Event::Late => return Ok(false),
                _ => {}
            }
        }
    }

    /// Reads to the end.
    pub fn wait_for_end(&mut self) -> io::Result<()> {
        self.wait_for(|_| false).map(|_| ())
    }

    /// A plain good answer with this text.
    pub fn answer(&self, stream: u32, text: &str) -> Vec<Frame> {
        let length = text.len().to_string();
        let head = frame::headers(stream, Block::of(&[(":status", "200"), ("content-length", &length)]));
        vec![head, frame::data(stream, text).end()]
    }

    /// Sends all of this and END_STREAM, as fast as the client's windows allow. Works for one stream at a time.
    pub fn send_data(&mut self, stream: u32, mut octets: &[u8]) -> io::Result<()> {
        while !octets.is_empty() {
            let room = self.link.audit.room(stream).min(16_384).min(octets.len() as i64);
            if room <= 0 {
                match self.event()? {
                    Event::Closed | Event::Late => return Err(io::ErrorKind::ConnectionAborted.into()),
                    _ => continue,
                }
            }
            let (piece, rest) = octets.split_at(room as usize);
            octets = rest;
            let frame = frame::data(stream, piece);
            self.link.send(&[if rest.is_empty() { frame.end() } else { frame }])?;
        }
        Ok(())
    }

    /// Sends these frames in one piece.
    pub fn send(&mut self, frames: &[Frame]) -> io::Result<()> {
        self.link.send(frames)
    }
}

impl Log {
    fn note(&mut self, connection: usize, event: &Event) {
        self.events.push((connection, event.clone()));
        let mut requests = self.requests.iter_mut().rev();
        let mut find = |id: u32| requests.find(|r| (r.connection, r.stream) == (connection, id));
        match event {
            Event::Head { stream, fields, ends } => match find(*stream) {
                Some(request) => (request.trailers, request.is_whole) = (fields.clone(), *ends),
                None => {
                    let (stream, fields, is_whole) = (*stream, fields.clone(), *ends);
                    self.requests.push(H2Request {
                        connection,
                        stream,
                        fields,
                        is_whole,
                        ..H2Request::default()
                    });
                }
            },
            Event::Data { stream, octets, ends, .. } => {
                if let Some(request) = find(*stream) {
                    request.body.extend_from_slice(octets);
                    request.is_whole = *ends;
                }
            }
            _ => {}
        }
    }
}
