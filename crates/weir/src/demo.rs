//! `weir demo`: the main job, shown on this machine alone.
//!
//! Three servers of its own, the real Weir in front of them, and a strict client that asks all the time. Then a
//! server is killed, and started again, and no request fails. What the table says of requests and latency is
//! what the client saw; only the states are Weir's.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{runtime, signal, time};

mod front;
mod screen;
mod script;
mod server;
mod table;
mod tally;
mod traffic;

use front::Front;
use screen::Screen;
use script::Act;
use server::DemoServer;
use tally::Tally;
use traffic::Traffic;

/// How often the demo looks whether something has changed.
const TICK: Duration = Duration::from_millis(50);

/// How often counts are shown.
const SECOND: Duration = Duration::from_secs(1);

/// How long the servers may take until Weir sends them traffic.
const WARM_UP_MAX: Duration = Duration::from_secs(10);

/// Names of the servers, and how long each works on an answer.
const SERVERS: [(&str, Duration); 3] = [
    ("one", Duration::from_millis(1)),
    ("two", Duration::from_millis(2)),
    ("three", Duration::from_millis(3)),
];

/// Runs the demo for `length`, or until it is interrupted. A request without its right answer is an error.
pub(crate) fn run(length: Option<Duration>, listen: Option<SocketAddr>) -> Result<(), String> {
    let mut screen = Screen::new();
    let servers = start_servers().map_err(|error| format!("cannot start the demo's servers: {error}"))?;
    let listen = front::free_address(listen)?;
    // A line of the log would tear the table apart.
    let log_level = if screen.is_terminal() { "error" } else { "warn" };
    let front = Front::start(listen, &servers, log_level).map_err(|error| error.to_string())?;
    introduce(&mut screen, &servers, front.address());

    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let (all, recent) = (Tally::new(servers.len()), Tally::new(servers.len()));
    let mut stage = Stage { screen, servers, front, all, recent, states: Vec::new() };
    let played = runtime.block_on(stage.play(length));
    let (requests, failed) = (stage.all.requests(), stage.all.failed());
    stage.finish();
    match (played, failed) {
        (Err(message), _) => Err(message),
        (Ok(()), 0) if requests > 0 => Ok(()),
        (Ok(()), _) => Err(format!("{failed} of {requests} requests failed")),
    }
}

fn start_servers() -> io::Result<Vec<DemoServer>> {
    SERVERS.into_iter().map(|(name, work)| DemoServer::start(name, work)).collect()
}

fn introduce(screen: &mut Screen, servers: &[DemoServer], front: SocketAddr) {
    let addresses: Vec<_> = servers.iter().map(|server| server.address().to_string()).collect();
    screen.say(&format!(
        "Three servers listen on {}.
Weir listens on {front} and spreads requests over them; it checks them every {:?}.
{} keep-alive connections send {} requests a second and check every answer.
Try it yourself: curl -i http://{front}/

",
        addresses.join(", "),
        front::CHECK_INTERVAL,
        traffic::CONNECTIONS,
        traffic::RATE,
    ));
}

/// All that takes part.
struct Stage {
    screen: Screen,
    servers: Vec<DemoServer>,
    front: Front,
    /// Counts since the beginning.
    all: Tally,
    /// Counts of the latest second.
    recent: Tally,
    /// As last seen in Weir's metrics.
    states: Vec<String>,
}

impl Stage {
    /// The whole play, from the first request to the last answer.
    async fn play(&mut self, length: Option<Duration>) -> Result<(), String> {
        self.wait_until_up().await?;
        let names = self.servers.iter().map(DemoServer::name).collect();
        let traffic = Traffic::start(self.front.address(), names)
            .map_err(|error| format!("cannot start the demo's client: {error}"))?;
        let played = tokio::select! {
            played = self.acts(length, &traffic) => played,
            interrupted = interrupt() => interrupted,
        };
        self.all.add(&traffic.stop());
        played
    }

    async fn wait_until_up(&mut self) -> Result<(), String> {
        let start = Instant::now();
        loop {
            self.states = self.states_now();
            if self.states.iter().all(|state| state == "up") {
                return Ok(());
            }
            if start.elapsed() > WARM_UP_MAX {
                return Err(format!("the servers are not up after {WARM_UP_MAX:?}: {:?}", self.states));
            }
            time::sleep(TICK).await;
        }
    }

    async fn acts(&mut self, length: Option<Duration>, traffic: &Traffic) -> Result<(), String> {
        let start = Instant::now();
        let mut next_act = script::act(length, 0, self.servers.len());
        let mut acts_done = 0;
        let mut next_second = SECOND;
        let mut ticks = time::interval(TICK);
        loop {
            ticks.tick().await;
            let elapsed = start.elapsed();
            if let Some((_, act)) = next_act.filter(|(at, _)| *at <= elapsed) {
                self.perform(act, elapsed)?;
                acts_done += 1;
                next_act = script::act(length, acts_done, self.servers.len());
            }
            self.watch_states(elapsed);
            if next_second <= elapsed {
                self.show_second(elapsed, traffic.take());
                next_second += SECOND;
            }
            if length.is_some_and(|length| length <= elapsed) {
                return Ok(());
            }
        }
    }

    fn perform(&mut self, act: Act, elapsed: Duration) -> Result<(), String> {
        match act {
            Act::Kill(index) => {
                let server = &mut self.servers[index];
                server.kill();
                let name = server.name();
                self.say_at(
                    elapsed,
                    &format!("{name} is killed: its port and all its connections are closed"),
                );
            }
            Act::StartAgain(index) => {
                let server = &mut self.servers[index];
                let name = server.name();
                server.start_again().map_err(|error| format!("cannot start {name} again: {error}"))?;
                self.say_at(elapsed, &format!("{name} is started again"));
            }
        }
        Ok(())
    }

    /// Says which servers Weir has begun to see otherwise.
    fn watch_states(&mut self, elapsed: Duration) {
        let now = self.states_now();
        let before = std::mem::replace(&mut self.states, now);
        for (index, before) in before.iter().enumerate() {
            let (name, now) = (self.servers[index].name(), &self.states[index]);
            if before != now {
                let what = match now.as_str() {
                    "up" => "it gets requests again",
                    _ => "it gets no more requests",
                };
                let sentence = format!("Weir sees {name} {now}: {what}");
                self.say_at(elapsed, &sentence);
            }
        }
    }

    fn show_second(&mut self, elapsed: Duration, recent: Tally) {
        self.all.add(&recent);
        self.recent = recent;
        if self.screen.is_terminal() {
            self.draw();
        } else {
            self.screen.say(&table::line(elapsed, &self.seen_servers(), &self.all, &self.recent));
        }
    }

    fn draw(&mut self) {
        self.screen.draw(table::table(&self.seen_servers(), &self.all, &self.recent));
    }

    fn say_at(&mut self, elapsed: Duration, sentence: &str) {
        self.screen.say(&format!("{}  {sentence}\n", table::time(elapsed)));
        if self.screen.is_terminal() {
            self.draw();
        }
    }

    /// The counts over all the time, what to do next, and the summary as the last line.
    fn finish(mut self) {
        self.screen.clear();
        let table = table::table(&self.seen_servers(), &self.all, &self.all);
        let verdict = match self.all.first_failure() {
            Some(reason) => format!("The first failure: {reason}"),
            None => "Every request got its right answer.".to_owned(),
        };
        self.screen.say(&format!(
            "
{table}
{verdict}

Next: weir run --listen :8080 SERVER SERVER
      weir run weir.yaml

requests={} failed={}
",
            self.all.requests(),
            self.all.failed(),
        ));
        self.front.stop();
    }

    fn states_now(&self) -> Vec<String> {
        self.servers.iter().map(|server| self.front.state(server.name())).collect()
    }

    fn seen_servers(&self) -> Vec<table::Server> {
        let states = self.states.iter().cloned().chain(std::iter::repeat("unknown".to_owned()));
        let seen = |(server, state): (&DemoServer, String)| table::Server {
            name: server.name(),
            address: server.address(),
            state,
        };
        self.servers.iter().zip(states).map(seen).collect()
    }
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupt() -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot wait for signals: {error}");
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        interrupted = signal::ctrl_c() => interrupted.map_err(failed),
        _ = terminate.recv() => Ok(()),
    }
}
