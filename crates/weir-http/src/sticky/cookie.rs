//! Cookies of Weir's own: what is in them, and how they are handed out.
//!
//! Sealed lie a version, the second since 1970 when the cookie was made, and what it is about: the address of a server,
//! port first, or a place between 0 and 1 as a fraction of 2^32. Nothing in it is a place in a list, and nothing of it is
//! believed that the seal does not hold for.

use std::{
    io::Write as _,
    net::{IpAddr, SocketAddr},
};

use weir_config::SameSite;
use weir_tls::SealRoom;

use super::CookieSite;
use crate::{counters::StickyOutcome, view::View};

/// The only version that there is.
const VERSION: u8 = 1;

/// Of cookies with one name, so many are tried: paths and domains may bring two, and no client makes us open hundreds.
const TRIES_MAX: usize = 4;

/// What a client has brought, and whether its cookie has lived for half of its time.
///
/// # Errors
/// Why it says nothing.
pub(super) fn brought<T>(
    view: &View<'_>,
    own: &CookieSite,
    now_s: u64,
    decode: fn(&[u8]) -> Option<T>,
) -> Result<(T, bool), StickyOutcome> {
    let mut result = Err(StickyOutcome::New);
    let mut tries = 0;
    weir_route::cookie(view, &own.settings.name, &mut |value| {
        tries += 1;
        result = read(value, own, now_s, decode);
        result.is_ok() || tries >= TRIES_MAX
    });
    result
}

pub(super) fn read<T>(
    value: &[u8],
    own: &CookieSite,
    now_s: u64,
    decode: fn(&[u8]) -> Option<T>,
) -> Result<(T, bool), StickyOutcome> {
    let mut room = SealRoom::default();
    let opened = own.seals.open(value, &mut room).and_then(|plain| {
        let (&version, rest) = plain.split_first()?;
        let (made, about) = rest.split_first_chunk()?;
        (version == VERSION).then_some(())?;
        Some((u64::from_be_bytes(*made), decode(about)?))
    });
    let (made_s, about) = opened.ok_or(StickyOutcome::Unknown)?;
    // The clock of the node that made it may be a little ahead.
    let age_s = now_s.saturating_sub(made_s);
    if age_s >= own.ttl_s {
        return Err(StickyOutcome::Expired);
    }
    Ok((about, age_s > own.ttl_s / 2))
}

/// The address of a server.
pub(super) fn decode_server(about: &[u8]) -> Option<SocketAddr> {
    let (port, ip) = about.split_first_chunk()?;
    let ip: IpAddr = match ip.len() {
        4 => <[u8; 4]>::try_from(ip).ok()?.into(),
        _ => <[u8; 16]>::try_from(ip).ok()?.into(),
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// A place between 0 and 1.
pub(super) fn decode_place(about: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(about.try_into().ok()?))
}

/// Writes the line that tells the client where it belongs.
pub(super) fn write_server(
    out: &mut Vec<u8>,
    own: &CookieSite,
    server: SocketAddr,
    now_s: u64,
    is_secure: bool,
) {
    let mut room = [0; 18];
    room[..2].copy_from_slice(&server.port().to_be_bytes());
    let about = match server.ip() {
        IpAddr::V4(ip) => {
            room[2..6].copy_from_slice(&ip.octets());
            &room[..6]
        }
        IpAddr::V6(ip) => {
            room[2..].copy_from_slice(&ip.octets());
            &room[..]
        }
    };
    write(out, own, about, now_s, is_secure);
}

/// Writes the line that tells the client its place.
pub(super) fn write_place(out: &mut Vec<u8>, own: &CookieSite, place: u32, now_s: u64, is_secure: bool) {
    write(out, own, &place.to_be_bytes(), now_s, is_secure);
}

fn write(out: &mut Vec<u8>, own: &CookieSite, about: &[u8], now_s: u64, is_secure: bool) {
    let mut room = [0; 1 + size_of::<u64>() + 18];
    let len = 1 + size_of::<u64>() + about.len();
    room[0] = VERSION;
    room[1..9].copy_from_slice(&now_s.to_be_bytes());
    room[9..len].copy_from_slice(about);
    let from = out.len();
    out.extend_from_slice(b"set-cookie: ");
    out.extend_from_slice(own.settings.name.as_bytes());
    out.push(b'=');
    if !own.seals.seal(&room[..len], out) {
        // Without randomness there is no cookie, and the answer goes out all the same.
        out.truncate(from);
        return;
    }
    // RFC 6265 section 4.1; for the whole site, since a server is the same one whatever the path.
    write!(out, "; Path=/; Max-Age={}; HttpOnly; SameSite=", own.ttl_s).expect("memory takes everything");
    out.extend_from_slice(match own.settings.same_site {
        SameSite::Lax => b"Lax",
        SameSite::Strict => b"Strict",
        SameSite::None => b"None",
    });
    // Browsers take `None` with `Secure` only.
    if is_secure || own.settings.same_site == SameSite::None {
        out.extend_from_slice(b"; Secure");
    }
    out.extend_from_slice(b"\r\n");
    if own.settings.no_cache {
        out.extend_from_slice(b"cache-control: private\r\n");
    }
}
