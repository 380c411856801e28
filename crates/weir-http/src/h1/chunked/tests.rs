use super::*;

const LIMITS: HeadLimits = HeadLimits { bytes_max: 200, fields_max: 4, uri_bytes_max: 10 };

/// Reads `input` in steps of `step` bytes as a connection would: what is not consumed is offered again with more.
/// Returns the data and how much of the input belongs to the body, or the refusal; `None` when it never ends.
fn read(input: &[u8], step: usize) -> Result<Option<(Vec<u8>, usize)>, Refusal> {
    let mut chunked = Chunked::new(1000, LIMITS);
    let (mut data, mut consumed, mut arrived) = (Vec::new(), 0, 0);
    loop {
        let piece = chunked.next(&input[consumed..arrived])?;
        consumed += piece.framing;
        data.extend_from_slice(&input[consumed..consumed + piece.data]);
        consumed += piece.data;
        if chunked.is_done() {
            return Ok(Some((data, consumed)));
        }
        if piece == Piece::default() {
            if arrived == input.len() {
                return Ok(None);
            }
            arrived = (arrived + step).min(input.len());
        }
    }
}

fn check(input: &str, expected: Result<Option<(&str, &str)>, Refusal>) {
    for step in [1, 2, 3, 7, input.len().max(1)] {
        let got = read(input.as_bytes(), step);
        let got = got.map(|whole| {
            whole.map(|(data, end)| (String::from_utf8(data).unwrap(), input[end..].to_owned()))
        });
        let expected = expected.map(|whole| whole.map(|(data, rest)| (data.to_owned(), rest.to_owned())));
        assert_eq!(got, expected, "{input:?} in steps of {step}");
    }
}

#[test]
fn data_is_found_whatever_the_pieces() {
    check("0\r\n\r\n", Ok(Some(("", ""))));
    check("5\r\nhello\r\n0\r\n\r\nnext", Ok(Some(("hello", "next"))));
    check("3;a=b;c=\"d\"\r\nfoo\r\nA\r\n0123456789\r\n000\r\n\r\n", Ok(Some(("foo0123456789", ""))));
    check("1\r\nx\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\nnext", Ok(Some(("x", "next"))));
    check("5\r\nhel", Ok(None));
    check("1\r\nx\r\n0\r\nX: y\r\n", Ok(None));
}

#[test]
fn everything_else_is_refused() {
    for input in [
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\n",
        "1 \r\nx\r\n",
        "1\t;a\r\n",
        "1 ;a\r\n",
        ";a\r\n",
        "1\nx\n0\n\n",
        "1;a\nx",
        "1;a\0\r\n",
        "1\rx",
        "1;a\rb\r\n",
        "1\r\nxy\r\n",
        "1\r\nx\n0\r\n\r\n",
        "1\r\nx\rx",
        "1\r\nx0\r\n\r\n",
        "1000000000000000\r\n",
        "ffffffffffffffff\r\n",
        "0000000000000001\r\nx\r\n",
        "1,1\r\n",
    ] {
        check(input, Err(Refusal::Chunk));
    }
    check(&format!("1;{}\r\n", "x".repeat(300)), Err(Refusal::Chunk));
    check("3e9\r\n", Err(Refusal::BodyTooLarge));
    for trailer in [
        "A: b\n\r\n",
        "A : b\r\n\r\n",
        " a\r\n\r\n",
        "Content-Length: 1\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n",
        "Host: a\r\n\r\n",
        "X-Forwarded-For: 10.0.0.1\r\n\r\n",
        "X_Forwarded_For: 10.0.0.1\r\n\r\n",
        "Forwarded: for=10.0.0.1\r\n\r\n",
        "A\r\n\r\n",
        "A: b\r\nB: c\r\nC: d\r\nD: e\r\nE: f\r\n\r\n",
    ] {
        check(&format!("0\r\n{trailer}"), Err(Refusal::Trailer));
    }
    check(&format!("0\r\nA: {}", "x".repeat(250)), Err(Refusal::Trailer));
}

/// Found by fuzzing: trailers that end a byte or two behind the limit were taken in one piece and refused in two.
#[test]
fn trailers_end_within_the_limit() {
    for (len, is_taken) in [(200, true), (201, false), (202, false), (203, false)] {
        let trailers = format!("X: {}\r\n\r\n", "y".repeat(len - 7));
        assert_eq!(trailers.len(), len);
        let expected = if is_taken { Ok(Some(("", "next"))) } else { Err(Refusal::Trailer) };
        check(&format!("0\r\n{trailers}next"), expected);
    }
}
