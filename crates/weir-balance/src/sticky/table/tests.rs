//! What is remembered, for how long, and how much of it.

use super::*;

fn id(number: u64) -> ServerId {
    ServerId(number + 1)
}

/// The same table in every run: hashes come from the caller.
fn key(number: u64) -> Key {
    Key(mix(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995))
}

#[cfg(not(loom))]
mod alone {
    use std::{collections::HashMap, sync::Arc, thread};

    use proptest::prelude::*;

    use super::*;

    const START: u64 = 1_700_000_000;

    fn table(size: usize, ttl_s: u64) -> Table {
        Table::new(size, ttl_s, RandomState::new())
    }

    #[test]
    fn a_client_is_found_until_it_was_away_for_too_long() {
        let table = table(100, 1000);
        assert_eq!(table.find(key(1), START), None);
        assert_eq!(table.put(key(1), id(7), START, Room::Oldest), Put::Stored);
        let mut now = START;
        for _ in 0..10 {
            now += 900;
            assert_eq!(table.find(key(1), now), Some(id(7)), "each time counts anew");
        }
        // Ticks are 3 s here.
        assert_eq!(table.find(key(1), now + 1006), None);
        assert_eq!(table.find(key(2), START), None);
        // A clock that was set back does not make it forget.
        assert_eq!(table.put(key(3), id(7), START, Room::Oldest), Put::Stored);
        assert_eq!(table.find(key(3), START - 500), Some(id(7)));
    }

    #[test]
    fn a_client_that_moves_is_found_where_it_went() {
        let table = table(100, 1000);
        for server in 0..5 {
            assert_eq!(table.put(key(1), id(server), START, Room::Free), Put::Stored);
            assert_eq!(table.find(key(1), START), Some(id(server)));
        }
    }

    #[test]
    fn it_holds_what_it_was_made_for() {
        for size in [1, 10, 1000, 100_000] {
            let table = table(size, 1000);
            let stored = (0..size as u64)
                .filter(|&n| table.put(key(n), id(n % 10), START, Room::Free) == Put::Stored)
                .count();
            assert!(stored * 1000 >= size * 999, "{stored} of {size}");
            let found = (0..size as u64).filter(|&n| table.find(key(n), START) == Some(id(n % 10))).count();
            assert_eq!(found, stored);
        }
    }

    #[test]
    fn a_flood_takes_no_memory_and_only_the_place_of_the_oldest() {
        let table = table(1000, 1000);
        let bytes = table.buckets.len() * size_of::<Bucket>();
        assert!((20_000..=20_200).contains(&bytes), "{bytes}");
        for n in 0..1000 {
            table.put(key(n), id(1), START, Room::Oldest);
        }
        // Who is not known gets no place where there is none, and nobody loses one.
        let flood = |room, now| {
            (1000..101_000).map(|n| table.put(key(n), id(2), now, room)).fold([0; 3], |mut counts, put| {
                counts[put as usize] += 1;
                counts
            })
        };
        let [_, replaced, refused] = flood(Room::Free, START + 10);
        assert_eq!(replaced, 0);
        assert!(refused > 98_000, "{refused}");
        let known = |now| (0..1000).filter(|&n| table.find(key(n), now) == Some(id(1))).count();
        assert!(known(START + 20) >= 999);
        // Where it may, it does, and says so.
        let [_, replaced, refused] = flood(Room::Oldest, START + 30);
        assert_eq!(refused, 0);
        assert!(replaced > 98_000, "{replaced}");
        assert_eq!(known(START + 30), 0);
        // After the time to live, what is old is no loss.
        assert_eq!(table.put(key(1), id(1), START + 2000, Room::Free), Put::Stored);
    }

    #[test]
    fn four_workers_at_once_lose_nothing_and_mix_nothing_up() {
        // Each key has one server for ever, so whatever is found must be that.
        let table = Arc::new(table(2000, 1000));
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let table = Arc::clone(&table);
                thread::spawn(move || {
                    for round in 0..200_u64 {
                        for n in 0..1000 {
                            let (n, now) = ((n * 7 + worker * 13) % 1000, START + round * 5);
                            match table.find(key(n), now) {
                                Some(found) => assert_eq!(found, id(n % 17)),
                                None => {
                                    assert_ne!(
                                        table.put(key(n), id(n % 17), now, Room::Oldest),
                                        Put::Refused
                                    );
                                }
                            }
                        }
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        let found = (0..1000).filter(|&n| table.find(key(n), START + 1000) == Some(id(n % 17))).count();
        assert_eq!(found, 1000);
    }

    #[test]
    fn keys_of_two_tables_have_nothing_in_common() {
        let (one, other) = (table(1, 1), table(1, 1));
        assert_eq!(one.key(b"value"), one.key(b"value"));
        assert_ne!(one.key(b"value"), one.key(b"valuf"));
        assert_ne!(one.key(b"value"), other.key(b"value"));
    }

    proptest! {
        /// Against a map that forgets nothing: the table may know less, but never another server.
        #[test]
        fn it_never_says_what_it_was_not_told(
            steps in proptest::collection::vec((0..40_u64, 0..5_u64, 0..3_u64, any::<bool>()), 1..400),
            size in 1..20_usize,
        ) {
            let (table, mut told, mut now) = (table(size, 300), HashMap::new(), START);
            for (client, server, seconds, asks) in steps {
                now += seconds * 40;
                if asks {
                    if let Some(found) = table.find(key(client), now) {
                        prop_assert_eq!(Some(&found), told.get(&client));
                    }
                } else if table.put(key(client), id(server), now, Room::Oldest) != Put::Refused {
                    told.insert(client, id(server));
                    prop_assert_eq!(table.find(key(client), now), Some(id(server)));
                }
            }
        }
    }
}

/// `RUSTFLAGS="--cfg loom" cargo test -p weir-balance --release table`: every order in which two workers can meet.
#[cfg(loom)]
mod model {
    use loom::sync::Arc;

    use super::*;

    /// Two keys in one place.
    fn model(check: impl Fn(Arc<Table>) + Sync + Send + 'static) {
        loom::model(move || check(Arc::new(Table::new(1, 1000, RandomState::new()))));
    }

    #[test]
    fn a_torn_entry_is_nobodys() {
        model(|table| {
            table.put(key(1), id(1), 100, Room::Oldest);
            let other = {
                let table = Arc::clone(&table);
                loom::thread::spawn(move || table.put(key(2), id(2), 200, Room::Oldest))
            };
            for (client, server) in [(1, 1), (2, 2)] {
                let found = table.find(key(client), 200);
                assert!(found.is_none_or(|found| found == id(server)), "{found:?}");
            }
            other.join().unwrap();
        });
    }

    #[test]
    fn two_that_write_at_once_leave_one_of_both_or_nobodys() {
        model(|table| {
            let other = {
                let table = Arc::clone(&table);
                loom::thread::spawn(move || {
                    table.put(key(2), id(2), 200, Room::Oldest);
                })
            };
            table.put(key(1), id(1), 200, Room::Oldest);
            other.join().unwrap();
            for (client, server) in [(1, 1), (2, 2)] {
                let found = table.find(key(client), 200);
                assert!(found.is_none_or(|found| found == id(server)), "{found:?}");
            }
        });
    }

    #[test]
    fn who_is_only_looked_up_is_never_missed() {
        model(|table| {
            table.put(key(1), id(1), 100, Room::Oldest);
            let other = {
                let table = Arc::clone(&table);
                loom::thread::spawn(move || assert_eq!(table.find(key(1), 200), Some(id(1))))
            };
            assert_eq!(table.find(key(1), 300), Some(id(1)));
            other.join().unwrap();
            assert_eq!(table.find(key(1), 300), Some(id(1)));
        });
    }
}
