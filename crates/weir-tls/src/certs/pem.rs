//! PEM (RFC 7468), with the line of what is wrong.
//!
//! Sections are found here, because the library that decodes them knows no lines. What stands around them is
//! ignored, and so are sections that are neither a certificate nor a key: Diffie-Hellman parameters, comments.

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{Error, PemObject, SectionKind},
};

use super::problem::{Part, Problem};

const BEGIN: &[u8] = b"-----BEGIN ";

/// A section, not yet decoded.
struct Section<'a> {
    /// `CERTIFICATE`.
    label: &'a str,
    /// Of `-----BEGIN`, from 1.
    line: usize,
    /// From `-----BEGIN` to the end of `-----END …-----`.
    text: &'a [u8],
}

/// A file of which something is read.
#[derive(Clone, Copy)]
pub(super) struct Pem<'a> {
    pub(super) part: Part,
    pub(super) file: &'a str,
    pub(super) bytes: &'a [u8],
}

impl<'a> Pem<'a> {
    /// All certificates, in the order of the file; at least one.
    pub(super) fn chain(&self) -> Result<Vec<CertificateDer<'static>>, Problem> {
        let mut chain = Vec::new();
        let mut rest = Sections::new(self.bytes);
        while let Some(section) = rest.next(self)? {
            if section.label == "CERTIFICATE" {
                chain.push(CertificateDer::from(self.decode(&section)?.1));
            }
        }
        match chain.is_empty() {
            false => Ok(chain),
            true => Err(self.nothing("certificate", "openssl x509 -inform der")),
        }
    }

    /// The first certificate alone.
    pub(super) fn leaf(&self) -> Result<CertificateDer<'static>, Problem> {
        let mut rest = Sections::new(self.bytes);
        while let Some(section) = rest.next(self)? {
            if section.label == "CERTIFICATE" {
                return Ok(CertificateDer::from(self.decode(&section)?.1));
            }
        }
        Err(self.nothing("certificate", "openssl x509 -inform der"))
    }

    /// The one private key.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, Problem> {
        let mut found = None;
        let mut rest = Sections::new(self.bytes);
        while let Some(section) = rest.next(self)? {
            if !section.label.ends_with("PRIVATE KEY") {
                continue;
            }
            if section.label.starts_with("ENCRYPTED")
                || memchr::memmem::find(section.text, b",ENCRYPTED").is_some()
            {
                return Err(self
                    .problem(
                        section.line,
                        "the private key is encrypted, and nobody is there to type a password",
                    )
                    .help(format!(
                        "decrypt it: `openssl pkey -in {} -out NEW`, readable by Weir only",
                        self.file
                    )));
            }
            if found.is_some() {
                return Err(self
                    .problem(section.line, "a second private key")
                    .help("one file holds one key"));
            }
            let (kind, der) = self.decode(&section)?;
            let key = <PrivateKeyDer<'static> as PemObject>::from_pem(kind, der);
            found = Some(key.ok_or_else(|| {
                self.problem(section.line, format!("a `{}` is no key that Weir can use", section.label))
                    .help("convert it: `openssl pkey -in FILE -out NEW`")
            })?);
        }
        found.ok_or_else(|| self.nothing("private key", "openssl pkey -inform der"))
    }

    fn decode(&self, section: &Section<'_>) -> Result<(SectionKind, Vec<u8>), Problem> {
        <(SectionKind, Vec<u8>)>::from_pem_slice(section.text).map_err(|error| match error {
            Error::Base64Decode(_) => self.problem(
                section.line,
                format!("the `{}` that begins here is not base64 text", section.label),
            ),
            // Labels that the library does not know, which nobody asks for.
            _ => {
                self.problem(section.line, format!("the `{}` that begins here cannot be read", section.label))
            }
        })
    }

    fn nothing(&self, what: &str, convert: &str) -> Problem {
        let problem = |message: String| Problem::new(self.part, self.file, message);
        match self.bytes {
            [] => problem("the file is empty".to_owned()),
            // The beginning of DER: a sequence with a length of two bytes.
            [0x30, 0x82, ..] => problem("this is DER, not PEM".to_owned())
                .help(format!("convert it: `{convert} -in {} -out NEW`", self.file)),
            _ => problem(format!("there is no {what} in PEM")),
        }
    }

    fn problem(&self, line: usize, message: impl Into<String>) -> Problem {
        Problem::new(self.part, self.file, message).line(line)
    }
}

/// The sections of a file, one after the other.
struct Sections<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl<'a> Sections<'a> {
    fn new(bytes: &'a [u8]) -> Sections<'a> {
        Sections { bytes, at: 0, line: 1 }
    }

    fn next(&mut self, pem: &Pem<'_>) -> Result<Option<Section<'a>>, Problem> {
        let Some(start) = self.begin() else { return Ok(None) };
        let line = self.line;
        let head = line_of(&self.bytes[start..]);
        let label = head.strip_prefix(BEGIN).and_then(|rest| rest.trim_ascii_end().strip_suffix(b"-----"));
        let label = label.and_then(|label| std::str::from_utf8(label).ok());
        let label = label
            .ok_or_else(|| pem.problem(line, "this line begins a section, but does not end in `-----`"))?;
        let mut at = start + head.len() + 1;
        self.line += 1;
        while at < self.bytes.len() {
            let text = line_of(&self.bytes[at..]);
            let stripped = text.trim_ascii_end();
            if let Some(end) = stripped.strip_prefix(b"-----END ") {
                if end.strip_suffix(b"-----") != Some(label.as_bytes()) {
                    let message = format!("the `{label}` that begins in line {line} ends as something else");
                    return Err(pem.problem(self.line, message));
                }
                self.at = at + text.len();
                return Ok(Some(Section { label, line, text: &self.bytes[start..self.at] }));
            }
            if stripped.starts_with(b"-----BEGIN ") {
                break;
            }
            at += text.len() + 1;
            self.line += 1;
        }
        Err(pem
            .problem(line, format!("the `{label}` that begins here has no end"))
            .help("the file is cut off, or is being written"))
    }

    /// Where the next section begins; counts the lines before it.
    fn begin(&mut self) -> Option<usize> {
        let mut from = self.at;
        loop {
            let found = from + memchr::memmem::find(self.bytes.get(from..)?, BEGIN)?;
            if found == 0 || self.bytes[found - 1] == b'\n' {
                self.line += memchr::memchr_iter(b'\n', &self.bytes[self.at..found]).count();
                return Some(found);
            }
            from = found + 1;
        }
    }
}

fn line_of(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr::memchr(b'\n', bytes).unwrap_or(bytes.len())]
}
