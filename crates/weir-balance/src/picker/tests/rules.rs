//! What holds for every algorithm: who may be picked at all.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::{Rng, ejection::Cause};

const SIZE: usize = 8;

/// Something that happens to a pool.
#[derive(Debug, Clone)]
enum Event {
    Health(usize, Health),
    /// Taken out for what traffic has shown, or in again.
    Ejected(usize, bool),
    /// A live weight in percent; 0 drains.
    LiveWeight(usize, u16),
    /// A request that tried these before. It stays in flight.
    Pick {
        tried: Vec<usize>,
        key: Option<u64>,
    },
    Reload(Vec<Part>),
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let part = (0..4u16, prop::bool::weighted(0.3), prop::bool::weighted(0.8));
    vec(part, SIZE).prop_shuffle().prop_map(|parts| {
        let present = parts.into_iter().enumerate().filter(|(_, (_, _, present))| *present);
        present.map(|(number, (weight, backup, _))| Part { number, weight, backup }).collect()
    })
}

fn event() -> impl Strategy<Value = Event> {
    let health = select(vec![Health::Unknown, Health::Up, Health::Down, Health::Down]);
    prop_oneof![
        3 => (0..SIZE, health).prop_map(|(number, health)| Event::Health(number, health)),
        1 => (0..SIZE, any::<bool>()).prop_map(|(number, is_out)| Event::Ejected(number, is_out)),
        1 => (0..SIZE, select(vec![0, 50, 100])).prop_map(|(number, percent)| Event::LiveWeight(number, percent)),
        6 => (vec(0..SIZE, 0..4), any::<Option<u64>>()).prop_map(|(tried, key)| Event::Pick { tried, key }),
        1 => parts().prop_map(Event::Reload),
    ]
}

/// Whom a request may go to.
fn allowed(fleet: &Fleet, parts: &[Part], when_all_down: WhenAllDown, tried: &[usize]) -> BTreeSet<usize> {
    let numbers = |is_in: &dyn Fn(&Part) -> bool| -> BTreeSet<usize> {
        parts.iter().filter(|part| part.weight > 0 && is_in(part)).map(|part| part.number).collect()
    };
    let is_up = |part: &Part| {
        let server = &fleet.servers[part.number];
        server.health() == Health::Up && server.ejected().is_none() && !server.is_draining()
    };
    let primaries = numbers(&|part| is_up(part) && !part.backup);
    let backups = numbers(&|part| is_up(part) && part.backup);

    let none_is_up = primaries.is_empty() && backups.is_empty();
    let is_draining = |part: &Part| fleet.servers[part.number].is_draining();
    let all = numbers(&|part| none_is_up && when_all_down == WhenAllDown::Spread && !is_draining(part));
    let untried = |numbers: BTreeSet<usize>| numbers.into_iter().filter(|n| !tried.contains(n)).collect();
    let tiers: [BTreeSet<usize>; 3] = [untried(primaries), untried(backups), untried(all)];
    tiers.into_iter().find(|tier| !tier.is_empty()).unwrap_or_default()
}

fn check(
    algorithm: Algorithm,
    when_all_down: WhenAllDown,
    first: Vec<Part>,
    events: &[Event],
) -> Result<(), TestCaseError> {
    let fleet = Fleet::new(SIZE);
    let mut rng = Rng::new(1);
    let mut parts = first;
    let mut pool = fleet.pool_of(algorithm, when_all_down, &parts);
    let mut picker = Picker::new(&pool, 0);
    for event in events {
        match event {
            Event::Health(number, health) => fleet.set(*number, *health),
            Event::Ejected(number, is_out) => {
                fleet.servers[*number].set_ejected(is_out.then_some(Cause::Errors));
            }
            Event::LiveWeight(number, percent) => {
                fleet.servers[*number].set_weight_percent(*percent);
            }
            Event::Reload(new) => {
                parts = new.clone();
                let new = fleet.pool_of(algorithm, when_all_down, &parts);
                picker = picker.succeed(&pool, &new);
                pool = new;
            }
            Event::Pick { tried, key } => {
                let indices = pool.indices().filter(|&index| tried.contains(&number(&pool, index)));
                let tried_indices: Vec<ServerIndex> = indices.collect();
                let picked = picker.pick(
                    &pool,
                    &Ask { key: *key, tried: &tried_indices, now_ms: 0, ..Ask::default() },
                    &mut rng,
                );
                let allowed = allowed(&fleet, &parts, when_all_down, tried);
                match picked {
                    Some(index) => {
                        prop_assert!(allowed.contains(&number(&pool, index)), "{index:?} of {allowed:?}");
                        pool.member(index).server.begin(0);
                        picker.begin(index);
                    }
                    None => prop_assert!(allowed.is_empty(), "none of {allowed:?}"),
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn only_the_allowed_are_picked(
        algorithm in select(vec![
            Algorithm::RoundRobin,
            Algorithm::LeastRequests,
            Algorithm::Random,
            Algorithm::P2c,
            Algorithm::PeakEwma,
            Algorithm::Prequal,
        ]),
        spread in any::<bool>(),
        first in parts(),
        events in vec(event(), 1..60),
    ) {
        check(algorithm, if spread { WhenAllDown::Spread } else { WhenAllDown::Fail }, first, &events)?;
    }
}

proptest! {
    // Fewer: every reload makes up to three tables.
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn only_the_allowed_are_picked_by_hash(
        spread in any::<bool>(),
        first in parts(),
        events in vec(event(), 1..40),
    ) {
        let when_all_down = if spread { WhenAllDown::Spread } else { WhenAllDown::Fail };
        check(HASH, when_all_down, first.clone(), &events)?;
        check(Algorithm::Hash { bound_percent: Some(110) }, when_all_down, first, &events)?;
    }
}

#[test]
fn an_unchecked_server_gets_no_traffic() {
    let fleet = Fleet::new(2);
    fleet.set(0, Health::Unknown);
    let pool = fleet.pool(Algorithm::RoundRobin, &[1, 1]);
    assert_eq!(Traffic::new(&pool, 1).take(&pool, 3), [1, 1, 1]);
}

#[test]
fn backups_wait_until_no_other_is_up() {
    let fleet = Fleet::new(2);
    let parts = [0, 1].map(|number| Part { number, weight: 1, backup: number == 1 });
    let pool = fleet.pool_of(Algorithm::RoundRobin, WhenAllDown::Fail, &parts);
    let mut traffic = Traffic::new(&pool, 1);
    assert_eq!(traffic.take(&pool, 3), [0, 0, 0]);
    fleet.set(0, Health::Down);
    assert_eq!(traffic.take(&pool, 3), [1, 1, 1]);
    fleet.set(0, Health::Up);
    assert_eq!(traffic.take(&pool, 3), [0, 0, 0]);
}

#[test]
fn when_all_are_down_all_share() {
    for algorithm in ALL {
        let fleet = Fleet::new(4);
        (0..4).for_each(|number| fleet.set(number, Health::Down));
        let weights = [1, 2, 3, 0];
        let parts = [0, 1, 2, 3].map(|number| Part { number, weight: weights[number], backup: number == 2 });
        let pool = fleet.pool_of(algorithm, WhenAllDown::Spread, &parts);
        assert_by_weight(&counts(&Traffic::new(&pool, 1).take(&pool, 6_000), 4), &weights);
    }
}

#[test]
fn a_request_that_tried_all_others_goes_to_a_backup() {
    let fleet = Fleet::new(2);
    let parts = [0, 1].map(|number| Part { number, weight: 1, backup: number == 1 });
    let pool = fleet.pool_of(Algorithm::RoundRobin, WhenAllDown::Fail, &parts);
    let mut picker = Picker::new(&pool, 0);
    let mut rng = Rng::new(1);
    let mut pick = |tried: &[u32]| {
        let tried: Vec<_> = tried.iter().copied().map(ServerIndex).collect();
        picker.pick(&pool, &ask(&tried), &mut rng)
    };
    assert_eq!(pick(&[0]), Some(ServerIndex(1)));
    assert_eq!(pick(&[0, 1]), None);
}

#[test]
#[should_panic(expected = "a server of another epoch")]
fn a_pool_hears_of_all_its_servers() {
    let fleet = Fleet::new(1);
    let members = fleet.pool(Algorithm::Random, &[1]).members().to_vec();
    Pool::new("web", members, Policy::new(Algorithm::Random), Arc::default());
}
