//! A server that has just come gets a part of its share, whatever the algorithm.

use std::collections::VecDeque;

use super::*;

const SERVERS: usize = 8;

/// The first server's share of the picks while so many requests are in flight, each as long as the others.
fn share(fleet: &Fleet, algorithm: Algorithm, in_flight: usize) -> f64 {
    const PICKS: usize = 20_000;
    let pool = fleet.pool(algorithm, &[1; SERVERS]);
    let (mut picker, mut rng) = (Picker::new(&pool, 0), Rng::new(7));
    let mut under_way = VecDeque::new();
    let mut picks = Vec::new();
    for now_ms in 0..PICKS as u64 {
        let ask = Ask { key: Some(rng.next()), now_ms, ..Ask::default() };
        let index = picker.pick(&pool, &ask, &mut rng).expect("a server");
        pool.member(index).server.begin(0);
        picker.begin(index);
        under_way.push_back(index);
        picks.push(number(&pool, index));
        if under_way.len() > in_flight {
            let index = under_way.pop_front().expect("some are under way");
            pool.member(index).server.end(0);
            picker.end(index);
        }
    }
    for index in under_way {
        pool.member(index).server.end(0);
    }
    counts(&picks, SERVERS)[0] as f64 / PICKS as f64
}

#[test]
fn its_share_grows_with_every_algorithm() {
    for algorithm in ALL {
        let fleet = Fleet::new(SERVERS);
        let shares: Vec<f64> = [10, 50, 100]
            .into_iter()
            .map(|percent| {
                fleet.servers[0].set_ramp_percent(percent);
                share(&fleet, algorithm, 64)
            })
            .collect();
        let [little, half, whole] = shares[..] else { unreachable!() };
        assert!(little < 0.035, "{algorithm:?}: {shares:?}, not a tenth of 1/8");
        assert!((0.04..0.1).contains(&half), "{algorithm:?}: {shares:?}, not half of 1/8");
        assert!((0.1..0.15).contains(&whole), "{algorithm:?}: {shares:?}, not 1/8");
    }
}

#[test]
fn an_idle_pool_does_not_fall_upon_it() {
    for algorithm in ALL {
        let fleet = Fleet::new(SERVERS);
        fleet.servers[0].set_ramp_percent(10);
        let share = share(&fleet, algorithm, 1);
        assert!(share < 0.035, "{algorithm:?}: {share}");
    }
}

#[test]
fn a_key_that_it_has_taken_stays_with_it() {
    let fleet = Fleet::new(SERVERS);
    let pool = fleet.pool(HASH, &[1; SERVERS]);
    let (mut picker, mut rng) = (Picker::new(&pool, 0), Rng::new(1));
    let mut homes = || -> Vec<usize> {
        let mut home = |key: u64| {
            let ask = Ask { key: Some(crate::hash_key(&key.to_be_bytes())), ..Ask::default() };
            number(&pool, picker.pick(&pool, &ask, &mut rng).expect("a server"))
        };
        (0..5000).map(&mut home).collect()
    };
    let whole = homes();
    let mut before: Vec<usize> = vec![usize::MAX; 5000];
    for percent in (10..=100).step_by(10) {
        fleet.servers[0].set_ramp_percent(percent);
        let now = homes();
        let moved_from = now.iter().zip(&before).filter(|(now, before)| **before == 0 && **now != 0).count();
        assert_eq!(moved_from, 0, "at {percent}%");
        let strangers =
            now.iter().zip(&whole).filter(|(now, whole)| **now != **whole && **whole != 0).count();
        assert_eq!(strangers, 0, "at {percent}%: keys of other servers stay where they are");
        before = now;
    }
    assert_eq!(before, whole);
}
