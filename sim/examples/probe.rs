use std::time::{Duration, Instant};
use weir_balance::{Algorithm, Policy};
use weir_sim::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let g = |k: &str, d: &str| a.iter().position(|x| x == k).map_or(d.to_string(), |i| a[i + 1].clone());
    let n: usize = g("-n", "100").parse().unwrap();
    let k: usize = g("-k", "100").parse().unwrap();
    let load: f64 = g("-l", "0.9").parse().unwrap();
    let req: u64 = g("-r", "400000").parse().unwrap();
    let ms: u64 = g("-ms", "100").parse().unwrap();
    for name in g("-a", "rr,lc,p2c,pe,pq").split(',') {
        let algorithm = match name {
            "rr" => Algorithm::RoundRobin,
            "lc" => Algorithm::LeastRequests,
            "random" => Algorithm::Random,
            "p2c" => Algorithm::P2c,
            "pe" => Algorithm::PeakEwma,
            "pq" => Algorithm::Prequal,
            _ => panic!(),
        };
        for sc in g("-s", "uniform,hetero,long,slow,fail,cold").split(',') {
            let mut s = Scenario::new(algorithm, n, k, load);
            s.balancer = Balancer::Nodes(Policy::new(algorithm));
            s.requests = req;
            s.service_time = Duration::from_millis(ms);
            match sc {
                "hetero" => s.servers = (0..n).map(|i| ([1.0, 2.0, 4.0][i % 3], 1)).collect(),
                "long" => s.service = Service::Mixed,
                "slow" => s.trouble = Trouble::Slow { share: 0.1, factor: 5.0 },
                "fail" => s.trouble = Trouble::FailFast { share: 0.01 },
                "cold" => s.trouble = Trouble::Cold { share: 0.1 },
                _ => {}
            }
            let t = Instant::now();
            let o = run(&s);
            println!(
                "{name:6} {sc:8} n={n} k={k} l={load} mean {:8.2} p50 {:7.2} p99 {:8.2} p999 {:8.2} err {:.4}  ({:.1}s)",
                o.times.mean(),
                o.times.quantile(0.5),
                o.times.quantile(0.99),
                o.times.quantile(0.999),
                o.errors,
                t.elapsed().as_secs_f64()
            );
        }
    }
}
