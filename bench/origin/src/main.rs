//! The bench's servers: fixed answers from one thread, as cheap as they can be, so that the machine's time goes
//! to the proxy in front.
//!
//! `origin ADDRESS...` listens on each address and answers `/small` (128 bytes), `/64k`, `/1m`, and `POST` of any
//! path (reads `Content-Length` bytes, answers `/small`). Trusts its clients: it never faces anything but the bench.
//! Level-triggered epoll without a framework: one `epoll_wait`, one `recv` and one `send` per request.

#![forbid(unsafe_code)]

use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::ExitCode;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

/// Room for what one `recv` takes. Bodies are thrown away in the kernel (`MSG_TRUNC`), never copied into it.
const READ_BYTES: usize = 1024 * 1024;
const HEAD_BYTES_MAX: usize = 64 * 1024;

fn main() -> ExitCode {
    let addresses: Vec<String> = std::env::args().skip(1).collect();
    if addresses.is_empty() {
        eprintln!("usage: origin ADDRESS...");
        return ExitCode::from(2);
    }
    match Origin::bind(&addresses).and_then(Origin::serve) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("origin: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Origin {
    epoll: OwnedFd,
    listeners: Vec<TcpListener>,
    /// By token: `listeners.len()` and up.
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    pages: Pages,
}

struct Connection {
    stream: TcpStream,
    /// A request head that has not come whole.
    head: Vec<u8>,
    /// Bytes of a request body still to be thrown away.
    body_left: usize,
    answer: Answer,
}

/// What is being sent.
struct Answer {
    page: Page,
    sent: usize,
    /// The whole answer did not fit into the socket's buffer: we wait until it is writable.
    waiting: bool,
    close: bool,
}

#[derive(Clone, Copy)]
enum Page {
    Small,
    Medium,
    Large,
    Missing,
}

struct Pages {
    small: Vec<u8>,
    medium: Vec<u8>,
    large: Vec<u8>,
    missing: Vec<u8>,
}

enum Never {}

impl Origin {
    fn bind(addresses: &[String]) -> std::io::Result<Origin> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut listeners = Vec::new();
        for (token, address) in addresses.iter().enumerate() {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            epoll::add(&epoll, &listener, EventData::new_u64(token as u64), EventFlags::IN)?;
            listeners.push(listener);
        }
        Ok(Origin { epoll, listeners, connections: Vec::new(), free: Vec::new(), pages: Pages::new() })
    }

    fn serve(mut self) -> std::io::Result<Never> {
        let mut events = Vec::with_capacity(256);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            for event in &events {
                let token = event.data.u64() as usize;
                if token < self.listeners.len() {
                    self.accept(token)?;
                    continue;
                }
                let index = token - self.listeners.len();
                if let Some(connection) = &mut self.connections[index]
                    && connection.advance(&self.epoll, token, &self.pages, &mut buffer).is_err()
                {
                    // Closed by us or by the other side: dropping it also takes it out of epoll.
                    self.connections[index] = None;
                    self.free.push(index);
                }
            }
        }
    }

    fn accept(&mut self, listener: usize) -> std::io::Result<()> {
        loop {
            let stream = match self.listeners[listener].accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let index = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let token = EventData::new_u64((self.listeners.len() + index) as u64);
            epoll::add(&self.epoll, &stream, token, EventFlags::IN)?;
            let answer = Answer { page: Page::Missing, sent: 0, waiting: false, close: false };
            self.connections[index] = Some(Connection { stream, head: Vec::new(), body_left: 0, answer });
        }
    }
}

/// The connection is over, by intent or by failure; nobody needs to know which.
struct Closed;

impl Connection {
    fn advance(
        &mut self,
        epoll: &OwnedFd,
        token: usize,
        pages: &Pages,
        buffer: &mut [u8],
    ) -> Result<(), Closed> {
        if self.answer.waiting {
            return self.send(epoll, token, pages);
        }
        if self.body_left > 0 {
            let room = self.body_left.min(buffer.len());
            let count = receive(&self.stream, &mut buffer[..room], RecvFlags::TRUNC)?;
            self.body_left -= count;
            return if self.body_left == 0 { self.send(epoll, token, pages) } else { Ok(()) };
        }
        let count = receive(&self.stream, &mut buffer[..READ_BYTES / 16], RecvFlags::empty())?;
        let read = &buffer[..count];
        // Nearly always a head comes whole, and is read where it lies.
        let (request, have) = if self.head.is_empty() {
            (Request::parse(read), count)
        } else {
            self.head.extend_from_slice(read);
            (Request::parse(&self.head), self.head.len())
        };
        let Some(request) = request else {
            if self.head.is_empty() {
                self.head.extend_from_slice(read);
            }
            return if self.head.len() > HEAD_BYTES_MAX { Err(Closed) } else { Ok(()) };
        };
        self.head = Vec::new();
        self.answer = Answer { page: request.page, sent: 0, waiting: false, close: request.close };
        // Requests are not pipelined here: what follows the head is its body.
        self.body_left = request.body_bytes.saturating_sub(have - request.head_bytes);
        if self.body_left == 0 { self.send(epoll, token, pages) } else { Ok(()) }
    }

    fn send(&mut self, epoll: &OwnedFd, token: usize, pages: &Pages) -> Result<(), Closed> {
        let bytes = pages.get(self.answer.page);
        match (&self.stream).write(&bytes[self.answer.sent..]) {
            Ok(count) => self.answer.sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return Err(Closed),
        }
        let waiting = self.answer.sent < bytes.len();
        if waiting != self.answer.waiting {
            self.answer.waiting = waiting;
            let interest = if waiting { EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(epoll, &self.stream, EventData::new_u64(token as u64), interest)
                .map_err(|_| Closed)?;
        }
        if !waiting && self.answer.close { Err(Closed) } else { Ok(()) }
    }
}

/// How many bytes came; none when the readiness was a false alarm.
fn receive(stream: impl AsFd, buffer: &mut [u8], flags: RecvFlags) -> Result<usize, Closed> {
    match recv(stream, buffer, flags) {
        Ok((_, 0)) => Err(Closed),
        Ok((_, count)) => Ok(count),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(_) => Err(Closed),
    }
}

struct Request {
    page: Page,
    head_bytes: usize,
    body_bytes: usize,
    close: bool,
}

impl Request {
    /// `None` as long as the head is not whole.
    fn parse(bytes: &[u8]) -> Option<Request> {
        let head_bytes = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
        let mut lines = bytes[..head_bytes - 4].split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let mut words = lines.next().unwrap_or_default().split(|&byte| byte == b' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let page = match path {
            b"/64k" => Page::Medium,
            b"/1m" => Page::Large,
            b"/small" => Page::Small,
            _ if method == b"POST" => Page::Small,
            _ => Page::Missing,
        };
        let mut request = Request { page, head_bytes, body_bytes: 0, close: false };
        for line in lines {
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                request.body_bytes = std::str::from_utf8(value).ok()?.parse().ok()?;
            } else if name.eq_ignore_ascii_case(b"connection") {
                request.close = value.eq_ignore_ascii_case(b"close");
            }
        }
        Some(request)
    }
}

impl Pages {
    fn new() -> Pages {
        Pages {
            small: page("200 OK", 128),
            medium: page("200 OK", 64 * 1024),
            large: page("200 OK", 1024 * 1024),
            missing: page("404 Not Found", 0),
        }
    }

    fn get(&self, page: Page) -> &[u8] {
        match page {
            Page::Small => &self.small,
            Page::Medium => &self.medium,
            Page::Large => &self.large,
            Page::Missing => &self.missing,
        }
    }
}

/// An answer with the headers that a real server sends; the date stands still.
fn page(status: &str, body_bytes: usize) -> Vec<u8> {
    let mut page = format!(
        "HTTP/1.1 {status}\r\nServer: origin\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\n\
         Content-Length: {body_bytes}\r\n\r\n"
    )
    .into_bytes();
    page.resize(page.len() + body_bytes, b'x');
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let head = b"POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 12\r\nConnection: close\r\n\r\n";
        for end in 0..head.len() {
            assert!(Request::parse(&head[..end]).is_none(), "{end} bytes are not a whole head");
        }
        let request = Request::parse(head).expect("a whole head");
        assert_eq!((request.head_bytes, request.body_bytes, request.close), (head.len(), 12, true));
    }

    #[test]
    fn pages_say_their_length() {
        for (page, length) in [(page("200 OK", 128), 128), (page("200 OK", 65536), 65536)] {
            let head_bytes = memchr::memmem::find(&page, b"\r\n\r\n").expect("a head") + 4;
            assert_eq!(page.len() - head_bytes, length);
        }
    }
}
