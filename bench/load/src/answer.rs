//! Reads answers as they come, and judges them: 200, a Content-Length, the length that was expected.

const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How far one answer has come.
#[derive(Default)]
pub(crate) struct Answer {
    head: Vec<u8>,
    body_left: Option<u64>,
}

impl Answer {
    /// Takes bytes from the wire; true once the answer is whole. Anything unexpected is an error that says what.
    pub(crate) fn take(&mut self, mut bytes: &[u8], expect_bytes: u64) -> Result<bool, String> {
        if self.body_left.is_none() {
            // Nearly always a head comes whole, and is read where it lies.
            let whole = if self.head.is_empty() {
                judge(bytes, expect_bytes)?
            } else {
                self.head.extend_from_slice(bytes);
                let already = self.head.len() - bytes.len();
                // Where the head ends was not there before, so it ends within the new bytes.
                judge(&self.head, expect_bytes)?.map(|head_bytes| head_bytes - already)
            };
            let Some(head_bytes) = whole else {
                if self.head.is_empty() {
                    self.head.extend_from_slice(bytes);
                }
                return if self.head.len() > HEAD_BYTES_MAX { Err("endless head".into()) } else { Ok(false) };
            };
            bytes = &bytes[head_bytes..];
            self.body_left = Some(expect_bytes);
        }
        self.discard(bytes.len())
    }

    /// Counts body bytes that were not even copied; true once the answer is whole.
    pub(crate) fn discard(&mut self, count: usize) -> Result<bool, String> {
        let left = self.body_left.unwrap_or(0);
        let left = left.checked_sub(count as u64).ok_or("more bytes than Content-Length says")?;
        self.body_left = Some(left);
        Ok(left == 0)
    }

    /// Body bytes still to come; 0 before the head is read and after the body.
    pub(crate) fn body_left(&self) -> u64 {
        self.body_left.unwrap_or(0)
    }
}

/// The length of the head, `None` as long as it is not whole.
fn judge(bytes: &[u8], expect_bytes: u64) -> Result<Option<usize>, String> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = &bytes[..end];
    let status = head.get(..13).unwrap_or(head);
    if !head.starts_with(b"HTTP/1.1 200 ") {
        return Err(format!("not 200 but `{}`", status.escape_ascii()));
    }
    for line in head.split(|&byte| byte == b'\n').skip(1) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        if line[..colon].eq_ignore_ascii_case(b"content-length") {
            let value = line[colon + 1..].trim_ascii();
            return match std::str::from_utf8(value).map(str::parse::<u64>) {
                Ok(Ok(length)) if length == expect_bytes => Ok(Some(end + 4)),
                _ => Err(format!("Content-Length `{}`, not {expect_bytes}", value.escape_ascii())),
            };
        }
    }
    Err("an answer without Content-Length".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nServer: a\r\ncontent-length: 3\r\n\r\nabc";

    #[test]
    fn an_answer_in_pieces_of_any_size_is_whole_at_its_end() {
        for size in 1..=GOOD.len() {
            let mut answer = Answer::default();
            let mut pieces = GOOD.chunks(size).peekable();
            while let Some(piece) = pieces.next() {
                let whole = answer.take(piece, 3).expect("a good answer");
                assert_eq!(whole, pieces.peek().is_none(), "pieces of {size}");
            }
        }
    }

    #[test]
    fn what_is_not_expected_is_an_error() {
        let bad: [&[u8]; 5] = [
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1",
        ];
        for bytes in bad {
            assert!(Answer::default().take(bytes, 3).is_err(), "{}", bytes.escape_ascii());
        }
    }
}
