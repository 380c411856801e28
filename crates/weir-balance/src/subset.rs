//! A part of a large pool for each node, so that a thousand nodes do not hold connections to every server.
//!
//! All nodes put the servers into the same random order, one after the other: node 0 takes the first `size`, node 1 the
//! next, and so on; when the order is used up, another one begins. So every server is in the parts of as many nodes, give
//! or take one (Google, "Site Reliability Engineering", 2016, chapter 20, "deterministic subsetting"). A server that is
//! not available is replaced by the next in the order, and comes back to its place.

use crate::{Pool, Rank, ServerIndex, maglev::identity, rng::mix};

/// Which part of a pool a node picks from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subset {
    /// How many servers, at least 1.
    pub size: u32,
    /// The node's number, from 0 on, without gaps if parts are to be even.
    pub node: u64,
}

impl Subset {
    /// Leaves only those of `available` that are in the part; these are the ones of `rank` that may be picked.
    pub(crate) fn choose(&self, pool: &Pool, rank: Rank, available: &mut Vec<ServerIndex>) {
        let size = self.size as usize;
        if available.len() <= size {
            return;
        }
        // Places are counted among all servers of the rank, so that nobody moves when one goes down.
        let mut order: Vec<ServerIndex> =
            pool.indices().filter(|&index| pool.member(index).is_of(rank)).collect();
        let parts = (order.len() / size).max(1) as u64;
        let (round, part) = (self.node / parts, self.node % parts);
        order.sort_by_cached_key(|&index| mix(identity(pool.member(index).server.address(), 3) ^ mix(round)));
        let begin = part as usize * order.len() / parts as usize;
        order.rotate_left(begin);
        available.sort_unstable();
        order.retain(|index| available.binary_search(index).is_ok());
        order.truncate(size);
        order.sort_unstable();
        *available = order;
    }
}
