//! Requests to an authority: HTTPS with a time limit and a size limit for each, and errors in words.
//!
//! `instant-acme` brings a client of its own, which waits for ever, takes answers of any size, hides `Retry-After`,
//! and needs HTTP/2 and a platform verifier. This one is HTTP/1 on the libraries that are here anyway.

use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::SystemRoots;

use super::problem::{Problem, printable};
use super::settings::Account;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection may take to come about; one address of several may be dead.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How large an answer may be. Chains of certificates are a few kilobytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// How far in the future an authority may put us off.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Whether a client for this authority can be made, as far as it depends on the file.
pub(super) fn check(account: &Account) -> Result<(), Problem> {
    account.ca.as_deref().map_or(Ok(()), |pem| given_roots(pem).map(drop))
}

/// A client for one authority. Clones share what was noticed.
#[derive(Clone)]
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    put_off: Arc<Mutex<Option<SystemTime>>>,
}

impl Http {
    pub(super) fn new(account: &Account) -> Result<Http, Problem> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls(account)?)
            .https_only()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new()).build(https);
        Ok(Http { client, put_off: Arc::default() })
    }

    /// Until when the authority has put us off, if it has.
    pub(super) fn put_off(&self) -> Option<SystemTime> {
        *self.put_off.lock().expect("nobody panics with it")
    }

    async fn exchange(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let place = format!("{} {}", request.method(), request.uri());
        let whole = async {
            let response = self.client.request(request).await.map_err(|error| Error::Other(error.into()))?;
            let (parts, body) = response.into_parts();
            let body = whole_body(body).await.map_err(|text| other(format!("{place}: {text}")))?;
            Ok::<_, Error>(Response::from_parts(parts, body))
        };
        let response = match tokio::time::timeout(REQUEST_TIMEOUT, whole).await {
            Ok(response) => response?,
            Err(_) => return Err(other(format!("{place}: no answer in {} s", REQUEST_TIMEOUT.as_secs()))),
        };
        self.notice(&response);
        if let Some(fault) = fault(&response) {
            return Err(other(format!("{place}: {fault}")));
        }
        Ok(BytesResponse::from(response.map(Full::new)))
    }

    /// Remembers when we are to come back: the library does not tell.
    fn notice(&self, response: &Response<Bytes>) {
        if !matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            return;
        }
        let value = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let moment = value.and_then(|value| retry_after(value, SystemTime::now()));
        let mut put_off = self.put_off.lock().expect("nobody panics with it");
        *put_off = (*put_off).max(moment);
    }
}

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().exchange(request))
    }
}

async fn whole_body(body: Incoming) -> Result<Bytes, String> {
    match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(format!("the answer broke off or has more than {ANSWER_BYTES_MAX} bytes: {error}")),
    }
}

/// What is wrong with an answer that is none of ACME: otherwise it would be reported as broken JSON.
fn fault(response: &Response<Bytes>) -> Option<String> {
    let status = response.status();
    if status.is_success() {
        return None;
    }
    if status.is_redirection() {
        let to = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("nowhere");
        return Some(format!("answered {status}, to {}; write that URL as the directory", printable(to)));
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/problem+json") || kind.starts_with("application/json") {
        return None;
    }
    let start = String::from_utf8_lossy(&response.body()[..response.body().len().min(200)]).into_owned();
    Some(format!("answered {status}, and not in the form of ACME: {}", printable(&start)))
}

/// The moment that a `Retry-After` names (RFC 9110, section 10.2.3), within reason.
fn retry_after(value: &str, now: SystemTime) -> Option<SystemTime> {
    let wait = match u64::from_str(value.trim()) {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).ok()?,
    };
    Some(now + wait.min(RETRY_AFTER_MAX))
}

fn tls(account: &Account) -> Result<ClientConfig, Problem> {
    let roots = match &account.ca {
        Some(pem) => Arc::new(given_roots(pem)?),
        None => SystemRoots::default().get().ok_or_else(|| {
            Problem::new(
                "this system has no certificates of authorities to verify the ACME directory with; install the package \
                 ca-certificates, or name a file with `ca`",
            )
        })?,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Problem::new(format!("TLS to the authority: {error}")))?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    // A few connections per order gain nothing from it, and sessions are remembered by name alone: where several kinds
    // of servers are behind one name, one may abort what another's ticket begins.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn given_roots(pem: &[u8]) -> Result<RootCertStore, Problem> {
    let problem = |fault: String| Problem::new(format!("the `ca` for the ACME directory: {fault}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| problem(format!("not PEM: {error}")))?;
        roots.add(certificate).map_err(|error| problem(error.to_string()))?;
    }
    match roots.is_empty() {
        true => Err(problem("there is no certificate in PEM form in the file".to_owned())),
        false => Ok(roots),
    }
}

fn other(text: String) -> Error {
    Error::Other(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_fault(status: u16, header: (&str, &str), body: &str, expected: Option<&str>) {
        let response = Response::builder().status(status).header(header.0, header.1);
        let response = response.body(Bytes::copy_from_slice(body.as_bytes())).expect("a response");
        assert_eq!(fault(&response).as_deref(), expected);
    }

    #[test]
    fn what_is_no_acme_is_said_so() {
        check_fault(200, ("content-type", "text/html"), "<html>", None);
        check_fault(429, ("content-type", "application/problem+json"), "{}", None);
        check_fault(
            502,
            ("content-type", "text/html"),
            "<h1>\nBad",
            Some("answered 502 Bad Gateway, and not in the form of ACME: <h1> Bad"),
        );
        check_fault(
            301,
            ("location", "https://new.example/"),
            "",
            Some("answered 301 Moved Permanently, to https://new.example/; write that URL as the directory"),
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_within_reason() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        let check = |value: &str, expected: Option<u64>| {
            assert_eq!(
                retry_after(value, now),
                expected.map(|wait| now + Duration::from_secs(wait)),
                "{value}"
            );
        };
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("Sun, 06 Nov 1994 08:50:37 GMT", Some(60));
        check("Sun, 06 Nov 1994 08:48:37 GMT", None);
        check("soon", None);
        check("18446744073709551615", Some(RETRY_AFTER_MAX.as_secs()));
    }
}
