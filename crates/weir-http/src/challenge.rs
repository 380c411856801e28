//! Answers to an ACME server that looks whether a name leads here (RFC 8555 section 8.3).
//!
//! They come before any route, on every listener: the server asks for whatever name a certificate is ordered for, and a
//! route that redirects or protects everything must not keep it out. What is not known here is routed as usual, so that
//! servers can have ACME clients of their own.

use weir_config::Respond;
use weir_route::Request as _;
use weir_tls::acme::{Challenges, HTTP_01_PATH};

use crate::view::View;

/// The answer, if this is a question that somebody here has to answer.
pub(crate) fn answer(view: &View<'_>, challenges: &Challenges) -> Option<Respond> {
    let token = view.path().strip_prefix(HTTP_01_PATH.as_bytes())?;
    if !matches!(view.method(), b"GET" | b"HEAD") {
        return None;
    }
    let body = challenges.http_01(std::str::from_utf8(token).ok()?)?;
    Some(Respond {
        status: 200,
        content_type: "application/octet-stream".to_owned(),
        body: body.as_ref().to_owned(),
    })
}
