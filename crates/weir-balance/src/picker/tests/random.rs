use proptest::{collection::vec, prelude::*};

use super::*;
use crate::Rng;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn shares_go_by_weight(weights in vec(1..=1000u16, 1..12), seed in any::<u64>()) {
        let pool = pool(Algorithm::Random, &weights);
        let picks = Traffic::new(&pool, seed).take(&pool, 3_000);
        assert_by_weight(&counts(&picks, weights.len()), &weights);
    }
}

#[test]
fn a_retry_goes_by_the_weights_of_the_others() {
    let weights = [1000, 3, 1];
    let pool = pool(Algorithm::Random, &weights);
    let (mut picker, mut rng) = (Picker::new(&pool, 0), Rng::new(1));
    let mut pick = || number(&pool, picker.pick(&pool, &ask(&[ServerIndex(0)]), &mut rng).unwrap());
    let picks: Vec<usize> = (0..4_000).map(|_| pick()).collect();
    assert_by_weight(&counts(&picks, 3), &[0, 3, 1]);
}
