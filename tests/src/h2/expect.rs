//! What must come of frames that were sent.

use super::{H2Client, code, link::Event, name_of};

/// What a peer may do. Each constructor names what the standard asks for; more is allowed by [`Expect::or`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expect {
    connection: Vec<u32>,
    stream: Option<u32>,
    stream_codes: Vec<u32>,
    statuses: Vec<u16>,
    /// The connection goes on as if nothing was.
    alive: bool,
    /// The connection may be closed without a word.
    silent: bool,
    /// No server may get the request.
    pub unseen: bool,
}

/// How well an expectation was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// To the letter.
    Exact,
    /// With a freedom that section 5.4 leaves: a generic code, or no GOAWAY before the close.
    Lenient,
}

impl Expect {
    /// A connection error with this code: GOAWAY, then the end of the connection (section 5.4.1).
    pub fn connection(code: u32) -> Self {
        Self { connection: vec![code], ..Self::default() }
    }

    /// A stream error with this code (section 5.4.2), or a connection error instead, as section 5.4.1 allows.
    pub fn stream(stream: u32, code: u32) -> Self {
        Self { stream: Some(stream), stream_codes: vec![code], ..Self::default() }
    }

    /// The end of the connection; GOAWAY may be omitted (section 3.4).
    pub fn closed(code: u32) -> Self {
        Self { silent: true, ..Self::connection(code) }
    }

    /// Nothing: the frames are taken, and no error follows before an answer to PING.
    pub fn nothing() -> Self {
        Self { alive: true, ..Self::default() }
    }

    /// A whole response with one of these statuses on stream 1.
    pub fn status(statuses: &[u16]) -> Self {
        Self { stream: Some(1), statuses: statuses.to_vec(), ..Self::default() }
    }

    /// A malformed request (section 8.1.1): a stream error, perhaps behind a response that says so; no server sees it.
    pub fn malformed() -> Self {
        Self::malformed_on(1)
    }

    /// The same on another stream.
    pub fn malformed_on(stream: u32) -> Self {
        let statuses = vec![400, 405, 413, 414, 417, 421, 431, 501];
        Self { statuses, unseen: true, ..Self::stream(stream, code::PROTOCOL_ERROR) }
    }

    /// Any of both.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.connection.extend(other.connection);
        self.stream_codes.extend(other.stream_codes);
        self.statuses.extend(other.statuses);
        self.stream = self.stream.or(other.stream);
        self.alive |= other.alive;
        self.silent |= other.silent;
        self.unseen &= other.unseen;
        self
    }

    /// A server may get the request, which looked right for a while.
    #[must_use]
    pub fn seen(mut self) -> Self {
        self.unseen = false;
        self
    }

    /// And no server may get the request.
    #[must_use]
    pub fn unseen(mut self) -> Self {
        self.unseen = true;
        self
    }

    /// Looks at what comes, and says how well it fits; panics when it does not.
    #[track_caller]
    pub fn check(&self, client: &mut H2Client) -> Grade {
        if self.alive {
            client.try_send([super::frame::ping(*b"expected")]);
        }
        loop {
            match client.event() {
                Event::GoAway { code, .. } if code != code::NO_ERROR => {
                    return self.check_goaway(client, code);
                }
                Event::Reset { stream, code } => {
                    if let Some(grade) = self.grade_reset(stream, code) {
                        return grade;
                    }
                }
                Event::PingAck(octets) if self.alive && octets == *b"expected" => {
                    return Grade::Exact;
                }
                Event::Head { stream, ends: true, .. } | Event::Data { stream, ends: true, .. }
                    if Some(stream) == self.stream && !self.statuses.is_empty() =>
                {
                    return self.grade_response(client, stream);
                }
                Event::Closed if self.silent => return Grade::Exact,
                Event::Closed if !self.connection.is_empty() || !self.stream_codes.is_empty() => {
                    return Grade::Lenient;
                }
                Event::Closed => panic!("closed, expected {self:?}{}", client.state()),
                Event::Late => panic!("nothing came, expected {self:?}{}", client.state()),
                _ => {}
            }
        }
    }

    #[track_caller]
    fn grade_response(&self, client: &mut H2Client, stream: u32) -> Grade {
        let status = client.so_far(stream).status;
        assert!(self.statuses.contains(&status), "status {status}, expected {self:?}");
        if self.stream_codes.is_empty() {
            return Grade::Exact;
        }
        // "A server MAY send an HTTP response prior to closing or resetting the stream" (section 8.1.1): the reset says
        // that the request was wrong even to a client that reads no bodies.
        client.try_send([super::frame::ping(*b"response")]);
        loop {
            match client.event() {
                Event::Reset { stream: reset, code }
                    if reset == stream && self.stream_codes.contains(&code) =>
                {
                    return Grade::Exact;
                }
                Event::PingAck(_) | Event::Closed => return Grade::Lenient,
                Event::Late => panic!("no answer to PING{}", client.state()),
                _ => {}
            }
        }
    }

    #[track_caller]
    fn check_goaway(&self, client: &mut H2Client, came: u32) -> Grade {
        let all = [&self.connection[..], &self.stream_codes[..]].concat();
        let is_generic = came == code::PROTOCOL_ERROR || came == code::INTERNAL_ERROR;
        let is_error = !all.is_empty();
        assert!(
            is_error && (all.contains(&came) || is_generic),
            "GOAWAY {}, expected {self:?}",
            name_of(came)
        );
        // "After sending the GOAWAY frame for an error condition, the endpoint MUST close the TCP connection."
        client.wait_for("end behind GOAWAY", |event| matches!(event, Event::Closed).then_some(()));
        if all.contains(&came) { Grade::Exact } else { Grade::Lenient }
    }

    #[track_caller]
    fn grade_reset(&self, stream: u32, came: u32) -> Option<Grade> {
        // The end of an answer that came before the request was whole (section 8.1).
        if came == code::NO_ERROR {
            return None;
        }
        if self.stream != Some(stream) || self.stream_codes.is_empty() {
            assert!(!self.alive, "RST_STREAM {}, expected {self:?}", name_of(came));
            return None;
        }
        let is_generic = came == code::PROTOCOL_ERROR || came == code::INTERNAL_ERROR;
        let is_exact = self.stream_codes.contains(&came);
        assert!(is_exact || is_generic, "RST_STREAM {}, expected {self:?}", name_of(came));
        Some(if is_exact { Grade::Exact } else { Grade::Lenient })
    }
}
