//! How the zones of one priority share what it gets.
//!
//! The own zone comes first, but only as far as that drowns nobody. A node knows how much weight is usable in each zone,
//! and is told how traffic comes in by zones (else it takes it to come in everywhere alike). Were all servers used alike, a
//! zone would bear the part of all traffic that it has of the usable weight. The own zone may bear more, up to that divided
//! by the threshold: with one of 70%, 1.43 times as much. What comes in beyond is handed on to zones to which less comes in
//! than they would bear, each as far as that goes. So no server gets more than 1 / threshold times of what it would if all
//! were used alike, provided that all nodes see the same servers and traffic comes in as they are told.
//!
//! Shares that follow measured load were rejected: nodes that chase each other's measurements swing, and nobody can say
//! beforehand what will happen.

use super::tier::{Tier, WHOLE};
use crate::{Pool, Rank};

/// What there is of one zone, each in its own unit.
#[derive(Debug, Clone, Copy, Default)]
struct Zone {
    /// Usable weight.
    weight: u64,
    /// Traffic that comes in there.
    traffic: u64,
}

/// Gives the tiers of one level their parts of its `share`.
pub(super) fn share(level: &mut [Tier], share: u64, pool: &Pool) {
    if pool.traffic().is_empty() || level[0].rank == Rank::ALL {
        // All are of one rank.
        level.iter_mut().for_each(|tier| tier.share = share);
        return;
    }
    let mut zones = [Zone::default(); Rank::ZONES_MAX];
    for (zone, traffic) in zones.iter_mut().zip(pool.traffic()) {
        zone.traffic = u64::from(*traffic);
    }
    for tier in &*level {
        zones[tier.rank.zone()].weight = tier.usable_weight(pool);
    }
    let parts = parts(&zones, pool.spill_percent());
    level.iter_mut().for_each(|tier| tier.share = (share * parts[tier.rank.zone()]).div_ceil(WHOLE));
}

/// The part that each zone gets of what comes in at the first. In sum [`WHOLE`], but for rounding; 0 for all if no weight
/// is usable.
fn parts(zones: &[Zone; Rank::ZONES_MAX], threshold_percent: Option<u8>) -> [u64; Rank::ZONES_MAX] {
    let mut parts = [0; Rank::ZONES_MAX];
    let weight: u64 = zones.iter().map(|zone| zone.weight).sum();
    let traffic: u64 = zones.iter().map(|zone| zone.traffic).sum();
    let own = kept(zones[0], weight, traffic, threshold_percent);
    if own == WHOLE || weight == 0 {
        parts[0] = own;
        return parts;
    }
    // How much of all traffic a zone would bear, were all used alike, beyond what it keeps of its own.
    let room = |zone: &Zone| {
        let bears = u128::from(zone.weight) * u128::from(WHOLE) / u128::from(weight);
        let keeps = u128::from(kept(*zone, weight, traffic, threshold_percent)) * u128::from(zone.traffic)
            / u128::from(traffic);
        bears.saturating_sub(keeps) as u64
    };
    let mut rooms = [0; Rank::ZONES_MAX];
    rooms.iter_mut().zip(zones).skip(1).for_each(|(place, zone)| *place = room(zone));
    let all: u64 = rooms.iter().sum();
    if all == 0 {
        // By rounding alone: all zones keep what they have.
        parts[0] = WHOLE;
        return parts;
    }
    for (part, room) in parts.iter_mut().zip(rooms) {
        *part = (WHOLE - own) * room / all;
    }
    parts[0] = own;
    parts
}

/// How much a zone keeps of what comes in there, of [`WHOLE`].
fn kept(zone: Zone, weight: u64, traffic: u64, threshold_percent: Option<u8>) -> u64 {
    if zone.weight == 0 {
        return 0;
    }
    let Some(percent) = threshold_percent else { return WHOLE };
    let bears = u128::from(zone.weight) * u128::from(traffic) * 100;
    let comes = u128::from(zone.traffic) * u128::from(weight) * u128::from(percent);
    if bears >= comes { WHOLE } else { (bears * u128::from(WHOLE) / comes) as u64 }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// Zones as (usable weight, traffic).
    fn zones(of: &[(u64, u64)]) -> [Zone; Rank::ZONES_MAX] {
        let mut zones = [Zone::default(); Rank::ZONES_MAX];
        for (zone, &(weight, traffic)) in zones.iter_mut().zip(of) {
            *zone = Zone { weight, traffic };
        }
        zones
    }

    #[track_caller]
    fn check(of: &[(u64, u64)], percent: u8, expected: &[f64]) {
        let parts = parts(&zones(of), Some(percent));
        for (part, expected) in parts.iter().zip(expected) {
            let part = *part as f64 / WHOLE as f64;
            assert!((part - expected).abs() < 1e-4, "{parts:?}, not {expected:?}");
        }
    }

    #[test]
    fn equal_zones_keep_what_comes_in() {
        check(&[(3, 1), (3, 1), (3, 1)], 100, &[1.0, 0.0, 0.0]);
        check(&[(3, 1), (3, 1), (3, 1)], 70, &[1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_small_own_zone_hands_on_what_would_drown_it() {
        // A fifth of the weight bears a fifth of all traffic, and half of it comes in here.
        check(&[(2, 1), (8, 1)], 100, &[0.4, 0.6]);
        check(&[(2, 1), (8, 1)], 70, &[0.4 / 0.7, 1.0 - 0.4 / 0.7]);
        // The large one keeps its own.
        check(&[(8, 1), (2, 1)], 70, &[1.0, 0.0]);
    }

    #[test]
    fn what_is_lost_of_a_zone_is_handed_on_below_the_threshold() {
        check(&[(9, 1), (10, 1)], 70, &[1.0, 0.0]);
        // Half of it: a third of what is left, 0.33 / 0.7 of all traffic, of the half that comes in here.
        check(&[(5, 1), (10, 1)], 70, &[2.0 / 3.0 / 0.7, 1.0 - 2.0 / 3.0 / 0.7]);
        check(&[(0, 1), (10, 1), (5, 1)], 70, &[0.0, 1.0, 0.0]);
    }

    #[test]
    fn other_small_zones_are_not_drowned_either() {
        // The third one has enough to do with its own.
        check(&[(1, 1), (8, 1), (1, 1)], 100, &[0.3, 0.7, 0.0]);
    }

    #[test]
    fn who_says_how_traffic_comes_in_is_believed() {
        // All comes in here: everybody is used alike.
        check(&[(2, 1), (8, 0)], 100, &[0.2, 0.8]);
        check(&[(5, 3), (5, 1)], 100, &[2.0 / 3.0, 1.0 / 3.0]);
        // A zone of nodes without servers.
        check(&[(0, 1), (5, 0), (5, 1)], 100, &[0.0, 1.0, 0.0]);
    }

    #[test]
    fn without_a_threshold_one_server_is_enough() {
        let alone = parts(&zones(&[(1, 1), (100, 1)]), None);
        assert_eq!(alone[..2], [WHOLE, 0]);
    }

    proptest! {
        /// Over the nodes of all zones: what is handed on arrives, and no zone gets more than it may.
        #[test]
        fn no_zone_is_drowned(
            of in vec((0..1000_u64, 0..1000_u64), 1..Rank::ZONES_MAX),
            percent in 1..=100_u8,
        ) {
            let (weight, traffic) =
                of.iter().fold((0, 0), |sum, zone| (sum.0 + zone.0, sum.1 + zone.1));
            prop_assume!(weight > 0 && traffic > 0);
            let mut gets = vec![0.0; of.len()];
            for own in (0..of.len()).filter(|&zone| of[zone].1 > 0) {
                // Its nodes see themselves first.
                let mut order: Vec<usize> = (0..of.len()).collect();
                order.swap(0, own);
                let seen: Vec<(u64, u64)> = order.iter().map(|&zone| of[zone]).collect();
                let parts = parts(&zones(&seen), Some(percent));
                let sum: u64 = parts.iter().sum();
                prop_assert!(sum.abs_diff(WHOLE) <= Rank::ZONES_MAX as u64, "{parts:?}");
                for (&zone, part) in order.iter().zip(parts) {
                    gets[zone] += of[own].1 as f64 / traffic as f64 * part as f64 / WHOLE as f64;
                }
            }
            for (zone, gets) in of.iter().zip(gets) {
                let even = zone.0 as f64 / weight as f64;
                let most = even * 100.0 / f64::from(percent);
                prop_assert!(gets <= most + 1e-4, "{zone:?} of {of:?} gets {gets}, more than {most}");
            }
        }
    }
}
