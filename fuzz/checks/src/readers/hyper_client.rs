//! What hyper's client makes of what a server sends.

use std::{cell::RefCell, future::poll_fn, pin::pin};

use http_body_util::{BodyExt, Empty};
use hyper::{
    Method, Request,
    body::{Body, Bytes},
    client::conn::http1::{self, SendRequest},
};

use super::wire::{Wire, drive};

/// One final response as hyper read it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its status.
    pub status: u16,
    /// The body's length where it is known beforehand.
    pub announced: Option<u64>,
    /// What came of the body, without framing.
    pub body: Vec<u8>,
    /// The body came to its end.
    pub is_whole: bool,
}

/// Sends one request per stage on one connection, of which the server says each stage when its request has come, and
/// closes it after the last. Ends at the first that hyper refuses. All requests are HEAD, or all are GET.
pub fn read(to_head: bool, stages: Vec<Vec<u8>>) -> Vec<Seen> {
    let count = stages.len();
    let seen = RefCell::new(Vec::new());
    // Stuck is one way to disagree about where a body ends: what was seen until then says so.
    let _ = drive(async {
        let wire = Wire::answering(stages);
        let (mut sender, connection) = http1::handshake::<_, Empty<Bytes>>(wire).await.ok()?;
        let mut connection = pin!(connection);
        let mut exchanges = pin!(async {
            for _ in 0..count {
                exchange(&mut sender, to_head, &seen).await?;
            }
            Some(())
        });
        poll_fn(|context| {
            // Its end shows in the exchanges.
            let _ = connection.as_mut().poll(context);
            exchanges.as_mut().poll(context)
        })
        .await
    });
    seen.take()
}

async fn exchange(
    sender: &mut SendRequest<Empty<Bytes>>,
    to_head: bool,
    seen: &RefCell<Vec<Seen>>,
) -> Option<()> {
    sender.ready().await.ok()?;
    let method = if to_head { Method::HEAD } else { Method::GET };
    let request = Request::builder().method(method).uri("/").header("host", "a").body(Empty::new()).ok()?;
    let response = sender.send_request(request).await.ok()?;
    let slot = seen.borrow().len();
    seen.borrow_mut().push(Seen {
        status: response.status().as_u16(),
        announced: response.body().size_hint().exact(),
        ..Seen::default()
    });
    let mut body = response.into_body();
    loop {
        match body.frame().await {
            None => {
                seen.borrow_mut()[slot].is_whole = true;
                return Some(());
            }
            Some(Err(_)) => return None,
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    seen.borrow_mut()[slot].body.extend_from_slice(data);
                }
            }
        }
    }
}
