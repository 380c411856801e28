//! One level of cells: who lies where.
//!
//! Most cells of the first levels are empty, so a level is a bit for each cell, and lists for those that are not.

use crate::rng::mix;

/// Of those that lie in one cell, so many are kept. More meet only in levels to which hardly a key comes.
const RESIDENTS_MAX: usize = 8;

#[derive(Debug, PartialEq)]
pub(super) struct Level {
    bits: u32,
    /// A bit for each cell: whether anybody lies there.
    filled: Box<[u64]>,
    /// A bit for each word of that, while most are empty: so little that it stays in the CPU's first cache. Else nothing.
    sketch: Box<[u64]>,
    /// For each [`BLOCK`] of words, the cells before it that are not empty.
    before: Box<[u32]>,
    /// For each cell that is not empty who lies there, or, with [`SHARED`], where in `shared` the list of those begins.
    cells: Box<[u32]>,
    /// Lists behind their lengths.
    shared: Box<[u32]>,
}

/// Marks a cell in which several lie.
const SHARED: u32 = 1 << 31;

/// Words that are counted when a cell is looked up.
const BLOCK: usize = 8;

impl Level {
    /// Lays out servers, each with its identity and in how many cells it lies, in 2^`bits` cells.
    pub(super) fn new(bits: u32, servers: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut tickets: Vec<u64> = Vec::new();
        for ((identity, count), server) in servers.zip(0_u64..) {
            let seed = mix(identity ^ seed(bits));
            // The cell before the server, so that sorting brings together who lies in the same.
            tickets.extend((0..count).map(|ticket| (mix(seed ^ ticket) >> (64 - bits)) << 32 | server));
        }
        tickets.sort_unstable();
        tickets.dedup();
        let mut level = Self {
            bits,
            filled: vec![0; (1 << bits) / 64].into(),
            sketch: Box::default(),
            before: Box::default(),
            cells: Box::default(),
            shared: Box::default(),
        };
        let (mut cells, mut shared) = (Vec::new(), Vec::new());
        for cell in tickets.chunk_by(|a, b| a >> 32 == b >> 32) {
            let number = (cell[0] >> 32) as usize;
            level.filled[number / 64] |= 1 << (number % 64);
            if let [only] = cell {
                cells.push(*only as u32);
                continue;
            }
            cells.push(shared.len() as u32 | SHARED);
            shared.push(cell.len().min(RESIDENTS_MAX) as u32);
            // Servers are in the order of their identities: begin elsewhere in each cell, so that nobody is always left out.
            let first = number % cell.len();
            let rotated = cell[first..].iter().chain(&cell[..first]);
            shared.extend(rotated.take(RESIDENTS_MAX).map(|ticket| *ticket as u32));
        }
        let mut before = 0;
        let block = |words: &[u64]| {
            let first = before;
            before += words.iter().map(|word| word.count_ones()).sum::<u32>();
            first
        };
        level.before = level.filled.chunks(BLOCK).map(block).collect();
        level.sketch = sketch(&level.filled);
        (level.cells, level.shared) = (cells.into(), shared.into());
        level
    }

    /// What makes a key look elsewhere than in other levels.
    pub(super) fn seed(&self) -> u64 {
        seed(self.bits)
    }

    /// The cells into which a key looks.
    pub(super) fn probes(&self, spread: u64) -> [u32; 2] {
        [(spread >> 32) as u32, spread as u32].map(|half| half >> (32 - self.bits))
    }

    /// Who lies in a cell.
    pub(super) fn residents(&self, cell: u32) -> &[u32] {
        let (number, bit) = (cell as usize / 64, 1_u64 << (cell % 64));
        if self.sketch.get(number / 64).is_some_and(|words| words & 1 << (number % 64) == 0) {
            return &[];
        }
        let word = self.filled[number];
        if word & bit == 0 {
            return &[];
        }
        let block = number / BLOCK;
        let words = &self.filled[block * BLOCK..number];
        let in_block = words.iter().map(|word| word.count_ones()).sum::<u32>();
        let place = (self.before[block] + in_block + (word & (bit - 1)).count_ones()) as usize;
        self.list(&self.cells[place])
    }

    fn list<'a>(&'a self, cell: &'a u32) -> &'a [u32] {
        if cell & SHARED == 0 {
            return std::slice::from_ref(cell);
        }
        let begin = (cell & !SHARED) as usize;
        let length = self.shared[begin] as usize;
        &self.shared[begin + 1..=begin + length]
    }

    /// All cells that are not empty.
    pub(super) fn cells(&self) -> impl Iterator<Item = &[u32]> {
        self.cells.iter().map(|cell| self.list(cell))
    }

    pub(super) fn size(&self) -> u32 {
        1 << self.bits
    }

    /// The part of its cells that are not empty.
    pub(super) fn filled(&self) -> f64 {
        self.cells.len() as f64 / f64::from(self.size())
    }

    /// In bytes.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let words = size_of_val(&*self.filled) + size_of_val(&*self.sketch);
        words
            + [&self.before, &self.cells, &self.shared].map(|list| size_of_val(&**list)).iter().sum::<usize>()
    }
}

fn sketch(filled: &[u64]) -> Box<[u64]> {
    if filled.iter().filter(|word| **word != 0).count() > filled.len() / 4 {
        return Box::default();
    }
    let bit = |(place, word): (usize, &u64)| u64::from(*word != 0) << place;
    filled.chunks(64).map(|words| words.iter().enumerate().map(bit).sum()).collect()
}

fn seed(bits: u32) -> u64 {
    mix(u64::from(bits))
}
