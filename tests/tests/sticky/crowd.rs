//! Many clients, each with its cookies, over few connections of both versions of HTTP.

use std::{collections::BTreeMap, net::SocketAddr, thread};

use weir_tests::{
    Client, Weir,
    h2::{Block, H2Client, frame::headers},
};

/// Connections that all clients take turns on.
const CONNECTIONS: usize = 8;

/// A client, as far as a balancer knows it.
#[derive(Debug, Default, Clone)]
struct Member {
    cookie: Option<String>,
    server: String,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Crowd(Vec<Member>);

/// What a round has shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// Clients that are at another server than before, by the servers where they were and are.
    pub(crate) moves: BTreeMap<(String, String), usize>,
    /// Answers that set a cookie.
    pub(crate) cookies: usize,
}

impl Round {
    pub(crate) fn nobody() -> Self {
        Self::default()
    }

    /// How many moved away from this server; that must be all that moved.
    #[track_caller]
    pub(crate) fn only_from(&self, server: &str) -> usize {
        assert!(self.moves.keys().all(|(from, _)| from == server), "{self:?}");
        let moved = self.moves.values().sum();
        assert_eq!(self.cookies, moved, "who moves is told, and nobody else: {self:?}");
        moved
    }
}

impl Crowd {
    pub(crate) fn new(count: usize) -> Self {
        Self(vec![Member::default(); count])
    }

    /// How many are at each server.
    pub(crate) fn at(&self, server: &str) -> usize {
        self.0.iter().filter(|member| member.server == server).count()
    }

    /// Each client asks once: every second connection is one of HTTP/2.
    #[track_caller]
    pub(crate) fn round(&mut self, weir: &Weir) -> Round {
        let address = weir.address();
        let part = self.0.len().div_ceil(CONNECTIONS);
        let mut round = Round::default();
        thread::scope(|scope| {
            let parts = self.0.chunks_mut(part).enumerate();
            let parts: Vec<_> = parts
                .map(|(number, members)| scope.spawn(move || ask_all(address, number % 2 == 1, members)))
                .collect();
            for part in parts {
                let part = part.join().expect("every client is answered");
                round.cookies += part.cookies;
                for (way, count) in part.moves {
                    *round.moves.entry(way).or_default() += count;
                }
            }
        });
        round
    }
}

fn ask_all(address: SocketAddr, is_http2: bool, members: &mut [Member]) -> Round {
    let mut round = Round::default();
    let mut ask =
        if is_http2 { over_http2(H2Client::connect(address)) } else { over_http1(Client::connect(address)) };
    for member in members {
        let (server, set) = ask(member.cookie.as_deref());
        if member.server != server {
            let before = std::mem::replace(&mut member.server, server.clone());
            *round.moves.entry((before, server)).or_default() += 1;
        }
        if let Some(set) = set {
            round.cookies += 1;
            member.cookie = Some(set.split(';').next().unwrap_or_default().to_owned());
        }
    }
    round
}

type Ask = Box<dyn FnMut(Option<&str>) -> (String, Option<String>)>;

fn over_http1(mut client: Client) -> Ask {
    Box::new(move |cookie| {
        let cookie = cookie.map(|cookie| format!("Cookie: a=b; {cookie}\r\n")).unwrap_or_default();
        let answer = super::ask(&mut client, &cookie);
        (answer.text(), answer.fields.get("set-cookie").map(str::to_owned))
    })
}

fn over_http2(mut client: H2Client) -> Ask {
    let mut stream = 1;
    Box::new(move |cookie| {
        let mut block =
            Block::of(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]);
        if let Some(cookie) = cookie {
            block = block.plain("cookie", "a=b").plain("cookie", cookie);
        }
        client.send([headers(stream, block.0).end()]);
        let answer = client.response(stream);
        stream += 2;
        assert_eq!(answer.status, 200, "{}", answer.text());
        (answer.text(), answer.fields.get("set-cookie").map(str::to_owned))
    })
}
