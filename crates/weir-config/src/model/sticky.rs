//! Keeping clients on their servers, and on their sides of a split.

use std::time::Duration;

use crate::{HashKey, Place, Secret};

/// `pools.NAME.sticky`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sticky {
    /// What tells where a client belongs.
    pub by: StickyBy,
    /// How long a client that does not come is remembered, in whole seconds.
    pub ttl: Duration,
    /// How long a server that drains keeps its clients.
    pub drain: Duration,
    /// Where it is written.
    pub place: Place,
}

/// What tells where a client belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StickyBy {
    /// A cookie of Weir's own that names the server.
    Cookie(OwnCookie),
    /// A cookie of the application.
    AppCookie {
        /// Its name; case-sensitive.
        name: String,
        /// The most clients that are remembered.
        size: usize,
    },
    /// What the client is known by: its address or a header field.
    Table {
        /// [`HashKey::ClientIp`] or [`HashKey::Header`].
        key: HashKey,
        /// The most clients that are remembered.
        size: usize,
    },
}

/// A cookie that Weir issues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCookie {
    /// Case-sensitive.
    pub name: String,
    /// When browsers send it.
    pub same_site: SameSite,
    /// Answers that set it are for nobody else.
    pub no_cache: bool,
    /// Keys that nodes share; `None`: Weir's own.
    pub keys: Option<Secret>,
}

/// `SameSite` of a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SameSite {
    Lax,
    Strict,
    None,
}

/// `split_sticky` of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitSticky {
    /// It holds the client's place between 0 and 1.
    pub cookie: OwnCookie,
    /// How long a client that does not come is remembered, in whole seconds.
    pub ttl: Duration,
    /// Where it is written.
    pub place: Place,
}
