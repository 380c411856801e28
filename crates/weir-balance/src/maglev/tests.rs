use super::*;

fn candidates(weights: &[u16]) -> Vec<Candidate> {
    let candidate = |(number, &weight): (usize, &u16)| Candidate {
        index: ServerIndex(number as u32),
        address: SocketAddr::from(([10, 1, (number >> 8) as u8, number as u8], 8080)),
        weight,
    };
    weights.iter().enumerate().map(candidate).collect()
}

/// A table of servers with these weights; 0 takes no part.
fn table(weights: &[u16]) -> Maglev {
    let mut candidates = candidates(weights);
    candidates.retain(|candidate| candidate.weight > 0);
    Maglev::new(&candidates)
}

/// How many places each server has.
fn counts(table: &Maglev, servers: usize) -> Vec<usize> {
    let mut counts = vec![0; servers];
    table.places.iter().for_each(|index| counts[index.get()] += 1);
    counts
}

/// The places that move, as a multiple of the fewest that could.
fn disturbance(before: &[u16], after: &[u16]) -> f64 {
    let (old, new) = (table(before), table(after));
    let moved = old.places.iter().zip(&new.places).filter(|(old, new)| old != new).count();
    let lost = |(old, new): (usize, usize)| old.saturating_sub(new);
    let fewest: usize = counts(&old, before.len()).into_iter().zip(counts(&new, after.len())).map(lost).sum();
    moved as f64 / fewest as f64
}

/// Asserts how much moves when some servers of equal weight, one at a time, go, and when their weight is doubled.
/// (That one comes is the same as that it goes, seen backwards.)
#[track_caller]
fn check_disturbance(servers: usize, changed: usize, at_most: f64) {
    let before = vec![1; servers];
    let disturbances = (0..changed).flat_map(|number| {
        [0, 2].map(|weight| {
            let mut after = before.clone();
            after[number] = weight;
            disturbance(&before, &after)
        })
    });
    let worst = disturbances.fold(0.0, f64::max);
    assert!(worst <= at_most, "{worst}");
}

#[test]
fn few_places_move() {
    check_disturbance(2, 2, 1.0);
    check_disturbance(10, 10, 1.001);
    check_disturbance(30, 8, 1.01);
    check_disturbance(100, 8, 1.05);
}

#[test]
fn few_places_move_in_a_large_table() {
    check_disturbance(1000, 1, 1.05);
}

#[test]
fn few_places_move_among_unequal_servers() {
    let before = [10, 1, 1, 5, 3, 3, 100];
    for (number, weight) in [(0, 0), (6, 0), (1, 0), (0, 11), (6, 50), (2, 4)] {
        let mut after = before;
        after[number] = weight;
        let disturbance = disturbance(&before, &after);
        assert!(disturbance <= 1.01, "{number} to {weight}: {disturbance}");
    }
}

/// Asserts the most and the fewest places of a server relative to its share.
#[track_caller]
fn check_shares(weights: &[u16], at_least: f64, at_most: f64) {
    let table = table(weights);
    let sum: f64 = weights.iter().copied().map(f64::from).sum();
    let places = table.places.len() as f64;
    let shares = counts(&table, weights.len()).into_iter().zip(weights);
    let relative = shares.map(|(count, &weight)| count as f64 / (places * f64::from(weight) / sum));
    let (fewest, most) = relative.fold((f64::MAX, 0.0f64), |(low, high), one| (low.min(one), high.max(one)));
    assert!(fewest >= at_least && most <= at_most, "{fewest} to {most}");
}

#[test]
fn places_go_by_weight() {
    check_shares(&[1, 1], 0.999, 1.001);
    check_shares(&[1; 10], 0.99, 1.02);
    check_shares(&[1; 30], 0.96, 1.031);
    check_shares(&[1; 100], 0.90, 1.032);
    check_shares(&[10, 1], 0.97, 1.03);
    check_shares(&[1, 2, 3, 4, 5, 6, 7], 0.97, 1.031);
    check_shares(&[1000, 1000, 100], 0.97, 1.03);
}

#[test]
fn one_heavy_server_among_many_light_ones() {
    // The case that would be slow if rounds were measured by the heaviest.
    let mut weights = vec![1; 200];
    weights[7] = 1000;
    check_shares(&weights, 0.85, 1.031);
}

#[test]
fn one_server_has_all() {
    assert_eq!(table(&[0, 5]).find(u64::MAX), ServerIndex(1));
}

#[test]
fn the_order_of_the_servers_does_not_matter() {
    let mut candidates = candidates(&[1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
    let forwards = Maglev::new(&candidates);
    candidates.reverse();
    assert!(Maglev::new(&candidates).places == forwards.places);
}

#[test]
fn sizes_are_prime() {
    for size in [SMALL, LARGE] {
        assert!((2..).take_while(|divisor| divisor * divisor <= size).all(|divisor| size % divisor != 0));
    }
}

#[test]
fn the_nearest_is_found_by_weight_and_only_its_keys_move() {
    let candidates = candidates(&[1, 2, 5]);
    let nearest = |candidates: &[Candidate], key| {
        candidates.iter().max_by(|a, b| a.compare(b, key)).map(|nearest| nearest.index.get()).unwrap()
    };
    let mut counts = [0; 3];
    for key in (0..8_000).map(|key: u32| hash_key(&key.to_be_bytes())) {
        let home = nearest(&candidates, key);
        counts[home] += 1;
        if home != 2 {
            assert_eq!(nearest(&candidates[..2], key), home);
        }
    }
    assert!(
        counts.iter().zip([1000, 2000, 5000]).all(|(count, share): (&i32, _)| (count - share).abs() < 200)
    );
}
