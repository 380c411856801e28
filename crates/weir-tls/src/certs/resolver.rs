//! Which certificate a handshake gets.
//!
//! Exact names before wildcards, and of several for one name the one that suits the client best: an ECDSA
//! certificate beside an RSA one serves whoever can, because its signature costs a tenth. Nothing is allocated and
//! nothing locked, except for a certificate of a directory that nobody asked for before.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::acme::Challenges;

use super::{
    directory::Directory,
    index::Index,
    pair::{Pair, RANK_BEST, rank},
};

/// The longest name in DNS (RFC 1035 section 2.3.4).
const NAME_BYTES_MAX: usize = 253;

/// The certificates of one listener.
pub struct Resolver {
    table: ArcSwap<Table>,
    /// Answers a question of an ACME server (RFC 8737), before all else.
    challenges: Challenges,
}

/// All that a listener serves at one time.
#[derive(Debug, Default)]
pub(super) struct Table {
    index: Index,
    pairs: Vec<Arc<Pair>>,
    directories: Vec<Arc<Directory>>,
    fallback: Fallback,
}

/// For a client that asks for another name, or for none.
#[derive(Debug, Default)]
pub(super) enum Fallback {
    #[default]
    None,
    Pair(Arc<Pair>),
    Directory(Arc<Directory>),
}

impl Resolver {
    pub(super) fn new(table: Table, challenges: Challenges) -> Resolver {
        Resolver { table: ArcSwap::from_pointee(table), challenges }
    }

    pub(super) fn swap(&self, table: Table) {
        self.table.store(Arc::new(table));
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(found) = self.challenges.answer(&hello) {
            return Some(found);
        }
        let table = self.table.load();
        let mut buffer = [0; NAME_BYTES_MAX];
        let named = hello
            .server_name()
            .and_then(|name| lower(name, &mut buffer))
            .and_then(|name| table.named(name, &hello));
        named.or_else(|| table.fallback(&hello))
    }
}

impl Table {
    /// `pairs` and `directories` in the order of the listener.
    pub(super) fn new(pairs: Vec<Arc<Pair>>, directories: Vec<Arc<Directory>>, fallback: Fallback) -> Table {
        let names = |(item, pair): (usize, &Arc<Pair>)| {
            pair.leaf.names.iter().map(|name| (name.to_string(), item)).collect::<Vec<_>>()
        };
        let names: Vec<(String, usize)> = pairs.iter().enumerate().flat_map(names).collect();
        let index = Index::new(names.iter().map(|(name, item)| (name.as_str(), *item)));
        Table { index, pairs, directories, fallback }
    }

    /// The best for this name, in lower case.
    fn named(&self, name: &str, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut best = Best { hello, found: None };
        self.index.exact(name).for_each(|item| best.offer(&self.pairs[item].certified));
        for directory in &self.directories {
            if !best.is_best() {
                directory.exact(name, |certified| best.offer(&certified));
            }
        }
        if best.found.is_none() {
            let (_, parent) = name.split_once('.')?;
            self.index.below(parent).for_each(|item| best.offer(&self.pairs[item].certified));
            for directory in &self.directories {
                directory.below(parent, name, |certified| best.offer(&certified));
            }
        }
        best.found.map(|(_, certified)| certified)
    }

    fn fallback(&self, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match &self.fallback {
            Fallback::None => None,
            Fallback::Directory(directory) => directory.first(),
            Fallback::Pair(pair) => {
                // One of the other kind may lie beside it, for the same names.
                let twin = || pair.leaf.names.first().filter(|name| !name.starts_with('*'));
                match rank(&pair.certified, hello) {
                    0 => twin().and_then(|name| self.named(name, hello)),
                    _ => None,
                }
                .or_else(|| Some(Arc::clone(&pair.certified)))
            }
        }
    }
}

/// The best so far.
struct Best<'a, 'b> {
    hello: &'a ClientHello<'b>,
    found: Option<(u8, Arc<CertifiedKey>)>,
}

impl Best<'_, '_> {
    fn offer(&mut self, certified: &Arc<CertifiedKey>) {
        let rank = rank(certified, self.hello);
        // One that suits nobody is better than none: the handshake then fails with the right alert.
        if self.found.as_ref().is_none_or(|(best, _)| rank > *best) {
            self.found = Some((rank, Arc::clone(certified)));
        }
    }

    fn is_best(&self) -> bool {
        matches!(self.found, Some((RANK_BEST, _)))
    }
}

/// The name in lower case. One that is too long is nobody's.
fn lower<'a>(name: &str, buffer: &'a mut [u8; NAME_BYTES_MAX]) -> Option<&'a str> {
    let name = name.trim_end_matches('.');
    let out = buffer.get_mut(..name.len())?;
    out.copy_from_slice(name.as_bytes());
    out.make_ascii_lowercase();
    std::str::from_utf8(out).ok()
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}
