//! HTTP/1 messages as the two ends of a test read them: exactly, and refusing what is not exact.

use std::io::{self, Read};

/// Header fields in the order they came, with their names in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The value of the only field of this name.
    #[track_caller]
    pub fn get(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} is there more than once: {all:?}");
        all.first().copied()
    }

    /// The values of all fields of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect()
    }

    /// A field of this name is there.
    pub fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Framing {
    None,
    Sized(u64),
    Chunked,
    UntilClose,
}

/// A head as it came.
#[derive(Debug, Clone)]
pub struct Head {
    /// The first line, without its end.
    pub line: String,
    /// All fields.
    pub fields: Fields,
}

/// A request, as a server of the test got it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: String,
    /// As it stood in the request line.
    pub target: String,
    /// Such as `HTTP/1.1`.
    pub version: String,
    /// All fields.
    pub fields: Fields,
    /// How its body's end was found.
    pub framing: Framing,
    /// The whole body, without framing.
    pub body: Vec<u8>,
    /// The fields behind a chunked body.
    pub trailers: Fields,
}

/// A response, as a client of the test got it.
#[derive(Debug, Clone)]
pub struct Response {
    /// The first line.
    pub line: String,
    /// The status.
    pub status: u16,
    /// All fields.
    pub fields: Fields,
    /// How its body's end was found.
    pub framing: Framing,
    /// The whole body, without framing.
    pub body: Vec<u8>,
    /// The fields behind a chunked body.
    pub trailers: Fields,
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Head {
    /// A request without its body.
    pub fn into_request(self) -> io::Result<Request> {
        let mut words = self.line.split(' ').map(str::to_owned);
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(wrong(format!("request line {:?}", self.line)));
        };
        let framing = self.written_framing()?.unwrap_or(Framing::None);
        let (body, trailers) = Default::default();
        Ok(Request { method, target, version, fields: self.fields, framing, body, trailers })
    }

    /// A response without its body.
    pub fn into_response(self, to_method: &str) -> io::Result<Response> {
        let status = self.line.get(9..12).and_then(|status| status.parse().ok());
        let status: u16 = status.ok_or_else(|| wrong(format!("status line {:?}", self.line)))?;
        if !self.line.starts_with("HTTP/1.") {
            return Err(wrong(format!("status line {:?}", self.line)));
        }
        let written = self.written_framing()?;
        let framing = match (to_method, status) {
            ("HEAD", _) | (_, 100..=199 | 204 | 304) => Framing::None,
            _ => written.unwrap_or(Framing::UntilClose),
        };
        let (body, trailers) = Default::default();
        Ok(Response { line: self.line, status, fields: self.fields, framing, body, trailers })
    }

    fn written_framing(&self) -> io::Result<Option<Framing>> {
        let (lengths, codings) = (self.fields.all("content-length"), self.fields.all("transfer-encoding"));
        match (&lengths[..], &codings[..]) {
            ([], []) => Ok(None),
            ([length], []) => {
                let length = length.parse().map_err(|_| wrong(format!("Content-Length {length:?}")))?;
                Ok(Some(Framing::Sized(length)))
            }
            ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Some(Framing::Chunked)),
            _ => Err(wrong(format!("Content-Length {lengths:?}, Transfer-Encoding {codings:?}"))),
        }
    }
}

/// Reads messages from a byte stream.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    buffer: Vec<u8>,
    piece: Box<[u8]>,
}

const PIECE_BYTES: usize = 64 * 1024;

impl<R: Read> Reader<R> {
    /// At the beginning of `source`.
    pub fn new(source: R) -> Self {
        Self { source, buffer: Vec::new(), piece: vec![0; PIECE_BYTES].into_boxed_slice() }
    }

    /// What has been read from the source and not been asked for yet.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// Reads some more; false at the end.
    pub fn fill(&mut self) -> io::Result<bool> {
        loop {
            match self.source.read(&mut self.piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(n) => {
                    self.buffer.extend_from_slice(&self.piece[..n]);
                    return Ok(n > 0);
                }
            }
        }
    }

    /// The next head; `None` when the stream ends before it.
    pub fn head(&mut self) -> io::Result<Option<Head>> {
        if self.buffer.is_empty() && !self.fill()? {
            return Ok(None);
        }
        let line = self.line()?;
        let fields = self.fields()?;
        Ok(Some(Head { line, fields }))
    }

    /// The next request with its body.
    pub fn request(&mut self) -> io::Result<Option<Request>> {
        let Some(head) = self.head()? else { return Ok(None) };
        let mut request = head.into_request()?;
        let mut body = Vec::new();
        request.trailers = self.body(request.framing, &mut |data| body.extend_from_slice(data))?;
        request.body = body;
        Ok(Some(request))
    }

    /// The next response with its body, interim ones included.
    pub fn response(&mut self, to_method: &str) -> io::Result<Option<Response>> {
        let Some(head) = self.head()? else { return Ok(None) };
        let mut response = head.into_response(to_method)?;
        let mut body = Vec::new();
        response.trailers = self.body(response.framing, &mut |data| body.extend_from_slice(data))?;
        response.body = body;
        Ok(Some(response))
    }

    /// A body; gives its trailers.
    pub fn body(&mut self, framing: Framing, sink: &mut dyn FnMut(&[u8])) -> io::Result<Fields> {
        match framing {
            Framing::None => {}
            Framing::Sized(length) => self.exactly(length, sink)?,
            Framing::UntilClose => loop {
                sink(&self.buffer);
                self.buffer.clear();
                if !self.fill()? {
                    break;
                }
            },
            Framing::Chunked => loop {
                let line = self.line()?;
                let digits = line.split(';').next().unwrap_or_default();
                let size =
                    u64::from_str_radix(digits, 16).map_err(|_| wrong(format!("chunk size {line:?}")))?;
                if size == 0 {
                    return self.fields();
                }
                self.exactly(size, sink)?;
                let end = self.line()?;
                if !end.is_empty() {
                    return Err(wrong(format!("{end:?} behind a chunk")));
                }
            },
        }
        Ok(Fields::default())
    }

    fn fields(&mut self) -> io::Result<Fields> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Fields(fields));
            }
            let (name, value) = line.split_once(':').ok_or_else(|| wrong(format!("field line {line:?}")))?;
            fields.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut from = 0;
        loop {
            if let Some(at) = self.buffer[from..].iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=from + at).collect();
                let line = line.strip_suffix(b"\r\n").ok_or_else(|| wrong("a bare line feed"))?;
                // Bytes above ASCII are compared, not shown: each becomes one character.
                return Ok(line.iter().map(|byte| char::from(*byte)).collect());
            }
            from = self.buffer.len();
            if !self.fill()? {
                return Err(early(&self.buffer));
            }
        }
    }

    fn exactly(&mut self, mut length: u64, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        while length > 0 {
            if self.buffer.is_empty() && !self.fill()? {
                return Err(early(b"a body"));
            }
            let n = self.buffer.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            sink(&self.buffer[..n]);
            self.buffer.drain(..n);
            length -= n as u64;
        }
        Ok(())
    }
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

fn early(after: &[u8]) -> io::Error {
    let after = String::from_utf8_lossy(after);
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the stream ends in the middle, after {after:?}"))
}
