//! What hyper's server makes of the bytes of a connection.

use std::{cell::RefCell, convert::Infallible, rc::Rc};

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response,
    body::{Body, Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};

use super::wire::{Wire, drive};

/// One request as hyper read it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The body's length where the head says it; `None` for chunks.
    pub announced: Option<u64>,
    /// What came of the body, without framing.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: usize,
    /// The body came to its end.
    pub is_whole: bool,
}

/// Every request in `bytes`, up to the first that hyper refuses or that closes the connection.
pub fn read(bytes: Vec<u8>) -> Vec<Seen> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request| {
        let seen = Rc::clone(&seen);
        async move {
            let slot = seen.borrow().len();
            seen.borrow_mut().push(Seen::default());
            take(request, |so_far| seen.borrow_mut()[slot].clone_from(so_far)).await;
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let connection = http1::Builder::new().half_close(true).serve_connection(Wire::saying(bytes), service);
    // An error is a refusal, which is hyper's right.
    let _refusal = drive(connection).expect("hyper's server comes to an end when all has been read");
    seen.take()
}

async fn take(request: Request<Incoming>, tell: impl Fn(&Seen)) {
    let mut seen = Seen {
        method: request.method().to_string(),
        target: request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned(),
        announced: request.body().size_hint().exact(),
        ..Seen::default()
    };
    tell(&seen);
    let mut body = request.into_body();
    loop {
        match body.frame().await {
            None => {
                seen.is_whole = true;
                break;
            }
            Some(Err(_)) => break,
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    seen.body.extend_from_slice(data);
                } else if let Some(trailers) = frame.trailers_ref() {
                    seen.trailers += trailers.len();
                }
            }
        }
        tell(&seen);
    }
    tell(&seen);
}
