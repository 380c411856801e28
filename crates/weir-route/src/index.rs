//! Which routes can take a host at all: an index for tables in which many routes ask for hosts.
//!
//! The order of the routes stays the written one: the index only leaves out those that ask for another host. So it gives
//! ascending indices, and whoever asks it still puts all questions to each of them.

use std::collections::HashMap;

use crate::host::{Host, HostMatch};

/// Fewer routes are looked at one after the other in the time that a look into the index takes.
pub(crate) const ROUTES_MIN: usize = 16;

/// The longest name that is looked up, in bytes; no name in the DNS is longer.
const NAME_BYTES_MAX: usize = 255;

/// Lists that are merged for a host: that of its name, of each name above it, and of the routes for any host.
const LISTS_MAX: usize = 12;

/// Routes by the hosts that they ask for. The names are in lower case.
#[derive(Debug)]
pub(crate) struct HostIndex {
    exact: HashMap<Box<[u8]>, Vec<u32>>,
    /// By what stands behind `*.`.
    wildcard: HashMap<Box<[u8]>, Vec<u32>>,
    /// Routes for any host, and for hosts that have more than one spelling.
    any: Vec<u32>,
}

impl HostIndex {
    /// Of routes with these hosts, in their order.
    pub(crate) fn new<'a>(routes: impl Iterator<Item = &'a [HostMatch]>) -> Self {
        let mut index = Self { exact: HashMap::new(), wildcard: HashMap::new(), any: Vec::new() };
        for (route, hosts) in (0..).zip(routes) {
            if hosts.is_empty() || hosts.iter().any(HostMatch::is_address) {
                index.any.push(route);
                continue;
            }
            for host in hosts {
                let names = if host.is_wildcard() { &mut index.wildcard } else { &mut index.exact };
                let list = names.entry(host.name().to_ascii_lowercase().into()).or_default();
                // One name may be there with several ports.
                if list.last() != Some(&route) {
                    list.push(route);
                }
            }
        }
        index
    }

    /// The routes that may take `host`, in their order. `None`: all may, the host is too odd to tell.
    pub(crate) fn candidates(&self, host: &Host<'_>) -> Option<Candidates<'_>> {
        let mut lower = [0; NAME_BYTES_MAX];
        let name = lower.get_mut(..host.name().len())?;
        name.copy_from_slice(host.name());
        name.make_ascii_lowercase();

        let mut candidates = Candidates { lists: [&[]; LISTS_MAX], len: 0 };
        candidates.add(&self.any)?;
        if let Some(list) = self.exact.get(&*name) {
            candidates.add(list)?;
        }
        if !self.wildcard.is_empty() {
            for (at, _) in name.iter().enumerate().filter(|(_, byte)| **byte == b'.') {
                if let Some(list) = self.wildcard.get(&name[at + 1..]) {
                    candidates.add(list)?;
                }
            }
        }
        Some(candidates)
    }
}

/// Ascending lists, merged as they are walked.
#[derive(Debug)]
pub(crate) struct Candidates<'a> {
    lists: [&'a [u32]; LISTS_MAX],
    len: usize,
}

impl<'a> Candidates<'a> {
    /// `None` when there are too many.
    fn add(&mut self, list: &'a [u32]) -> Option<()> {
        *self.lists.get_mut(self.len)? = list;
        self.len += 1;
        Some(())
    }
}

impl Iterator for Candidates<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let lists = &mut self.lists[..self.len];
        let next = lists.iter().filter_map(|list| list.first()).min().copied()?;
        for list in lists {
            if list.first() == Some(&next) {
                *list = &list[1..];
            }
        }
        Some(next as usize)
    }
}
