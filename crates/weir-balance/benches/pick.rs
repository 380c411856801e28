//! What a pick costs in time, by algorithm and number of servers: `cargo bench -p weir-balance`.

mod stage;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

use stage::{ALGORITHMS, SERVERS, Stage};

fn picks(criterion: &mut Criterion) {
    for (name, algorithm) in ALGORITHMS {
        let mut group = criterion.benchmark_group(name);
        for servers in SERVERS {
            let mut stage = Stage::new(algorithm, servers);
            group.bench_function(BenchmarkId::from_parameter(servers), |bencher| {
                bencher.iter(|| stage.pick());
            });
        }
        group.finish();
    }
}

criterion_group!(benches, picks);
criterion_main!(benches);
