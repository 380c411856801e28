//! Tiers that hand on what they cannot bear, parts of pools, limits per server, and bounded hashes.

use super::*;
use crate::Subset;

/// Servers of two ranks, four each, under this policy.
fn two_ranks(fleet: &Fleet, policy: Policy) -> Pool {
    let member = |(number, server): (usize, &Arc<Server>)| Member {
        server: server.clone(),
        name: number.to_string(),
        weight: 1,
        rank: Rank::new(u8::from(number >= 4)),
        in_flight_max: None,
    };
    let members = fleet.servers.iter().enumerate().map(member).collect();
    Pool::new("web", members, policy, fleet.epoch.clone())
}

/// The share of the first four servers while so many of them are down.
fn share_of_first(spill_percent: Option<u8>, down: usize) -> f64 {
    let fleet = Fleet::new(8);
    (0..down).for_each(|number| fleet.set(number, Health::Down));
    let pool = two_ranks(&fleet, Policy { spill_percent, ..Policy::new(Algorithm::Random) });
    let picks = Traffic::new(&pool, 1).take(&pool, 20_000);
    picks.iter().filter(|number| **number < 4).count() as f64 / picks.len() as f64
}

#[track_caller]
fn check_share(spill_percent: Option<u8>, down: usize, expected: f64) {
    let share = share_of_first(spill_percent, down);
    assert!((share - expected).abs() < 0.02, "{spill_percent:?}, {down} down: {share}, not {expected}");
}

#[test]
fn a_rank_hands_on_what_it_cannot_bear() {
    check_share(Some(70), 0, 1.0);
    check_share(Some(70), 1, 1.0);
    check_share(Some(70), 2, 0.5 / 0.7);
    check_share(Some(70), 3, 0.25 / 0.7);
    check_share(Some(70), 4, 0.0);
}

#[test]
fn without_a_threshold_a_rank_bears_all_while_it_can() {
    check_share(None, 3, 1.0);
    check_share(None, 4, 0.0);
}

/// How many nodes pick from each of the servers.
fn nodes_of(fleet: &Fleet, servers: usize, size: u32, nodes: u64) -> Vec<u64> {
    let mut sums = vec![0; servers];
    for node in 0..nodes {
        let pool_of = |subset| {
            let member = |(number, server): (usize, &Arc<Server>)| Member {
                server: server.clone(),
                name: number.to_string(),
                weight: 1,
                rank: Rank::default(),
                in_flight_max: None,
            };
            let members = fleet.servers.iter().enumerate().map(member).collect();
            let policy = Policy { subset, ..Policy::new(Algorithm::RoundRobin) };
            Pool::new("web", members, policy, fleet.epoch.clone())
        };
        let pool = pool_of(Some(Subset { size, node }));
        let counts = counts(&Traffic::new(&pool, 1).take(&pool, size as usize), servers);
        assert_eq!(counts.iter().filter(|count| **count == 1).count(), size as usize, "node {node}");
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    sums
}

#[test]
fn every_server_is_in_the_parts_of_as_many_nodes() {
    let fleet = Fleet::new(60);
    assert_eq!(nodes_of(&fleet, 60, 20, 30), [10; 60]);
    // Those that are down are replaced, and none of them is picked.
    (0..30).for_each(|number| fleet.set(number, Health::Down));
    let nodes = nodes_of(&fleet, 60, 20, 30);
    assert!(
        nodes[..30].iter().all(|nodes| *nodes == 0) && nodes[30..].iter().all(|nodes| *nodes > 0),
        "{nodes:?}"
    );
}

#[test]
fn a_full_server_is_not_picked() {
    for algorithm in ALL {
        let fleet = Fleet::new(3);
        let member = |(number, server): (usize, &Arc<Server>)| Member {
            server: server.clone(),
            name: number.to_string(),
            weight: 1,
            rank: Rank::default(),
            in_flight_max: Some(2),
        };
        let members = fleet.servers.iter().enumerate().map(member).collect();
        let pool = Pool::new("web", members, Policy::new(algorithm), fleet.epoch.clone());
        let mut traffic = Traffic::new(&pool, 1);
        for _ in 0..6 {
            let number = traffic.next(&pool);
            assert!(fleet.servers[number].try_enter(2), "{algorithm:?}: {number} is full");
        }
        assert_eq!(traffic.picker.pick(&pool, &ask(&[]), &mut traffic.rng), None, "{algorithm:?}");
        fleet.servers[1].leave();
        let later = Ask { now_ms: 1, ..ask(&[]) };
        let picked = traffic.picker.pick(&pool, &later, &mut traffic.rng);
        assert_eq!(picked, Some(ServerIndex(1)), "{algorithm:?}");
    }
}

/// One key that all ask for: no server ever has more than its share of the requests in flight times the bound.
#[test]
fn a_hot_key_spreads_within_its_bound() {
    let (size, bound_percent) = (10, 125);
    let fleet = Fleet::new(size);
    let pool = fleet.pool(Algorithm::Hash { bound_percent: Some(bound_percent) }, &vec![1; size]);
    let (mut picker, mut rng) = (Picker::new(&pool, 0), Rng::new(1));
    let mut begun = Vec::new();
    for n in 1..=1000_u32 {
        let hot = Ask { key: Some(7), ..Ask::default() };
        let index = picker.pick(&pool, &hot, &mut rng).expect("a server");
        pool.member(index).server.begin(0);
        picker.begin(index);
        begun.push(index);
        let most = (n * u32::from(bound_percent)).div_ceil(100 * size as u32);
        assert!(pool.member(index).server.in_flight() <= most, "{n}: more than {most}");
    }
    for index in begun {
        pool.member(index).server.end(0);
        picker.end(index);
    }
    let homes: Vec<_> =
        (0..3).map(|_| picker.pick(&pool, &Ask { key: Some(7), ..Ask::default() }, &mut rng)).collect();
    assert!(homes.iter().all(|home| *home == homes[0]), "idle again, it has one home: {homes:?}");
}
