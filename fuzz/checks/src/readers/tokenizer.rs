//! What httparse makes of a head, and what a plain reader of its fields would make of the body's length.

use weir_http::head::BodyLength;

/// A head as httparse split it.
#[derive(Debug, PartialEq, Eq)]
pub struct Split {
    /// The method; for responses empty.
    pub method: String,
    /// The target; for responses the status.
    pub target: String,
    /// Names in lower case, and values.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The head's length in bytes.
    pub len: usize,
}

/// More than any head here has.
const FIELDS_MAX: usize = 256;

/// `None` when httparse refuses the head or waits for more of it.
pub fn request(text: &[u8]) -> Option<Split> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(len) = request.parse(text).ok()? else { return None };
    let (method, target) = (request.method?.to_owned(), request.path?.to_owned());
    Some(Split { method, target, fields: owned(request.headers), len })
}

/// `None` when httparse refuses the head or waits for more of it.
pub fn response(text: &[u8]) -> Option<Split> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(len) = response.parse(text).ok()? else { return None };
    let target = response.code?.to_string();
    Some(Split { method: String::new(), target, fields: owned(response.headers), len })
}

fn owned(fields: &[httparse::Header<'_>]) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|field| (field.name.to_ascii_lowercase(), field.value.to_owned())).collect()
}

impl Split {
    /// The values of all fields of this name.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        self.fields.iter().filter(|field| field.0 == name).map(|field| &field.1[..]).collect()
    }

    /// The length that the framing fields give: `None` when they could be read in two ways, and `Some(None)` when there
    /// are none.
    pub fn length(&self) -> Option<Option<BodyLength>> {
        match (&self.values("content-length")[..], &self.values("transfer-encoding")[..]) {
            ([], []) => Some(None),
            ([length], []) => {
                if !length.iter().all(u8::is_ascii_digit) {
                    return None;
                }
                let length = std::str::from_utf8(length).ok()?.parse().ok()?;
                Some(Some(if length == 0 { BodyLength::None } else { BodyLength::Sized(length) }))
            }
            ([], [coding]) => coding.eq_ignore_ascii_case(b"chunked").then_some(Some(BodyLength::Chunked)),
            _ => None,
        }
    }
}
