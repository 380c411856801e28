use super::*;

/// Where the keys from 0 on go.
fn homes(pool: &Pool, keys: usize) -> Vec<usize> {
    let (mut picker, mut rng) = (Picker::new(pool, 0), Rng::new(1));
    let home = |key: usize| {
        let key = crate::hash_key(&key.to_be_bytes());
        number(pool, picker.pick(pool, &Ask { key: Some(key), ..ask(&[]) }, &mut rng).expect("a server"))
    };
    (0..keys).map(home).collect()
}

const KEYS: usize = 20_000;

#[test]
fn the_home_of_a_key_is_the_same_everywhere_and_for_ever() {
    // Written down, since a change of any of these moves every user's traffic.
    let homes = homes(&pool(HASH, &[1, 1, 1, 2, 3]), 24);
    assert_eq!(homes, [2, 4, 0, 3, 0, 3, 4, 4, 3, 3, 3, 4, 2, 2, 0, 4, 4, 1, 4, 4, 1, 3, 4, 4]);
}

#[test]
fn the_order_of_the_file_does_not_matter() {
    let fleet = Fleet::new(5);
    let mut parts: Vec<Part> =
        (0..5).map(|number| Part { number, weight: 1 + number as u16, backup: false }).collect();
    let pool = |parts: &[Part]| fleet.pool_of(HASH, WhenAllDown::Fail, parts);
    let forwards = homes(&pool(&parts), KEYS);
    parts.reverse();
    assert_eq!(homes(&pool(&parts), KEYS), forwards);
}

#[test]
fn keys_spread_by_weight() {
    let weights = [10, 5, 1, 1, 3];
    let homes = homes(&pool(HASH, &weights), KEYS);
    assert_by_weight(&counts(&homes, 5), &weights);
}

/// Loses servers one after another: only the keys of the lost ones move, and they spread by weight.
#[track_caller]
fn check_losses(weights: &[u16], lost: &[usize]) {
    let fleet = Fleet::new(weights.len());
    let pool = fleet.pool(HASH, weights);
    let all_up = homes(&pool, KEYS);
    let mut weights = weights.to_vec();
    let mut before = all_up.clone();
    for &number in lost {
        fleet.set(number, Health::Down);
        weights[number] = 0;
        let after = homes(&pool, KEYS);
        let moved: Vec<usize> = after
            .iter()
            .zip(&before)
            .filter(|(_, before)| **before == number)
            .map(|(after, _)| *after)
            .collect();
        assert_by_weight(&counts(&moved, weights.len()), &weights);
        let stayed = before.iter().zip(&after).filter(|(before, _)| **before != number);
        assert!(stayed.clone().all(|(before, after)| before == after), "keys of others moved");
        before = after;
    }
    lost.iter().for_each(|&number| fleet.set(number, Health::Up));
    assert_eq!(homes(&pool, KEYS), all_up);
}

#[test]
fn only_the_keys_of_a_lost_server_move() {
    check_losses(&[1, 1, 1], &[1]);
    check_losses(&[1, 2, 3, 4, 5], &[2, 4, 0]);
}

#[test]
fn most_servers_may_be_lost() {
    let lost: Vec<usize> = (0..97).collect();
    check_losses(&[1; 100], &lost);
}

#[test]
fn retries_of_a_key_go_the_same_way_everywhere() {
    let pool = pool(HASH, &[1; 6]);
    let way = |seed| {
        let (mut picker, mut rng) = (Picker::new(&pool, 0), Rng::new(seed));
        let mut tried = Vec::new();
        while let Some(index) = picker.pick(&pool, &Ask { key: Some(99), ..ask(&tried) }, &mut rng) {
            tried.push(index);
        }
        tried
    };
    let first = way(1);
    assert_eq!(first.len(), 6);
    assert_eq!(way(2), first);
}

#[test]
fn requests_without_a_key_spread_at_random() {
    let weights = [3, 1];
    let pool = pool(HASH, &weights);
    let (mut picker, mut rng) = (Picker::new(&pool, 0), Rng::new(1));
    let mut pick = || number(&pool, picker.pick(&pool, &ask(&[]), &mut rng).unwrap());
    let picks: Vec<usize> = (0..4_000).map(|_| pick()).collect();
    assert_by_weight(&counts(&picks, 2), &weights);
}
