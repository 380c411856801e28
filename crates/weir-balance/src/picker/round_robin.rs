//! Smooth weighted round robin: in turn, each server as often as its weight says, evenly spread.
//!
//! Servers of equal weight form a class and take turns in a ring. A class comes to its turn at even intervals of
//! a virtual time in which every server is due as often per unit as its weight says; the class that is due next
//! gives the next server. Equal weights are one class, so a pick is one step of one ring. Otherwise it costs a
//! look at every class, of which there are as many as different weights: mostly two or three. The well-known
//! form, a counter for every server, costs a look at every server.
//!
//! Whoever leaves or joins a ring leaves the order of all others as it was, and newcomers join at random places:
//! the rotations of several workers and nodes do not fall into step.

use super::{Choice, Weights};
use crate::{Pool, Rng, ServerIndex};

/// One unit of virtual time. Large against the product of servers and weights, so that intervals are exact
/// enough for years, and small enough that two of them can be multiplied.
const UNIT: u128 = 1 << 60;

#[derive(Debug, Default)]
pub(super) struct RoundRobin {
    classes: Vec<Class>,
    /// The virtual time of the last turn.
    now: u128,
    /// By server: due to be in a ring but in none yet. Kept for its memory.
    missing: Vec<bool>,
}

/// Servers of one weight.
#[derive(Debug)]
struct Class {
    weight: u32,
    ring: Vec<ServerIndex>,
    /// The place in the ring whose turn is next.
    next: usize,
    /// When that turn is.
    due: u128,
    /// From one turn of the class to its next; 0 before its first.
    interval: u128,
}

impl RoundRobin {
    pub(super) fn draw(&mut self, choice: &Choice<'_>, rng: &mut Rng) -> Option<ServerIndex> {
        if choice.ask.tried.is_empty() {
            return (0..choice.draws_max()).map(|_| self.next()).find(|&index| choice.is_open(index));
        }
        // A further attempt takes nobody's turn: if it did, then of two servers the one that fails would be the first of
        // every request.
        (0..choice.draws_max()).map(|_| self.any(rng)).find(|&index| choice.is_open(index))
    }

    /// Any server, by weight.
    fn any(&self, rng: &mut Rng) -> ServerIndex {
        let tickets = |class: &Class| u64::from(class.weight) * class.ring.len() as u64;
        let mut ticket = rng.below(self.classes.iter().map(tickets).sum());
        for class in &self.classes {
            match ticket.checked_sub(tickets(class)) {
                Some(rest) => ticket = rest,
                None => return class.ring[(ticket / u64::from(class.weight)) as usize],
            }
        }
        unreachable!("a ticket of one of the classes")
    }

    /// Whose turn it is. There must be a server.
    pub(super) fn next(&mut self) -> ServerIndex {
        let class = self.classes.iter_mut().min_by_key(|class| class.due).expect("a ring with a server");
        self.now = class.due;
        class.due += class.interval;
        let server = class.ring[class.next];
        class.next += 1;
        if class.next == class.ring.len() {
            class.next = 0;
        }
        server
    }

    /// Takes `eligible` as the servers that have turns.
    pub(super) fn gather(&mut self, pool: &Pool, eligible: &[ServerIndex], weights: &Weights, rng: &mut Rng) {
        self.missing.clear();
        self.missing.resize(pool.members().len(), false);
        for index in eligible {
            self.missing[index.get()] = true;
        }
        for class in &mut self.classes {
            let weight = class.weight;
            class.keep(|index| {
                let stays = self.missing[index.get()] && weights.of(index) == weight;
                self.missing[index.get()] &= !stays;
                stays
            });
        }
        self.classes.retain(|class| !class.ring.is_empty());
        for &index in eligible.iter().filter(|index| self.missing[index.get()]) {
            let weight = weights.of(index);
            match self.classes.iter_mut().find(|class| class.weight == weight) {
                Some(class) => class.admit(index, rng),
                None => self.classes.push(Class::new(weight, index)),
            }
        }
        for class in &mut self.classes {
            class.space(self.now, rng);
        }
    }

    /// The same rotation with other names for its servers; those without a name leave it.
    pub(super) fn renamed(mut self, name: impl Fn(ServerIndex) -> Option<ServerIndex>) -> Self {
        for class in &mut self.classes {
            class.keep(|index| name(index).is_some());
            class.ring.iter_mut().for_each(|index| *index = name(*index).expect("only those are kept"));
        }
        self
    }
}

impl Class {
    fn new(weight: u32, first: ServerIndex) -> Self {
        Self { weight, ring: vec![first], next: 0, due: 0, interval: 0 }
    }

    /// Lets go of some servers; the order of the others and whose turn is next stay.
    fn keep(&mut self, mut stays: impl FnMut(ServerIndex) -> bool) {
        self.ring.rotate_left(self.next);
        self.next = 0;
        self.ring.retain(|&index| stays(index));
    }

    /// Gives a server a place: in a ring that turns already at random, in a new one at the end (its start is
    /// random, see `space`).
    fn admit(&mut self, index: ServerIndex, rng: &mut Rng) {
        let place =
            if self.is_new() { self.ring.len() } else { rng.below(self.ring.len() as u64 + 1) as usize };
        self.ring.insert(place, index);
    }

    fn is_new(&self) -> bool {
        self.interval == 0
    }

    /// Spaces the turns for the present size of the ring. What was left of the way to the next turn stays the
    /// same part of an interval.
    fn space(&mut self, now: u128, rng: &mut Rng) {
        let interval = UNIT / (self.ring.len() as u128 * u128::from(self.weight));
        if self.is_new() {
            self.next = rng.below(self.ring.len() as u64) as usize;
            self.due = now + u128::from(rng.below(interval as u64));
        } else {
            self.due = now + (self.due - now) * interval / self.interval;
        }
        self.interval = interval;
    }
}
