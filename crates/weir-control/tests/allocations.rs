//! The request path allocates nothing: a keep-alive GET in the steady state, counted by the allocator of the whole
//! process while a real client and a real server talk through it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use weir_control::Source;

/// Allocations of all threads that are not exempt.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Set by the test's own threads: the client's and the server's allocations are not Weir's.
    static EXEMPT: Cell<bool> = const { Cell::new(false) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    // A thread that is ending has no locals any more; it is not one that serves requests.
    if EXEMPT.try_with(Cell::get) == Ok(false) {
        ALLOCATIONS.fetch_add(1, Relaxed);
    }
}

const REQUEST: &[u8] =
    b"GET /a/path?with=query HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test\r\nAccept: */*\r\nCookie: a=b\r\n\r\n";
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

/// Answers every request on every connection with [`RESPONSE`].
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        EXEMPT.set(true);
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                EXEMPT.set(true);
                let mut head = Vec::new();
                let mut room = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut room) {
                    head.extend_from_slice(&room[..n]);
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        stream.write_all(RESPONSE).unwrap();
                    }
                }
            });
        }
    });
    address
}

/// Asks, and gives the length of the answer in `room`.
fn get(stream: &mut TcpStream, request: &[u8], room: &mut [u8]) -> usize {
    stream.write_all(request).unwrap();
    let mut filled = 0;
    while !room[..filled].ends_with(b"hello") {
        let n = stream.read(&mut room[filled..]).unwrap();
        assert!(n > 0, "the connection was closed");
        filled += n;
    }
    filled
}

#[test]
fn a_keep_alive_get_allocates_nothing() {
    check("");
    check(", eject: { latency: 3x, success_rate: 90% }");
}

#[test]
fn nor_does_one_of_a_sticky_client() {
    let folder = std::env::temp_dir().join(format!("weir-allocations-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("keys"), "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n").unwrap();
    let keys = folder.join("keys");
    check(&format!(", sticky: {{ cookie: WEIR, keys: {{ file: {} }} }}", keys.display()));
    check(", sticky: { table: client_ip }");
    check(", sticky: { table: \"header:User-Agent\", size: 1 }");
    check(", sticky: { app_cookie: a }");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// In a pool with these settings, first for clients that bring nothing, then for those that bring what they were given.
fn check(settings: &str) {
    // The count is of the whole process.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    EXEMPT.set(true);
    let (first, second) = (serve(), serve());
    // Checks allocate, on another thread and every other second: without them the count is exact.
    let text = format!(
        "runtime: {{ workers: 1 }}\n\
         log: {{ level: error }}\n\
         listeners: [{{ name: web, bind: \"127.0.0.1:0\", routes: [{{ match: {{ path: /a/* }}, pool: web }}] }}]\n\
         pools: {{ web: {{ servers: [\"{first}\", \"{second}\"], health: none{settings} }} }}\n"
    );
    let running = weir_control::start(Source::Text { name: "test".into(), text }).unwrap();
    let address = running.addresses()[0].1;
    let mut clients: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut room = vec![0; 4096];
    let len = get(&mut clients[0], REQUEST, &mut room);
    let answer = String::from_utf8(room[..len].to_vec()).unwrap();
    let given = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")?.split(';').next());
    assert_eq!(given.is_some(), settings.contains(" cookie:"), "{answer}");
    let with_cookie = String::from_utf8(REQUEST.to_vec()).unwrap();
    let with_cookie = with_cookie.replace("a=b", &format!("a=b; {}", given.unwrap_or("c=d")));
    for request in [REQUEST, with_cookie.as_bytes()] {
        allocates_nothing(&mut clients, request, settings);
    }
    running.stop();
}

fn allocates_nothing(clients: &mut [TcpStream], request: &[u8], settings: &str) {
    let mut room = vec![0; 4096];
    let mut round = || {
        clients.iter_mut().for_each(|client| {
            get(client, request, &mut room);
        });
    };
    (0..50).for_each(|_| round());
    let before = ALLOCATIONS.load(Relaxed);
    // 2,000 requests in ten parts. Eight must need nothing at all; two may meet the sweep, once a second, which can give up
    // a buffer that lay unused and is needed again a moment later.
    let parts = [(); 10].map(|()| {
        let before = ALLOCATIONS.load(Relaxed);
        (0..25).for_each(|_| round());
        ALLOCATIONS.load(Relaxed) - before
    });
    let (none, sum) = (parts.iter().filter(|part| **part == 0).count(), parts.iter().sum::<u64>());
    assert!(none >= 8 && sum < 20, "allocations in each 200 requests{settings}: {parts:?}");
    assert!(before > 0, "the allocator counts");
}
