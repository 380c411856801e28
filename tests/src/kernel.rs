//! What the kernel tells about processes and sockets.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
};

use crate::wait::until;

/// The most memory that the process has held at once, in KiB.
pub fn memory_peak_kib(pid: u32) -> u64 {
    status_kib(pid, "VmHWM:")
}

/// The memory that the process holds, in KiB.
pub fn memory_kib(pid: u32) -> u64 {
    status_kib(pid, "VmRSS:")
}

fn status_kib(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux tells it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// File descriptors that the process holds.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the process is there").count()
}

/// Waits until whoever is at the other end of `stream` has read everything that was written to it.
#[track_caller]
pub fn wait_until_read(stream: &TcpStream) {
    let near = stream.local_addr().expect("connected");
    let far = stream.peer_addr().expect("connected");
    until("the peer reads what was sent", || {
        let table = fs::read_to_string("/proc/net/tcp").expect("Linux tells it");
        queues(&table, near, far).is_none_or(|(sent, _)| sent == 0)
            && queues(&table, far, near).is_none_or(|(_, unread)| unread == 0)
    });
}

/// The peer has not ended the connection.
pub fn is_established(stream: &TcpStream) -> bool {
    let (Ok(near), Ok(far)) = (stream.local_addr(), stream.peer_addr()) else { return false };
    let (near, far) = (hex(near), hex(far));
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux tells it");
    table.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some(&near) && words.next() == Some(&far) && words.next() == Some("01")
    })
}

/// Bytes that the peer of the socket has not taken, and bytes that the socket's owner has not read.
fn queues(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<(u64, u64)> {
    let (local, remote) = (hex(local), hex(remote));
    table.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let is_it = words.next()? == local && words.next()? == remote;
        let (sent, unread) = words.nth(1).filter(|_| is_it)?.split_once(':')?;
        Some((u64::from_str_radix(sent, 16).ok()?, u64::from_str_radix(unread, 16).ok()?))
    })
}

/// An address as `/proc/net/tcp` writes it: bytes of the host's order.
fn hex(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => {
            format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
        }
        SocketAddr::V6(_) => panic!("tests use IPv4"),
    }
}
