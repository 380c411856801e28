//! Draws at random by weight in constant time: the alias method (Walker 1977, in Vose's form of 1991), in whole
//! numbers so that shares are exact.
//!
//! Every server owns one column of the same height, the sum of all weights. A column is filled by its own
//! server up to `own` and by its `alias` above. A draw takes a column, then a height. As long as all weights are equal
//! there are no columns: a list of the servers is a sixth of them, and more of it is in the CPU's cache.

use super::Weights;
use crate::{Rng, ServerIndex};

#[derive(Debug, Default)]
pub(super) struct Lottery {
    /// While all weights are equal.
    equals: Vec<ServerIndex>,
    /// Otherwise.
    columns: Vec<Column>,
    height: u64,
    /// Columns that wait for an alias, and those that can be one. Kept for their memory.
    short: Vec<u32>,
    tall: Vec<u32>,
}

#[derive(Debug)]
struct Column {
    server: ServerIndex,
    own: u64,
    alias: ServerIndex,
}

impl Lottery {
    /// Takes `eligible` as the servers to draw from.
    pub(super) fn gather(&mut self, eligible: &[ServerIndex], weights: &Weights) {
        let weight = |index: ServerIndex| u64::from(weights.of(index));
        let count = eligible.len() as u64;
        let total: u64 = eligible.iter().map(|&index| weight(index)).sum();

        self.columns.clear();
        self.equals.clear();
        if eligible.windows(2).all(|pair| weights.of(pair[0]) == weights.of(pair[1])) {
            self.equals.extend_from_slice(eligible);
            return;
        }
        self.columns.extend(eligible.iter().map(|&server| Column {
            server,
            // Times the number of columns, so that the average column is exactly `total` high.
            own: weight(server) * count,
            alias: server,
        }));
        self.height = total;
        self.level(total);
    }

    /// Cuts what stands above `height` and fills the gaps of other columns with it.
    fn level(&mut self, height: u64) {
        self.short.clear();
        self.tall.clear();
        for (column, place) in self.columns.iter().zip(0..) {
            if column.own < height { self.short.push(place) } else { self.tall.push(place) }
        }
        while let (Some(short), Some(&tall)) = (self.short.pop(), self.tall.last()) {
            let gap = height - self.columns[short as usize].own;
            self.columns[short as usize].alias = self.columns[tall as usize].server;
            self.columns[tall as usize].own -= gap;
            if self.columns[tall as usize].own < height {
                self.tall.pop();
                self.short.push(tall);
            }
        }
    }

    /// Draws a server. There must be one.
    pub(super) fn draw(&self, rng: &mut Rng) -> ServerIndex {
        if self.columns.is_empty() {
            return self.equals[rng.below(self.equals.len() as u64) as usize];
        }
        let column = &self.columns[rng.below(self.columns.len() as u64) as usize];
        if rng.below(self.height) < column.own { column.server } else { column.alias }
    }
}
