//! Zones of unequal size, with nodes in each: nobody is drowned.

use weir_balance::{Algorithm, Policy, Rank};
use weir_sim::{Balancer, Scenario, run};

/// Two servers in one zone and eight in the other, half of the nodes in each: the share of each server.
fn shares(spill_percent: u8) -> Vec<f64> {
    let policy = Policy { spill_percent: Some(spill_percent), ..Policy::new(Algorithm::P2c) };
    let rank = |server| Rank::new(0).in_zone(usize::from(server >= 2));
    run(&Scenario {
        balancer: Balancer::Nodes(policy),
        ranks: (0..10).map(rank).collect(),
        traffic: vec![1, 1],
        requests: 100_000,
        ..Scenario::new(Algorithm::P2c, 10, 10, 0.3)
    })
    .shares
}

#[test]
fn a_small_zone_bears_no_more_than_it_may() {
    let even = shares(100);
    assert!(even.iter().all(|share| (0.085..0.115).contains(share)), "{even:?}");
    let some = shares(70);
    assert!(some[..2].iter().all(|share| (0.12..0.148).contains(share)), "{some:?}");
    // What happens if the own zone always comes first.
    let own = shares(1);
    assert!(own[..2].iter().all(|share| *share > 0.23), "{own:?}");
}
