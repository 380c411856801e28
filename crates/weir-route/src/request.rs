//! What the routes ask of a request.

use std::net::IpAddr;

/// A request head, in whatever form the engine keeps it.
pub trait Request {
    /// The method, as sent.
    fn method(&self) -> &[u8];

    /// The value of `Host` (or what stands for it), as sent: it may have a port and may be empty.
    fn host(&self) -> &[u8];

    /// The path, as sent, without the query.
    fn path(&self) -> &[u8];

    /// The query, as sent, without its `?`.
    fn query(&self) -> Option<&[u8]>;

    /// The address of the client.
    fn client(&self) -> IpAddr;

    /// Calls `found` with the value of each field of this name (lower case), without the white space around it,
    /// in the order of the head. Stops and returns true at the first for which `found` does.
    fn field(&self, name: &str, found: &mut dyn FnMut(&[u8]) -> bool) -> bool;
}
