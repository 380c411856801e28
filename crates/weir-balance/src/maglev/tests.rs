use super::*;

fn candidates(weights: &[u16]) -> Vec<Candidate> {
    let candidate = |(number, &weight): (usize, &u16)| Candidate {
        index: ServerIndex(number as u32),
        address: SocketAddr::from(([10, (number >> 16) as u8, (number >> 8) as u8, number as u8], 8080)),
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

fn homes(table: &Maglev, keys: u64) -> Vec<usize> {
    (0..keys).map(|key| table.find(mix(key)).get()).collect()
}

fn counts(homes: &[usize], servers: usize) -> Vec<u64> {
    let mut counts = vec![0; servers];
    homes.iter().for_each(|home| counts[*home] += 1);
    counts
}

/// The keys that move when weights change, as a multiple of those that have to: whatever a server had and loses.
fn disturbance(before: &[u16], after: &[u16], keys: u64) -> f64 {
    let (old, new) = (table(before), table(after));
    let (old, new) = (homes(&old, keys), homes(&new, keys));
    let moved = old.iter().zip(&new).filter(|(old, new)| old != new).count();
    let lost = |(old, new): (u64, u64)| old.saturating_sub(new);
    let counts = |homes: &[usize]| counts(homes, before.len());
    let fewest: u64 = counts(&old).into_iter().zip(counts(&new)).map(lost).sum();
    moved as f64 / fewest as f64
}

/// Asserts how much moves when some servers of equal weight go, one at a time. (That one comes is the same, seen backwards.)
#[track_caller]
fn check_disturbance(servers: usize, changed: usize, keys: u64) {
    let before = vec![1; servers];
    for number in (0..changed).map(|number| number * servers / changed) {
        let mut after = before.clone();
        after[number] = 0;
        let disturbance = disturbance(&before, &after, keys);
        assert!(disturbance <= 1.05, "{number} of {servers}: {disturbance}");
    }
}

#[test]
fn few_keys_move_when_a_server_goes() {
    check_disturbance(2, 2, 100_000);
    check_disturbance(3, 3, 100_000);
    check_disturbance(10, 10, 200_000);
    check_disturbance(17, 4, 200_000);
    check_disturbance(100, 6, 1_000_000);
    check_disturbance(128, 2, 1_000_000);
}

#[test]
fn few_keys_move_when_one_of_a_thousand_goes() {
    check_disturbance(1000, 1, 2_000_000);
}

#[test]
fn few_keys_move_among_unequal_servers() {
    let before = [10, 1, 1, 5, 3, 3, 100];
    for (number, weight) in [(0, 0), (6, 0), (1, 0), (0, 11), (6, 50), (2, 4)] {
        let mut after = before;
        after[number] = weight;
        let disturbance = disturbance(&before, &after, 300_000);
        assert!(disturbance <= 1.05, "{number} to {weight}: {disturbance}");
    }
}

/// Asserts that no server has more than 1% above its due, and what none has less than.
#[track_caller]
fn check_shares(weights: &[u16], at_least: f64) {
    let table = table(weights);
    let sum: f64 = weights.iter().copied().map(f64::from).sum();
    let relative = table.servers.iter().zip(table.shares());
    let relative = relative.map(|(place, share)| share / (f64::from(place.candidate.weight) / sum));
    let (fewest, most) = relative.fold((f64::MAX, 0.0f64), |(low, high), one| (low.min(one), high.max(one)));
    assert!(fewest >= at_least && most <= 1.01, "{fewest} to {most}");
}

#[test]
fn keys_go_by_weight() {
    check_shares(&[1, 1], 0.99);
    check_shares(&[1; 10], 0.98);
    check_shares(&[1; 100], 0.98);
    check_shares(&[1; 1000], 0.97);
    check_shares(&[10, 1], 0.98);
    check_shares(&[1, 2, 3, 4, 5, 6, 7], 0.98);
    check_shares(&[1000, 1000, 100], 0.98);
    check_shares(&[u16::MAX, 1], 0.9);
}

#[test]
fn one_heavy_server_among_many_light_ones() {
    let mut weights = vec![1; 200];
    weights[7] = 1000;
    check_shares(&weights, 0.95);
}

/// What is computed of shares is what keys do.
#[test]
fn shares_are_what_keys_find() {
    let weights = [1, 1, 2, 5, 1, 30, 1, 1, 1, 1];
    let (table, keys) = (table(&weights), 2_000_000);
    let counts = counts(&homes(&table, keys), weights.len());
    for (place, share) in table.servers.iter().zip(table.shares()) {
        let expected = share * keys as f64;
        let count = counts[place.candidate.index.get()] as f64;
        assert!(
            (count - expected).abs() < 4.0 * expected.sqrt() + 0.001 * expected,
            "{count}, not {expected}"
        );
    }
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
    assert!(Maglev::new(&candidates) == forwards);
}

#[test]
fn a_table_knows_whose_it_is() {
    let (some, others) = (candidates(&[1, 2, 3]), candidates(&[1, 2, 4]));
    assert!(Maglev::new(&some).is_of(&some));
    assert!(!Maglev::new(&some).is_of(&others) && !Maglev::new(&some).is_of(&some[..2]));
}

#[test]
fn the_same_servers_share_a_table() {
    let (tables, some) = (Tables::default(), candidates(&[1, 2, 3]));
    let first = tables.of(&some);
    assert!(Arc::ptr_eq(&first, &tables.of(&some)));
    assert!(!Arc::ptr_eq(&first, &tables.of(&some[..2])));
    drop(first);
    assert_eq!(tables.0.lock().unwrap().iter().filter(|table| table.strong_count() > 0).count(), 0);
}

#[test]
fn a_table_of_very_many_has_its_bounds() {
    let table = table(&vec![1; 30_000]);
    let memory: usize = table.levels.iter().map(Level::memory).sum();
    assert!(memory < 150 << 20, "{memory} bytes");
    check_shares(&vec![1; 30_000], 0.5);
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
