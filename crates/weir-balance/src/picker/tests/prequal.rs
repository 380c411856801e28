use super::*;

/// A pool where servers say these loads each time before a request; the share of each in 2,000 picks.
fn shares(loads: &[(f32, f32)], fails: &[bool]) -> Vec<f64> {
    let pool = pool(Algorithm::Prequal, &vec![1; loads.len()]);
    let (mut picker, mut rng) = (Picker::new(&pool, 0), Rng::new(1));
    let mut counts = vec![0.0; loads.len()];
    for now_ms in 0..2_000 {
        for _ in 0..3 {
            if let Some(index) = picker.wants_probe(&mut rng) {
                let (requests, latency) = loads[index.get()];
                picker.probed(index, Load { requests, latency }, now_ms);
            }
        }
        let index = picker.pick(&pool, &Ask { now_ms, ..Ask::default() }, &mut rng).expect("a server");
        picker.judge(index, fails[index.get()], now_ms);
        counts[index.get()] += 1.0 / 2_000.0;
    }
    counts
}

#[test]
fn the_cold_one_that_answers_first_is_preferred_and_the_hot_one_avoided() {
    let shares = shares(&[(1.0, 10.0), (1.0, 50.0), (90.0, 1.0)], &[false; 3]);
    assert!(shares[0] > 0.5 && shares[2] < 0.1, "{shares:?}");
}

#[test]
fn one_that_fails_at_once_is_no_magnet() {
    let shares = shares(&[(3.0, 10.0), (3.0, 10.0), (0.0, 0.1)], &[false, false, true]);
    assert!(shares[2] < 0.01, "{shares:?}");
}

#[test]
fn a_failure_is_forgiven() {
    let pool = pool(Algorithm::Prequal, &[1, 1]);
    let (mut picker, mut rng) = (Picker::new(&pool, 0), Rng::new(1));
    let mut counts = |from_ms: u64| {
        let picks =
            (0..200).map(|_| picker.pick(&pool, &Ask { now_ms: from_ms, ..Ask::default() }, &mut rng));
        let first = picks.filter(|index| *index == Some(ServerIndex(0))).count();
        (0..20).for_each(|_| picker.judge(ServerIndex(0), true, from_ms));
        first
    };
    assert!(counts(0) > 60);
    assert!(counts(100) < 40, "it has failed");
    assert!(counts(20_000) > 60, "that is long ago");
}
