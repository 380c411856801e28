//! The loop: level-triggered epoll over all connections, one `recv` and one `send` per request.

use std::io::{BufRead, ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::Plan;
use crate::answer::Answer;
use crate::histogram::Histogram;

/// Body bytes beyond the head are counted but not copied (`MSG_TRUNC`), so that bulk cases measure the proxy.
const READ_BYTES: usize = 1024 * 1024;
/// An answer's head is looked for in the first read.
const HEAD_READ_BYTES: usize = 64 * 1024;
/// Without any event for so long something hangs, and the run is over.
const STALL: Duration = Duration::from_secs(10);
/// With so many errors more of them tell nothing.
const ERRORS_MAX: u64 = 100;
/// Idle mode: so many connections are opened and asked at a time.
const IDLE_WINDOW: usize = 64;

/// Carries out the plan and prints the result.
pub(crate) fn run(plan: &Plan) -> std::io::Result<()> {
    let mut run = Run::new(plan)?;
    if plan.idle { run.idle() } else { run.load() }
}

struct Run<'a> {
    plan: &'a Plan,
    request: Vec<u8>,
    epoll: OwnedFd,
    connections: Vec<Option<Connection>>,
    busy: usize,
    began: Instant,
    started: u64,
    done: u64,
    errors: u64,
    first_error: Option<String>,
    latencies: Histogram,
}

struct Connection {
    stream: TcpStream,
    sent: usize,
    /// The request did not fit into the socket's buffer: we also wait until it is writable.
    waiting: bool,
    began: Instant,
    answer: Answer,
    /// The answer is whole and the request said `close`: the other side has to close.
    closing: bool,
}

/// What an event meant for a connection.
enum Step {
    Pending,
    Answered,
    Closed,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan) -> std::io::Result<Run<'a>> {
        Ok(Run {
            plan,
            request: plan.request(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: (0..plan.connections).map(|_| None).collect(),
            busy: 0,
            began: Instant::now(),
            started: 0,
            done: 0,
            errors: 0,
            first_error: None,
            latencies: Histogram::new(),
        })
    }

    fn load(&mut self) -> std::io::Result<()> {
        for index in 0..self.connections.len() {
            self.open(index)?;
        }
        self.drive(Run::next_request)?;
        self.print();
        Ok(())
    }

    /// Starts the next request on a connection, unless time or count are up.
    fn next_request(&mut self, index: usize) -> std::io::Result<()> {
        let over = self.began.elapsed() >= self.plan.time || self.started >= self.plan.requests_max;
        if over || self.errors >= ERRORS_MAX {
            self.connections[index] = None;
            return Ok(());
        }
        if self.connections[index].is_none() {
            return self.open(index);
        }
        self.send_request(index)
    }

    fn idle(&mut self) -> std::io::Result<()> {
        for index in 0..self.connections.len().min(IDLE_WINDOW) {
            self.open(index)?;
        }
        let mut next = self.busy;
        self.drive(|run, _answered| {
            if next < run.connections.len() && run.errors < ERRORS_MAX {
                next += 1;
                run.open(next - 1)?;
            }
            Ok(())
        })?;
        self.print();

        // Whoever started us measures now.
        for line in std::io::stdin().lock().lines() {
            line?;
        }
        // An idle connection has nothing to say but that it is over.
        let mut events = Vec::with_capacity(self.connections.len());
        let at_once = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&at_once))?;
        println!("{{\"closed\":{}}}", events.len());
        Ok(())
    }

    /// Handles events until no connection is busy; `then` is called for each that has become free.
    fn drive(
        &mut self,
        mut then: impl FnMut(&mut Self, usize) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let mut events = Vec::with_capacity(256);
        let mut buffer = vec![0; READ_BYTES];
        let stall = rustix::event::Timespec { tv_sec: STALL.as_secs() as i64, tv_nsec: 0 };
        while self.busy > 0 {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&stall)) {
                Ok(0) => return Err(std::io::Error::other(format!("{} requests hang", self.busy))),
                Err(Errno::INTR) => continue,
                other => other?,
            };
            for event in &events {
                let index = event.data.u64() as usize;
                self.handle(index, &mut buffer, &mut then)?;
            }
        }
        Ok(())
    }

    fn handle(
        &mut self,
        index: usize,
        buffer: &mut [u8],
        then: &mut impl FnMut(&mut Self, usize) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let Some(connection) = &mut self.connections[index] else { return Ok(()) };
        match connection.advance(&self.epoll, index, &self.request, buffer, self.plan) {
            Ok(Step::Pending) => return Ok(()),
            Ok(Step::Answered) => {
                self.done += 1;
                self.latencies.record(connection.began.elapsed());
                connection.answer.reset();
                if self.plan.close {
                    connection.closing = true;
                    return Ok(());
                }
            }
            Ok(Step::Closed) => self.connections[index] = None,
            Err(message) => {
                self.errors += 1;
                self.first_error.get_or_insert(message);
                self.connections[index] = None;
            }
        }
        self.busy -= 1;
        then(self, index)
    }

    /// Opens a connection and sends the first request on it. Blocking is fine: on loopback a connect that does
    /// not overflow the queue of the listener is over at once, and one that does shall show in the latency.
    fn open(&mut self, index: usize) -> std::io::Result<()> {
        let began = Instant::now();
        let stream = TcpStream::connect(self.plan.target)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        epoll::add(&self.epoll, &stream, EventData::new_u64(index as u64), EventFlags::IN)?;
        self.connections[index] = Some(Connection {
            stream,
            sent: 0,
            waiting: false,
            began,
            answer: Answer::default(),
            closing: false,
        });
        self.send_request_since(index, began)
    }

    fn send_request(&mut self, index: usize) -> std::io::Result<()> {
        self.send_request_since(index, Instant::now())
    }

    fn send_request_since(&mut self, index: usize, began: Instant) -> std::io::Result<()> {
        let connection = self.connections[index].as_mut().expect("the connection is open");
        connection.began = began;
        connection.sent = 0;
        self.started += 1;
        self.busy += 1;
        // A failure shows as an event at once, and is counted there.
        let _ = connection.send(&self.epoll, index, &self.request);
        Ok(())
    }

    fn print(&self) {
        let error =
            self.first_error.as_deref().unwrap_or("").escape_default().to_string().replace("\\'", "'");
        println!(
            "{{\"requests\":{},\"errors\":{},\"seconds\":{:.6},\"p50_us\":{:.1},\"p99_us\":{:.1},\"error\":\"{error}\"}}",
            self.done,
            self.errors,
            self.began.elapsed().as_secs_f64(),
            self.latencies.quantile_us(0.5),
            self.latencies.quantile_us(0.99),
        );
        // The line must be out before we wait for stdin. A reader that is gone needs no answer.
        let _ = std::io::stdout().flush();
    }
}

impl Connection {
    fn advance(
        &mut self,
        epoll: &OwnedFd,
        index: usize,
        request: &[u8],
        buffer: &mut [u8],
        plan: &Plan,
    ) -> Result<Step, String> {
        if self.waiting {
            self.send(epoll, index, request)?;
        }
        let body_left = usize::try_from(self.answer.body_left()).unwrap_or(usize::MAX);
        let (room, flags) = match body_left {
            0 => (HEAD_READ_BYTES, RecvFlags::empty()),
            left => (left.min(buffer.len()), RecvFlags::TRUNC),
        };
        let count = match recv(&self.stream, &mut buffer[..room], flags) {
            Ok((_, 0)) if self.closing => return Ok(Step::Closed),
            Ok((_, 0)) => return Err("closed before the answer was whole".into()),
            Ok((_, count)) => count,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Step::Pending),
            Err(error) => return Err(error.to_string()),
        };
        if self.closing {
            return Err("bytes after the answer".into());
        }
        let whole = match body_left {
            0 => self.answer.take(&buffer[..count], plan.expect_bytes)?,
            _ => self.answer.discard(count)?,
        };
        if whole && self.sent < request.len() {
            return Err("answered before the request was sent whole".into());
        }
        Ok(if whole { Step::Answered } else { Step::Pending })
    }

    fn send(&mut self, epoll: &OwnedFd, index: usize, request: &[u8]) -> Result<(), String> {
        match (&self.stream).write(&request[self.sent..]) {
            Ok(count) => self.sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.to_string()),
        }
        let waiting = self.sent < request.len();
        if waiting != self.waiting {
            self.waiting = waiting;
            let interest = if waiting { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(epoll, &self.stream, EventData::new_u64(index as u64), interest)
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
