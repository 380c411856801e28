use std::collections::HashSet;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::Rng;

proptest! {
    #[test]
    fn a_cycle_gives_each_its_weight(weights in vec(1..=20u16, 1..10), before in 0..200usize, seed in any::<u64>()) {
        let pool = pool(Algorithm::RoundRobin, &weights);
        let mut traffic = Traffic::new(&pool, seed);
        traffic.take(&pool, before);
        let cycle = weights.iter().copied().map(usize::from).sum();
        let counts = counts(&traffic.take(&pool, cycle), weights.len());
        for (&count, &weight) in counts.iter().zip(&weights) {
            prop_assert!(count.abs_diff(u64::from(weight)) <= 1, "{counts:?} by {weights:?}");
        }
    }

    #[test]
    fn equal_weights_are_a_plain_rotation(size in 1..20usize, weight in 1..=1000u16, seed in any::<u64>()) {
        let pool = pool(Algorithm::RoundRobin, &vec![weight; size]);
        let picks = Traffic::new(&pool, seed).take(&pool, 3 * size);
        for (turn, &number) in picks.iter().enumerate() {
            prop_assert_eq!(number, (picks[0] + turn) % size);
        }
    }

    /// In any window, however short, nobody has much more or less than the share of that window: one turn for
    /// the ends of the window, and what every class may be early or late.
    #[test]
    fn no_window_has_a_burst(weights in vec(1..=50u16, 2..8), seed in any::<u64>(), window in 1..100usize) {
        let pool = pool(Algorithm::RoundRobin, &weights);
        let picks = Traffic::new(&pool, seed).take(&pool, 400);
        let sum = weights.iter().copied().map(f64::from).sum::<f64>();
        let classes = weights.iter().collect::<HashSet<_>>().len() as f64;
        for picks in picks.windows(window) {
            let counts = counts(picks, weights.len());
            for (&count, &weight) in counts.iter().zip(&weights) {
                let share = f64::from(weight) / sum;
                let off = (count as f64 - window as f64 * share).abs();
                prop_assert!(off <= 1.0 + classes * share, "{counts:?} by {weights:?}: {picks:?}");
            }
        }
    }

    /// A server that goes down leaves the order of the others as it was, and so it is when it comes back.
    #[test]
    fn the_others_keep_their_order(size in 2..10usize, lost in 0..10usize, turns in 0..20usize, seed in any::<u64>()) {
        let lost = lost % size;
        let fleet = Fleet::new(size);
        let pool = fleet.pool(Algorithm::RoundRobin, &vec![1; size]);
        let mut traffic = Traffic::new(&pool, seed);
        traffic.take(&pool, turns);
        let mut picks = traffic.take(&pool, size);
        fleet.set(lost, Health::Down);
        picks.extend(traffic.take(&pool, 2 * size));
        fleet.set(lost, Health::Up);
        picks.extend(traffic.take(&pool, 2 * size));

        let others: Vec<usize> = picks.into_iter().filter(|&number| number != lost).collect();
        let rotation: Vec<usize> = (0..size).filter(|&number| number != lost).collect();
        let start = rotation.iter().position(|&number| number == others[0]).unwrap();
        for (turn, &number) in others.iter().enumerate() {
            prop_assert_eq!(number, rotation[(start + turn) % rotation.len()]);
        }
    }
}

#[test]
fn the_heavy_one_does_not_come_in_bursts() {
    for seed in 0..50 {
        let pool = pool(Algorithm::RoundRobin, &[5, 1, 1]);
        let picks = Traffic::new(&pool, seed).take(&pool, 70);
        let longest = picks.split(|&number| number != 0).map(<[usize]>::len).max();
        assert!(longest <= Some(3), "{picks:?}");
        let lights: Vec<usize> = picks.into_iter().filter(|&number| number != 0).collect();
        assert!(lights.windows(2).all(|pair| pair[0] != pair[1]), "{lights:?}");
    }
}

#[test]
fn workers_do_not_start_in_lockstep() {
    let pool = pool(Algorithm::RoundRobin, &[1; 8]);
    let firsts: Vec<usize> = (0..800).map(|worker| Traffic::new(&pool, worker).next(&pool)).collect();
    assert_by_weight(&counts(&firsts, 8), &[1; 8]);
}

#[test]
fn servers_that_come_up_one_by_one_are_not_in_the_same_order_everywhere() {
    let fleet = Fleet::new(8);
    (1..8).for_each(|number| fleet.set(number, Health::Down));
    let pool = fleet.pool(Algorithm::RoundRobin, &[1; 8]);
    let mut workers: Vec<Traffic> = (0..800).map(|worker| Traffic::new(&pool, worker)).collect();
    for number in 1..8 {
        fleet.set(number, Health::Up);
        workers.iter_mut().for_each(|traffic| {
            traffic.next(&pool);
        });
    }
    let picks: Vec<usize> = workers.iter_mut().map(|traffic| traffic.next(&pool)).collect();
    assert_by_weight(&counts(&picks, 8), &[1; 8]);
}

/// Their turns are spread anew at once; else the heavy one would go on alone until the light one's next turn.
#[test]
fn many_that_come_up_do_not_wait_for_their_turns() {
    for seed in 0..50 {
        let fleet = Fleet::new(11);
        (2..11).for_each(|number| fleet.set(number, Health::Down));
        let mut weights = [1; 11];
        weights[0] = 10;
        let pool = fleet.pool(Algorithm::RoundRobin, &weights);
        let mut traffic = Traffic::new(&pool, seed);
        traffic.take(&pool, seed as usize);
        (2..11).for_each(|number| fleet.set(number, Health::Up));
        let picks = traffic.take(&pool, 20);
        assert!(picks.windows(2).all(|pair| (pair[0] == 0) != (pair[1] == 0)), "{picks:?}");
    }
}

#[test]
fn a_tried_server_gives_its_turn_to_the_next() {
    let pool = pool(Algorithm::RoundRobin, &[1; 3]);
    let (mut picker, mut rng) = (Picker::new(&pool, 0), Rng::new(1));
    let first = picker.pick(&pool, &ask(&[]), &mut rng).unwrap();
    let second = picker.pick(&pool, &ask(&[first]), &mut rng).unwrap();
    let third = picker.pick(&pool, &ask(&[first, second]), &mut rng).unwrap();
    assert_eq!([second.0, third.0], [(first.0 + 1) % 3, (first.0 + 2) % 3]);
    assert_eq!(picker.pick(&pool, &ask(&[first, second, third]), &mut rng), None);
}

/// A server that fails is not the first of every request because the others' turns went to what it failed.
#[test]
fn further_attempts_take_nobodys_turn() {
    for algorithm in [Algorithm::RoundRobin, Algorithm::LeastRequests] {
        let pool = pool(algorithm, &[1, 1]);
        let (mut picker, mut rng) = (Picker::new(&pool, 0), Rng::new(7));
        let mut firsts = [0; 2];
        for _ in 0..100 {
            let first = picker.pick(&pool, &ask(&[]), &mut rng).unwrap();
            firsts[first.get()] += 1;
            if first.get() == 0 {
                assert_eq!(picker.pick(&pool, &ask(&[first]), &mut rng).unwrap().get(), 1);
            }
        }
        assert_eq!(firsts, [50, 50], "{algorithm:?}");
    }
}
