//! A reload disturbs only the share of the servers that it changes.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::Rng;

/// Weights of the same servers before and after a reload; 0 is not there.
fn weights() -> impl Strategy<Value = Vec<(u16, u16)>> {
    let kept = (1..5u16).prop_map(|weight| (weight, weight));
    let changed = (0..5u16, 0..5u16);
    vec(prop_oneof![3 => kept, 1 => changed], 1..10).prop_filter("a server on either side", |weights| {
        weights.iter().any(|&(old, _)| old > 0) && weights.iter().any(|&(_, new)| new > 0)
    })
}

fn parts(weights: impl Iterator<Item = u16>) -> Vec<Part> {
    let part = |(number, weight)| Part { number, weight, backup: false };
    weights.enumerate().map(part).filter(|part| part.weight > 0).collect()
}

proptest! {
    /// The servers of one weight that the reload leaves alone go on in the turn that they were in.
    #[test]
    fn turns_go_on(
        weights in weights(),
        backwards in any::<bool>(),
        before in 0..50usize,
        seed in any::<u64>(),
    ) {
        let fleet = Fleet::new(weights.len());
        let old_parts = parts(weights.iter().map(|&(old, _)| old));
        let mut new_parts = parts(weights.iter().map(|&(_, new)| new));
        if backwards {
            new_parts.reverse();
        }
        let pool = |parts: &[Part]| fleet.pool_of(Algorithm::RoundRobin, WhenAllDown::Fail, parts);
        let (old, new) = (pool(&old_parts), pool(&new_parts));

        let mut undisturbed = Traffic::new(&old, seed);
        let mut reloaded = Traffic::new(&old, seed);
        undisturbed.take(&old, 1 + before);
        reloaded.take(&old, 1 + before);
        let mut reloaded = reloaded.reload(&old, &new);

        let expected = undisturbed.take(&old, 200);
        let actual = reloaded.take(&new, 200);
        for weight in 1..5 {
            let kept = |picks: &[usize]| -> Vec<usize> {
                picks.iter().copied().filter(|&number| weights[number] == (weight, weight)).take(10).collect()
            };
            let (expected, actual) = (kept(&expected), kept(&actual));
            let both = expected.len().min(actual.len());
            prop_assert_eq!(&expected[..both], &actual[..both]);
        }
    }

    /// From the first pick on, the shares are those of the new weights.
    #[test]
    fn shares_are_new_at_once(weights in weights(), before in 0..50usize, seed in any::<u64>()) {
        let fleet = Fleet::new(weights.len());
        let pool = |parts: Vec<Part>| fleet.pool_of(Algorithm::RoundRobin, WhenAllDown::Fail, &parts);
        let old = pool(parts(weights.iter().map(|&(old, _)| old)));
        let new = pool(parts(weights.iter().map(|&(_, new)| new)));
        let mut traffic = Traffic::new(&old, seed);
        traffic.take(&old, before);
        let cycle = weights.iter().map(|&(_, new)| usize::from(new)).sum();
        let counts = counts(&traffic.reload(&old, &new).take(&new, cycle), weights.len());
        for (&count, &(_, weight)) in counts.iter().zip(&weights) {
            prop_assert!(count.abs_diff(u64::from(weight)) <= 1, "{counts:?} by {weights:?}");
        }
    }
}

#[test]
fn a_change_of_the_algorithm_starts_anew() {
    let fleet = Fleet::new(3);
    let old = fleet.pool(Algorithm::RoundRobin, &[1, 1, 1]);
    let new = fleet.pool(Algorithm::Random, &[0, 1, 0]);
    let mut traffic = Traffic::new(&old, 1);
    traffic.take(&old, 2);
    assert_eq!(traffic.reload(&old, &new).take(&new, 3), [1, 1, 1]);
}

#[test]
fn least_requests_keeps_the_turn_of_round_robin() {
    let fleet = Fleet::new(4);
    let old = fleet.pool(Algorithm::RoundRobin, &[1; 4]);
    let new = fleet.pool(Algorithm::LeastRequests, &[1; 4]);
    let mut traffic = Traffic::new(&old, 1);
    let last = traffic.take(&old, 6)[5];
    assert_eq!(traffic.reload(&old, &new).next(&new), (last + 1) % 4);
}

#[test]
#[should_panic(expected = "a picker of another pool")]
fn a_picker_belongs_to_its_pool() {
    let fleet = Fleet::new(2);
    let pool = fleet.pool(Algorithm::Random, &[1]);
    let mut picker = Picker::new(&pool, 0);
    picker.pick(&fleet.pool(Algorithm::Random, &[1, 1]), &ask(&[]), &mut Rng::new(1));
}
