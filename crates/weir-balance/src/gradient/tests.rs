//! Against a small pool of simulated servers.

use std::{cmp::Reverse, collections::BinaryHeap};

use proptest::prelude::*;

use super::*;
use crate::Rng;

const SECOND_US: u64 = 1_000_000;

/// How long one request is worked on, in microseconds.
type Work = fn(&mut Rng) -> f64;

fn uniform(rng: &mut Rng) -> f64 {
    (rng.next() >> 11) as f64 / (1u64 << 53) as f64
}

fn exponential(rng: &mut Rng) -> f64 {
    -(1.0 - uniform(rng)).ln()
}

fn constant(_: &mut Rng) -> f64 {
    5_000.0
}

fn memoryless(rng: &mut Rng) -> f64 {
    5_000.0 * exponential(rng)
}

/// Half of the answers take a thousand times as long as the others.
fn two_kinds(rng: &mut Rng) -> f64 {
    if uniform(rng) < 0.5 { 1_000.0 } else { 1_000_000.0 }
}

fn pareto(rng: &mut Rng) -> f64 {
    2_000.0 * (1.0 - uniform(rng)).powf(-1.0 / 1.2)
}

fn log_normal(rng: &mut Rng) -> f64 {
    let normal = (-2.0 * (1.0 - uniform(rng)).ln()).sqrt() * (std::f64::consts::TAU * uniform(rng)).cos();
    10_000.0 * (1.5 * normal).exp()
}

/// A pool: so many servers, each with a queue, behind least requests. None: a pool that is never full.
struct World {
    gradient: Gradient,
    rng: Rng,
    now_us: f64,
    /// When each server has done all that it was given.
    free_at: Vec<f64>,
    /// What each has to do.
    given: Vec<u32>,
    work: Work,
    /// Times the work.
    slowness: f64,
    done: BinaryHeap<Reverse<(u64, u64, usize)>>,
}

/// What came of a stretch of time.
#[derive(Debug)]
struct Told {
    answered: u32,
    shed: u32,
    /// In microseconds, sorted.
    latencies: Vec<u64>,
}

impl Told {
    fn quantile(&self, part: f64) -> u64 {
        self.latencies[((self.latencies.len() - 1) as f64 * part) as usize]
    }
}

impl World {
    fn new(servers: usize, work: Work, min: u32, max: u32) -> Self {
        Self {
            gradient: Gradient::new(min, max),
            rng: Rng::new(7),
            now_us: 0.0,
            free_at: vec![0.0; servers],
            given: vec![0; servers],
            work,
            slowness: 1.0,
            done: BinaryHeap::new(),
        }
    }

    /// Requests come by chance, so many a second, for so many seconds.
    fn run(&mut self, rate: f64, seconds: u64) -> Told {
        let end_us = self.now_us + (seconds * SECOND_US) as f64;
        let mut told = Told { answered: 0, shed: 0, latencies: Vec::new() };
        loop {
            let next_us = self.now_us + exponential(&mut self.rng) * SECOND_US as f64 / rate;
            while let Some(Reverse((at_us, began_us, server))) = self.done.peek().copied()
                && (at_us as f64) < next_us.min(end_us)
            {
                self.done.pop();
                let latency_us = at_us - began_us;
                self.gradient.sample(at_us, u32::try_from(latency_us).unwrap());
                self.gradient.leave();
                if let Some(given) = self.given.get_mut(server) {
                    *given -= 1;
                }
                told.answered += 1;
                told.latencies.push(latency_us);
            }
            if next_us >= end_us {
                self.now_us = end_us;
                told.latencies.sort_unstable();
                return told;
            }
            self.now_us = next_us;
            if self.gradient.try_enter() {
                assert!(self.gradient.in_flight() <= self.gradient.limit());
                self.begin();
            } else {
                told.shed += 1;
            }
        }
    }

    fn begin(&mut self) {
        let work_us = (self.work)(&mut self.rng) * self.slowness;
        let least = (0..self.given.len()).min_by_key(|server| self.given[*server]);
        let done_us = match least {
            None => self.now_us + work_us,
            Some(server) => {
                let done_us = self.free_at[server].max(self.now_us) + work_us;
                (self.free_at[server], self.given[server]) = (done_us, self.given[server] + 1);
                done_us
            }
        };
        self.done.push(Reverse((done_us as u64, self.now_us as u64, least.unwrap_or(usize::MAX))));
    }
}

#[test]
fn nothing_is_refused_without_load_however_latencies_are_spread() {
    for (name, work) in [
        ("constant", constant as Work),
        ("memoryless", memoryless),
        ("two kinds", two_kinds),
        ("pareto", pareto),
        ("log-normal", log_normal),
    ] {
        let mut world = World::new(0, work, 1, 10_000);
        for rate in [20.0, 500.0, 100.0, 2_000.0] {
            let told = world.run(rate, 300);
            assert_eq!(told.shed, 0, "{name} at {rate}/s");
        }
    }
}

/// Twice what the servers can do: they go on doing all they can, and who is let in does not wait long.
#[test]
fn overload_costs_neither_answers_nor_their_time() {
    for (name, work, servers) in [
        ("one", constant as Work, 1),
        ("one memoryless", memoryless, 1),
        ("ten", constant, 10),
        ("ten memoryless", memoryless, 10),
        ("a hundred", memoryless, 100),
    ] {
        let capacity = 200.0 * servers as f64;
        let mut world = World::new(servers, work, 1, 1_000);
        let calm = world.run(0.5 * capacity, 60);
        world.run(2.0 * capacity, 10);
        let told = world.run(2.0 * capacity, 240);
        let goodput = f64::from(told.answered) / 240.0 / capacity;
        let (before, after) = (calm.quantile(0.5), told.quantile(0.5));
        assert!(goodput >= 0.9, "{name}: {goodput}");
        assert!(after <= 4 * before.max(5_000), "{name}: {before} {after}");
        let (before, after) = (calm.quantile(0.99), told.quantile(0.99));
        assert!(after <= 4 * before, "{name}: p99 {before} {after}");
        let told = world.run(0.5 * capacity, 60);
        assert!(told.shed * 100 <= told.answered, "{name}: {} of {}", told.shed, told.answered);
        assert_eq!(world.run(0.5 * capacity, 60).shed, 0, "{name}");
    }
}

/// A release makes every answer slower. Nothing is full, so nothing is to be refused for long.
#[test]
fn slower_answers_are_not_an_overload() {
    // The parts that may be refused in the minute after it, in percent.
    for (slowness, percent) in [(2.0, 0), (3.0, 1), (10.0, 25)] {
        let mut world = World::new(0, memoryless, 10, 1_000);
        world.run(10_000.0, 30);
        assert_eq!(world.gradient.limit(), 1_000);
        world.slowness = slowness;
        let told = world.run(10_000.0, 60);
        assert!(
            told.shed * 100 <= (told.shed + told.answered) * percent,
            "{slowness}: {} of {}",
            told.shed,
            told.answered
        );
        assert_eq!(world.run(10_000.0, 60).shed, 0, "{slowness}");
    }
}

/// The same in an overload: the servers do half as much, and are to go on doing all they can.
#[test]
fn slower_servers_are_used_to_the_full() {
    let mut world = World::new(50, memoryless, 10, 1_000);
    world.run(0.5 * 10_000.0, 30);
    world.run(2.0 * 10_000.0, 60);
    for slowness in [2.0, 4.0] {
        world.slowness = slowness;
        world.run(2.0 * 10_000.0, 60);
        let told = world.run(2.0 * 10_000.0, 60);
        let goodput = f64::from(told.answered) / 60.0 / (10_000.0 / slowness);
        assert!(goodput >= 0.9, "{slowness}: {goodput}");
        assert!(told.quantile(0.5) <= (15_000.0 * slowness) as u64, "{slowness}: {}", told.quantile(0.5));
    }
}

/// Latency creeps up over minutes while the limit holds at its least.
#[test]
fn a_slow_drift_does_not_leave_it_at_its_least() {
    let mut world = World::new(40, memoryless, 2, 1_000);
    world.run(4_000.0, 30);
    for _ in 0..30 {
        world.slowness *= 1.1;
        world.run(16_000.0, 10);
    }
    let told = world.run(16_000.0, 60);
    let goodput = f64::from(told.answered) / 60.0 / (8_000.0 / world.slowness);
    assert!(goodput >= 0.9, "{goodput} at {}", world.gradient.limit());
    // And as fast as before again.
    world.slowness = 1.0;
    world.run(4_000.0, 30);
    assert_eq!(world.run(4_000.0, 30).shed, 0);
}

/// It begins in the middle of an overload, and has never seen anything else.
#[test]
fn an_overload_from_the_first_request_on_is_found() {
    let mut world = World::new(20, constant, 5, 1_000);
    world.run(8_000.0, 60);
    let told = world.run(8_000.0, 60);
    let goodput = f64::from(told.answered) / 60.0 / 4_000.0;
    assert!(goodput >= 0.9 && told.quantile(0.99) <= 20_000, "{goodput} {}", told.quantile(0.99));
}

#[test]
fn who_leaves_early_says_nothing_and_who_leaves_late_does() {
    let mut gradient = Gradient::new(1, 100);
    let feed = |gradient: &mut Gradient, from_us: u64, latency_us, gone: bool| {
        for turn in 0..3_000_u64 {
            let now_us = from_us + turn * 1_000;
            // Ever more are in flight.
            while gradient.in_flight() < 30 && gradient.try_enter() {}
            if gone { gradient.gave_up(now_us, latency_us) } else { gradient.sample(now_us, latency_us) }
        }
    };
    gradient.try_enter();
    for turn in 0..3_000_u64 {
        gradient.sample(turn * 1_000, 5_000);
    }
    feed(&mut gradient, 3_000_000, 10, true);
    assert_eq!(gradient.limit(), 100);
    feed(&mut gradient, 6_000_000, 1_000_000, true);
    assert!(gradient.limit() < 30, "{}", gradient.limit());
}

#[derive(Debug, Clone)]
enum Event {
    Enter,
    /// The first of those in flight is answered after so long.
    Answer(u32),
    GiveUp(u32),
    Leave,
    Bound(u32, u32),
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let latency = prop_oneof![0..10_000_u32, any::<u32>()];
    prop_oneof![
        8 => Just(Event::Enter),
        6 => latency.clone().prop_map(Event::Answer),
        1 => latency.prop_map(Event::GiveUp),
        1 => Just(Event::Leave),
        1 => (1..50_u32, 0..500_u32).prop_map(|(min, more)| Event::Bound(min, min + more)),
        4 => prop_oneof![0..200_000_u64, 0..100_000_000_u64].prop_map(Event::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn the_limit_stays_within_its_bounds_and_holds(
        events in proptest::collection::vec(event(), 1..2_000),
    ) {
        let (mut min, mut max) = (3, 40);
        let mut gradient = Gradient::new(min, max);
        let (mut now_us, mut inside) = (0_u64, 0);
        for event in events {
            match event {
                Event::Enter => {
                    let limit = gradient.limit();
                    let enters = gradient.try_enter();
                    prop_assert_eq!(enters, inside < limit);
                    inside += u32::from(enters);
                }
                Event::Answer(latency_us) if inside > 0 => {
                    gradient.sample(now_us, latency_us);
                    gradient.leave();
                    inside -= 1;
                }
                Event::GiveUp(latency_us) if inside > 0 => {
                    gradient.gave_up(now_us, latency_us);
                    gradient.leave();
                    inside -= 1;
                }
                Event::Leave if inside > 0 => {
                    gradient.leave();
                    inside -= 1;
                }
                Event::Bound(lower, upper) => {
                    (min, max) = (lower, upper);
                    gradient.bound(min, max);
                }
                Event::Wait(us) => now_us += us,
                _ => {}
            }
            prop_assert_eq!(gradient.in_flight(), inside);
            prop_assert!((min..=max).contains(&gradient.limit()));
        }
    }
}
