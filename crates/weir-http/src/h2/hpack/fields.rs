//! What the encoder knows of fields by their names.
//!
//! Entering a value into the table pays when it comes again on the same connection, so what is entered is named here,
//! and nothing else is: a table that is filled with values of one request throws out those of all others.
//!
//! A sender may say of a field that it is never to be entered, and those between must pass that on (RFC 7541 section
//! 6.2.3). Heads do not carry this, so every field that is not listed here is written with that word. It costs nothing.

/// What is done with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Indexing {
    /// It comes again: enter it.
    Enter,
    /// It is another one each time.
    Literal,
    /// It is secret, or might be.
    Never,
}

/// A name that is known.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: &'static [u8],
    /// The first entry of the static table with this name; 0 for none.
    pub(super) index: usize,
    pub(super) indexing: Indexing,
    /// Stands for the name in hashes and as the tag of entries.
    pub(super) id: u8,
}

pub(super) static AUTHORITY: Known = known(":authority", Indexing::Enter, 201);
pub(super) static METHOD: Known = known(":method", Indexing::Enter, 202);
pub(super) static PATH: Known = known(":path", Indexing::Literal, 203);
pub(super) static PROTOCOL: Known = known(":protocol", Indexing::Enter, 204);
pub(super) static SCHEME: Known = known(":scheme", Indexing::Enter, 205);
pub(super) static STATUS: Known = known(":status", Indexing::Enter, 206);

/// The entry for `name`, in any case.
#[inline]
pub(super) fn find(name: &[u8]) -> Option<&'static Known> {
    let mut slot = slot(name);
    loop {
        let known = match SLOTS[slot] {
            0 => return None,
            at => &KNOWN[usize::from(at) - 1],
        };
        if is_named(known.name, name) {
            return Some(known);
        }
        slot = (slot + 1) % SLOTS.len();
    }
}

/// `word` is of small letters and hyphens; a byte of a token with the bit for small letters is one of those only if it
/// is the same letter or a hyphen. Eight bytes are compared at once, the last of them perhaps twice.
#[inline]
fn is_named(word: &[u8], name: &[u8]) -> bool {
    if word.len() != name.len() {
        return false;
    }
    let (Some(word_end), Some(name_end)) = (word.last_chunk::<8>(), name.last_chunk::<8>()) else {
        return word.iter().zip(name).fold(0, |other, (a, b)| other | (a ^ (b | 0x20))) == 0;
    };
    let differs = |a: &[u8; 8], b: &[u8; 8]| {
        u64::from_le_bytes(*a) ^ (u64::from_le_bytes(*b) | u64::from_le_bytes([0x20; 8]))
    };
    let (words, _) = word.as_chunks::<8>();
    let (names, _) = name.as_chunks::<8>();
    words.iter().zip(names).fold(differs(word_end, name_end), |other, (a, b)| other | differs(a, b)) == 0
}

const NAMES: [(&str, Indexing); 91] = {
    use Indexing::{Enter as E, Literal as L, Never as N};
    [
        ("accept", E),
        ("accept-charset", E),
        ("accept-encoding", E),
        ("accept-language", E),
        ("accept-ranges", E),
        ("access-control-allow-credentials", E),
        ("access-control-allow-headers", E),
        ("access-control-allow-methods", E),
        ("access-control-allow-origin", E),
        ("access-control-expose-headers", E),
        ("access-control-max-age", E),
        ("access-control-request-headers", E),
        ("access-control-request-method", E),
        ("age", L),
        ("allow", E),
        ("alt-svc", E),
        ("authorization", N),
        ("cache-control", E),
        ("content-disposition", L),
        ("content-encoding", E),
        ("content-language", E),
        ("content-length", L),
        ("content-location", L),
        ("content-range", L),
        ("content-security-policy", E),
        ("content-type", E),
        ("cookie", N),
        ("cross-origin-embedder-policy", E),
        ("cross-origin-opener-policy", E),
        ("cross-origin-resource-policy", E),
        ("date", E),
        ("dnt", E),
        ("etag", L),
        ("expect", E),
        ("expires", L),
        ("forwarded", L),
        ("from", L),
        ("grpc-accept-encoding", E),
        ("grpc-encoding", E),
        ("grpc-message", L),
        ("grpc-status", E),
        ("grpc-timeout", L),
        ("if-match", L),
        ("if-modified-since", L),
        ("if-none-match", L),
        ("if-range", L),
        ("if-unmodified-since", L),
        ("last-modified", L),
        ("link", L),
        ("location", L),
        ("max-forwards", L),
        ("nel", E),
        ("origin", E),
        ("permissions-policy", E),
        ("pragma", E),
        ("priority", E),
        ("proxy-authenticate", L),
        ("proxy-authorization", N),
        ("range", L),
        ("referer", L),
        ("referrer-policy", E),
        ("refresh", L),
        ("report-to", E),
        ("retry-after", L),
        ("sec-ch-ua", E),
        ("sec-ch-ua-mobile", E),
        ("sec-ch-ua-platform", E),
        ("sec-fetch-dest", E),
        ("sec-fetch-mode", E),
        ("sec-fetch-site", E),
        ("sec-fetch-user", E),
        ("sec-websocket-extensions", E),
        ("sec-websocket-protocol", E),
        ("sec-websocket-version", E),
        ("server", E),
        ("set-cookie", N),
        ("strict-transport-security", E),
        ("te", E),
        ("timing-allow-origin", E),
        ("upgrade-insecure-requests", E),
        ("user-agent", E),
        ("vary", E),
        ("via", E),
        ("www-authenticate", L),
        ("x-content-type-options", E),
        ("x-forwarded-for", L),
        ("x-forwarded-host", E),
        ("x-forwarded-proto", E),
        ("x-frame-options", E),
        ("x-powered-by", E),
        ("x-xss-protection", E),
    ]
};

static KNOWN: [Known; NAMES.len()] = {
    const FIRST: Known = known(NAMES[0].0, NAMES[0].1, 1);
    let mut all = [const { FIRST }; NAMES.len()];
    let mut at = 0;
    while at < NAMES.len() {
        all[at] = known(NAMES[at].0, NAMES[at].1, at as u8 + 1);
        at += 1;
    }
    all
};

/// Where in `KNOWN` a name is, plus one; 0 is none. A slot that is taken passes a name on to the next.
static SLOTS: [u8; 512] = {
    let mut slots = [0; 512];
    let mut at = 0;
    while at < NAMES.len() {
        let mut slot = slot(NAMES[at].0.as_bytes());
        while slots[slot] != 0 {
            slot = (slot + 1) % 512;
        }
        slots[slot] = at as u8 + 1;
        at += 1;
    }
    slots
};

/// Where the search for a name begins. The bit for case is left out.
const fn slot(name: &[u8]) -> usize {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    let hash = len * 37
        + (name[0] & 0x1f) as usize * 7
        + (name[len / 2] & 0x1f) as usize * 61
        + (name[len - 1] & 0x1f) as usize * 131;
    hash % 512
}

const fn known(name: &'static str, indexing: Indexing, id: u8) -> Known {
    let name = name.as_bytes();
    Known { name, index: super::static_table::index_of(name), indexing, id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_nothing_else() {
        for (name, indexing) in NAMES {
            let known = find(name.to_uppercase().as_bytes()).unwrap();
            assert_eq!((known.name, known.indexing), (name.as_bytes(), indexing));
            assert!(find(&name.as_bytes()[1..]).is_none_or(|other| other.name != name.as_bytes()));
            assert!(find(format!("{name}x").as_bytes()).is_none());
        }
        assert!(find(b"").is_none() && find(b"x").is_none());
        assert_eq!((find(b"Via").unwrap().index, find(b"dnt").unwrap().index, STATUS.index), (60, 0, 8));
    }

    #[test]
    fn searches_are_short() {
        for (name, _) in NAMES {
            let start = slot(name.as_bytes());
            let steps = (0..).find(|step| {
                let at = SLOTS[(start + step) % SLOTS.len()];
                KNOWN[usize::from(at) - 1].name == name.as_bytes()
            });
            assert!(steps.unwrap() <= 3, "{name}: {steps:?}");
        }
    }
}
