//! Servers that are preferred alike, and how much of the traffic each such tier gets.
//!
//! Priorities share first. Without a threshold, the first one with a usable server gets everything. With one, a priority
//! gets everything as long as that share of its weight is usable; below it, as much as is left of its weight against the
//! threshold, and the rest goes to the next. So half a rack that is gone does not drown the other half. Backups stay out of
//! this: they wait until nobody else is left.
//!
//! What a priority gets is then shared by its zones ([`zones`](super::zones)).

use super::{State, zones};
use crate::{
    Member, Pool, Rank, Rng, ServerIndex,
    rng::{mix, scale},
};

#[derive(Debug)]
pub(super) struct Tier {
    pub(super) rank: Rank,
    /// Those that may be picked.
    pub(super) eligible: Vec<ServerIndex>,
    pub(super) state: State,
    /// Of [`WHOLE`].
    pub(super) share: u64,
}

/// All traffic.
pub(super) const WHOLE: u64 = 1 << 20;

impl Tier {
    pub(super) fn new(rank: Rank, state: State, pool: &Pool) -> Self {
        let members = of_rank(pool, rank).count();
        Self { rank, eligible: Vec::with_capacity(members), state, share: 0 }
    }

    /// A request that finds nobody else may go here.
    pub(super) fn is_usable(&self) -> bool {
        !self.eligible.is_empty()
    }

    /// The weight of its servers that may be picked. As written: a server that warms up or says that it is busy is
    /// there all the same.
    pub(super) fn usable_weight(&self, pool: &Pool) -> u64 {
        self.eligible.iter().map(|&index| u64::from(pool.member(index).weight)).sum()
    }

    fn weight(&self, pool: &Pool) -> u64 {
        of_rank(pool, self.rank).map(|index| u64::from(pool.member(index).weight)).sum()
    }
}

fn of_rank(pool: &Pool, rank: Rank) -> impl Iterator<Item = ServerIndex> + '_ {
    pool.indices().filter(move |&index| pool.member(index).is_of(rank))
}

/// Finds the servers of all tiers, and their shares.
pub(super) fn fill(tiers: &mut [Tier], pool: &Pool) {
    let mut any_usable = false;
    for tier in &mut *tiers {
        tier.eligible.clear();
        tier.share = 0;
        let is_all = tier.rank == Rank::ALL;
        // One that drains takes nothing new, whatever the others do.
        let may =
            |member: &Member| if is_all { member.effective_weight() > 0 } else { member.is_available() };
        if !(is_all && any_usable) {
            tier.eligible.extend(of_rank(pool, tier.rank).filter(|&index| may(pool.member(index))));
        }
        any_usable |= tier.is_usable();
    }
    share(tiers, pool);
    if let Some(subset) = pool.subset() {
        tiers.iter_mut().for_each(|tier| subset.choose(pool, tier.rank, &mut tier.eligible));
    }
}

fn share(tiers: &mut [Tier], pool: &Pool) {
    let mut left = WHOLE;
    for level in tiers.chunk_by_mut(|one, next| one.rank.level() == next.rank.level()) {
        // What those before could not bear is theirs all the same, if there are only backups behind.
        if left < WHOLE && !level[0].rank.spills() {
            break;
        }
        let share = left.min(worth(level, pool));
        zones::share(level, share, pool);
        left -= share;
    }
    // What even the last could not bear is borne by all, as they can.
    let borne = WHOLE - left;
    if borne > 0 && left > 0 {
        tiers.iter_mut().for_each(|tier| tier.share = tier.share * WHOLE / borne);
    }
}

/// How much of the traffic a level can bear.
fn worth(level: &[Tier], pool: &Pool) -> u64 {
    let Some(threshold_percent) = pool.spill_percent().filter(|_| level[0].rank.spills()) else {
        return if level.iter().any(Tier::is_usable) { WHOLE } else { 0 };
    };
    let all: u64 = level.iter().map(|tier| tier.weight(pool)).sum();
    let usable: u64 = level.iter().map(|tier| tier.usable_weight(pool)).sum();
    (usable * 100 * WHOLE / (all * u64::from(threshold_percent)).max(1)).min(WHOLE)
}

/// The place of the tier that takes a request. The same key finds the same tier for as long as shares stay as they are.
pub(super) fn draw(tiers: &[Tier], key: Option<u64>, rng: &mut Rng) -> Option<usize> {
    let whole = tiers.iter().position(|tier| tier.share == WHOLE);
    if whole.is_some() {
        return whole;
    }
    let sum: u64 = tiers.iter().map(|tier| tier.share).sum();
    if sum == 0 {
        return None;
    }
    // Mixed, since the tables of tiers go by the key itself.
    let mut drawn = key.map_or_else(|| rng.below(sum), |key| scale(mix(mix(key)), sum));
    tiers.iter().position(|tier| match drawn.checked_sub(tier.share) {
        Some(rest) => {
            drawn = rest;
            false
        }
        None => true,
    })
}
