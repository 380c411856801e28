//! A listener's routes, compiled.

use std::sync::Arc;

use weir_config::{Match, Route};

use crate::{
    Request,
    conditions::Conditions,
    host::{Host, HostMatch},
    index::{self, HostIndex},
    path::{self, Path},
    query,
};

/// The routes of one listener.
///
/// Every worker should have a clone of its own: a regular expression keeps memory for its searches, and threads
/// that share one wait for each other over it. A clone shares what is only read.
#[derive(Debug, Clone)]
pub struct Table {
    routes: Box<[Compiled]>,
    /// Where there are enough routes for it to pay.
    by_host: Option<Arc<HostIndex>>,
    reads_host: bool,
    reads_path: bool,
    reads_query: bool,
}

/// What one route asks for, the cheapest questions first.
#[derive(Debug, Clone)]
struct Compiled {
    /// Empty is any, as in `hosts`.
    methods: Box<[Box<[u8]>]>,
    hosts: Box<[HostMatch]>,
    path: Path,
    /// Apart, so that the routes without any lie close together.
    conditions: Option<Box<Conditions>>,
}

impl Table {
    /// Compiles `routes`; the indices that [`Table::find`] returns are theirs.
    pub fn new(routes: &[Route]) -> Self {
        let routes: Box<[_]> = routes.iter().map(|route| Compiled::new(&route.matches)).collect();
        let reads_host = routes.iter().any(|route| !route.hosts.is_empty());
        let reads_path = routes.iter().any(|route| !route.path.is_any());
        let reads_query = routes.iter().any(|route| route.reads_query());
        let by_host = (reads_host && routes.len() >= index::ROUTES_MIN)
            .then(|| Arc::new(HostIndex::new(routes.iter().map(|route| &*route.hosts))));
        Self { routes, by_host, reads_host, reads_path, reads_query }
    }

    /// Whether the request's path can be read in two ways (see `path`) and a route asks for a path.
    /// Then no route may take it: the server could read it as what another route guards.
    pub fn is_contested<R: Request + ?Sized>(&self, request: &R, scratch: &mut Vec<u8>) -> bool {
        self.reads_path && path::is_contested(request.path(), scratch)
    }

    /// The first route that takes the request. `scratch` is only used for a path or a query that is not in the
    /// form in which it is compared; it may keep its memory from request to request.
    pub fn find<R: Request + ?Sized>(&self, request: &R, scratch: &mut Vec<u8>) -> Option<usize> {
        let host = Host::new(if self.reads_host { request.host() } else { b"" });

        scratch.clear();
        let sent_path = request.path();
        let is_normal = !self.reads_path || path::is_normal(sent_path);
        if !is_normal {
            path::write_normal(sent_path, scratch);
        }
        let path_length = scratch.len();
        if self.reads_query {
            scratch.resize(path_length + request.query().map_or(0, query::room_for), 0);
        }
        let (normal_path, room) = scratch.split_at_mut(path_length);
        let path = if is_normal { sent_path } else { normal_path };

        let mut takes = |route: &Compiled| route.takes(request, &host, path, room);
        match self.by_host.as_ref().and_then(|index| index.candidates(&host)) {
            Some(mut candidates) => candidates.find(|&index| takes(&self.routes[index])),
            None => self.routes.iter().position(takes),
        }
    }
}

impl Compiled {
    fn new(matches: &Match) -> Self {
        Self {
            methods: matches.methods.iter().map(|method| method.as_bytes().into()).collect(),
            hosts: matches.hosts.iter().map(HostMatch::new).collect(),
            path: Path::new(matches.path.as_ref()),
            conditions: Conditions::new(matches).map(Box::new),
        }
    }

    fn reads_query(&self) -> bool {
        self.conditions.as_ref().is_some_and(|conditions| conditions.read_the_query())
    }

    fn takes<R: Request + ?Sized>(&self, request: &R, host: &Host<'_>, path: &[u8], room: &mut [u8]) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|method| request.method() == &method[..]))
            && (self.hosts.is_empty() || self.hosts.iter().any(|wanted| wanted.matches(host)))
            && self.path.matches(path)
            && self.conditions.as_ref().is_none_or(|conditions| conditions.hold(request, room))
    }
}
