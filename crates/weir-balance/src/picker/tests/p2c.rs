use super::*;

#[test]
fn of_two_servers_the_less_loaded_is_picked() {
    let fleet = Fleet::new(2);
    let pool = fleet.pool(Algorithm::P2c, &[1, 10]);
    fleet.servers[0].begin(1);
    (0..11).for_each(|_| fleet.servers[1].begin(0));
    assert_eq!(Traffic::new(&pool, 1).take(&pool, 200), [0; 200]);
    (0..2).for_each(|_| fleet.servers[1].end(0));
    assert_eq!(Traffic::new(&pool, 1).take(&pool, 200), [1; 200]);
}

#[test]
fn idle_servers_share_by_weight() {
    let weights = [10, 5, 1];
    let pool = pool(Algorithm::P2c, &weights);
    let picks = Traffic::new(&pool, 1).take(&pool, 16_000);
    assert_by_weight(&counts(&picks, 3), &weights);
}

/// The theorem: the fullest of n servers has log log n more than the average, where one choice alone gives
/// the square root of the average.
#[test]
fn the_fullest_server_is_hardly_fuller_than_the_average() {
    let fullest = |algorithm| {
        let fleet = Fleet::new(100);
        let pool = fleet.pool(algorithm, &[1; 100]);
        let mut traffic = Traffic::new(&pool, 1);
        for _ in 0..20_000 {
            let number = traffic.next(&pool);
            fleet.servers[number].begin(0);
        }
        fleet.servers.iter().map(|server| server.in_flight()).max()
    };
    assert!(fullest(Algorithm::P2c) <= Some(204));
    assert!(fullest(Algorithm::Random) >= Some(225), "the comparison means nothing");
}

#[test]
fn a_server_that_is_alone_is_picked() {
    let pool = pool(Algorithm::P2c, &[7]);
    assert_eq!(Traffic::new(&pool, 1).take(&pool, 3), [0, 0, 0]);
}
