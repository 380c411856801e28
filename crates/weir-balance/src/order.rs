//! Servers in the order of one worker's requests in flight, kept up by one step per request.
//!
//! A list of servers for each count: those with no request, with one, and so on. A request that begins or ends moves its
//! server to the list beside, at the end, so that of those with as many the one is first whose count changed longest ago:
//! idle servers take turns. No step looks at other servers, however many there are.
//!
//! Servers of about equal weight form a class with lists of its own, since counts compare only among them.
//!
//! Rejected: a heap (each step costs the logarithm, and ties are broken by place), and asking all servers at each pick.

use crate::ServerIndex;

/// Counts beyond this share the last list, in which nobody is first for a reason.
const COUNT_MAX: usize = 1023;

const NONE: u32 = u32::MAX;

/// Servers by requests in flight.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// By server.
    nodes: Vec<Node>,
    classes: Vec<Class>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    count: u32,
    next: u32,
    previous: u32,
    /// `NONE`: not listed.
    class: u32,
}

/// Servers of about equal weight.
#[derive(Debug)]
struct Class {
    weight: u32,
    size: usize,
    /// By count.
    lists: Vec<List>,
    /// No list below this one has a server.
    lowest: usize,
}

#[derive(Debug, Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

impl Order {
    /// Begins anew with these counts of all servers. None is listed.
    pub(crate) fn begin_anew(&mut self, counts: impl Iterator<Item = u32>) {
        self.nodes.clear();
        self.nodes.extend(counts.map(|count| Node { count, next: NONE, previous: NONE, class: NONE }));
        self.classes.clear();
    }

    /// Lists a server behind all others of about its weight with its count.
    pub(crate) fn list(&mut self, index: ServerIndex, weight: u32) {
        assert_eq!(self.nodes[index.get()].class, NONE, "a server is listed twice");
        let weight = rounded(weight);
        let known = self.classes.iter().position(|class| class.weight == weight);
        let class = known.unwrap_or_else(|| {
            self.classes.push(Class { weight, size: 0, lists: Vec::new(), lowest: 0 });
            self.classes.len() - 1
        });
        self.nodes[index.get()].class = class as u32;
        self.classes[class].size += 1;
        self.append(index.0);
    }

    /// A request has begun.
    pub(crate) fn raise(&mut self, index: ServerIndex) {
        self.change(index, |count| count + 1);
    }

    /// A request has ended.
    pub(crate) fn lower(&mut self, index: ServerIndex) {
        // A picker that began anew may have missed the beginning.
        self.change(index, |count| count.saturating_sub(1));
    }

    /// For each class its size and its servers, fewest requests first.
    pub(crate) fn classes(&self) -> impl Iterator<Item = (usize, impl Iterator<Item = ServerIndex>)> {
        self.classes.iter().map(|class| (class.size, self.of(class)))
    }

    fn of(&self, class: &Class) -> impl Iterator<Item = ServerIndex> {
        let mut list = class.lowest;
        let mut at = class.lists.get(list).map_or(NONE, |list| list.first);
        std::iter::from_fn(move || {
            while at == NONE {
                list += 1;
                at = class.lists.get(list)?.first;
            }
            let found = ServerIndex(at);
            at = self.nodes[at as usize].next;
            Some(found)
        })
    }

    fn change(&mut self, index: ServerIndex, change: impl FnOnce(u32) -> u32) {
        // Before it has begun, nothing is counted: it begins with all counts.
        let Some(node) = self.nodes.get_mut(index.get()) else { return };
        let count = change(node.count);
        if node.class == NONE {
            node.count = count;
            return;
        }
        self.remove(index.0);
        self.nodes[index.get()].count = count;
        self.append(index.0);
    }

    fn append(&mut self, server: u32) {
        let Node { count, class, .. } = self.nodes[server as usize];
        let class = &mut self.classes[class as usize];
        let place = (count as usize).min(COUNT_MAX);
        let is_first = class.lists.is_empty();
        if class.lists.len() <= place {
            class.lists.resize(place + 1, List { first: NONE, last: NONE });
        }
        if is_first || place < class.lowest {
            class.lowest = place;
        }
        let list = &mut class.lists[place];
        let last = std::mem::replace(&mut list.last, server);
        if last == NONE {
            list.first = server;
        } else {
            self.nodes[last as usize].next = server;
        }
        let node = &mut self.nodes[server as usize];
        (node.previous, node.next) = (last, NONE);
    }

    fn remove(&mut self, server: u32) {
        let Node { count, next, previous, class } = self.nodes[server as usize];
        let class = &mut self.classes[class as usize];
        let place = (count as usize).min(COUNT_MAX);
        let list = &mut class.lists[place];
        if previous == NONE {
            list.first = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
        if next == NONE {
            list.last = previous;
        } else {
            self.nodes[next as usize].previous = previous;
        }
        // It comes back to this list or one beside it, so that the lowest is at most one further: no search.
        if place == class.lowest && class.lists[place].first == NONE {
            class.lowest += 1;
        }
    }
}

/// A weight with its five leading bits: a few percent do not make a class.
fn rounded(weight: u32) -> u32 {
    let dropped = (u32::BITS - weight.leading_zeros()).saturating_sub(5);
    weight >> dropped << dropped
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn order_of(counts: &[u32], listed: &[bool]) -> Order {
        let mut order = Order::default();
        order.begin_anew(counts.iter().copied());
        for (index, _) in listed.iter().enumerate().filter(|(_, listed)| **listed) {
            order.list(ServerIndex(index as u32), 1);
        }
        order
    }

    proptest! {
        /// Always all that are listed, by their counts.
        #[test]
        fn fewest_first(
            servers in vec((0..5_u32, any::<bool>()), 1..20),
            changes in vec((any::<prop::sample::Index>(), any::<bool>()), 0..200),
        ) {
            let (mut counts, listed): (Vec<u32>, Vec<bool>) = servers.into_iter().unzip();
            let mut order = order_of(&counts, &listed);
            for (server, begins) in changes {
                let at = server.index(counts.len());
                let index = ServerIndex(at as u32);
                if begins {
                    counts[at] += 1;
                    order.raise(index);
                } else {
                    counts[at] = counts[at].saturating_sub(1);
                    order.lower(index);
                }
                let seen: Vec<usize> = order.classes().flat_map(|(_, class)| class).map(ServerIndex::get).collect();
                let mut expected: Vec<usize> = (0..counts.len()).filter(|at| listed[*at]).collect();
                expected.sort_by_key(|at| counts[*at]);
                let count = |list: &[usize]| list.iter().map(|at| counts[*at]).collect::<Vec<_>>();
                prop_assert_eq!(count(&seen), count(&expected));
                let mut sorted = seen;
                sorted.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(sorted, expected);
            }
        }
    }

    #[test]
    fn weights_that_differ_by_a_little_are_one_class() {
        let mut order = Order::default();
        order.begin_anew([0; 4].into_iter());
        for (index, weight) in [100, 102, 200, 1].into_iter().enumerate() {
            order.list(ServerIndex(index as u32), weight);
        }
        let classes: Vec<Vec<u32>> =
            order.classes().map(|(_, class)| class.map(|index| index.0).collect()).collect();
        assert_eq!(classes, [vec![0, 1], vec![2], vec![3]]);
    }

    #[test]
    fn idle_ones_take_turns() {
        let mut order = order_of(&[0; 3], &[true; 3]);
        let mut turns = Vec::new();
        for _ in 0..6 {
            let first = order.classes().flat_map(|(_, class)| class).next().unwrap();
            turns.push(first.0);
            order.raise(first);
            order.lower(first);
        }
        assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn counts_beyond_the_last_list_share_it() {
        let mut order = order_of(&[COUNT_MAX as u32, 5, 0], &[true; 3]);
        for _ in 0..3 {
            order.raise(ServerIndex(0));
        }
        assert_eq!(order.classes[0].lists.len(), COUNT_MAX + 1);
        assert_eq!(
            order.classes().flat_map(|(_, class)| class).map(|index| index.0).collect::<Vec<_>>(),
            [2, 1, 0]
        );
        for _ in 0..COUNT_MAX + 3 {
            order.lower(ServerIndex(0));
        }
        order.raise(ServerIndex(2));
        assert_eq!(
            order.classes().flat_map(|(_, class)| class).map(|index| index.0).collect::<Vec<_>>(),
            [0, 2, 1]
        );
    }
}
