//! What the bench needs to know about the machine it runs on.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

/// The first two CPUs that we may use: one for the proxy, one for everything else.
pub(crate) fn two_cpus() -> Result<(usize, usize), String> {
    let allowed = rustix::thread::sched_getaffinity(None).map_err(|error| error.to_string())?;
    let mut cpus = (0..1024).filter(|cpu| allowed.is_set(*cpu));
    match (cpus.next(), cpus.next()) {
        (Some(proxy), Some(others)) => Ok((proxy, others)),
        _ => {
            Err("the bench needs two CPUs: one for the proxy alone, one for the load and the servers".into())
        }
    }
}

/// Ports that nobody listens on, below those that the kernel gives to outgoing connections: the load opens
/// thousands, and one of them could take a port that a proxy is about to bind.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N], String> {
    let mut free = (18_000..32_000).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let mut ports = [0; N];
    for port in &mut ports {
        *port = free.next().ok_or("no free ports between 18000 and 32000")?;
    }
    Ok(ports)
}

/// Kernel memory that connections can grow: slabs (sockets, files, entries of epoll) and the buffers of TCP.
pub(crate) fn kernel_memory() -> u64 {
    let slab = field("/proc/meminfo", "Slab:") * 1024;
    let sockstat = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let pages = sockstat.lines().find_map(|line| {
        let mut words = line.strip_prefix("TCP:")?.split_whitespace();
        words.find(|word| *word == "mem")?;
        words.next()?.parse::<u64>().ok()
    });
    slab + pages.unwrap_or(0) * rustix::param::page_size() as u64
}

/// One line about hardware and kernel.
pub(crate) fn describe() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown CPU", |(_, model)| model);
    let cpus = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory_gib = field("/proc/meminfo", "MemTotal:") as f64 / 1024.0 / 1024.0;
    format!("{model}, {cpus} CPUs, {memory_gib:.0} GiB, Linux {}", kernel.trim())
}

/// The day, in universal time.
pub(crate) fn today() -> String {
    first_line("date", &["-u", "+%Y-%m-%d"]).unwrap_or_else(|_| "unknown day".into())
}

/// The first line that a program prints, on either stream.
pub(crate) fn first_line(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Result<String, String> {
    let program = program.as_ref();
    let output = Command::new(program)
        .args(args)
        .output()
        .map_err(|error| format!("{}: {error}", program.to_string_lossy()))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    match text.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => Err(format!("{} says nothing about its version", program.to_string_lossy())),
    }
}

fn field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value =
        text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    value.unwrap_or(0)
}
