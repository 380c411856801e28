//! Character classes of RFC 9110 and RFC 9112.

/// `tchar` (RFC 9110 section 5.6.2).
const TOKEN: [bool; 256] = class(b"!#$%&'*+-.^_`|~");

/// What a host may consist of here: `reg-name` without percent-encoding and without the comma at which some readers
/// would split a list.
const HOST: [bool; 256] = class(b"-._~!$&'()*+;=");

/// One in each of eight bytes.
const EACH: u64 = 0x0101_0101_0101_0101;

/// The top bit of each of eight bytes.
const TOP: u64 = 0x80 * EACH;

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

pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

/// How many bytes of a token stand at the front. Names are letters and hyphens, which are looked at eight in one go.
#[inline]
pub(crate) fn token_run(bytes: &[u8]) -> usize {
    let mut run = 0;
    for word in bytes.chunks_exact(8) {
        let names = name_run(u64::from_le_bytes(word.try_into().expect("eight bytes")));
        run += names;
        if names < 8 {
            break;
        }
    }
    run + bytes[run..].iter().position(|byte| !is_token_byte(*byte)).unwrap_or(bytes.len() - run)
}

/// A token without capital letters, as names are in HTTP/2. No early exit: most are right, and short.
#[inline]
pub(crate) fn is_small_token(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let names = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        // A small letter and a hyphen have this bit, and capital letters have not.
        name_run(word) == 8 && word & (0x20 * EACH) == 0x20 * EACH
    };
    let is_small = |byte: &u8| is_token_byte(*byte) && !byte.is_ascii_uppercase();
    !bytes.is_empty()
        && words.iter().all(|word| names(word) || word.iter().all(is_small))
        && match bytes.last_chunk::<8>() {
            Some(last) if !rest.is_empty() => names(last) || last.iter().all(is_small),
            _ => rest.iter().all(is_small),
        }
}

/// How many of the eight bytes are letters or hyphens, up to the first that is not.
fn name_run(word: u64) -> usize {
    let low = word & !TOP;
    let lower = low | (0x20 * EACH);
    // No sum leaves its byte: seven bits and less than the eighth are added. Its top bit says that a letter is reached,
    // or passed.
    let from_a = lower + (0x80 - u64::from(b'a')) * EACH;
    let past_z = lower + (0x80 - u64::from(b'z') - 1) * EACH;
    let hyphen = !((low ^ (u64::from(b'-') * EACH)) + 0x7f * EACH);
    let other = !((from_a & !past_z) | hyphen) | word;
    (other & TOP).trailing_zeros() as usize / 8
}

/// How many bytes stand at the front that are no control characters, eight looked at in one go.
#[inline]
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let mut run = 0;
    for word in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        // The top bit of each byte that is below the space; a borrow can only reach bytes behind such a one.
        let below_space = word.wrapping_sub(u64::from(b' ') * EACH) & !word;
        let not_delete = word ^ (0x7f * EACH);
        let delete = not_delete.wrapping_sub(EACH) & !not_delete;
        let control = (below_space | delete) & TOP;
        if control != 0 {
            return run + control.trailing_zeros() as usize / 8;
        }
        run += 8;
    }
    run + bytes[run..].iter().position(|byte| is_control(*byte)).unwrap_or(bytes.len() - run)
}

fn is_control(byte: u8) -> bool {
    byte < b' ' || byte == 0x7f
}

/// Visible characters, spaces, tabs and bytes above ASCII (RFC 9110 section 5.5): no control character.
pub(crate) fn is_field_value(bytes: &[u8]) -> bool {
    // No early exit: the loop is then done sixteen bytes at a time.
    !bytes.iter().fold(false, |bad, byte| bad | ((*byte < b' ') & (*byte != b'\t')) | (*byte == 0x7f))
}

/// Visible ASCII without `#`, which no request target contains.
pub(crate) fn is_target(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && !bytes.iter().fold(false, |bad, byte| bad | (*byte <= b' ') | (*byte >= 0x7f) | (*byte == b'#'))
}

/// `uri-host [ ":" port ]` (RFC 9110 section 7.2), not empty.
pub(crate) fn is_host(bytes: &[u8]) -> bool {
    let (name_is_right, rest) = match bytes.strip_prefix(b"[") {
        Some(bytes) => match bytes.iter().position(|byte| *byte == b']') {
            Some(end) => {
                let address = std::str::from_utf8(&bytes[..end]).ok();
                (address.is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok()), &bytes[end + 1..])
            }
            None => (false, bytes),
        },
        None => {
            let end = bytes.iter().position(|byte| !HOST[usize::from(*byte)]).unwrap_or(bytes.len());
            (end > 0, &bytes[end..])
        }
    };
    name_is_right
        && match rest.split_first() {
            None => true,
            Some((colon, port)) => *colon == b':' && is_port(port),
        }
}

fn is_port(digits: &[u8]) -> bool {
    (1..=5).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && digits.iter().fold(0_u32, |port, digit| port * 10 + u32::from(digit - b'0')) <= 65_535
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_at_the_first_byte_that_is_none_wherever_it_stands() {
        for byte in 0..=0xff {
            for len in 1..20 {
                for at in 0..len {
                    let mut bytes = b"Content-Typez-aAZtokens"[..len].to_vec();
                    bytes[at] = byte;
                    let expected = if is_token_byte(byte) { len } else { at };
                    assert_eq!(token_run(&bytes), expected, "{byte:#x} at {at} of {len}");
                }
            }
        }
        assert_eq!(token_run(b""), 0);
    }

    #[test]
    fn a_small_token_has_no_capital_letter_anywhere() {
        for byte in 0..=0xff {
            for len in 1..20 {
                for at in 0..len {
                    let mut bytes = b"content-typez-a1_z-tokens"[..len].to_vec();
                    bytes[at] = byte;
                    let expected = is_token_byte(byte) && !byte.is_ascii_uppercase();
                    assert_eq!(is_small_token(&bytes), expected, "{byte:#x} at {at} of {len}");
                }
            }
        }
        assert!(!is_small_token(b""));
    }

    #[test]
    fn a_run_ends_at_the_first_control_character_wherever_it_stands() {
        for control in (0..=0xff).filter(|byte| is_control(*byte)) {
            for len in 0..20 {
                for at in 0..len {
                    let mut bytes = vec![b' '; len];
                    bytes[at] = control;
                    bytes[at + 1..].fill(0x80);
                    assert_eq!(plain_run(&bytes), at, "{control:#x} at {at} of {len}");
                    bytes[..at].fill(0xff);
                    assert_eq!(plain_run(&bytes), at, "{control:#x} at {at} of {len}");
                }
            }
        }
        let plain: Vec<u8> = (0..=0xff).filter(|byte| !is_control(*byte)).collect();
        assert_eq!(plain_run(&plain), plain.len());
    }
}
