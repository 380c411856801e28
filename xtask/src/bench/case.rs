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
    Idle { connections: usize },
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
}

const SMALL: Load =
    Load { connections: 64, path: "/small", expect_bytes: 128, upload_bytes: None, close: false };
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
        kind: Kind::Idle { connections: 10_000 },
    },
    Case {
        name: "calls",
        title: "system calls per small GET, 64 keep-alive connections",
        kind: Kind::Calls(SMALL),
    },
];
