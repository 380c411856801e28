//! Which route takes a request: first match in the written order. Pure.
//!
//! Whatever a client may write in several ways is compared in one form: the host without regard to case, a final
//! dot or its port, the path with its escapes and dot segments resolved ([`normalise`]), the client's address as
//! IPv4 where it is one. Otherwise a route that guards `/admin` could be passed by as `/%61dmin`.
//!
//! A request is read through the trait [`Request`]: an engine keeps its head in whatever form is quick for it.

#![forbid(unsafe_code)]

mod conditions;
mod cookie;
mod host;
mod index;
mod path;
mod query;
mod request;
mod table;

#[cfg(test)]
mod tests;

pub use cookie::cookie;
pub use path::normalise;
pub use query::query_parameter;
pub use request::Request;
pub use table::Table;
