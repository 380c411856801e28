//! A Weir node, as far as balancing goes: one worker with its own view of every server.

use std::{net::SocketAddr, sync::Arc};

use weir_balance::{
    Ask, Health, Load, Member, Observation, Picker, Policy, Pool, Rank, Rng, Server, ServerIndex, Tables,
};

/// Of a node's own view, it is the only worker.
const WORKER: usize = 0;

/// Servers that are probed for each request, where the algorithm wants that.
const PROBES_PER_REQUEST: usize = 3;

#[derive(Debug)]
pub(crate) struct Node {
    pool: Pool,
    picker: Picker,
    rng: Rng,
    probes: bool,
}

impl Node {
    /// Of servers with these weights and ranks; `traffic` as this node sees it. `tables` are shared by all nodes whose would
    /// be the same.
    pub(crate) fn new(
        policy: &Policy,
        servers: impl Iterator<Item = (u16, Rank)>,
        traffic: Vec<u32>,
        tables: &Tables,
        seed: u64,
    ) -> Self {
        let epoch = Arc::default();
        let member = |(number, (weight, rank)): (usize, (u16, Rank))| {
            let server = Server::new("simulated", address(number), Arc::clone(&epoch), 1);
            server.set_health(Health::Up);
            Member { server: Arc::new(server), name: String::new(), weight, rank, in_flight_max: None }
        };
        let members = servers.enumerate().map(member).collect();
        let pool = Pool::new_sharing(tables, "simulated", members, *policy, Arc::clone(&epoch));
        let pool = pool.with_traffic(traffic);
        let probes = policy.algorithm == weir_balance::Algorithm::Prequal;
        Self { picker: Picker::new(&pool, WORKER), pool, rng: Rng::new(seed), probes }
    }

    /// Which server takes the next request. `load` tells what a server says when it is probed.
    pub(crate) fn pick(&mut self, now_s: f64, load: impl Fn(usize) -> Load) -> Option<usize> {
        let now_ms = (now_s * 1e3) as u64;
        if self.probes {
            for _ in 0..PROBES_PER_REQUEST {
                if let Some(index) = self.picker.wants_probe(&mut self.rng) {
                    self.picker.probed(index, load(index.get()), now_ms);
                }
            }
        }
        let ask = Ask { key: Some(self.rng.next()), tried: &[], now_ms, ..Ask::default() };
        let index = self.picker.pick(&self.pool, &ask, &mut self.rng)?;
        self.pool.member(index).server.begin(WORKER);
        self.picker.begin(index);
        Some(index.get())
    }

    /// The server has answered.
    pub(crate) fn done(&mut self, server: usize, now_s: f64, taken_s: f64, failed: bool) {
        let index = ServerIndex(server as u32);
        self.pool.member(index).server.end(WORKER);
        self.picker.end(index);
        self.picker.judge(index, failed, (now_s * 1e3) as u64);
        let latency_us = ((now_s - taken_s) * 1e6) as u32;
        let server = &self.pool.member(index).server;
        self.picker.observe(server, Observation { latency_us, failed }, (now_s * 1e3) as u64);
    }

    pub(crate) fn set_up(&self, server: usize, is_up: bool) {
        let health = if is_up { Health::Up } else { Health::Down };
        self.pool.members()[server].server.set_health(health);
    }
}

fn address(number: usize) -> SocketAddr {
    let [_, high, middle, low] = u32::try_from(number).expect("fewer than there are addresses").to_be_bytes();
    ([10, high, middle, low], 80).into()
}
