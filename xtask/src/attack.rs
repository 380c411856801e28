//! `cargo xtask attack`: what attacks on HTTP/2 cost Weir, and everybody else.
//!
//! Weir has one worker on a CPU of its own. On the other one are the servers, another client (the bench's load
//! generator) and the attackers, who begin anew at once when they are cut off; some do so before they can be.
//! Servers and client come first there (real time, which needs root), and the attackers get what they leave (the class
//! for idle time): otherwise the client would wait for its CPU and not for Weir, whose part is to be seen. Two requests
//! at a time leave the attackers half of the CPU. The calm figure is taken in the same way with no attacker there. Everything is loopback and ends by itself.

mod report;

use std::{
    io::Read,
    process::{Child, Command, ExitCode, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use weir_tests::h2::attack::{ALL, Attack, End};

use crate::{
    bench::{
        case::{Load, SMALL},
        machine,
        measure::{Bench, FIRST, Started},
        proxy,
    },
    launch::{self, DeathSignal},
    options, workspace,
};
use report::Row;

const USAGE: &str = "\
usage: cargo xtask attack [OPTION...]

  --only A,B         these attacks only
  --seconds S        how long each lasts (20)
  --connections N    attackers (50)
  --clients N        connections of the other client, each with a request at a time (2)
";

/// What was asked for.
struct Options {
    attacks: Vec<&'static Attack>,
    seconds: f64,
    connections: usize,
    clients: usize,
}

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the attacks and prints a table; fails when memory or latency go beyond their targets.
pub(crate) fn run(args: &[String]) -> Result<ExitCode, String> {
    let options = match options::of(args, &format!("{USAGE}{}", choices()), Options::parse) {
        Ok(options) => options,
        Err(code) => return Ok(code),
    };
    let programs = build()?;
    let (proxy_cpu, other_cpu) = machine::two_cpus()?;
    launch::pin(other_cpu)?;
    let bench = Bench::start(programs, proxy_cpu, other_cpu, FIRST)?;
    let mut rows = Vec::new();
    for attack in &options.attacks {
        println!("{} …", attack.name);
        rows.push(measure(&bench, &options, attack)?);
        println!("{}", report::table(&rows[rows.len() - 1..]));
    }
    println!("\n{}", report::table(&rows));
    let missed: Vec<&str> = rows.iter().filter(|row| !row.meets_targets()).map(|row| row.name).collect();
    if missed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("beyond the targets: {}", missed.join(", "));
    Ok(ExitCode::FAILURE)
}

fn choices() -> String {
    format!("attacks: {}\n", ALL.iter().map(|attack| attack.name).collect::<Vec<_>>().join(" "))
}

/// One attack on a Weir of its own: first the calm, then the attack, then what is left of it.
fn measure(bench: &Bench, options: &Options, attack: &'static Attack) -> Result<Row, String> {
    let started = bench.start_proxy(proxy::Proxy::Weir, None)?;
    let load = Load { connections: options.clients, ..SMALL };
    bench.load(&started, &load, 0.5)?;
    let calm = bench.load(&started, &load, (options.seconds / 2.0).min(5.0))?;
    let memory = || started.process.memory().resident;
    let (before, cpu_before) = (memory(), started.process.cpu_time());
    let (stop, peak) = (AtomicBool::new(false), AtomicU64::new(before));
    let began = Instant::now();
    let mut attackers = attackers(bench, &started, options, attack)?;
    let hot = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                peak.fetch_max(memory(), Relaxed);
                thread::sleep(LOOK);
            }
        });
        let hot = bench.load(&started, &load, options.seconds);
        stop.store(true, Relaxed);
        hot
    })?;
    // The end of its input ends it.
    drop(attackers.stdin.take());
    let output = attackers.wait_with_output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    let counts: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [ended, failed] = counts[..] else { return Err(format!("the attackers say {said:?}")) };
    let seconds = began.elapsed().as_secs_f64();
    Ok(Row {
        name: attack.name,
        connections_per_second: ended as f64 / seconds,
        failed,
        growth_bytes: peak.load(Relaxed).saturating_sub(before),
        cpu: (started.process.cpu_time() - cpu_before).as_secs_f64() / seconds,
        calm: (calm.per_second, calm.p99_us),
        hot: (hot.per_second, hot.p99_us),
    })
}

/// Starts the attackers, as a process that the scheduler runs only when nobody else wants the CPU.
fn attackers(bench: &Bench, started: &Started, options: &Options, attack: &Attack) -> Result<Child, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = launch::command("chrt", bench.other_cpu, DeathSignal::Kill);
    command.args(["--idle", "0"]).arg(own).args(["attackers", attack.name, &started.port.to_string()]);
    command.arg(options.connections.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().map_err(|error| format!("the attackers do not start: {error}"))
}

/// `xtask attackers NAME PORT CONNECTIONS`: attacks until its input ends, and prints how many connections were ended,
/// and how many could not be made.
pub(crate) fn run_attackers(args: &[String]) -> Result<ExitCode, String> {
    let [name, port, connections] = args else { return Err("wants NAME PORT CONNECTIONS".into()) };
    let attack = Attack::find(name).ok_or_else(|| format!("no `{name}` here"))?;
    let port: u16 = port.parse().map_err(|_| format!("`{port}` is no port"))?;
    let connections: usize = connections.parse().map_err(|_| format!("`{connections}` is no number"))?;
    let (prepared, address) = (attack.prepare(), ([127, 0, 0, 1], port).into());
    let (stop, ended, failed) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    match prepared.run(address, || stop.load(Relaxed)) {
                        Ok(End::Stopped) => {}
                        Ok(_) => _ = ended.fetch_add(1, Relaxed),
                        Err(_) => _ = failed.fetch_add(1, Relaxed),
                    }
                }
            });
        }
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stop.store(true, Relaxed);
    });
    println!("{} {}", ended.load(Relaxed), failed.load(Relaxed));
    Ok(ExitCode::SUCCESS)
}

fn build() -> Result<proxy::Programs, String> {
    for packages in [&["weir"][..], &["origin", "load"]] {
        let mut cargo = workspace::cargo();
        cargo.args(["build", "--release"]).stdin(Stdio::null());
        for package in packages {
            cargo.args(["--package", package]);
        }
        run_to_end(&mut cargo)?;
    }
    let built = workspace::target_dir()?.join("release");
    Ok(proxy::Programs { built, envoy: Err("it is not attacked".into()) })
}

fn run_to_end(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("building failed: {status}")),
        Err(error) => Err(format!("cargo does not start: {error}")),
    }
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self { attacks: ALL.iter().collect(), seconds: 20.0, connections: 50, clients: 2 };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("{name} wants a value"))?;
            let wrong = |_| format!("{name} wants a number");
            match name.as_str() {
                "--only" => {
                    let find = |name| Attack::find(name).ok_or_else(|| format!("no `{name}` here"));
                    options.attacks = value.split(',').map(find).collect::<Result<_, _>>()?;
                }
                "--seconds" => {
                    options.seconds = value.parse().map_err(|_| format!("{name} wants a number"))?;
                }
                "--connections" => options.connections = value.parse().map_err(wrong)?,
                "--clients" => options.clients = value.parse().map_err(wrong)?,
                _ => return Err(format!("unknown option `{name}`")),
            }
        }
        let is_bounded = (0.5..=120.0).contains(&options.seconds)
            && (1..=500).contains(&options.connections)
            && (1..=1000).contains(&options.clients);
        if is_bounded {
            Ok(options)
        } else {
            Err("0.5 to 120 seconds, 1 to 500 attackers, 1 to 1000 clients".into())
        }
    }
}
