//! What holds for every algorithm: who gets how much. Weights are respected, nobody starves, nobody gets more than fits.

use std::collections::VecDeque;

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

/// Requests of one worker that last a while, a millisecond apart.
struct Load<'a> {
    fleet: &'a Fleet,
    pool: &'a Pool,
    traffic: Traffic,
    now_ms: u64,
    /// Those in flight, the oldest first.
    begun: VecDeque<ServerIndex>,
}

impl<'a> Load<'a> {
    fn new(fleet: &'a Fleet, pool: &'a Pool, seed: u64) -> Self {
        Self { fleet, pool, traffic: Traffic::new(pool, seed), now_ms: 0, begun: VecDeque::new() }
    }

    fn pick(&mut self) -> Option<ServerIndex> {
        self.now_ms += 1;
        let Traffic { picker, rng } = &mut self.traffic;
        let ask = Ask { key: Some(rng.next()), tried: &[], now_ms: self.now_ms, ..Ask::default() };
        let index = picker.pick(self.pool, &ask, rng)?;
        self.pool.member(index).server.begin(0);
        picker.begin(index);
        if let Some(asked) = picker.wants_probe(rng) {
            let requests = self.pool.member(asked).server.in_flight() as f32;
            picker.probed(asked, super::Load { requests, latency: 1.0 }, self.now_ms);
        }
        self.begun.push_back(index);
        Some(index)
    }

    /// The oldest request ends, after as long as `latency_us` says of its server.
    fn end(&mut self, latency_us: impl Fn(usize) -> u32) {
        let Some(index) = self.begun.pop_front() else { return };
        let server = &self.fleet.servers[number(self.pool, index)];
        server.end(0);
        self.traffic.picker.end(index);
        let latency_us = latency_us(number(self.pool, index));
        self.traffic.picker.observe(server, Observation { latency_us, failed: false }, self.now_ms);
    }

    /// How often each server is picked, with so many requests in flight all the time.
    fn counts(&mut self, picks: usize, in_flight: usize, latency_us: impl Fn(usize) -> u32) -> Vec<u64> {
        let mut counts = vec![0; self.fleet.servers.len()];
        for _ in 0..picks {
            let index = self.pick().expect("a server");
            counts[number(self.pool, index)] += 1;
            if self.begun.len() > in_flight {
                self.end(&latency_us);
            }
        }
        counts
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Of servers that are equally fast, each gets its share by weight, idle or busy. (Not so `prequal`: there, weights only
    /// decide who is asked, and what servers say of themselves decides the rest.)
    #[test]
    fn weights_are_respected(
        algorithm in select(ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::Prequal).collect::<Vec<_>>()),
        weights in vec(1..=6_u16, 2..9),
        busy in 0..4_usize,
        seed in any::<u64>(),
    ) {
        let fleet = Fleet::new(weights.len());
        let pool = fleet.pool(algorithm, &weights);
        let sum: usize = weights.iter().copied().map(usize::from).sum();
        let picks = 20_000;
        let counts = Load::new(&fleet, &pool, seed).counts(picks, busy * sum, |_| 1_000);
        for (count, weight) in counts.iter().zip(&weights) {
            let due = picks as f64 * f64::from(*weight) / sum as f64;
            // Chance, and what algorithms round when they compare loads.
            let tolerance = 5.0 * due.sqrt() + 0.15 * due;
            prop_assert!((*count as f64 - due).abs() <= tolerance, "{algorithm:?}: {counts:?} by {weights:?}, {busy}");
        }
    }

    /// Every server is picked again and again, also one that has been slow.
    #[test]
    fn nobody_starves(
        algorithm in select(ALL.to_vec()),
        servers in 1..40_usize,
        slow in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let fleet = Fleet::new(servers);
        let pool = fleet.pool(algorithm, &vec![1; servers]);
        let mut load = Load::new(&fleet, &pool, seed);
        let slow = slow.index(servers);
        for _ in 0..3 {
            let counts = load.counts(15_000, servers, |number| if number == slow { 20_000 } else { 1_000 });
            prop_assert!(counts.iter().all(|count| *count > 0), "{algorithm:?}, {slow} slow: {counts:?}");
        }
    }

    /// No server ever has more requests than it may, and none is refused while there is room.
    #[test]
    fn nobody_gets_more_than_fits(
        algorithm in select(ALL.to_vec()),
        maxima in vec(1..5_u32, 1..8),
        ends in vec(any::<bool>(), 0..300),
        seed in any::<u64>(),
    ) {
        let fleet = Fleet::new(maxima.len());
        let member = |(number, server): (usize, &Arc<Server>)| Member {
            server: server.clone(),
            name: number.to_string(),
            weight: 1,
            rank: Rank::default(),
            in_flight_max: Some(maxima[number]),
        };
        let members = fleet.servers.iter().enumerate().map(member).collect();
        let pool = Pool::new("web", members, Policy::new(algorithm), fleet.epoch.clone());
        let mut load = Load::new(&fleet, &pool, seed);
        let room: u32 = maxima.iter().sum();
        for ends in ends {
            if ends {
                if let Some(index) = load.begun.front() {
                    pool.member(*index).server.leave();
                }
                load.end(|_| 1_000);
                continue;
            }
            let is_full = load.begun.len() as u32 == room;
            match load.pick() {
                Some(index) => {
                    let (server, max) = (&pool.member(index).server, maxima[index.get()]);
                    prop_assert!(server.try_enter(max) && server.in_flight() <= max, "{algorithm:?}: too many");
                    // A bound of hashes holds too, and may refuse before the pool is full.
                }
                None => {
                    let is_bounded = matches!(algorithm, Algorithm::Hash { bound_percent: Some(_) });
                    prop_assert!(is_full || is_bounded, "{algorithm:?}: refused");
                }
            }
        }
    }
}
