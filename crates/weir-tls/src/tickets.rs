//! Session tickets (RFC 8446 section 2.2, RFC 5077): what a client hands back to go on where it was.
//!
//! A ticket holds the whole state of a session, encrypted with a key that only servers know. So nothing is stored
//! here, and any worker, and any node that has the same keys, can resume. Own keys are changed in time: who steals one
//! can read little. Shared keys come from a file, whose first key encrypts and all of which decrypt, so that a new one
//! can be spread before it is used.
//!
//! What a key opens is bound to where it was made: a session of a listener that asks no certificate of its clients is
//! worth nothing at one that does.
//!
//! When a ticket was made stands in it. Keys that change would say it roughly, but they only change when somebody
//! comes: on a quiet listener, and with keys from a file, tickets would be good for as long as their key is there.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use aws_lc_rs::aead::AES_256_GCM;
use rustls::server::ProducesTickets;

use crate::keys::{self, Key, Purpose};

static TICKETS: Purpose = Purpose { salt: b"weir session tickets", algorithm: &AES_256_GCM, name_bytes: 16 };

/// In front of what is sealed: when that was, in seconds since 1970.
const MADE_BYTES: usize = size_of::<u64>();

/// Makes and opens tickets.
pub struct Tickets {
    keys: ArcSwap<Keys>,
    lifetime: Duration,
    /// The keys are our own, and changed in time.
    rotates: bool,
}

/// The first makes tickets, all open them.
struct Keys {
    keys: Vec<Arc<Key>>,
    /// In seconds since 1970, as nodes that share keys understand each other.
    since: u64,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No word about keys.
        f.debug_struct("Tickets").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

impl Tickets {
    /// With keys of our own, a new one every `lifetime`.
    pub fn own(lifetime: Duration) -> Self {
        Self { keys: ArcSwap::from_pointee(Keys::of(vec![Key::random(&TICKETS)])), lifetime, rotates: true }
    }

    /// With keys that others have too. `context` is where they are used.
    pub fn shared(secrets: &[Vec<u8>], context: &[u8], lifetime: Duration) -> Self {
        let keys = Self::derive(secrets, context);
        Self { keys: ArcSwap::from_pointee(keys), lifetime, rotates: false }
    }

    /// How long a ticket is good for.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Goes on with other shared keys.
    pub fn replace(&self, secrets: &[Vec<u8>], context: &[u8]) {
        self.keys.store(Arc::new(Self::derive(secrets, context)));
    }

    fn derive(secrets: &[Vec<u8>], context: &[u8]) -> Keys {
        Keys::of(secrets.iter().map(|secret| Key::derive(&TICKETS, secret, context)).collect())
    }

    /// The keys, after a change if it is time for one.
    fn current(&self, now: u64) -> arc_swap::Guard<Arc<Keys>> {
        let keys = self.keys.load();
        let lifetime = self.lifetime.as_secs();
        // A clock that was set back is a reason to change, too.
        let age = now.checked_sub(keys.since);
        if !self.rotates || age.is_some_and(|age| age < lifetime) {
            return keys;
        }
        // Two workers may do this at once: one new key is then lost, and with it the tickets of a moment.
        let mut next = vec![Arc::new(Key::random(&TICKETS))];
        // After twice its time, the last of its tickets has ended.
        if age.is_none_or(|age| age < 2 * lifetime) {
            next.extend(keys.keys.first().cloned());
        }
        self.keys.store(Arc::new(Keys { keys: next, since: now }));
        self.keys.load()
    }

    fn seal(&self, plain: &[u8], now: u64) -> Option<Vec<u8>> {
        let keys = self.current(now);
        let key = keys.keys.first()?;
        let (front, behind) = TICKETS.overhead();
        let mut ticket = vec![0; front + MADE_BYTES + plain.len() + behind];
        let (made, state) = ticket[front..].split_at_mut(MADE_BYTES);
        made.copy_from_slice(&now.to_be_bytes());
        state[..plain.len()].copy_from_slice(plain);
        key.seal(&mut ticket)?;
        Some(ticket)
    }

    fn open(&self, ticket: &[u8], now: u64) -> Option<Vec<u8>> {
        let keys = self.current(now);
        let mut opened = ticket.to_vec();
        let opened = keys::open(&keys.keys, &mut opened)?;
        let (made, plain) = opened.split_first_chunk()?;
        // The clock of the node that made it may be a little ahead.
        let age = now.saturating_sub(u64::from_be_bytes(*made));
        (age < self.lifetime.as_secs()).then(|| plain.to_vec())
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(self.lifetime.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain, seconds())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.open(ticket, seconds())
    }
}

/// Since 1970.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Keys {
    fn of(keys: Vec<Key>) -> Self {
        Self { keys: keys.into_iter().map(Arc::new).collect(), since: seconds() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_opened_by_who_has_its_key_for_its_place() {
        let (old, new) = (vec![1; 32], vec![2; 48]);
        let hour = Duration::from_secs(3600);
        let first = Tickets::shared(std::slice::from_ref(&old), b"web", hour);
        let ticket = first.encrypt(b"state").unwrap();
        assert_ne!(ticket, first.encrypt(b"state").unwrap(), "no two are alike");
        let check = |secrets: &[Vec<u8>], context: &[u8], expected: Option<&[u8]>| {
            assert_eq!(Tickets::shared(secrets, context, hour).decrypt(&ticket).as_deref(), expected);
        };
        check(std::slice::from_ref(&old), b"web", Some(b"state"));
        check(&[new.clone(), old.clone()], b"web", Some(b"state"));
        check(&[new], b"web", None);
        check(&[old], b"other", None);
    }

    #[test]
    fn a_changed_ticket_is_none() {
        let tickets = Tickets::own(Duration::from_secs(3600));
        let ticket = tickets.encrypt(b"state").unwrap();
        assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(&b"state"[..]));
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(tickets.decrypt(&changed), None, "byte {at}");
            assert_eq!(tickets.decrypt(&ticket[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn a_ticket_is_good_for_its_lifetime_however_quiet_it_is() {
        const HOUR: u64 = 3600;
        let lifetime = Duration::from_secs(HOUR);
        let shared = || Tickets::shared(&[vec![1; 32]], b"web", lifetime);
        let start = seconds();
        for tickets in [Tickets::own(lifetime), shared()] {
            let ticket = tickets.seal(b"state", start + HOUR - 1).unwrap();
            let check = |after: u64, expected: Option<&[u8]>| {
                let opened = tickets.open(&ticket, start + HOUR - 1 + after);
                assert_eq!(opened.as_deref(), expected, "{tickets:?} after {after} s");
            };
            check(0, Some(b"state"));
            check(HOUR - 1, Some(b"state"));
            check(HOUR, None);
        }
        // Nobody came in the meantime, so that the key has not changed.
        let tickets = Tickets::own(lifetime);
        let ticket = tickets.seal(b"state", start).unwrap();
        assert_eq!(tickets.open(&ticket, start + 10 * HOUR), None);
        assert_eq!(tickets.keys.load().keys.len(), 1, "a key without a ticket is given up");
    }

    #[test]
    fn own_keys_change_and_open_tickets_of_the_last_one() {
        let tickets = Tickets::own(Duration::from_secs(3600));
        let start = seconds();
        let old = tickets.seal(b"state", start + 3000).unwrap();
        let new = tickets.seal(b"state", start + 3700).unwrap();
        assert_ne!(old[..TICKETS.name_bytes], new[..TICKETS.name_bytes]);
        assert_eq!(tickets.open(&old, start + 3700).as_deref(), Some(&b"state"[..]), "one change later");
        assert_eq!(tickets.open(&new, start + 3700).as_deref(), Some(&b"state"[..]));
        assert_eq!(tickets.keys.load().keys.len(), 2);
        // The clock is set back: no key is used for longer than it should be.
        tickets.seal(b"state", start).unwrap();
        assert_eq!(tickets.keys.load().since, start);
    }
}
