//! A request as routes and hash keys see it, whatever version of HTTP brought it.

use std::net::IpAddr;

use weir_config::HashKey;

use crate::head::RequestHead;

/// A head, the text it points into, and who sent it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) head: &'a RequestHead,
    pub(crate) text: &'a [u8],
    pub(crate) client: IpAddr,
    /// Of its URL.
    pub(crate) scheme: &'static str,
}

impl weir_route::Request for View<'_> {
    fn method(&self) -> &[u8] {
        self.head.method.of(self.text)
    }

    fn host(&self) -> &[u8] {
        self.head.host.map_or(b"", |host| host.of(self.text))
    }

    fn path(&self) -> &[u8] {
        match self.head.path.of(self.text) {
            b"" => b"/",
            path => path,
        }
    }

    fn query(&self) -> Option<&[u8]> {
        self.head.query.map(|query| query.of(self.text))
    }

    fn client(&self) -> IpAddr {
        self.client
    }

    fn field(&self, name: &str, found: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.head
            .fields
            .iter()
            .filter(|field| field.name.of(self.text).eq_ignore_ascii_case(name.as_bytes()))
            .any(|field| found(field.value.of(self.text)))
    }
}

impl View<'_> {
    /// The hash of what `key` names; `None` when the request has it not. `scratch` is room to work in.
    pub(crate) fn hash(&self, key: &HashKey, scratch: &mut Vec<u8>) -> Option<u64> {
        use weir_route::Request;
        let mut hash = None;
        let mut first = |value: &[u8]| {
            hash = Some(weir_balance::hash_key(value));
            true
        };
        match key {
            HashKey::ClientIp => {
                match self.client {
                    IpAddr::V4(address) => first(&address.octets()),
                    IpAddr::V6(address) => first(&address.octets()),
                };
            }
            HashKey::Path => {
                first(weir_route::normalise(self.path(), scratch));
            }
            HashKey::Header(name) => {
                self.field(name, &mut first);
            }
            HashKey::Cookie(name) => {
                weir_route::cookie(self, name, &mut first);
            }
            HashKey::Query(name) => {
                weir_route::query_parameter(self, name, scratch, &mut first);
            }
        }
        hash
    }
}
