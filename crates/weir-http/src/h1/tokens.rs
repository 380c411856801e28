//! Character classes of RFC 9110 and RFC 9112.

/// `tchar` (RFC 9110 section 5.6.2).
const TOKEN: [bool; 256] = class(b"!#$%&'*+-.^_`|~");

/// What a host may consist of here: `reg-name` without percent-encoding and without the comma at which some readers
/// would split a list.
const HOST: [bool; 256] = class(b"-._~!$&'()*+;=");

/// Letters, digits and `others`.
const fn class(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
}

pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

/// Visible characters, spaces, tabs and bytes above ASCII (RFC 9110 section 5.5): no control character.
pub(super) fn is_field_value(bytes: &[u8]) -> bool {
    // No early exit: the loop is then done sixteen bytes at a time.
    !bytes.iter().fold(false, |bad, byte| bad | ((*byte < b' ') & (*byte != b'\t')) | (*byte == 0x7f))
}

/// Visible ASCII without `#`, which no request target contains.
pub(super) fn is_target(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && !bytes.iter().fold(false, |bad, byte| bad | (*byte <= b' ') | (*byte >= 0x7f) | (*byte == b'#'))
}

/// `uri-host [ ":" port ]` (RFC 9110 section 7.2), not empty.
pub(super) fn is_host(bytes: &[u8]) -> bool {
    let (name_is_right, rest) = match bytes.strip_prefix(b"[") {
        Some(bytes) => match bytes.iter().position(|byte| *byte == b']') {
            Some(end) => {
                let address = std::str::from_utf8(&bytes[..end]).ok();
                (address.is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok()), &bytes[end + 1..])
            }
            None => (false, bytes),
        },
        None => {
            let end = bytes.iter().position(|byte| *byte == b':').unwrap_or(bytes.len());
            (end > 0 && bytes[..end].iter().all(|byte| HOST[usize::from(*byte)]), &bytes[end..])
        }
    };
    name_is_right
        && match rest.strip_prefix(b":") {
            None => rest.is_empty(),
            Some(port) => is_port(port),
        }
}

fn is_port(digits: &[u8]) -> bool {
    (1..=5).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && digits.iter().fold(0_u32, |port, digit| port * 10 + u32::from(digit - b'0')) <= 65_535
}
