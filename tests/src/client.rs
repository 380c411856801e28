//! A client that sends what it is told, byte for byte.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use crate::{
    kernel,
    message::{Fields, Framing, Head, Reader, Response},
    wait::DEADLINE,
};

/// One connection. Its methods panic when what they expect does not come within [`DEADLINE`].
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    reader: Reader<TcpStream>,
}

impl Client {
    /// Connects.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("connecting to {address}: {error}"))
    }

    /// Connects, if it can.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        let reader = Reader::new(stream.try_clone()?);
        Ok(Self { stream, reader })
    }

    /// Sends these bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_send(bytes).unwrap_or_else(|error| panic!("sending: {error}"));
        self
    }

    /// Sends these bytes, if the peer takes them.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends `GET path`, with nothing but what it needs.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).response()
    }

    /// Waits until the peer has read all that was sent.
    #[track_caller]
    pub fn wait_until_read(&self) {
        kernel::wait_until_read(&self.stream);
    }

    /// The next response that is not an interim one.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    /// The same, as the answer to a request with this method.
    #[track_caller]
    pub fn response_to(&mut self, method: &str) -> Response {
        loop {
            let response = self.next_response(method);
            if response.status >= 200 {
                return response;
            }
        }
    }

    /// The next response, whatever it is.
    #[track_caller]
    pub fn next_response(&mut self, method: &str) -> Response {
        match self.try_response(method) {
            Ok(Some(response)) => response,
            Ok(None) => panic!("the connection was closed without an answer"),
            Err(error) => panic!("reading an answer: {error}"),
        }
    }

    /// The next response; `None` when the connection is closed before it.
    pub fn try_response(&mut self, method: &str) -> io::Result<Option<Response>> {
        self.reader.response(method)
    }

    /// The next head alone.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        match self.reader.head() {
            Ok(Some(head)) => head,
            Ok(None) => panic!("the connection was closed without an answer"),
            Err(error) => panic!("reading a head: {error}"),
        }
    }

    /// A body piece by piece, behind its head.
    pub fn body(&mut self, framing: Framing, sink: &mut dyn FnMut(&[u8])) -> io::Result<Fields> {
        self.reader.body(framing, sink)
    }

    /// This many bytes.
    #[track_caller]
    pub fn exactly(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let result = self.body(Framing::Sized(len as u64), &mut |data| bytes.extend_from_slice(data));
        result.unwrap_or_else(|error| panic!("reading {len} bytes: {error}"));
        bytes
    }

    /// Everything up to the end of the connection.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        self.try_rest().unwrap_or_else(|error| panic!("reading to the end: {error}"))
    }

    /// Everything up to the end of the connection, or why it is no clean end.
    pub fn try_rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.body(Framing::UntilClose, &mut |data| rest.extend_from_slice(data))?;
        Ok(rest)
    }

    /// The connection is closed without a byte more.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "bytes before the end: {:?}", String::from_utf8_lossy(&rest));
    }

    /// The connection is closed or reset, and nothing that could be an answer precedes that.
    #[track_caller]
    pub fn expect_gone(&mut self) {
        match self.try_rest() {
            Ok(rest) => assert!(rest.is_empty(), "bytes: {:?}", String::from_utf8_lossy(&rest)),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
        }
    }

    /// The connection is open and silent at this moment.
    pub fn is_open(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket");
        let result = self.stream.read(&mut [0]);
        self.stream.set_nonblocking(false).expect("a socket");
        matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends no more.
    pub fn half_close(&mut self) -> &mut Self {
        self.stream.shutdown(Shutdown::Write).expect("the connection is open");
        self
    }

    /// Closes with a reset.
    pub fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).expect("a socket");
    }

    /// The client's own address.
    pub fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("connected")
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// How long a read may wait.
    pub fn patience(&mut self, patience: Duration) -> &mut Self {
        self.stream.set_read_timeout(Some(patience)).expect("a socket");
        self
    }
}
