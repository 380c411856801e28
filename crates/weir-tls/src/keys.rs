//! Keys that seal what a client is handed and brings back: session tickets ([`crate::Tickets`]) and cookies
//! ([`crate::Seals`]).
//!
//! What is sealed is encrypted and authenticated (AEAD), so nothing of it is stored here, and whoever has the same key
//! can open it. A key is derived (HKDF, RFC 5869) from a secret, from what it is for, and from the context where it is
//! good. So one secret serves all, and what one place has sealed is nothing in another.
//!
//! Sealed, it begins with the name of its key, which tells nothing of the key, and a random nonce.

use std::sync::Arc;

use aws_lc_rs::{
    aead::{Aad, Algorithm, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf, rand,
};

/// The least that a secret has, in bytes.
pub(crate) const SECRET_BYTES_MIN: usize = 32;

/// Secrets that a file may hold.
pub(crate) const SECRETS_MAX: usize = 16;

/// The longest name of a key, in bytes.
const NAME_BYTES_MAX: usize = 16;

/// Of all algorithms that are used here.
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// What keys are for.
#[derive(Debug)]
pub(crate) struct Purpose {
    /// Keeps keys of one purpose apart from those of others.
    pub(crate) salt: &'static [u8],
    pub(crate) algorithm: &'static Algorithm,
    /// How long their names are.
    pub(crate) name_bytes: usize,
}

impl Purpose {
    /// How many bytes stand in front of what is sealed, and behind it.
    pub(crate) const fn overhead(&self) -> (usize, usize) {
        (self.name_bytes + NONCE_LEN, TAG_BYTES)
    }
}

/// A key with its name.
pub(crate) struct Key {
    purpose: &'static Purpose,
    name: [u8; NAME_BYTES_MAX],
    aead: LessSafeKey,
}

impl Key {
    /// Of a secret that nobody else has.
    pub(crate) fn random(purpose: &'static Purpose) -> Self {
        Self::derive(purpose, &secret(), b"own")
    }

    /// Of a secret that others may have too. `context` is where it is good.
    pub(crate) fn derive(purpose: &'static Purpose, secret: &[u8], context: &[u8]) -> Self {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, purpose.salt).extract(secret);
        let (mut name, mut key) = ([0; NAME_BYTES_MAX], [0; KEY_BYTES]);
        expand(&prk, &[b"name", context], &mut name);
        expand(&prk, &[b"key", context], &mut key);
        let key = UnboundKey::new(purpose.algorithm, &key).expect("of the length of such a key");
        Self { purpose, name, aead: LessSafeKey::new(key) }
    }

    fn name(&self) -> &[u8] {
        &self.name[..self.purpose.name_bytes]
    }

    /// Seals what lies in `room` between [`Purpose::overhead`]'s bytes, which it fills. `None`: there is no randomness.
    pub(crate) fn seal(&self, room: &mut [u8]) -> Option<()> {
        let (front, behind) = self.purpose.overhead();
        let (head, rest) = room.split_at_mut(front);
        let (plain, tag) = rest.split_at_mut(rest.len() - behind);
        let (name, room) = head.split_at_mut(self.purpose.name_bytes);
        name.copy_from_slice(self.name());
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).ok()?;
        room.copy_from_slice(&nonce);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let made = self.aead.seal_in_place_separate_tag(nonce, Aad::from(self.name()), plain).ok()?;
        tag.copy_from_slice(made.as_ref());
        Some(())
    }
}

/// Opens, in its place, what one of `keys` has sealed. `None`: none of them did.
pub(crate) fn open<'a>(keys: &[Arc<Key>], sealed: &'a mut [u8]) -> Option<&'a mut [u8]> {
    let name_bytes = keys.first()?.purpose.name_bytes;
    let (name, rest) = sealed.split_at_mut_checked(name_bytes)?;
    let (nonce, sealed) = rest.split_at_mut_checked(NONCE_LEN)?;
    let key = keys.iter().find(|key| key.name() == name)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    key.aead.open_in_place(nonce, Aad::from(&*name), sealed).ok()
}

/// A new secret.
pub(crate) fn secret() -> [u8; SECRET_BYTES_MIN] {
    let mut secret = [0; SECRET_BYTES_MIN];
    rand::fill(&mut secret).expect("the system gives random bytes");
    secret
}

fn expand(prk: &hkdf::Prk, info: &[&[u8]], out: &mut [u8]) {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let expanded = prk.expand(info, Length(out.len())).and_then(|okm| okm.fill(out));
    expanded.expect("few bytes are asked for");
}
