use std::sync::Arc;

use super::*;
use crate::{Epoch, Health, Member, Server};

/// A pool whose servers are all up: weights in the written order.
fn pool(algorithm: Algorithm, weights: &[u16]) -> Pool {
    let epoch = Arc::new(Epoch::default());
    let member = |(weight, number): (&u16, u16)| {
        let address = SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 80));
        let server = Server::new("web", address, epoch.clone(), 2);
        server.set_health(Health::Up);
        Member { server: Arc::new(server), name: address.to_string(), weight: *weight, backup: false }
    };
    let members = weights.iter().zip(1..).map(member).collect();
    Pool::new("web", members, algorithm, WhenAllDown::Fail, epoch)
}

fn counts(pool: &Pool, picks: usize) -> Vec<usize> {
    let mut counts = vec![0; pool.members().len()];
    let (mut picker, mut rng) = (Picker::new(pool), Rng::new(1));
    for _ in 0..picks {
        let key = rng.next();
        counts[picker.pick(pool, Some(key), &[], &mut rng).unwrap().get()] += 1;
    }
    counts
}

#[test]
fn first_look() {
    for algorithm in
        [Algorithm::RoundRobin, Algorithm::LeastRequests, Algorithm::Random, Algorithm::P2c, Algorithm::Hash]
    {
        println!("{algorithm:?} {:?}", counts(&pool(algorithm, &[5, 1, 1]), 7000));
    }
}
