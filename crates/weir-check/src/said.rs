//! What a server, an agent or a program said, made fit for a line of the log.

/// The most characters of it.
pub(crate) const SAID_CHARACTERS_MAX: usize = 200;

/// The first line of `bytes`, trimmed and bounded; whatever is no printable text is `?`.
pub(crate) fn said(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    // A character has four bytes at most.
    let line = &line[..line.len().min(4 * SAID_CHARACTERS_MAX)];
    let text = String::from_utf8_lossy(line.trim_ascii());
    let printable = |c: char| if c.is_control() || c == '\u{fffd}' { '?' } else { c };
    text.chars().take(SAID_CHARACTERS_MAX).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_line_of_text_remains() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(said(bytes), expected);
        check(b"", "");
        check(b"  disk full \r\nmore", "disk full");
        check(b"\x1b[31mred\x07", "?[31mred?");
        check(b"caf\xe9", "caf?");
        check("größer".as_bytes(), "größer");
        check(&[b'x'; 10_000], &"x".repeat(SAID_CHARACTERS_MAX));
    }
}
