//! Who stays, who goes.

use std::{net::SocketAddr, sync::Arc};

use super::{Leave, Places, ServerId, stays};
use crate::{
    Algorithm, Epoch, Health, Member, Policy, Pool, Rank, Server, ServerIndex, WhenAllDown, ejection::Cause,
};

const DRAIN_S: u64 = 100;

fn server(port: u16, epoch: &Arc<Epoch>) -> Arc<Server> {
    let server = Server::new("web", ([127, 0, 0, 1], port).into(), Arc::clone(epoch), 1);
    server.set_health(Health::Up);
    Arc::new(server)
}

/// A pool of these servers, each with its weight, and whether it is a backup.
fn pool(epoch: &Arc<Epoch>, servers: &[(&Arc<Server>, u16, bool)], when_all_down: WhenAllDown) -> Pool {
    let member = |(server, weight, backup): &(&Arc<Server>, u16, bool)| Member {
        server: Arc::clone(server),
        name: String::new(),
        weight: *weight,
        rank: if *backup { Rank::BACKUP } else { Rank::default() },
        in_flight_max: None,
    };
    let members = servers.iter().map(member).collect();
    let policy = Policy { when_all_down, ..Policy::new(Algorithm::RoundRobin) };
    Pool::new("web", members, policy, Arc::clone(epoch))
}

#[track_caller]
fn check(pool: &Pool, index: u32, now_s: u64, expected: Result<(), Leave>) {
    assert_eq!(stays(pool, ServerIndex(index), DRAIN_S, now_s), expected, "server {index} at {now_s}");
}

#[test]
fn a_server_keeps_its_clients_until_its_drain_ends() {
    let epoch = Arc::default();
    let (a, b) = (server(1, &epoch), server(2, &epoch));
    let before = pool(&epoch, &[(&a, 1, false), (&b, 1, false)], WhenAllDown::Fail);
    check(&before, 0, 1000, Ok(()));
    // A reload later the live state is the same, and so is the beginning of the drain.
    for _ in 0..2 {
        let drains = pool(&epoch, &[(&b, 1, false), (&a, 0, false)], WhenAllDown::Fail);
        check(&drains, 1, 2000, Ok(()));
        check(&drains, 1, 2099, Ok(()));
        check(&drains, 1, 2100, Err(Leave::Drained));
        check(&drains, 0, 2100, Ok(()));
    }
    // It is taken back, and drains anew.
    check(&before, 0, 3000, Ok(()));
    let drains = pool(&epoch, &[(&a, 0, false), (&b, 1, false)], WhenAllDown::Fail);
    check(&drains, 0, 4000, Ok(()));
    check(&drains, 0, 4100, Err(Leave::Drained));
    // The clock is set back by an hour: the drain begins again, it does not last for an hour more.
    check(&drains, 0, 400, Ok(()));
    check(&drains, 0, 500, Err(Leave::Drained));
}

#[test]
fn who_is_down_gives_its_clients_up() {
    let epoch = Arc::default();
    let (a, b) = (server(1, &epoch), server(2, &epoch));
    for (when_all_down, alone) in [(WhenAllDown::Fail, Err(Leave::Down)), (WhenAllDown::Spread, Ok(()))] {
        let pool = pool(&epoch, &[(&a, 1, false), (&b, 1, false)], when_all_down);
        for health in [Health::Down, Health::Unknown] {
            a.set_health(health);
            b.set_health(Health::Up);
            check(&pool, 0, 1000, Err(Leave::Down));
            b.set_health(Health::Down);
            check(&pool, 0, 1000, alone);
        }
        a.set_health(Health::Up);
    }
}

#[test]
fn who_is_taken_out_gives_its_clients_up_when_it_fails_and_keeps_them_when_it_is_slow() {
    let epoch = Arc::default();
    let (a, b) = (server(1, &epoch), server(2, &epoch));
    let pool = pool(&epoch, &[(&a, 1, false), (&b, 1, false)], WhenAllDown::Fail);
    for cause in [Cause::Errors, Cause::SuccessRate] {
        a.set_ejected(Some(cause));
        check(&pool, 0, 1000, Err(Leave::Down));
    }
    a.set_ejected(Some(Cause::Latency));
    check(&pool, 0, 1000, Ok(()));
    check(&pool, 0, 1099, Ok(()));
    check(&pool, 0, 1100, Err(Leave::Drained));
    a.set_ejected(None);
    check(&pool, 0, 1100, Ok(()));
}

#[test]
fn a_backup_drains_when_another_server_is_back() {
    let epoch = Arc::default();
    let (a, b) = (server(1, &epoch), server(2, &epoch));
    let pool = pool(&epoch, &[(&a, 1, false), (&b, 1, true)], WhenAllDown::Fail);
    a.set_health(Health::Down);
    check(&pool, 1, 1000, Ok(()));
    check(&pool, 1, 5000, Ok(()));
    a.set_health(Health::Up);
    check(&pool, 1, 6000, Ok(()));
    check(&pool, 1, 6100, Err(Leave::Drained));
    a.set_health(Health::Down);
    check(&pool, 1, 6200, Ok(()));
}

#[test]
fn servers_are_found_by_what_they_are_and_not_where_they_stand() {
    let epoch = Arc::default();
    let (a, b) = (server(1, &epoch), server(2, &epoch));
    let before = Places::of(&pool(&epoch, &[(&a, 1, false)], WhenAllDown::Fail));
    let after = Places::of(&pool(&epoch, &[(&b, 1, false), (&a, 1, false)], WhenAllDown::Fail));
    for (places, place) in [(&before, 0), (&after, 1)] {
        assert_eq!(places.at(a.address()), Some(ServerIndex(place)));
        assert_eq!(places.named(ServerId::of(a.address())), Some(ServerIndex(place)));
    }
    assert_eq!((before.at(b.address()), before.named(ServerId::of(b.address()))), (None, None));
}

#[test]
fn addresses_have_names_of_their_own() {
    let addresses =
        ["10.0.0.1:80", "10.0.0.1:81", "10.0.0.2:80", "[a00:1::]:80", "[::1]:80", "[::ffff:10.0.0.1]:80"];
    let ids: std::collections::HashSet<ServerId> =
        addresses.iter().map(|address| ServerId::of(address.parse::<SocketAddr>().unwrap())).collect();
    assert_eq!(ids.len(), addresses.len());
}
