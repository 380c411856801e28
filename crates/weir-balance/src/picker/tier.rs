//! Servers that are preferred alike, and how much of the traffic each such tier gets.
//!
//! Without a threshold, the first tier with a usable server gets everything. With one, a tier gets everything as long as
//! that share of its weight is usable; below it, as much as is left of its weight against the threshold, and the rest
//! goes to the next. So half a zone that is gone does not drown the other half.

use super::State;
use crate::{Member, Pool, Rng, ServerIndex, pool::Rank};

#[derive(Debug)]
pub(super) struct Tier {
    pub(super) rank: Rank,
    /// Those that may be picked.
    pub(super) eligible: Vec<ServerIndex>,
    pub(super) state: State,
    /// Of [`WHOLE`].
    share: u64,
}

/// All traffic.
const WHOLE: u64 = 1 << 20;

impl Tier {
    pub(super) fn new(rank: Rank, state: State, members: usize) -> Self {
        Self { rank, eligible: Vec::with_capacity(members), state, share: 0 }
    }

    /// A request that finds nobody else may go here.
    pub(super) fn is_usable(&self) -> bool {
        !self.eligible.is_empty()
    }
}

/// Finds the servers of all tiers, and their shares.
pub(super) fn fill(tiers: &mut [Tier], pool: &Pool) {
    let mut left = WHOLE;
    let mut any_usable = false;
    for tier in &mut *tiers {
        tier.eligible.clear();
        tier.share = 0;
        if tier.rank == Rank::ALL && any_usable {
            continue;
        }
        let is_all = tier.rank == Rank::ALL;
        let of_tier = pool.indices().filter(|&index| pool.member(index).is_of(tier.rank));
        // One that drains takes nothing new, whatever the others do.
        let may =
            |member: &Member| if is_all { member.effective_weight() > 0 } else { member.is_available() };
        tier.eligible.extend(of_tier.filter(|&index| may(pool.member(index))));
        any_usable |= tier.is_usable();
        tier.share = left.min(worth(tier, pool));
        left -= tier.share;
    }
    // What even the last could not bear is borne by all, as they can.
    let borne = WHOLE - left;
    if borne > 0 && left > 0 {
        tiers.iter_mut().for_each(|tier| tier.share = tier.share * WHOLE / borne);
    }
    if let Some(subset) = pool.subset() {
        tiers.iter_mut().for_each(|tier| subset.choose(pool, &mut tier.eligible));
    }
}

/// How much of the traffic a tier can bear.
fn worth(tier: &Tier, pool: &Pool) -> u64 {
    let Some(threshold_percent) = pool.spill_percent().filter(|_| tier.rank.spills()) else {
        return if tier.is_usable() { WHOLE } else { 0 };
    };
    // By written weights: a server that warms up or says that it is busy is there all the same.
    let weight = |index: ServerIndex| u64::from(pool.member(index).weight);
    let all: u64 = pool.indices().filter(|&index| pool.member(index).is_of(tier.rank)).map(weight).sum();
    let usable: u64 = tier.eligible.iter().copied().map(weight).sum();
    (usable * 100 * WHOLE / (all * u64::from(threshold_percent)).max(1)).min(WHOLE)
}

/// The place of the tier that takes a request.
pub(super) fn draw(tiers: &[Tier], rng: &mut Rng) -> Option<usize> {
    let whole = tiers.iter().position(|tier| tier.share == WHOLE);
    if whole.is_some() {
        return whole;
    }
    let sum: u64 = tiers.iter().map(|tier| tier.share).sum();
    if sum == 0 {
        return None;
    }
    let mut drawn = rng.below(sum);
    tiers.iter().position(|tier| match drawn.checked_sub(tier.share) {
        Some(rest) => {
            drawn = rest;
            false
        }
        None => true,
    })
}
