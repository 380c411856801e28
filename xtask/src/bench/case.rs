//! The cases: what is asked of every proxy.

/// One case of the bench.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) kind: Kind,
}

/// How a case is measured.
pub(crate) enum Kind {
    /// CPU per request, rate and latency under load, in rounds.
    Load(Load),
    /// Memory per idle connection, in a fresh process.
    Idle { connections: usize, tls: Option<Key> },
    /// System calls per request; strace slows the proxy down, so nothing else is taken from this run.
    Calls(Load),
}

/// What the load generator does.
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) path: &'static str,
    /// Length of the body that must come.
    pub(crate) expect_bytes: usize,
    pub(crate) upload_bytes: Option<usize>,
    /// A new connection for each request.
    pub(crate) close: bool,
    pub(crate) tls: Option<Tls>,
    /// HTTP/2, and how many requests at a time on each connection.
    pub(crate) h2_streams: Option<usize>,
}

/// TLS 1.3 with the group and the cipher that the load generator offers, one of each.
#[derive(Clone, Copy)]
pub(crate) struct Tls {
    pub(crate) key: Key,
    /// Connections after the first ones resume a session by its ticket; else each handshake is a full one.
    pub(crate) resume: bool,
}

/// What the proxy's certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// P-256.
    Ecdsa,
    /// 2048 bits.
    Rsa,
}

impl Case {
    /// The key of the proxy's certificate, where it speaks TLS.
    pub(crate) fn tls(&self) -> Option<Key> {
        match &self.kind {
            Kind::Load(load) | Kind::Calls(load) => load.tls.map(|tls| tls.key),
            Kind::Idle { tls, .. } => *tls,
        }
    }
}

/// What is changed from case to case.
pub(crate) const SMALL: Load = Load {
    connections: 64,
    path: "/small",
    expect_bytes: 128,
    upload_bytes: None,
    close: false,
    tls: None,
    h2_streams: None,
};
/// The same over TLS. Whatever the key, it matters in full handshakes only.
const TLS_SMALL: Load = Load { tls: Some(Tls { key: Key::Ecdsa, resume: false }), ..SMALL };
const MIB: usize = 1024 * 1024;

/// All cases, in the order of the report.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "get-1",
        title: "small GET, 1 keep-alive connection",
        kind: Kind::Load(Load { connections: 1, ..SMALL }),
    },
    Case { name: "get-64", title: "small GET, 64 keep-alive connections", kind: Kind::Load(SMALL) },
    Case {
        name: "get-1000",
        title: "small GET, 1,000 keep-alive connections",
        kind: Kind::Load(Load { connections: 1000, ..SMALL }),
    },
    Case {
        name: "close",
        title: "small GET, a connection per request, 64 at a time",
        kind: Kind::Load(Load { close: true, ..SMALL }),
    },
    Case {
        name: "get-64k",
        title: "64 KiB bodies, 16 keep-alive connections",
        kind: Kind::Load(Load { connections: 16, path: "/64k", expect_bytes: 64 * 1024, ..SMALL }),
    },
    Case {
        name: "get-1m",
        title: "1 MiB bodies, 16 keep-alive connections",
        kind: Kind::Load(Load { connections: 16, path: "/1m", expect_bytes: MIB, ..SMALL }),
    },
    Case {
        name: "upload-1m",
        title: "1 MiB uploads, 16 keep-alive connections",
        kind: Kind::Load(Load { connections: 16, path: "/upload", upload_bytes: Some(MIB), ..SMALL }),
    },
    Case {
        name: "idle",
        title: "memory per idle keep-alive connection, 10,000 of them",
        kind: Kind::Idle { connections: 10_000, tls: None },
    },
    Case {
        name: "tls-handshake-ecdsa",
        title: "full TLS 1.3 handshake (ECDSA P-256), one small GET, close; 64 at a time",
        kind: Kind::Load(Load { close: true, ..TLS_SMALL }),
    },
    Case {
        name: "tls-handshake-rsa",
        title: "full TLS 1.3 handshake (RSA 2048), one small GET, close; 64 at a time",
        kind: Kind::Load(Load { close: true, tls: Some(Tls { key: Key::Rsa, resume: false }), ..SMALL }),
    },
    Case {
        name: "tls-resume",
        title: "resumed TLS 1.3 handshake, one small GET, close; 64 at a time",
        kind: Kind::Load(Load { close: true, tls: Some(Tls { key: Key::Ecdsa, resume: true }), ..SMALL }),
    },
    Case {
        name: "tls-get-64",
        title: "small GET over TLS, 64 keep-alive connections",
        kind: Kind::Load(TLS_SMALL),
    },
    Case {
        name: "tls-1m",
        title: "1 MiB bodies over TLS, 16 keep-alive connections",
        kind: Kind::Load(Load { connections: 16, path: "/1m", expect_bytes: MIB, ..TLS_SMALL }),
    },
    Case {
        name: "h2-get",
        title: "small GET over HTTP/2 and TLS, 8 connections with 100 requests at a time, HTTP/1 servers",
        kind: Kind::Load(Load { connections: 8, h2_streams: Some(100), ..TLS_SMALL }),
    },
    Case {
        name: "tls-idle",
        title: "memory per idle TLS connection, 5,000 of them",
        kind: Kind::Idle { connections: 5_000, tls: Some(Key::Ecdsa) },
    },
    Case {
        name: "calls",
        title: "system calls per small GET, 64 keep-alive connections",
        kind: Kind::Calls(SMALL),
    },
];
