//! A pool under traffic, for whoever measures picks: every algorithm, any number of servers.

use std::{net::SocketAddr, sync::Arc};

use weir_balance::{
    Algorithm, Ask, Epoch, Health, Load, Member, Observation, Picker, Policy, Pool, Rank, Rng, Server,
    ServerIndex,
};

/// By the names of the file.
pub(crate) const ALGORITHMS: [(&str, Algorithm); 8] = [
    ("round_robin", Algorithm::RoundRobin),
    ("random", Algorithm::Random),
    ("least_requests", Algorithm::LeastRequests),
    ("p2c", Algorithm::P2c),
    ("peak_ewma", Algorithm::PeakEwma),
    ("prequal", Algorithm::Prequal),
    ("hash", Algorithm::Hash { bound_percent: None }),
    ("hash_bounded", Algorithm::Hash { bound_percent: Some(125) }),
];

/// Numbers of servers that are compared.
pub(crate) const SERVERS: [usize; 3] = [10, 1_000, 100_000];

/// A worker before a pool whose servers have some requests in flight each, and have answered some.
pub(crate) struct Stage {
    pool: Pool,
    picker: Picker,
    rng: Rng,
    now_us: u64,
    probes: bool,
}

/// This many workers share the servers.
const WORKERS: usize = 2;

impl Stage {
    pub(crate) fn new(algorithm: Algorithm, servers: usize) -> Self {
        let epoch = Arc::new(Epoch::default());
        let mut rng = Rng::new(1);
        let mut member = |number: usize| {
            let [_, high, middle, low] = (number as u32).to_be_bytes();
            let address = SocketAddr::from(([10, high, middle, low], 80));
            let server = Server::new("web", address, Arc::clone(&epoch), WORKERS);
            server.set_health(Health::Up);
            for worker in 0..WORKERS {
                (0..rng.below(3)).for_each(|_| server.begin(worker));
            }
            Member {
                server: Arc::new(server),
                name: String::new(),
                weight: 1,
                rank: Rank::default(),
                in_flight_max: None,
            }
        };
        let members: Vec<Member> = (0..servers).map(&mut member).collect();
        let pool = Pool::new("web", members, Policy::new(algorithm), Arc::clone(&epoch));
        let mut stage = Self {
            picker: Picker::new(&pool, 0),
            probes: algorithm == Algorithm::Prequal,
            pool,
            rng,
            now_us: 0,
        };
        // Every server has answered before anything is measured.
        for member in stage.pool.members() {
            let latency_us = 500 + stage.rng.below(1000) as u32;
            stage.picker.observe(&member.server, Observation { latency_us, failed: false }, 0);
        }
        for _ in 0..1000 {
            stage.pick();
        }
        stage
    }

    /// One pick, with the key, the probe or the counts that the algorithm wants. What every request costs besides, whichever
    /// the algorithm is (counting it in at its server), is not in it.
    pub(crate) fn pick(&mut self) -> ServerIndex {
        self.now_us += 10;
        let now_ms = self.now_us / 1000;
        let key = self.rng.next();
        let ask = Ask { key: Some(key), tried: &[], now_ms, ..Ask::default() };
        let index = self.picker.pick(&self.pool, &ask, &mut self.rng).expect("all servers are up");
        if self.pool.algorithm().wants().counts {
            self.picker.begin(index);
            self.picker.end(index);
        }
        if self.probes
            && let Some(asked) = self.picker.wants_probe(&mut self.rng)
        {
            let load = Load { requests: (key % 4) as f32, latency: (key % 1000) as f32 };
            self.picker.probed(asked, load, now_ms);
        }
        index
    }
}
