//! Who stands between HTTP/1.1 clients and HTTP/2 servers.

use std::{env, net::SocketAddr};

use weir_tests::{Client, Response, Weir, h2::H2Origin, peer::Peer};

/// Weir, or HAProxy to test the tests.
pub(crate) enum Front {
    Weir(Weir),
    Peer(Peer),
}

impl Front {
    /// Before one server.
    #[track_caller]
    pub(crate) fn before(origin: &H2Origin) -> Self {
        match env::var("WEIR_TESTS_H2").as_deref() {
            Ok("haproxy") => Self::Peer(Peer::haproxy_before_h2(origin)),
            Ok(name) => panic!("{name} speaks no HTTP/2 with servers"),
            Err(_) => Self::Weir(Weir::start(&format!(
                "
runtime:
  workers: 1
listeners:
  - name: web
    bind: 127.0.0.1:0
    pool: web
pools:
  web:
    servers: [{origin}]
    protocol: h2
    health: none
"
            ))),
        }
    }

    pub(crate) fn is_weir(&self) -> bool {
        matches!(self, Self::Weir(_))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Weir(weir) => weir.address(),
            Self::Peer(peer) => peer.address(),
        }
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Response {
        self.connect().get(path)
    }

    #[track_caller]
    pub(crate) fn ask(&self, request: impl AsRef<[u8]>) -> Response {
        self.connect().send(request).response()
    }
}
