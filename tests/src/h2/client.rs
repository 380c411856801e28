//! A client that sends the frames it is told.

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpStream},
};

use super::{
    PREFACE,
    audit::Side,
    code, frame,
    frame::Frame,
    link::{Event, Link},
    name_of,
};
use crate::{message::Fields, wait::DEADLINE};

/// One connection. Its methods panic when what they expect does not come, and whenever the peer breaks a rule.
#[derive(Debug)]
pub struct H2Client {
    /// The connection itself.
    pub link: Link,
    responses: HashMap<u32, H2Response>,
    given: HashMap<u32, i64>,
    ping: u64,
    /// A GOAWAY that has come: the last stream and the code.
    pub goaway: Option<(u32, u32)>,
}

/// What has come on one stream.
#[derive(Debug, Clone, Default)]
pub struct H2Response {
    /// The final status; 0 as long as there is none.
    pub status: u16,
    /// Its fields.
    pub fields: Fields,
    /// All interim responses, with their statuses.
    pub interim: Vec<(u16, Fields)>,
    /// The body so far.
    pub body: Vec<u8>,
    /// The fields behind the body.
    pub trailers: Fields,
    /// Its end has come.
    pub is_whole: bool,
    /// The stream was reset with this code.
    pub reset: Option<u32>,
}

impl H2Response {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl H2Client {
    /// Connects and goes through the prefaces, with no settings but the initial ones.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, &[])
    }

    /// The same with these settings.
    #[track_caller]
    pub fn connect_with(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut client = Self::connect_raw(address);
        client.preface(settings);
        client
    }

    /// A TCP connection, and nothing else.
    #[track_caller]
    pub fn connect_raw(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, DEADLINE);
        let stream = stream.unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
        let link = Link::new(stream, Side::Client);
        Self { link, responses: HashMap::new(), given: HashMap::new(), ping: 0, goaway: None }
    }

    /// Sends the preface, and waits for the server's settings and for the acknowledgement of these.
    #[track_caller]
    pub fn preface(&mut self, settings: &[(u16, u32)]) {
        self.send_octets(PREFACE).send([frame::settings(settings)]);
        self.wait_for("settings", |event| matches!(event, Event::Settings(_)).then_some(()));
        self.wait_for("acknowledgement", |event| matches!(event, Event::SettingsAck).then_some(()));
    }

    /// Sends these frames in one piece.
    #[track_caller]
    pub fn send(&mut self, frames: impl AsRef<[Frame]>) -> &mut Self {
        self.link.send(frames.as_ref()).unwrap_or_else(|error| panic!("sending: {error}"));
        self
    }

    /// Sends these frames; the peer may have gone.
    pub fn try_send(&mut self, frames: impl AsRef<[Frame]>) {
        let _ = self.link.send(frames.as_ref());
    }

    /// Sends octets that are not looked at.
    #[track_caller]
    pub fn send_octets(&mut self, octets: &[u8]) -> &mut Self {
        self.link.send_octets(octets).unwrap_or_else(|error| panic!("sending: {error}"));
        self
    }

    /// Counts frames whose octets go out by [`Self::send_octets`].
    pub fn count(&mut self, frames: &[Frame]) -> &mut Self {
        for frame in frames {
            self.link.audit.sent(frame);
        }
        self
    }

    /// The next event, whatever it is.
    #[track_caller]
    pub fn event(&mut self) -> Event {
        let event = self.link.event().unwrap_or_else(|rule| panic!("the peer breaks a rule: {rule}"));
        self.note(&event);
        event
    }

    /// Waits for an event that `wanted` gives something for. Others pass by; an end of the connection does not.
    #[track_caller]
    pub fn wait_for<T>(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let event = self.event();
            if let Some(found) = wanted(&event) {
                return found;
            }
            match event {
                Event::Closed => panic!("closed instead of {what}{}", self.state()),
                Event::Late => panic!("no {what}{}", self.state()),
                _ => {}
            }
        }
    }

    /// Waits until all of the response has come.
    #[track_caller]
    pub fn response(&mut self, stream: u32) -> H2Response {
        self.wait_until(&format!("response on stream {stream}"), |client| client.so_far(stream).is_whole);
        self.so_far(stream)
    }

    /// Waits until the response's final head has come.
    #[track_caller]
    pub fn head(&mut self, stream: u32) -> H2Response {
        self.wait_until(&format!("head on stream {stream}"), |client| client.so_far(stream).status != 0);
        self.so_far(stream)
    }

    /// Waits until the stream is reset; gives the code.
    #[track_caller]
    pub fn reset(&mut self, stream: u32) -> u32 {
        self.wait_until(&format!("RST_STREAM on stream {stream}"), |client| {
            client.so_far(stream).reset.is_some()
        });
        self.so_far(stream).reset.expect("just seen")
    }

    /// Takes events until this holds.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        while !holds(self) {
            match self.event() {
                Event::Closed => panic!("closed instead of {what}{}", self.state()),
                Event::Late => panic!("no {what}{}", self.state()),
                Event::Reset { stream, code } if what.ends_with(&format!("response on stream {stream}")) => {
                    panic!("{} instead of {what}", name_of(code))
                }
                _ => {}
            }
        }
    }

    /// What WINDOW_UPDATE frames have given a stream, or the connection for 0, so far.
    pub fn given(&self, stream: u32) -> i64 {
        self.given.get(&stream).copied().unwrap_or_default()
    }

    /// What has come on a stream.
    pub fn so_far(&self, stream: u32) -> H2Response {
        self.responses.get(&stream).cloned().unwrap_or_default()
    }

    /// Everything that was sent has been read and answered as far as it needs no server: a PING came back.
    #[track_caller]
    pub fn ping(&mut self) -> &mut Self {
        self.ping += 1;
        let octets = (u64::from(u32::MAX) << 32 | self.ping).to_be_bytes();
        self.send([frame::ping(octets)]);
        self.wait_for("answer to PING", |event| {
            matches!(event, Event::PingAck(o) if *o == octets).then_some(())
        });
        self
    }

    /// The connection ends without an error.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        self.wait_for("end of the connection", |event| matches!(event, Event::Closed).then_some(()));
        let code = self.goaway.map_or(code::NO_ERROR, |(_, code)| code);
        assert_eq!(code, code::NO_ERROR, "{}", name_of(code));
    }

    /// What is known, for messages.
    pub fn state(&self) -> String {
        let mut known: Vec<String> = self
            .responses
            .iter()
            .map(|(stream, r)| {
                let reset = r.reset.map(name_of);
                format!(
                    "stream {stream}: {} {} octets, whole {}, {reset:?}",
                    r.status,
                    r.body.len(),
                    r.is_whole
                )
            })
            .collect();
        known.extend(self.goaway.map(|(last, code)| format!("GOAWAY {} {last}", name_of(code))));
        if known.is_empty() { String::new() } else { format!(" ({})", known.join("; ")) }
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Head { stream, fields, ends } => {
                let response = self.responses.entry(*stream).or_default();
                let status = fields.get(":status").and_then(|status| status.parse().ok()).unwrap_or(0);
                match status {
                    0 => response.trailers = fields.clone(),
                    100..=199 => response.interim.push((status, fields.clone())),
                    _ => (response.status, response.fields) = (status, fields.clone()),
                }
                response.is_whole = *ends;
            }
            Event::Data { stream, octets, ends, .. } => {
                let response = self.responses.entry(*stream).or_default();
                response.body.extend_from_slice(octets);
                response.is_whole = *ends;
            }
            Event::Reset { stream, code } => self.responses.entry(*stream).or_default().reset = Some(*code),
            Event::WindowUpdate { stream, increment } => {
                *self.given.entry(*stream).or_default() += i64::from(*increment);
            }
            Event::GoAway { last, code } => self.goaway = Some((*last, *code)),
            _ => {}
        }
    }
}
