use proptest::{collection::vec, prelude::*};

use super::*;

proptest! {
    #[test]
    fn the_least_loaded_is_picked(servers in vec((1..10u16, 0..30u32, 0..30u32), 1..10), seed in any::<u64>()) {
        let weights: Vec<u16> = servers.iter().map(|&(weight, _, _)| weight).collect();
        let fleet = Fleet::new(servers.len());
        for (server, &(_, first_worker, second_worker)) in fleet.servers.iter().zip(&servers) {
            (0..first_worker).for_each(|_| server.begin(0));
            (0..second_worker).for_each(|_| server.begin(1));
        }
        let pool = fleet.pool(Algorithm::LeastRequests, &weights);
        let picked = Traffic::new(&pool, seed).next(&pool);

        let load = |number: usize| {
            f64::from(fleet.servers[number].in_flight()) / f64::from(weights[number])
        };
        for number in 0..servers.len() {
            prop_assert!(load(picked) <= load(number));
        }
    }

    #[test]
    fn requests_that_never_end_pile_up_by_weight(weights in vec(1..6u16, 1..8), seed in any::<u64>()) {
        let fleet = Fleet::new(weights.len());
        let pool = fleet.pool(Algorithm::LeastRequests, &weights);
        let mut traffic = Traffic::new(&pool, seed);
        let rounds = 20;
        for _ in 0..rounds * weights.iter().map(|&weight| u32::from(weight)).sum::<u32>() {
            let number = traffic.next(&pool);
            fleet.servers[number].begin(0);
        }
        for (server, &weight) in fleet.servers.iter().zip(&weights) {
            prop_assert!(server.in_flight().abs_diff(rounds * u32::from(weight)) <= 1);
        }
    }
}

#[test]
fn idle_servers_take_turns_by_weight() {
    let weights = [3, 1, 1];
    let pool = pool(Algorithm::LeastRequests, &weights);
    let picks = Traffic::new(&pool, 1).take(&pool, 500);
    let counts = counts(&picks, 3);
    assert!(
        counts.iter().zip([300, 100, 100]).all(|(&count, share)| count.abs_diff(share) <= 1),
        "{counts:?}"
    );
}

#[test]
fn a_tie_among_busy_servers_goes_by_weight() {
    let weights = [4, 2, 2, 1];
    let fleet = Fleet::new(4);
    for (server, weight) in fleet.servers.iter().zip(weights) {
        (0..weight).for_each(|_| server.begin(1));
    }
    let pool = fleet.pool(Algorithm::LeastRequests, &weights);
    let picks = Traffic::new(&pool, 1).take(&pool, 9_000);
    assert_by_weight(&counts(&picks, 4), &weights);
}

#[test]
fn the_only_idle_one_is_picked_at_once() {
    let fleet = Fleet::new(50);
    let pool = fleet.pool(Algorithm::LeastRequests, &[1; 50]);
    (0..50).filter(|&number| number != 17).for_each(|number| fleet.servers[number].begin(0));
    assert_eq!(Traffic::new(&pool, 1).next(&pool), 17);
}

/// As after a reload: requests of the old snapshot end before the new picker has picked.
#[test]
fn a_request_may_end_before_the_first_pick() {
    let fleet = Fleet::new(50);
    let pool = fleet.pool(Algorithm::LeastRequests, &[1; 50]);
    (0..50).for_each(|number| fleet.servers[number].begin(0));
    let mut traffic = Traffic::new(&pool, 1);
    fleet.servers[3].end(0);
    traffic.picker.end(ServerIndex(3));
    assert_eq!(traffic.next(&pool), 3);
}
