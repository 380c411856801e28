//! The heads of requests in HPACK (RFC 7541), made once for all connections.
//!
//! As browsers and other clients do it: the first request of a connection enters the fields that will come again into
//! the dynamic table, later ones name them by a byte each. Strings are not Huffman-coded.

use crate::plan::Plan;

/// The table that a connection begins with; a server that gives less is asked without one.
pub(super) const TABLE_BYTES: u32 = 4096;

/// Fields of the static table (RFC 7541, appendix A).
mod known {
    pub(super) const AUTHORITY: u8 = 1;
    pub(super) const METHOD_GET: u8 = 2;
    pub(super) const PATH: u8 = 4;
    pub(super) const SCHEME_HTTP: u8 = 6;
    pub(super) const SCHEME_HTTPS: u8 = 7;
    pub(super) const ACCEPT: u8 = 19;
    pub(super) const USER_AGENT: u8 = 58;
    /// The dynamic table follows, the newest entry first.
    pub(super) const ALL: u8 = 61;
}

const INDEXED: u8 = 0x80;
const ENTERED: u8 = 0x40;
const NEW_TABLE_SIZE: u8 = 0x20;
const NOT_ENTERED: u8 = 0x00;

/// What is asked for, and what must come.
pub(crate) struct Requests {
    pub(super) at_a_time: usize,
    pub(super) expect_bytes: u64,
    pub(super) idle: bool,
    /// Enters its fields into the table.
    first: Vec<u8>,
    /// Names them.
    next: Vec<u8>,
    /// The same without a table.
    first_bare: Vec<u8>,
    next_bare: Vec<u8>,
}

impl Requests {
    pub(crate) fn new(plan: &Plan) -> Requests {
        let scheme = if plan.tls.is_some() { known::SCHEME_HTTPS } else { known::SCHEME_HTTP };
        let mut pseudo = vec![INDEXED | known::METHOD_GET, INDEXED | scheme];
        field(&mut pseudo, NOT_ENTERED, known::PATH, &plan.path);
        let authority = plan.authority();
        let fields = [
            (known::AUTHORITY, authority.as_str()),
            (known::USER_AGENT, "weir-bench/1"),
            (known::ACCEPT, "*/*"),
        ];

        let (mut first, mut next, mut next_bare) = (pseudo.clone(), pseudo.clone(), pseudo);
        for ((name, value), newer) in fields.into_iter().zip((0..3).rev()) {
            field(&mut first, ENTERED, name, value);
            next.push(INDEXED | (known::ALL + 1 + newer));
            field(&mut next_bare, NOT_ENTERED, name, value);
        }
        let first_bare = [&[NEW_TABLE_SIZE], next_bare.as_slice()].concat();
        let at_a_time = plan.h2_streams.unwrap_or(1);
        let (expect_bytes, idle) = (plan.expect_bytes, plan.idle);
        Requests { at_a_time, expect_bytes, idle, first, next, first_bare, next_bare }
    }

    /// The head of a connection's first or later request.
    pub(super) fn block(&self, first: bool, indexed: bool) -> &[u8] {
        match (first, indexed) {
            (true, true) => &self.first,
            (false, true) => &self.next,
            (true, false) => &self.first_bare,
            (false, false) => &self.next_bare,
        }
    }
}

/// A field whose name is known and whose value is not.
fn field(out: &mut Vec<u8>, form: u8, name: u8, value: &str) {
    // How many bits of the first byte are the name's.
    let bits = if form == ENTERED { 6 } else { 4 };
    integer(out, form, bits, usize::from(name));
    integer(out, 0, 7, value.len());
    out.extend_from_slice(value.as_bytes());
}

/// A number behind a prefix (RFC 7541, section 5.1).
fn integer(out: &mut Vec<u8>, prefix: u8, bits: u32, value: usize) {
    let most = (1 << bits) - 1;
    if value < most {
        out.push(prefix | value as u8);
        return;
    }
    out.push(prefix | most as u8);
    let mut rest = value - most;
    while rest >= 128 {
        out.push(0x80 | (rest % 128) as u8);
        rest /= 128;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(prefix: u8, bits: u32, value: usize, expected: &[u8]) {
        let mut out = Vec::new();
        integer(&mut out, prefix, bits, value);
        assert_eq!(out, expected, "{value} in {bits} bits");
    }

    #[test]
    fn numbers_are_those_of_the_standard() {
        // RFC 7541, appendix C.1.
        check(0, 5, 10, &[0x0a]);
        check(0, 5, 1337, &[0x1f, 0x9a, 0x0a]);
        check(0, 8, 42, &[0x2a]);
        check(NOT_ENTERED, 4, 19, &[0x0f, 0x04]);
    }

    #[test]
    fn later_requests_name_what_the_first_entered() {
        let line = ["127.0.0.1:80", "--h2", "2"].map(str::to_owned);
        let requests = Requests::new(&Plan::from_args(line.into_iter()).expect("a good line"));
        let pseudo = b"\x82\x86\x04\x06/small";
        let entered = [&pseudo[..], b"\x41\x0c127.0.0.1:80\x7a\x0cweir-bench/1\x53\x03*/*"].concat();
        assert_eq!(requests.block(true, true), entered);
        // Entries 64, 63, 62: the oldest has the largest number.
        assert_eq!(requests.block(false, true), [&pseudo[..], b"\xc0\xbf\xbe"].concat());
        let bare = [&pseudo[..], b"\x01\x0c127.0.0.1:80\x0f\x2b\x0cweir-bench/1\x0f\x04\x03*/*"].concat();
        assert_eq!(requests.block(false, false), bare);
        assert_eq!(requests.block(true, false), [b"\x20", &bare[..]].concat());
    }
}
