//! GOAWAY (RFC 9113 section 6.8), and how a connection comes to its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
};

use super::wire::*;
use crate::h2::ErrorCode as E;

#[test]
fn a_server_says_goodbye_twice() {
    let mut mux = server();
    feed(&mut mux, &get(1));
    let one = accept(&mut mux);
    mux.drain_begin();
    let sent = output(&mut mux);
    assert_eq!((sent[0].kind, sent[0].u32(0), sent[0].u32(4)), (k::GOAWAY, 0x7fff_ffff, 0));
    assert_eq!((sent[1].kind, sent[1].flags), (k::PING, 0));
    // What was under way is still served.
    feed(&mut mux, &get(3));
    let three = accept(&mut mux);
    feed(&mut mux, &frame(k::PING, flag::ACK, 0, &sent[1].payload));
    let goaway = &output(&mut mux)[0];
    assert_eq!((goaway.kind, goaway.u32(0), goaway.u32(4)), (k::GOAWAY, 3, 0));
    // What comes later is ignored, but decoded and counted.
    feed(&mut mux, &[post(5), data(5, 1, b"abc"), rst(5, E::CANCEL)].concat());
    assert_eq!((mux.accept(), output(&mut mux)), (None, vec![]));
    for key in [one, three] {
        assert!(!mux.is_finished());
        mux.send_head(key, b"HTTP/1.1 204 No Content\r\n\r\n", true).expect("open");
        mux.release(key, E::INTERNAL_ERROR);
    }
    assert!(mux.is_finished());
}

#[test]
fn a_ping_that_is_not_answered_does_not_hold_the_end_up() {
    let mut mux = server();
    mux.drain_begin();
    assert!(!mux.is_finished());
    mux.drain_bound();
    assert!(mux.is_finished());
}

#[test]
fn nothing_follows_an_error() {
    let mut mux = server();
    feed(&mut mux, &post(1));
    let key = accept(&mut mux);
    let fatal = mux.handle_input(&window(0, 0), 0).expect_err("a connection error");
    let sent = output(&mut mux);
    assert_eq!((sent[0].kind, sent[0].u32(0), sent[0].u32(4)), (k::GOAWAY, 1, E::PROTOCOL_ERROR.0));
    assert_eq!(&sent[0].payload[8..], fatal.reason.as_bytes());
    assert_eq!(mux.handle_input(&get(3), 0), Err(fatal));
    assert!(mux.send_head(key, b"HTTP/1.1 200 OK\r\n\r\n", false).is_err());
    mux.release(key, E::CANCEL);
    assert_eq!(output(&mut mux), []);
    assert!(mux.is_finished());
}

#[test]
fn the_driver_is_woken_once_for_what_tasks_produce() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let mut mux = server();
    feed(&mut mux, &get(1));
    let key = accept(&mut mux);
    mux.set_driver_waker(&Waker::from(count.clone()));
    mux.send_head(key, b"HTTP/1.1 200 OK\r\n\r\n", false).expect("open");
    mux.finish(key, None).expect("open");
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
}

#[test]
fn the_stated_memory_of_a_stream_holds() {
    assert!(size_of::<crate::h2::stream::Stream>() <= 800, "{}", size_of::<crate::h2::stream::Stream>());
    assert!(size_of::<crate::h2::Mux>() <= 2048, "{}", size_of::<crate::h2::Mux>());
}
