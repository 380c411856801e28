//! Servers that do what a test tells them, and remember every byte that they were sent.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread::{self, JoinHandle},
};

use crate::{
    message::{Fields, Framing, Head, Reader, Request},
    wait::until,
};

/// Of each connection, so many bytes are remembered. More are counted.
const REMEMBERED_BYTES_MAX: usize = 1 << 20;

/// A server on a loopback port of its own. Each connection runs the same script on a thread of its own.
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Mutex<Option<Listening>>,
}

struct Listening {
    socket: Arc<TcpListener>,
    thread: JoinHandle<()>,
}

type Script = dyn Fn(&mut Connection) -> io::Result<()> + Send + Sync;

struct Shared {
    script: Box<Script>,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    connections: Vec<Record>,
    requests: Vec<Request>,
    open: Vec<(usize, TcpStream)>,
}

/// What is known of one connection.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// What was received, as far as it is remembered.
    pub bytes: Vec<u8>,
    /// How many bytes were received.
    pub received: u64,
    /// It is over: one of the sides has closed or reset it.
    pub is_closed: bool,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Origin {
    /// A server that runs `script` on each connection. An error in it ends the connection.
    pub fn start(script: impl Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = socket.local_addr().expect("bound");
        let shared = Arc::new(Shared { script: Box::new(script), log: Mutex::default() });
        let origin = Self { address, shared, listening: Mutex::default() };
        origin.listen(socket);
        origin
    }

    /// A server that answers every request with these bytes.
    pub fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |connection| {
            while connection.request()?.is_some() {
                connection.send(&answer)?;
            }
            Ok(())
        })
    }

    /// A server that answers every request with this text.
    pub fn saying(text: &str) -> Self {
        Self::answering(ok(text))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All connections that were ever made, in their order.
    pub fn connections(&self) -> Vec<Record> {
        self.log().connections.clone()
    }

    /// All requests that were read, in their order.
    pub fn requests(&self) -> Vec<Request> {
        self.log().requests.clone()
    }

    /// The targets of all requests.
    pub fn targets(&self) -> Vec<String> {
        self.log().requests.iter().map(|request| request.target.clone()).collect()
    }

    /// How many requests were read.
    pub fn count(&self) -> usize {
        self.log().requests.len()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.log().requests.clear();
    }

    /// Waits until so many requests have been read.
    #[track_caller]
    pub fn wait_for_requests(&self, count: usize) -> Vec<Request> {
        until(&format!("{count} requests at {self}"), || self.count() >= count);
        self.requests()
    }

    /// Waits until connection `index` is over.
    #[track_caller]
    pub fn wait_until_closed(&self, index: usize) -> Record {
        until(&format!("connection {index} to {self} is closed"), || {
            self.log().connections.get(index).is_some_and(|record| record.is_closed)
        });
        self.connections()[index].clone()
    }

    /// Checks every byte on every connection: these requests came whole, in whatever order, and not a byte more.
    #[track_caller]
    pub fn expect_only(&self, targets: &[impl AsRef<str>]) {
        let mut came = Vec::new();
        for record in self.connections() {
            assert_eq!(record.bytes.len() as u64, record.received, "more came than is remembered");
            let mut reader = Reader::new(&record.bytes[..]);
            loop {
                match reader.request() {
                    Ok(Some(request)) => came.push(request.target),
                    Ok(None) => break,
                    Err(error) => panic!("{error} in {:?}", String::from_utf8_lossy(&record.bytes)),
                }
            }
        }
        let mut expected: Vec<&str> = targets.iter().map(AsRef::as_ref).collect();
        came.sort_unstable();
        expected.sort_unstable();
        assert_eq!(came, expected);
    }

    /// Stops at once, as if it was killed: nobody listens, and all connections end.
    pub fn kill(&self) {
        let listening = self.listening.lock().expect("nobody panics while holding it").take();
        if let Some(Listening { socket, thread }) = listening {
            // It wakes the thread out of its accept.
            let _ = rustix::net::shutdown(&socket, rustix::net::Shutdown::Both);
            thread.join().expect("accepting does not panic");
        }
        for (_, stream) in self.log().open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Listens again where it did before.
    #[track_caller]
    pub fn restart(&self) {
        self.listen(TcpListener::bind(self.address).expect("the port is still free"));
    }

    fn listen(&self, socket: TcpListener) {
        let socket = Arc::new(socket);
        let (shared, accepting) = (Arc::clone(&self.shared), Arc::clone(&socket));
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = accepting.accept() {
                let shared = Arc::clone(&shared);
                let index = shared.begin(&stream);
                thread::spawn(move || shared.run(stream, index));
            }
        });
        *self.listening.lock().expect("nobody panics while holding it") = Some(Listening { socket, thread });
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.shared.log()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("nobody panics while holding it")
    }

    fn begin(&self, stream: &TcpStream) -> usize {
        let _ = stream.set_nodelay(true);
        let mut log = self.log();
        let index = log.connections.len();
        log.connections.push(Record::default());
        log.open.push((index, stream.try_clone().expect("descriptors are left")));
        index
    }

    fn run(self: Arc<Self>, stream: TcpStream, index: usize) {
        let source = Recorded {
            stream: stream.try_clone().expect("descriptors are left"),
            shared: Arc::clone(&self),
            index,
        };
        let shared = Arc::clone(&self);
        let mut connection = Connection { stream, reader: Reader::new(source), shared, index };
        let _ = (self.script)(&mut connection);
        // All handles first: only the last one closes the connection, and nobody may be told before.
        drop(connection);
        let mut log = self.log();
        log.open.retain(|(other, _)| *other != index);
        log.connections[index].is_closed = true;
    }
}

/// A connection, as its script sees it.
pub struct Connection {
    stream: TcpStream,
    reader: Reader<Recorded>,
    shared: Arc<Shared>,
    index: usize,
}

struct Recorded {
    stream: TcpStream,
    shared: Arc<Shared>,
    index: usize,
}

impl Read for Recorded {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let result = self.stream.read(room);
        let mut log = self.shared.log();
        let record = &mut log.connections[self.index];
        match result {
            Ok(n) if n > 0 => {
                let left = REMEMBERED_BYTES_MAX - record.bytes.len();
                record.bytes.extend_from_slice(&room[..n.min(left)]);
                record.received += n as u64;
            }
            _ => record.is_closed = true,
        }
        result
    }
}

impl Connection {
    /// How many requests for this target the server has read, on all connections.
    pub fn asked_for(&self, target: &str) -> usize {
        self.shared.log().requests.iter().filter(|request| request.target == target).count()
    }

    /// The next request with its body; `None` at the end of the connection.
    pub fn request(&mut self) -> io::Result<Option<Request>> {
        let request = self.reader.request()?;
        if let Some(request) = &request {
            self.shared.log().requests.push(request.clone());
        }
        Ok(request)
    }

    /// The next request without its body; `None` at the end of the connection.
    pub fn head(&mut self) -> io::Result<Option<Request>> {
        let request = self.reader.head()?.map(Head::into_request).transpose()?;
        if let Some(request) = &request {
            self.shared.log().requests.push(request.clone());
        }
        Ok(request)
    }

    /// The next request without its body, which nobody remembers before it is whole.
    pub fn peek_head(&mut self) -> io::Result<Option<Request>> {
        self.reader.head()?.map(Head::into_request).transpose()
    }

    /// Reads the body behind [`Self::peek_head`] and remembers the request.
    pub fn finish(&mut self, mut request: Request) -> io::Result<Request> {
        let mut body = Vec::new();
        request.trailers = self.reader.body(request.framing, &mut |data| body.extend_from_slice(data))?;
        request.body = body;
        self.shared.log().requests.push(request.clone());
        Ok(request)
    }

    /// The body behind a head.
    pub fn body(&mut self, framing: Framing, sink: &mut dyn FnMut(&[u8])) -> io::Result<Fields> {
        self.reader.body(framing, sink)
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Reads to the end and throws it away.
    pub fn wait_for_end(&mut self) -> io::Result<()> {
        self.reader.body(Framing::UntilClose, &mut |_| {}).map(|_| ())
    }

    /// Sends back whatever comes, to the end.
    pub fn echo(&mut self) -> io::Result<()> {
        loop {
            let stream = &mut self.stream;
            let mut result = Ok(());
            let n = self.reader.buffered().len();
            self.reader.body(Framing::Sized(n as u64), &mut |data| result = stream.write_all(data))?;
            result?;
            if !self.reader.fill()? {
                return self.stream.shutdown(Shutdown::Write);
            }
        }
    }

    /// Sends no more.
    pub fn half_close(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Which connection of the server this is, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

/// A plain good answer with this text.
pub fn ok(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}
