//! Seals for cookies: a few bytes that a client keeps for Weir, and can neither read, change nor make.
//!
//! AES-256-GCM-SIV (RFC 8452) with a random nonce. With plain GCM, two equal nonces under one key would give away what
//! makes forgeries, and of random ones two are equal with a chance of 2^-32 after 2^32 cookies, which a large site hands
//! out in a day. With SIV, equal nonces only show that two equal texts are equal, so the nonce may be random, and no
//! worker or node needs to know how far another has counted. A key that is changed in time ([`crate::own_secrets`]) keeps
//! the numbers far below those bounds (RFC 8452 section 6) anyway.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use aws_lc_rs::aead::AES_256_GCM_SIV;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::keys::{self, Key, Purpose};

/// The most that can be sealed, in bytes.
pub const SEALED_PLAIN_BYTES_MAX: usize = 64;

/// A name of four bytes finds the key: which it is says the tag.
static COOKIES: Purpose = Purpose { salt: b"weir cookies", algorithm: &AES_256_GCM_SIV, name_bytes: 4 };

const ROOM_BYTES: usize = SEALED_PLAIN_BYTES_MAX + COOKIES.overhead().0 + COOKIES.overhead().1;

/// The longest text of something sealed.
const TEXT_BYTES_MAX: usize = (ROOM_BYTES * 4).div_ceil(3);

/// Seals and opens, in one context.
pub struct Seals {
    context: Vec<u8>,
    /// The first seals, all open.
    keys: ArcSwap<Vec<Arc<Key>>>,
}

impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No word about keys.
        f.debug_struct("Seals")
            .field("context", &self.context.escape_ascii().to_string())
            .finish_non_exhaustive()
    }
}

impl Seals {
    /// With keys from these secrets, the newest first; at least one. `context` is where they are good.
    pub fn new(secrets: &[Vec<u8>], context: impl Into<Vec<u8>>) -> Self {
        let context = context.into();
        let keys = derive(secrets, &context);
        Self { context, keys: ArcSwap::from_pointee(keys) }
    }

    /// Goes on with other secrets.
    pub fn replace(&self, secrets: &[Vec<u8>]) {
        self.keys.store(Arc::new(derive(secrets, &self.context)));
    }

    /// Writes `plain`, sealed, in characters that a cookie may have (base64url). False: there is no randomness, and
    /// nothing is written. At most [`SEALED_PLAIN_BYTES_MAX`] bytes.
    pub fn seal(&self, plain: &[u8], out: &mut Vec<u8>) -> bool {
        let (front, behind) = COOKIES.overhead();
        let mut room = [0; ROOM_BYTES];
        let room = &mut room[..front + plain.len() + behind];
        room[front..front + plain.len()].copy_from_slice(plain);
        let keys = self.keys.load();
        if keys.first().and_then(|key| key.seal(room)).is_none() {
            return false;
        }
        let from = out.len();
        out.resize(from + TEXT_BYTES_MAX, 0);
        let len = BASE64_URL_SAFE_NO_PAD.encode_slice(room, &mut out[from..]).expect("there is room");
        out.truncate(from + len);
        true
    }

    /// What was sealed here, or by who has the same secrets for the same context; `None` for any other text. It is put
    /// into `room`.
    pub fn open<'a>(&self, text: &[u8], room: &'a mut SealRoom) -> Option<&'a [u8]> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let len = BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut room.0).ok()?;
        keys::open(&self.keys.load(), &mut room.0[..len]).map(|plain| &*plain)
    }
}

fn derive(secrets: &[Vec<u8>], context: &[u8]) -> Vec<Arc<Key>> {
    secrets.iter().map(|secret| Arc::new(Key::derive(&COOKIES, secret, context))).collect()
}

/// Where something is opened: on the stack, since it is small and there may be many.
#[derive(Debug)]
pub struct SealRoom([u8; TEXT_BYTES_MAX]);

impl Default for SealRoom {
    fn default() -> Self {
        Self([0; TEXT_BYTES_MAX])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(seals: &Seals, plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(seals.seal(plain, &mut out));
        out
    }

    fn opened(seals: &Seals, text: &[u8]) -> Option<Vec<u8>> {
        seals.open(text, &mut SealRoom::default()).map(<[u8]>::to_vec)
    }

    #[test]
    fn who_has_the_secret_opens_it_in_its_context() {
        let (old, new) = (vec![1; 32], vec![2; 48]);
        let text = sealed(&Seals::new(std::slice::from_ref(&old), "web"), b"plain");
        let check = |secrets: &[Vec<u8>], context: &str, expected: Option<&[u8]>| {
            assert_eq!(opened(&Seals::new(secrets, context), &text).as_deref(), expected, "{context}");
        };
        check(std::slice::from_ref(&old), "web", Some(b"plain"));
        check(&[new.clone(), old.clone()], "web", Some(b"plain"));
        check(std::slice::from_ref(&new), "web", None);
        check(std::slice::from_ref(&old), "api", None);
        // A rotation: the old one still opens, the new one seals.
        let seals = Seals::new(std::slice::from_ref(&old), "web");
        seals.replace(&[new.clone(), old]);
        assert_eq!(opened(&seals, &text).as_deref(), Some(&b"plain"[..]));
        seals.replace(std::slice::from_ref(&new));
        assert_eq!(opened(&seals, &text), None);
    }

    #[test]
    fn a_changed_text_is_none() {
        let seals = Seals::new(&[vec![1; 32]], "web");
        let text = sealed(&seals, b"plain");
        assert_ne!(text, sealed(&seals, b"plain"), "no two are alike");
        for at in 0..text.len() {
            for other in [b'A', b'-', b'=', b' ', 0, 0xff] {
                let mut changed = text.clone();
                if std::mem::replace(&mut changed[at], other) != other {
                    assert_eq!(opened(&seals, &changed), None, "{other} at {at}");
                }
            }
            assert_eq!(opened(&seals, &text[..at]), None, "cut at {at}");
        }
        assert_eq!(opened(&seals, &[&text[..], b"A"].concat()), None);
        assert_eq!(opened(&seals, &vec![b'A'; 100_000]), None);
    }

    #[test]
    fn it_is_written_in_the_characters_of_a_cookie() {
        let seals = Seals::new(&[vec![1; 32]], "web");
        for len in 0..=SEALED_PLAIN_BYTES_MAX {
            let plain = vec![0xff; len];
            let text = sealed(&seals, &plain);
            assert!(
                text.len() <= TEXT_BYTES_MAX
                    && text.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b))
            );
            assert_eq!(opened(&seals, &text), Some(plain));
        }
    }
}
