//! `RUSTFLAGS="--cfg loom" cargo test -p weir-balance --lib --release model`: every order in which workers and the control
//! plane can meet at a server, within what memory orderings allow.

use loom::sync::atomic::AtomicU32;

use super::*;

fn server() -> (Arc<Epoch>, Arc<Server>) {
    let epoch = Arc::new(Epoch::default());
    let server = Server::new("web", ([127, 0, 0, 1], 80).into(), Arc::clone(&epoch), 2);
    (epoch, Arc::new(server))
}

#[test]
fn no_more_places_are_taken_than_there_are() {
    loom::model(|| {
        let (_, server) = server();
        let inside = Arc::new(AtomicU32::new(0));
        let worker = || {
            let (server, inside) = (Arc::clone(&server), Arc::clone(&inside));
            move || {
                if server.try_enter(1) {
                    assert_eq!(inside.fetch_add(1, Relaxed), 0, "two have the only place");
                    inside.fetch_sub(1, Relaxed);
                    server.leave();
                }
            }
        };
        let others = [loom::thread::spawn(worker()), loom::thread::spawn(worker())];
        others.into_iter().for_each(|other| other.join().unwrap());
        assert!(!server.is_full(1), "a place was lost");
    });
}

/// Two places, three workers: two of them at least get in.
#[test]
fn none_is_refused_while_there_is_room() {
    loom::model(|| {
        let (_, server) = server();
        let worker = || {
            let server = Arc::clone(&server);
            move || u32::from(server.try_enter(2))
        };
        let others = [loom::thread::spawn(worker()), loom::thread::spawn(worker())];
        let own = worker()();
        let entered: u32 = own + others.into_iter().map(|other| other.join().unwrap()).sum::<u32>();
        assert!(entered == 2 && server.is_full(2), "{entered}");
    });
}

/// Who sees the epoch sees what it counts: else a worker would keep what it knew until the next change.
#[test]
fn a_change_is_seen_with_its_epoch() {
    loom::model(|| {
        let (epoch, server) = server();
        server.set_health(Health::Up);
        let control = {
            let server = Arc::clone(&server);
            loom::thread::spawn(move || {
                server.set_health(Health::Down);
                server.set_weight_percent(0);
            })
        };
        let seen = epoch.get();
        let (health, weight) = (server.health(), server.weight_percent());
        assert!(seen < 2 || health == Health::Down, "the epoch is {seen}, and the server {}", health.word());
        assert!(seen < 3 || weight == 0, "the epoch is {seen}, and the weight {weight}");
        control.join().unwrap();
    });
}

/// Each worker counts in its own lane; nobody sees more than there are.
#[test]
fn a_sum_over_workers_is_never_too_much() {
    loom::model(|| {
        let (_, server) = server();
        let other = {
            let server = Arc::clone(&server);
            loom::thread::spawn(move || {
                server.begin(1);
                server.end(1);
            })
        };
        server.begin(0);
        let sum = server.in_flight();
        assert!((1..=2).contains(&sum), "{sum}");
        server.end(0);
        other.join().unwrap();
        assert_eq!(server.in_flight(), 0);
    });
}
