//! Ejection and slow start of the servers of one pool: looks at what the workers have counted, lets
//! [`weir_balance::ejection`] judge, and carries that out.
//!
//! All pools are looked at by one task. A look reads a cache line of each worker for each server, so that a pool is
//! looked at less often the more servers it has: looking takes a percent or two of one CPU, however many there are.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;
use weir_balance::{
    Account, Health, Server,
    ejection::{Case, Judge, Rules, Sentence, Verdict},
};

use crate::{
    checker::{Registry, Shared, lock},
    watched::Watched,
};

/// From one look at a pool to the next. A server that fails at once is out after this and what its row must last.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A pool of more than five thousand servers is looked at less often: each of them adds so much.
const LOOK_INTERVAL_PER_SERVER: Duration = Duration::from_micros(20);

/// Looks at all pools, for ever.
pub(crate) async fn look_after(registry: Arc<Mutex<Registry>>, shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        lock(&registry).look(&shared);
    }
}

/// What is remembered of one pool from look to look.
#[derive(Debug)]
pub(crate) struct Ejector {
    began: Instant,
    next_look: Instant,
    rules: Option<Rules>,
    judge: Judge,
    servers: Vec<Judged>,
    /// In the order of the servers, and kept from look to look: looking needs no memory.
    cases: Vec<Case>,
    held: u64,
}

#[derive(Debug)]
struct Judged {
    watched: Arc<Watched>,
    server: Arc<Server>,
    has_weight: bool,
    account: Account,
}

impl Default for Ejector {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            began: now,
            next_look: now,
            rules: None,
            judge: Judge::default(),
            servers: Vec::new(),
            cases: Vec::new(),
            held: 0,
        }
    }
}

impl Ejector {
    /// Takes in what a new file says. Who stays out, stays out; nobody does where servers are not ejected any more.
    pub(crate) fn change<'a>(
        &mut self,
        rules: Option<Rules>,
        watched: impl Iterator<Item = &'a Arc<Watched>>,
        shared: &Shared,
    ) {
        let known = self.servers.drain(..).zip(self.cases.drain(..));
        let known = known.map(|(judged, case)| (judged.server.address(), (judged, case)));
        let mut known: HashMap<SocketAddr, (Judged, Case)> = known.collect();
        for watched in watched {
            let (server, has_weight) = watched.live();
            let before = known.remove(&server.address());
            let (account, case) = match before.filter(|(before, _)| Arc::ptr_eq(&before.server, &server)) {
                Some((before, case)) => (before.account, case),
                None => (Account::open(&server), Case::default()),
            };
            self.servers.push(Judged { watched: Arc::clone(watched), server, has_weight, account });
            self.cases.push(case);
        }
        let had_rules = self.rules.is_some();
        self.rules = rules;
        if rules.is_some() && !had_rules {
            for judged in &mut self.servers {
                // Nobody has looked, and nobody may have counted.
                judged.account = Account::open(&judged.server);
            }
        }
        if rules.is_none() && had_rules {
            let verdicts = Judge::release_all(&mut self.cases);
            self.carry_out(verdicts, shared);
        }
    }

    /// Looks, if it is time to.
    pub(crate) fn look(&mut self, shared: &Shared) {
        let now = Instant::now();
        if now < self.next_look {
            return;
        }
        let servers = u32::try_from(self.servers.len()).unwrap_or(u32::MAX);
        self.next_look = now + LOOK_INTERVAL_PER_SERVER.saturating_mul(servers).max(LOOK_INTERVAL / 2);
        for judged in self.servers.iter().filter(|judged| judged.server.ramp_percent() < 100) {
            judged.watched.warm();
        }
        let Some(rules) = self.rules else { return };
        let now_ms = now.saturating_duration_since(self.began).as_millis() as u64;
        for (judged, case) in self.servers.iter_mut().zip(&mut self.cases) {
            let server = &judged.server;
            case.seen = judged.account.take(server);
            case.is_up = server.health() == Health::Up;
            case.has_weight = judged.has_weight && !server.is_draining();
        }
        let verdicts = self.judge.look(&rules, now_ms, &mut self.cases);
        self.carry_out(verdicts, shared);
    }

    /// How often a server stayed in because as many were out as may be.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    fn carry_out(&mut self, verdicts: Vec<Verdict>, shared: &Shared) {
        let probation = self.rules.map(|rules| Duration::from_millis(rules.probation_ms));
        for Verdict { case, sentence, reason } in verdicts {
            let watched = &self.servers[case].watched;
            match sentence {
                Sentence::Eject { cause, time_ms } => {
                    watched.eject(cause, Duration::from_millis(time_ms), &reason, shared);
                }
                Sentence::Release { probation: true } => watched.release(probation, &reason, shared),
                Sentence::Release { probation: false } => watched.release(None, &reason, shared),
                Sentence::Hold { .. } => {
                    self.held += 1;
                    watched.hold(&reason, shared);
                }
            }
        }
    }
}
