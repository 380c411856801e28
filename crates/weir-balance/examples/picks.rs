//! `picks ALGORITHM SERVERS PICKS`: that many picks, for `cargo xtask picks` to count what they cost.

#[path = "../benches/stage/mod.rs"]
#[allow(dead_code, reason = "a bench uses the rest")]
mod stage;

use std::time::Instant;

use stage::{ALGORITHMS, Stage};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, servers, picks] = &args[..] else { panic!("picks ALGORITHM SERVERS PICKS") };
    let (_, algorithm) = ALGORITHMS.iter().find(|(known, _)| known == name).expect("an algorithm");
    let mut stage = Stage::new(*algorithm, servers.parse().expect("a number"));
    let picks: u32 = picks.parse().expect("a number");
    let began = Instant::now();
    measured(&mut stage, picks);
    println!("{:.1} ns", began.elapsed().as_nanos() as f64 / f64::from(picks));
}

/// What is counted, by its name.
#[inline(never)]
fn measured(stage: &mut Stage, picks: u32) {
    for _ in 0..picks {
        std::hint::black_box(stage.pick());
    }
}
