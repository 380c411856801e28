//! The HTTP check: one request on a connection of its own, in the version of HTTP that the pool speaks.
//!
//! A fresh connection each time, since a server that no longer accepts any is down, whatever an old
//! connection says. The answer is bounded: its head by [`HEAD_BYTES_MAX`], and of its body no more than
//! [`BODY_BYTES_MAX`] is read, and only when something must be found in it.

mod json;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response,
    body::{Body, Bytes, Incoming},
    client::conn::{http1, http2},
    header::{CONNECTION, HOST, USER_AGENT},
    rt::Executor,
};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::AbortHandle,
};
use weir_config::{HttpProbe, Sought};

use super::{Place, Stage, sought::Search};

/// How a check calls itself.
pub(super) const AGENT: &str = "weir-check";

/// The largest head of an answer.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How much of the body is read.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Sends the request and compares the answer. The error is the reason, for a person.
pub(super) async fn ask(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    place: Place,
    expected: &HttpProbe,
    stage: &mut Stage,
) -> Result<(), String> {
    *stage = Stage::Answer;
    let request = request(place, expected)?;
    let answer = send(stream, place, request).await.map_err(|error| exchange_reason(&error))?;
    expect_status(answer.response.status().as_u16(), &expected.expect)?;
    expect_headers(answer.response.headers(), &expected.expect_headers)?;
    if expected.expect_body.is_some() || !expected.expect_json.is_empty() {
        *stage = Stage::Body;
        let (_driver, mut body) = (answer.driver, answer.response.into_body());
        expect_body(&mut body, expected).await?;
    }
    Ok(())
}

fn request(place: Place, expected: &HttpProbe) -> Result<Request<Full<Bytes>>, String> {
    let host = expected.host.clone().unwrap_or_else(|| place.address.to_string());
    let request = Request::builder().method(expected.method.as_str());
    let mut request = match place.is_http2 {
        // There the host is a part of the URL.
        true => request.uri(format!("{}://{host}{}", place.scheme, expected.path)),
        false => request.uri(&expected.path).header(HOST, host).header(CONNECTION, "close"),
    };
    for (name, value) in &expected.headers {
        request = request.header(name, value);
    }
    if !expected.headers.iter().any(|(name, _)| name == USER_AGENT.as_str()) {
        request = request.header(USER_AGENT, AGENT);
    }
    let body = Full::new(Bytes::copy_from_slice(expected.body.as_bytes()));
    request.body(body).map_err(|error| format!("cannot be asked: {error}"))
}

/// An answer whose connection lives as long as this value.
pub(super) struct Answer {
    pub(super) driver: Stopped,
    pub(super) response: Response<Incoming>,
}

/// The tasks that drive the connection, stopped on drop: nothing of a check outlives it.
#[derive(Debug, Clone, Default)]
pub(super) struct Driver(Arc<Mutex<Vec<AbortHandle>>>);

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Driver {
    fn execute(&self, task: F) {
        self.tasks().push(tokio::spawn(task).abort_handle());
    }
}

impl Driver {
    fn tasks(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.0.lock().expect("nobody panics with it")
    }
}

/// Stops what a [`Driver`] runs.
#[derive(Debug)]
pub(super) struct Stopped(Driver);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.tasks().drain(..).for_each(|task| task.abort());
    }
}

/// Sends one request in the version of HTTP that is spoken there.
pub(super) async fn send<B>(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    place: Place,
    request: Request<B>,
) -> hyper::Result<Answer>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let (io, tasks) = (TokioIo::new(stream), Driver::default());
    // From here on, since whoever waits for the answer may give up.
    let driver = Stopped(tasks.clone());
    if place.is_http2 {
        let mut builder = http2::Builder::new(tasks.clone());
        let (mut sender, connection) =
            builder.max_header_list_size(HEAD_BYTES_MAX as u32).handshake(io).await?;
        tasks.execute(connection);
        return Ok(Answer { response: sender.send_request(request).await?, driver });
    }
    let (mut sender, connection) = http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(io).await?;
    tasks.execute(connection);
    Ok(Answer { response: sender.send_request(request).await?, driver })
}

pub(super) fn exchange_reason(error: &hyper::Error) -> String {
    if error.is_parse() {
        // The texts of these errors are fixed: no byte of the server's gets into a log.
        format!("not a valid HTTP/1 answer: {error}")
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        "connection closed before the answer".to_owned()
    } else {
        format!("no answer: {error}")
    }
}

fn expect_status(status: u16, expected: &[(u16, u16)]) -> Result<(), String> {
    if expected.iter().any(|(low, high)| (*low..=*high).contains(&status)) {
        return Ok(());
    }
    let ranges: Vec<_> = expected
        .iter()
        .map(|(low, high)| if low == high { low.to_string() } else { format!("{low}-{high}") })
        .collect();
    Err(format!("answered {status}, expected {}", ranges.join(", ")))
}

fn expect_headers(headers: &HeaderMap, expected: &[(String, String)]) -> Result<(), String> {
    for (name, text) in expected {
        let mut values = headers.get_all(name).iter().peekable();
        if values.peek().is_none() {
            return Err(format!("the answer has no field {name}"));
        }
        if !values.any(|value| memmem::find(value.as_bytes(), text.as_bytes()).is_some()) {
            return Err(format!("field {name} does not contain {text:?}"));
        }
    }
    Ok(())
}

/// Reads the body as far as it must be known. A text is found as soon as it has come; an expression and JSON want the whole.
async fn expect_body(body: &mut Incoming, expected: &HttpProbe) -> Result<(), String> {
    let mut search = expected.expect_body.as_ref().map(Search::new);
    let wants_all =
        !expected.expect_json.is_empty() || matches!(expected.expect_body, Some(Sought::Regex(_)));
    let mut seen = Vec::new();
    let is_whole = loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                let room = BODY_BYTES_MAX - seen.len();
                seen.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() > room {
                    break false;
                }
            }
            Some(Err(_)) => return Err("connection closed before the end of the body".to_owned()),
            None => break true,
        }
        if !wants_all && search.as_mut().is_none_or(|search| search.finds_in(&seen)) {
            return Ok(());
        }
    };
    if let Some(search) = &mut search
        && !search.finds_in(&seen)
    {
        let (the_body, does) = match is_whole {
            true => ("the body", "does"),
            false => ("the first 64 KiB of the body", "do"),
        };
        return Err(format!("{the_body} {does} not {}", search.what()));
    }
    match is_whole {
        _ if expected.expect_json.is_empty() => Ok(()),
        true => json::expect(&seen, &expected.expect_json),
        false => Err("the body has more than 64 KiB, which is too much JSON".to_owned()),
    }
}
