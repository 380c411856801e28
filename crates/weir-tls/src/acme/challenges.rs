//! What workers answer while an authority looks whether a name is ours.
//!
//! One immutable table behind an atomic pointer: a worker that looks takes no lock, and nobody looks unless a
//! request or a handshake is of the one form that only authorities use. Writers are few (the control plane, during an
//! order), so each change copies the table.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;

/// The path under which http-01 answers lie (RFC 8555, section 8.3); the token follows.
pub const HTTP_01_PATH: &str = "/.well-known/acme-challenge/";

/// The protocol that an authority, and nobody else, asks for in a handshake (RFC 8737, section 6.2).
pub const TLS_ALPN_01_PROTOCOL: &[u8] = b"acme-tls/1";

/// At most so many answers are offered at a time; [`Challenges::refused`] counts what went beyond.
pub const CHALLENGES_MAX: usize = 1000;

/// The answers that are offered at this moment. Cheap to clone, the same for all clones.
#[derive(Clone, Default)]
pub struct Challenges {
    shared: Arc<Shared>,
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys are among them.
        f.debug_struct("Challenges").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Shared {
    table: ArcSwap<Table>,
    refused: AtomicU64,
}

#[derive(Clone, Default)]
struct Table {
    http_01: HashMap<Box<str>, Arc<str>>,
    tls_alpn_01: HashMap<Box<str>, Arc<CertifiedKey>>,
}

impl Challenges {
    /// No answers.
    pub fn new() -> Challenges {
        Challenges::default()
    }

    /// The key authorization for a token: the whole body of the answer to `GET` of [`HTTP_01_PATH`] with the token.
    /// Its type is `application/octet-stream`. `None` means that no such token is ours: route the request as usual.
    pub fn http_01(&self, token: &str) -> Option<Arc<str>> {
        self.shared.table.load().http_01.get(token).cloned()
    }

    /// The certificate that proves the control over a domain, in lower case, to an authority that asks for
    /// [`TLS_ALPN_01_PROTOCOL`].
    pub fn tls_alpn_01(&self, domain: &str) -> Option<Arc<CertifiedKey>> {
        self.shared.table.load().tls_alpn_01.get(domain).cloned()
    }

    /// For the certificate resolver: the certificate if this handshake is an authority's question, otherwise `None`.
    /// The server's configuration has to offer [`TLS_ALPN_01_PROTOCOL`] for it to succeed, and a connection on which
    /// it was agreed upon is closed after the handshake (RFC 8737, section 3).
    pub fn answer(&self, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if !is_question(hello) {
            return None;
        }
        self.tls_alpn_01(&hello.server_name()?.to_ascii_lowercase())
    }

    /// How many answers were not offered because there were [`CHALLENGES_MAX`] already.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Answers a token until the result is dropped.
    pub(super) fn offer_http_01(&self, token: &str, key_authorization: &str) -> Result<Offered, TooMany> {
        self.offer(Which::Http01(token.into()), |table| {
            table.http_01.insert(token.into(), key_authorization.into());
        })
    }

    /// Answers the handshakes for a domain until the result is dropped.
    pub(crate) fn offer_tls_alpn_01(
        &self,
        domain: &str,
        certificate: &Arc<CertifiedKey>,
    ) -> Result<Offered, TooMany> {
        self.offer(Which::TlsAlpn01(domain.into()), |table| {
            table.tls_alpn_01.insert(domain.into(), Arc::clone(certificate));
        })
    }

    fn offer(&self, which: Which, insert: impl Fn(&mut Table)) -> Result<Offered, TooMany> {
        let mut full = false;
        self.shared.table.rcu(|table| {
            // Said anew in each turn: another writer may have come in between.
            full = table.len() >= CHALLENGES_MAX;
            let mut table = Table::clone(table);
            if !full {
                insert(&mut table);
            }
            table
        });
        if full {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            return Err(TooMany);
        }
        Ok(Offered { challenges: self.clone(), which })
    }
}

/// Whether an authority, and nobody else, speaks so: that one protocol alone.
fn is_question(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| {
        offered.next().is_some_and(|first| first == TLS_ALPN_01_PROTOCOL) && offered.next().is_none()
    })
}

impl Table {
    fn len(&self) -> usize {
        self.http_01.len() + self.tls_alpn_01.len()
    }
}

/// There are [`CHALLENGES_MAX`] answers already.
#[derive(Debug)]
pub(crate) struct TooMany;

/// An answer that is offered as long as this lives.
pub(crate) struct Offered {
    challenges: Challenges,
    which: Which,
}

enum Which {
    Http01(Box<str>),
    TlsAlpn01(Box<str>),
}

impl Drop for Offered {
    fn drop(&mut self) {
        self.challenges.shared.table.rcu(|table| {
            let mut table = Table::clone(table);
            match &self.which {
                Which::Http01(token) => drop(table.http_01.remove(token)),
                Which::TlsAlpn01(domain) => drop(table.tls_alpn_01.remove(domain)),
            }
            table
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_offered_as_long_as_its_order_runs() {
        let challenges = Challenges::new();
        let worker = challenges.clone();
        assert_eq!(worker.http_01("token"), None);

        let offered = challenges.offer_http_01("token", "token.thumb").expect("there is room");
        assert_eq!(worker.http_01("token").as_deref(), Some("token.thumb"));
        assert_eq!(worker.http_01("other"), None);

        drop(offered);
        assert_eq!(worker.http_01("token"), None);
    }

    #[test]
    fn answers_are_bounded_and_counted() {
        let challenges = Challenges::new();
        let mut offered: Vec<Offered> = (0..CHALLENGES_MAX)
            .map(|token| challenges.offer_http_01(&token.to_string(), "").expect("there is room"))
            .collect();
        assert_eq!(challenges.refused(), 0);

        assert!(challenges.offer_http_01("one more", "").is_err());
        assert_eq!((challenges.refused(), challenges.http_01("one more")), (1, None));

        offered.pop();
        assert!(challenges.offer_http_01("one more", "").is_ok());
    }
}
