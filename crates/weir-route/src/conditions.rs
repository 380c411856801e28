//! The rarer conditions of a route: clients, header fields, cookies, query parameters.

use std::net::IpAddr;

use ipnet::IpNet;
use weir_config::{Match, ValuePattern};

use crate::{Request, cookie, query};

/// All that is in here must hold.
#[derive(Debug, Clone)]
pub(crate) struct Conditions {
    clients: Box<[IpNet]>,
    headers: Box<[(String, ValuePattern)]>,
    cookies: Box<[(String, ValuePattern)]>,
    query: Box<[(String, ValuePattern)]>,
}

impl Conditions {
    /// `None` when there are none.
    pub(crate) fn new(matches: &Match) -> Option<Self> {
        let Match { clients, headers, cookies, query, hosts: _, path: _, methods: _ } = matches;
        let none = clients.is_empty() && headers.is_empty() && cookies.is_empty() && query.is_empty();
        (!none).then(|| Self {
            clients: clients.as_slice().into(),
            headers: headers.as_slice().into(),
            cookies: cookies.as_slice().into(),
            query: query.as_slice().into(),
        })
    }

    pub(crate) fn read_the_query(&self) -> bool {
        !self.query.is_empty()
    }

    /// `room` is what [`query::room_for`] asked for.
    pub(crate) fn hold<R: Request + ?Sized>(&self, request: &R, room: &mut [u8]) -> bool {
        self.clients_hold(request.client())
            && self.headers.iter().all(|(name, wanted)| request.field(name, &mut |value| is(wanted, value)))
            && self.cookies.iter().all(|(name, wanted)| cookie(request, name, &mut |value| is(wanted, value)))
            && self.query.iter().all(|(name, wanted)| {
                let query = request.query().unwrap_or_default();
                query::parameter(query, name, room, &mut |value| is(wanted, value))
            })
    }

    fn clients_hold(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.clients.is_empty() || self.clients.iter().any(|network| network.contains(&client))
    }
}

fn is(wanted: &ValuePattern, value: &[u8]) -> bool {
    match wanted {
        ValuePattern::Exact(exact) => value == exact.as_bytes(),
        ValuePattern::Regex(pattern) => pattern.regex.is_match(value),
        ValuePattern::Present => true,
    }
}
