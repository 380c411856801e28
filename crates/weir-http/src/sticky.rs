//! Keeping clients on their servers, and on their sides of a split.
//!
//! One place decides, in this order: [`Session::begin`] finds out where the client belongs and whether it may stay there;
//! `Attempts::pick` takes that server first and asks the algorithm only without one; [`Session::settle`] writes down where
//! the request went, when that is not what the client knows already. A pool without `sticky` pays for a look at an
//! `Option`.

mod cookie;
mod hide;
mod split;

use std::{
    net::{IpAddr, SocketAddr},
    ops::Range,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use weir_balance::{
    Pool, ServerIndex,
    sticky::{Key, Leave, Places, Put, Room, ServerId, Table, stays},
};
use weir_config::{HashKey, OwnCookie};
use weir_route::Request as _;
use weir_tls::Seals;

pub(crate) use self::{
    hide::{find, hide},
    split::draw,
};
use crate::{
    connection::Connection,
    counters::{Limit, StickyCounters, StickyOutcome},
    exchange::Desk,
    head::{FieldKind, ResponseHead},
    site::{ListenerSite, PerWorker},
};

/// `sticky` of one pool.
#[derive(Debug)]
pub struct StickySite {
    /// What tells where a client belongs.
    pub by: StickyBy,
    /// How long a server that drains keeps its clients, in seconds.
    pub drain_s: u64,
    /// Of the pool's servers.
    pub places: Places,
    /// One block per worker.
    pub counters: PerWorker<StickyCounters>,
}

/// What tells where a client belongs.
#[derive(Debug)]
pub enum StickyBy {
    /// A cookie of Weir's own.
    Cookie(CookieSite),
    /// A cookie of the application, by its name.
    AppCookie(String, Arc<Table>),
    /// The client's address or a header field.
    Table(HashKey, Arc<Table>),
}

/// A cookie of Weir's own.
#[derive(Debug)]
pub struct CookieSite {
    /// Its name and habits.
    pub settings: OwnCookie,
    /// How long it is good for, in seconds.
    pub ttl_s: u64,
    /// Good for nothing but this pool, or for splits by a cookie of this name.
    pub seals: Arc<Seals>,
}

/// What stickiness does to the heads of an exchange; reused from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Lines for the head of the answer: first about the side of a split, then about the server.
    pub(crate) lines: Vec<u8>,
    /// Places in the request's text that are not for the server, in their order.
    pub(crate) cuts: Vec<Range<usize>>,
}

impl Notes {
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.cuts.clear();
    }
}

/// One request at a pool.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    site: &'a StickySite,
    /// Since 1970, for cookies.
    now_s: u64,
    /// Since the workers began, for what lives in this process: no clock that somebody sets.
    up_s: u64,
    /// Where the client may stay.
    home: Option<ServerIndex>,
    /// The home is to be tried next.
    goes_home: bool,
    /// A connection to the home has died.
    has_died: bool,
    /// The home had no room.
    is_full: bool,
    /// Why it is to be found a server, if it has no home.
    why: StickyOutcome,
    /// In the table.
    key: Option<Key>,
    /// The client's cookie has lived for half of its time.
    is_aging: bool,
    /// Where lines about the server begin.
    lines_from: usize,
    /// Where it went.
    settled: Option<ServerIndex>,
}

impl<'a> Session<'a> {
    /// Finds out where the client belongs.
    pub(crate) fn begin(site: &'a StickySite, pool: &Pool, connection: &Connection, desk: &Desk) -> Self {
        let mut session = Self {
            site,
            now_s: 0,
            // Workers began within a moment; 0 is no time for whoever notes when something began.
            up_s: connection.worker.deadlines.recent_ms() / 1000 + 1,
            home: None,
            goes_home: false,
            has_died: false,
            is_full: false,
            why: StickyOutcome::New,
            key: None,
            is_aging: false,
            lines_from: desk.sticky.lines.len(),
            settled: None,
        };
        if let Some(home) = session.find(site, connection, desk) {
            match stays(pool, home, site.drain_s, session.up_s) {
                Ok(()) => (session.home, session.goes_home) = (Some(home), true),
                Err(leave) => session.why = leave.into(),
            }
        }
        session
    }

    /// The server that the client names, or that is remembered for it.
    fn find(&mut self, site: &StickySite, connection: &Connection, desk: &Desk) -> Option<ServerIndex> {
        let view = connection.view(&desk.request);
        let table = match &site.by {
            StickyBy::Cookie(own) => {
                self.now_s = now_s();
                let brought = cookie::brought(&view, own, self.now_s, cookie::decode_server);
                let (address, is_aging) = match brought {
                    Ok(found) => found,
                    Err(why) => {
                        self.why = why;
                        return None;
                    }
                };
                self.is_aging = is_aging;
                self.why = StickyOutcome::Removed;
                return site.places.at(address);
            }
            StickyBy::AppCookie(name, table) => {
                weir_route::cookie(&view, name, &mut |value| {
                    self.key = (!value.is_empty()).then(|| table.key(value));
                    self.key.is_some()
                });
                table
            }
            StickyBy::Table(HashKey::Header(name), table) => {
                view.field(name, &mut |value| {
                    self.key = Some(table.key(value));
                    true
                });
                table
            }
            StickyBy::Table(_, table) => {
                self.key = Some(match view.client {
                    IpAddr::V4(address) => table.key(&address.octets()),
                    IpAddr::V6(address) => table.key(&address.octets()),
                });
                table
            }
        };
        let key = self.key?;
        // A new address is no more than a new client.
        if !matches!(site.by, StickyBy::Table(..)) {
            self.why = StickyOutcome::Unknown;
        }
        let server = table.find(key, self.up_s)?;
        self.why = StickyOutcome::Removed;
        site.places.named(server)
    }

    /// The server that is to be tried before the algorithm is asked.
    pub(crate) fn take_home(&mut self) -> Option<ServerIndex> {
        self.home.filter(|_| std::mem::take(&mut self.goes_home))
    }

    /// The server where the client belongs is to be tried next.
    pub(crate) fn goes_home(&self) -> bool {
        self.goes_home
    }

    /// This server has no room. True if it is where the client belongs, and worth waiting for.
    pub(crate) fn full(&mut self, pool: &Pool, server: ServerIndex, waits: bool) -> bool {
        if self.home != Some(server) {
            return false;
        }
        match stays(pool, server, self.site.drain_s, self.up_s) {
            Ok(()) => (self.goes_home, self.is_full) = (waits, !waits),
            // While it waited.
            Err(leave) => (self.home, self.goes_home, self.why) = (None, false, leave.into()),
        }
        self.goes_home
    }

    /// A connection to this server died. That need not mean that the server did: who belongs there tries it once more.
    pub(crate) fn died(&mut self, server: Option<ServerIndex>) {
        self.goes_home =
            self.home.is_some() && self.home == server && !std::mem::replace(&mut self.has_died, true);
    }

    /// The request goes to this server: the client is told, or it is remembered, unless that is known already.
    pub(crate) fn settle(
        &mut self,
        connection: &Connection,
        listener: &ListenerSite,
        desk: &mut Desk,
        pool: &Pool,
    ) {
        let site = self.site;
        let Some(&server) = desk.tried.last().filter(|server| self.settled != Some(**server)) else { return };
        let outcome = match (self.home, self.settled) {
            (Some(home), _) if home == server => StickyOutcome::Kept,
            (None, None) => self.why,
            (Some(_), None) if self.is_full => StickyOutcome::Full,
            _ => StickyOutcome::Unreachable,
        };
        let counters = &site.counters[connection.worker.index];
        counters.count(outcome);
        // Who found no room at home goes back there next time.
        let changes = !matches!(outcome, StickyOutcome::Kept | StickyOutcome::Full) || self.settled.is_some();
        self.settled = Some(server);
        let address = pool.member(server).server.address();
        match (&site.by, self.key) {
            (StickyBy::Cookie(own), _) if changes || self.is_aging => {
                counters.cookies.add(1);
                // After a replay, what was to be said before is no longer so.
                desk.sticky.lines.truncate(self.lines_from);
                let is_secure = is_secure(connection, listener, desk);
                cookie::write_server(&mut desk.sticky.lines, own, address, self.now_s, is_secure);
            }
            (StickyBy::AppCookie(_, table), Some(key)) if changes => {
                // Anybody can make a value up, which is then worth no place that another one has.
                let room = if outcome == StickyOutcome::Unknown { Room::Free } else { Room::Oldest };
                self.put(connection, table, key, ServerId::of(address), room);
            }
            (StickyBy::Table(_, table), Some(key)) if changes => {
                self.put(connection, table, key, ServerId::of(address), Room::Oldest);
            }
            _ => {}
        }
    }

    /// Learns which server has issued the application's cookie, if this answer does.
    pub(crate) fn learn(&self, connection: &Connection, pool: &Pool, response: &ResponseHead, text: &[u8]) {
        let StickyBy::AppCookie(name, table) = &self.site.by else { return };
        let Some(server) = self.settled else { return };
        for field in response.fields.iter().filter(|field| field.kind == FieldKind::Other) {
            if !field.name.of(text).eq_ignore_ascii_case(b"set-cookie") {
                continue;
            }
            // RFC 6265 section 5.2.
            let pair = field.value.of(text).split(|byte| *byte == b';').next().unwrap_or_default();
            let Some(equals) = memchr::memchr(b'=', pair) else { continue };
            let value = pair[equals + 1..].trim_ascii();
            if pair[..equals].trim_ascii() == name.as_bytes() && !value.is_empty() {
                let server = ServerId::of(pool.member(server).server.address());
                let key = table.key(value);
                if table.find(key, self.up_s) != Some(server) {
                    self.put(connection, table, key, server, Room::Oldest);
                }
            }
        }
    }

    fn put(&self, connection: &Connection, table: &Table, key: Key, server: ServerId, room: Room) {
        match table.put(key, server, self.up_s, room) {
            Put::Stored => {}
            Put::Replaced | Put::Refused => connection.worker.counters.reached(Limit::StickyTable),
        }
    }
}

impl From<Leave> for StickyOutcome {
    fn from(leave: Leave) -> Self {
        match leave {
            Leave::Removed => Self::Removed,
            Leave::Down => Self::Down,
            Leave::Drained => Self::Drained,
        }
    }
}

/// What a cookie's value says, for who has only that ([`crate::fuzzing`]).
pub(crate) fn server_of(own: &CookieSite, value: &[u8], now_s: u64) -> Option<SocketAddr> {
    cookie::read(value, own, now_s, cookie::decode_server).ok().map(|(server, _)| server)
}

/// The line that sets a cookie, for who has no exchange.
pub(crate) fn cookie_for(out: &mut Vec<u8>, own: &CookieSite, server: SocketAddr, now_s: u64) {
    cookie::write_server(out, own, server, now_s, false);
}

/// In seconds since 1970, as nodes that share keys understand each other.
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The client came over HTTPS, here or at a proxy that is believed.
fn is_secure(connection: &Connection, listener: &ListenerSite, desk: &Desk) -> bool {
    let text = connection.text();
    let says_https = || {
        desk.request.fields.iter().any(|field| {
            field.kind == FieldKind::XForwardedProto && field.value.of(text).eq_ignore_ascii_case(b"https")
        })
    };
    let trusted =
        || listener.settings.trusted_proxies.iter().any(|network| network.contains(&connection.client));
    connection.scheme() == "https" || (says_https() && trusted())
}
