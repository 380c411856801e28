//! `cargo xtask checks`: a hundred thousand servers under the real program's checks, and how late these begin.
//!
//! The servers are addresses in 127.0.0.0/8, which are all this machine; one socket takes the connects to all of them and
//! drops them. It shares the CPUs with the program, so its time is in the lateness. The figures are those of the window
//! after the first round, read from the program's own metrics; reading these is part of the load, as it is in life.

mod figures;

use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use weir_tests::{Metrics, folder::Folder, weir::field};

use self::figures::Figures;
use crate::{
    bench::{machine, process::Process},
    launch::{self, DeathSignal},
    options, workspace,
};

const USAGE: &str = "\
usage: cargo xtask checks [OPTION...]

  --servers N    servers of one pool (100000)
  --interval S   from one check of a server to the next, in seconds (10)
  --seconds S    how long is measured after the first round (30)
";

/// How long a start may take before it is given up.
const START_MAX: Duration = Duration::from_secs(120);
/// How often the log is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Connects that may wait to be accepted.
const ACCEPT_QUEUE: i32 = 4096;
/// The most that a page of metrics may have, in bytes.
const PAGE_BYTES_MAX: u64 = 2 << 30;

/// What was asked for.
struct Options {
    servers: u32,
    interval: u64,
    seconds: u64,
}

/// Runs the measurement and prints a table; fails when checks were late.
pub(crate) fn run(args: &[String]) -> Result<ExitCode, String> {
    let options = match options::of(args, USAGE, Options::parse) {
        Ok(options) => options,
        Err(code) => return Ok(code),
    };
    workspace::build_weir()?;
    println!("{}", machine::describe());
    let figures = measure(&options)?;
    println!("\n{}", figures.table());
    let missed = figures.missed();
    missed.iter().for_each(|what| eprintln!("FAILED {what}"));
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(options: &Options) -> Result<Figures, String> {
    let folder = Folder::new("checks");
    // Any address of 127.0.0.0/8 must be listened on; who comes from elsewhere is dropped as well, without a byte.
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(|error| error.to_string())?;
    // Connects come in bursts: one that finds no room is tried again after a second.
    rustix::net::listen(&listener, ACCEPT_QUEUE).map_err(|error| error.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    // It ends with this process.
    thread::spawn(move || listener.incoming().for_each(drop));
    folder.write("weir.yaml", &yaml(options, port));

    let log = folder.path().join("weir.log");
    let binary = workspace::target_dir()?.join("release/weir");
    let mut command = launch::unpinned(&binary, DeathSignal::Kill);
    command.arg("run").arg("weir.yaml").current_dir(folder.path());
    let spawned = Instant::now();
    let mut process = Process::start("weir", command, &log)?;
    let metrics = wait_for_metrics(&mut process, &log, spawned)?;
    let ready = spawned.elapsed();
    let first_round = wait_for_first_round(&mut process, options.servers, metrics, spawned)?;
    // What was late because of the first round comes to rest.
    thread::sleep(Duration::from_secs(2 * options.interval));

    let pid = *process.pids().first().ok_or("weir is gone")?;
    // From one page to the next; the first is part of the window.
    let (cpu_before, begin) = (control_time(pid)?, Instant::now());
    let (page, _, _) = scrape(metrics)?;
    thread::sleep(Duration::from_secs(options.seconds).saturating_sub(begin.elapsed()));
    let (cpu, took) = (control_time(pid)?.saturating_sub(cpu_before), begin.elapsed());
    let (after, scrape_took, scrape_bytes) = scrape(metrics)?;
    Ok(Figures {
        servers: options.servers,
        interval: Duration::from_secs(options.interval),
        ready,
        first_round,
        before: page,
        after,
        cpu,
        took,
        scrape_took,
        scrape_bytes,
        resident: process.memory().resident,
    })
}

fn yaml(options: &Options, port: u16) -> String {
    let mut text = format!(
        "metrics: {{ bind: \"127.0.0.1:0\" }}\n\
         runtime: {{ workers: 1 }}\n\
         listeners: [{{ bind: \"127.0.0.1:0\", pool: web }}]\n\
         pools:\n  web:\n    health: {{ tcp: connect, interval: {}s }}\n    servers:\n",
        options.interval
    );
    for number in 0..options.servers {
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 0)) + number);
        let _ = writeln!(text, "      - {address}:{port}");
    }
    text
}

fn wait_for_metrics(
    process: &mut Process,
    log: &std::path::Path,
    spawned: Instant,
) -> Result<SocketAddr, String> {
    loop {
        let said = fs::read_to_string(log).map_err(|error| error.to_string())?;
        let lines = said.rsplit_once('\n').map_or("", |(lines, _)| lines);
        let mut lines = lines.lines();
        let address = lines.clone().find(|line| line.contains(" metrics address="));
        let address = address.and_then(|line| field(line, "address")?.parse().ok());
        if let (Some(address), true) = (address, lines.any(|line| line.contains(" ready "))) {
            return Ok(address);
        }
        if spawned.elapsed() > START_MAX || process.has_ended() {
            let end = said.len().saturating_sub(2000);
            return Err(format!("weir does not start: {}", said.get(end..).unwrap_or_default()));
        }
        thread::sleep(LOOK);
    }
}

/// Until every server has passed its first check.
fn wait_for_first_round(
    process: &mut Process,
    servers: u32,
    metrics: SocketAddr,
    spawned: Instant,
) -> Result<Duration, String> {
    loop {
        let (page, _, _) = scrape(metrics)?;
        if page.sum("weir_server_up", &[]) >= f64::from(servers) {
            return Ok(spawned.elapsed());
        }
        if spawned.elapsed() > START_MAX || process.has_ended() {
            return Err("not every server passes its first check".into());
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// The page, how long it took, and how long it is.
fn scrape(address: SocketAddr) -> Result<(Metrics, Duration, usize), String> {
    let begin = Instant::now();
    let wrong = |error: std::io::Error| format!("metrics: {error}");
    let mut stream = TcpStream::connect(address).map_err(wrong)?;
    stream.set_read_timeout(Some(START_MAX)).map_err(wrong)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").map_err(wrong)?;
    let mut text = String::new();
    stream.take(PAGE_BYTES_MAX).read_to_string(&mut text).map_err(wrong)?;
    let took = begin.elapsed();
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    // Only what is looked at: a hundred thousand servers have millions of samples.
    let wanted = ["weir_server_up{", "weir_check_lateness_seconds_", "# EOF"];
    let kept = body.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    let kept: String = kept.flat_map(|line| [line, "\n"]).collect();
    Ok((Metrics::parse(&kept), took, text.len()))
}

/// The CPU time of the control plane's threads.
fn control_time(pid: u32) -> Result<Duration, String> {
    let wrong = |error: std::io::Error| format!("/proc: {error}");
    let mut ticks = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).map_err(wrong)? {
        let stat = fs::read_to_string(task.map_err(wrong)?.path().join("stat")).map_err(wrong)?;
        let Some((front, rest)) = stat.rsplit_once(") ") else { continue };
        if front.contains("(control") {
            // Fields 14 and 15 of the line, the 12th and 13th behind the name (proc_pid_stat(5)).
            let times = rest.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
            ticks += times.sum::<u64>();
        }
    }
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_millis(ticks * 1000 / per_second))
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self { servers: 100_000, interval: 10, seconds: 30 };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("{name} wants a value"))?;
            let number: u32 = value.parse().map_err(|_| format!("{name} wants a whole number"))?;
            match name.as_str() {
                "--servers" => options.servers = number,
                "--interval" => options.interval = number.into(),
                "--seconds" => options.seconds = number.into(),
                _ => return Err(format!("unknown option `{name}`")),
            }
        }
        let is_bounded = (1..=100_000).contains(&options.servers)
            && (1..=60).contains(&options.interval)
            && (1..=120).contains(&options.seconds);
        match is_bounded {
            true => Ok(options),
            false => Err("1 to 100000 servers, an interval of 1 to 60 seconds, 1 to 120 seconds".into()),
        }
    }
}
