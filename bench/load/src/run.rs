//! The loop: level-triggered epoll over all connections, one `recv` and one `send` per request.

use std::io::BufRead;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::plan::Plan;
use crate::tally::Tally;
use crate::tls::Tls;
use crate::wire::{READ_BYTES, Wire};
use crate::{http1, http2};

/// Without any event for so long something hangs, and the run is over.
const STALL: Duration = Duration::from_secs(10);
/// Idle mode: so many connections are opened and asked at a time.
const IDLE_WINDOW: usize = 64;

/// Carries out the plan and prints the result.
pub(crate) fn run(plan: &Plan) -> std::io::Result<()> {
    let mut run = Run::new(plan)?;
    if plan.idle { run.idle() } else { run.load() }
}

struct Run<'a> {
    plan: &'a Plan,
    tls: Option<Tls>,
    speech: Speech,
    epoll: OwnedFd,
    connections: Vec<Option<Connection>>,
    /// Connections that wait for something.
    busy: usize,
    tally: Tally,
}

/// What is said on every connection.
enum Speech {
    Http1(Vec<u8>),
    Http2(http2::Requests),
}

struct Connection {
    wire: Wire,
    talk: Talk,
}

enum Talk {
    Http1(http1::Talk),
    Http2(http2::Talk),
}

/// How it stands with a connection.
pub(crate) enum State {
    Busy,
    /// Asked and answered; it stays open.
    Idle,
    Over,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan) -> std::io::Result<Run<'a>> {
        let speech = match plan.h2_streams {
            None => Speech::Http1(http1::request(plan)),
            Some(_) => Speech::Http2(http2::Requests::new(plan)),
        };
        Ok(Run {
            plan,
            tls: Tls::new(plan).map_err(std::io::Error::other)?,
            speech,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: (0..plan.connections).map(|_| None).collect(),
            busy: 0,
            tally: Tally::new(plan),
        })
    }

    fn load(&mut self) -> std::io::Result<()> {
        for index in 0..self.connections.len() {
            self.open(index)?;
        }
        self.drive(|run, index| if run.tally.may_start() { run.open(index) } else { Ok(()) })?;
        self.tally.print();
        Ok(())
    }

    fn idle(&mut self) -> std::io::Result<()> {
        for index in 0..self.connections.len().min(IDLE_WINDOW) {
            self.open(index)?;
        }
        let mut next = self.busy;
        self.drive(|run, _free| {
            if next < run.connections.len() && !run.tally.is_hopeless() {
                next += 1;
                run.open(next - 1)?;
            }
            Ok(())
        })?;
        self.tally.print();

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

    /// Handles events until no connection is busy; `then` is called for each that is idle or over.
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
                Ok(0) => return Err(std::io::Error::other(format!("{} connections hang", self.busy))),
                Err(Errno::INTR) => continue,
                other => other?,
            };
            for event in &events {
                let index = event.data.u64() as usize;
                match self.handle(index, &mut buffer) {
                    Ok(State::Busy) => continue,
                    Ok(State::Idle) => {}
                    Ok(State::Over) => self.connections[index] = None,
                    Err(message) => {
                        self.tally.error(message);
                        self.connections[index] = None;
                    }
                }
                self.busy -= 1;
                then(self, index)?;
            }
        }
        Ok(())
    }

    fn handle(&mut self, index: usize, buffer: &mut [u8]) -> Result<State, String> {
        let Run { plan, speech, connections, tally, epoll, .. } = self;
        let Some(connection) = &mut connections[index] else { return Ok(State::Busy) };
        let wire = &mut connection.wire;
        let state = match (&mut connection.talk, &*speech) {
            (Talk::Http1(talk), Speech::Http1(request)) => {
                talk.advance(wire, buffer, plan, request, tally)?
            }
            (Talk::Http2(talk), Speech::Http2(requests)) => talk.advance(wire, buffer, requests, tally)?,
            _ => unreachable!("all speak alike"),
        };
        if matches!(state, State::Busy) {
            connection.flush(speech, epoll)?;
        }
        Ok(state)
    }

    /// Opens a connection and says the first thing on it.
    fn open(&mut self, index: usize) -> std::io::Result<()> {
        let began = Instant::now();
        let wire = Wire::open(self.plan.target, self.tls.as_ref(), &self.epoll, index)?;
        let talk = match &self.speech {
            Speech::Http1(_) => Talk::Http1(http1::Talk::new(began, &mut self.tally)),
            Speech::Http2(requests) => Talk::Http2(http2::Talk::new(requests)),
        };
        let connection = self.connections[index].insert(Connection { wire, talk });
        self.busy += 1;
        // A failure shows as an event at once, and is counted there.
        let _ = connection.begin(&self.speech).and_then(|()| connection.flush(&self.speech, &self.epoll));
        Ok(())
    }
}

impl Connection {
    fn begin(&mut self, speech: &Speech) -> Result<(), String> {
        match (&mut self.talk, speech) {
            (Talk::Http1(talk), Speech::Http1(request)) => talk.send(&mut self.wire, request),
            (Talk::Http2(talk), _) => talk.send(&mut self.wire),
            _ => unreachable!("all speak alike"),
        }
    }

    fn flush(&mut self, speech: &Speech, epoll: &OwnedFd) -> Result<(), String> {
        let waits = match (&self.talk, speech) {
            (Talk::Http1(talk), Speech::Http1(request)) => talk.waits(request),
            (Talk::Http2(talk), _) => talk.waits(),
            _ => unreachable!("all speak alike"),
        };
        self.wire.flush(epoll, waits)
    }
}
