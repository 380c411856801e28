//! A [`Stream`] on either side of a TLS connection, with rustls's own buffered connection at the other end.

use std::{
    future::poll_fn,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    rc::Rc,
    sync::Arc,
    thread::JoinHandle,
};

use aws_lc_rs::aead;
use rustls::{
    ClientConfig, ClientConnection, ConnectionTrafficSecrets, RootCertStore, ServerConfig, ServerConnection,
    StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    server::ResolvesServerCert,
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use weir_net::Buffers;

use super::*;
use crate::{Client, Rooms, Server};

struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn identity() -> Identity {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    Identity { chain: vec![made.cert.der().clone()], key }
}

fn resolver(identity: &Identity) -> Arc<dyn ResolvesServerCert> {
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&identity.key).unwrap();
    Arc::new(SingleCertAndKey::from(CertifiedKey::new(identity.chain.clone(), key)))
}

fn trusting(identity: &Identity, version: &'static rustls::SupportedProtocolVersion) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(identity.chain[0].clone()).unwrap();
    ClientConfig::builder_with_protocol_versions(&[version])
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn on_worker<T>(doing: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(doing)
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A connection to a client that does `client`.
async fn accept<T: Send + 'static>(
    version: &'static rustls::SupportedProtocolVersion,
    client: impl FnOnce(StreamOwned<ClientConnection, TcpStream>) -> T + Send + 'static,
) -> (Stream, Rc<Buffers>, JoinHandle<T>) {
    let identity = identity();
    let mut config = trusting(&identity, version);
    config.alpn_protocols = vec![b"b".to_vec()];
    config.enable_secret_extraction = true;
    let (listener, address) = listener();
    let client = std::thread::spawn(move || {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        client(StreamOwned::new(connection, TcpStream::connect(address).unwrap()))
    });
    listener.set_nonblocking(false).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    accepted.set_nonblocking(true).unwrap();
    let tcp = weir_net::Stream::accepted(tokio::net::TcpStream::from_std(accepted).unwrap());
    let (buffers, server) =
        (Rc::default(), Server::plain(resolver(&identity), vec![b"a".to_vec(), b"b".to_vec()]));
    let stream = Stream::with_tls(tcp, server.accept(&Rooms::new(&buffers)));
    (stream, buffers, client)
}

async fn read(stream: &mut Stream, buffer: &mut Buffer) -> io::Result<usize> {
    poll_fn(|context| stream.poll_read(context, buffer)).await
}

async fn write_all(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
    let mut left = bytes;
    while !left.is_empty() {
        let n = poll_fn(|context| stream.poll_write(context, left)).await?;
        left = &left[n..];
    }
    Ok(())
}

/// Bytes that show where they belong.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 7 + at * 31) as u8).collect()
}

#[test]
fn bytes_go_both_ways_in_any_sizes() {
    for version in [&TLS12, &TLS13] {
        for size in [1, 100, 16_383, 16_384, 16_385, 100_000, 3_000_000] {
            on_worker(async {
                let (mut stream, buffers, client) = accept(version, move |mut stream| {
                    stream.write_all(&pattern(size)).unwrap();
                    let mut back = vec![0; size];
                    stream.read_exact(&mut back).unwrap();
                    assert!(back == pattern(size));
                    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "the end is told");
                })
                .await;
                poll_fn(|context| stream.poll_handshake(context)).await.unwrap();
                assert_eq!(stream.tls().unwrap().protocol(), Some(&b"b"[..]));
                let (mut all, mut buffer) = (Vec::new(), buffers.take());
                while all.len() < size {
                    assert_ne!(read(&mut stream, &mut buffer).await.unwrap(), 0);
                    all.extend_from_slice(buffer.filled());
                    buffer.clear();
                }
                assert!(all == pattern(size));
                write_all(&mut stream, &all).await.unwrap();
                drop(stream);
                // It reads what it wants while nothing is left to be done here.
                client.join().unwrap();
            });
        }
    }
}

#[test]
fn a_reader_with_little_room_gets_all() {
    on_worker(async {
        let (mut stream, buffers, client) = accept(&TLS13, |mut stream| {
            stream.write_all(&pattern(70_000)).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            let _ = stream.read(&mut [0; 1]);
        })
        .await;
        let (mut all, mut buffer) = (Vec::new(), buffers.take());
        buffer.fill(weir_net::BUFFER_BYTES - 1000);
        loop {
            if read(&mut stream, &mut buffer).await.unwrap() == 0 {
                break;
            }
            all.extend_from_slice(&buffer.filled()[weir_net::BUFFER_BYTES - 1000..]);
            buffer.clear();
            buffer.fill(weir_net::BUFFER_BYTES - 1000);
        }
        assert!(all == pattern(70_000));
        drop(stream);
        client.join().unwrap();
    });
}

#[test]
fn two_pieces_are_one_stream() {
    on_worker(async {
        let (mut stream, _, client) = accept(&TLS13, |mut stream| {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            all
        })
        .await;
        poll_fn(|context| stream.poll_handshake(context)).await.unwrap();
        let (mut first, mut second) = (&pattern(40_000)[..], &pattern(50_000)[..]);
        let expected = [first, second].concat();
        while !first.is_empty() || !second.is_empty() {
            let n = poll_fn(|context| stream.poll_write_both(context, first, second)).await.unwrap();
            let of_first = n.min(first.len());
            (first, second) = (&first[of_first..], &second[n - of_first..]);
        }
        drop(stream);
        assert!(client.join().unwrap() == expected);
    });
}

#[test]
fn an_end_without_a_word_is_an_error() {
    on_worker(async {
        let (mut stream, buffers, client) = accept(&TLS13, |mut stream| {
            stream.write_all(b"cut").unwrap();
            stream.sock.shutdown(std::net::Shutdown::Write).unwrap();
            stream
        })
        .await;
        let mut buffer = buffers.take();
        assert_eq!(read(&mut stream, &mut buffer).await.unwrap(), 3);
        let error = read(&mut stream, &mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        drop(client.join().unwrap());
    });
}

#[test]
fn what_is_no_tls_gets_an_alert() {
    on_worker(async {
        let (mut stream, _, client) = accept(&TLS13, |mut stream| {
            stream.sock.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            let _ = stream.sock.read_to_end(&mut answer);
            answer
        })
        .await;
        let error = poll_fn(|context| stream.poll_handshake(context)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        drop(stream);
        // RFC 8446 section 5.1: a record of type alert (21).
        assert_eq!(client.join().unwrap().first(), Some(&21));
    });
}

/// A record that nobody's library sends: these bytes as a part of a handshake's message, in the keys of the session.
fn handshake_record(secrets: (u64, ConnectionTrafficSecrets), part: &[u8]) -> Vec<u8> {
    let (sequence, ConnectionTrafficSecrets::Aes256Gcm { key, iv }) = secrets else {
        panic!("another suite was chosen")
    };
    let mut nonce: [u8; 12] = iv.as_ref().try_into().unwrap();
    nonce[4..].iter_mut().zip(sequence.to_be_bytes()).for_each(|(byte, other)| *byte ^= other);
    // RFC 8446 section 5.2: the type stands behind the content.
    let mut body = [part, &[22]].concat();
    let header = [23, 3, 3, 0, (body.len() + 16) as u8];
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, key.as_ref()).unwrap());
    let nonce = aead::Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, aead::Aad::from(header), &mut body).unwrap();
    [&header[..], &body].concat()
}

#[test]
fn we_write_and_close_while_a_part_of_a_message_waits() {
    for closes in [false, true] {
        on_worker(async {
            let (mut stream, buffers, client) = accept(&TLS13, |mut stream| {
                stream.read_exact(&mut [0; 1]).unwrap();
                let StreamOwned { conn, mut sock } = stream;
                // The first half of a KeyUpdate.
                sock.write_all(&handshake_record(conn.dangerous_extract_secrets().unwrap().tx, &[24, 0]))
                    .unwrap();
                let mut rest = Vec::new();
                let _ = sock.read_to_end(&mut rest);
                rest.len()
            })
            .await;
            poll_fn(|context| stream.poll_handshake(context)).await.unwrap();
            write_all(&mut stream, b"a").await.unwrap();
            poll_fn(|context| stream.poll_readable(context)).await.unwrap();
            let mut buffer = buffers.take();
            let polled = poll_fn(|context| Poll::Ready(stream.poll_read(context, &mut buffer))).await;
            assert!(polled.is_pending());
            if !closes {
                write_all(&mut stream, b"hello").await.unwrap();
            }
            drop(stream);
            // RFC 8446 section 5.2: a header, the bytes, a type and a tag; the alert at the end has two.
            let expected = if closes { 24 } else { 24 + 27 };
            assert_eq!(client.join().unwrap(), expected);
        });
    }
}

#[test]
fn the_client_side_verifies_and_stays_quiet_after_tickets() {
    let identity = identity();
    let config = trusting(&identity, &TLS13);
    let server = ServerConfig::builder().with_no_client_auth();
    let server = server.with_single_cert(identity.chain.clone(), identity.key.clone_key()).unwrap();
    let (listener, address) = listener();
    let server = std::thread::spawn(move || {
        let connection = ServerConnection::new(Arc::new(server)).unwrap();
        let mut stream = StreamOwned::new(connection, listener.accept().unwrap().0);
        let mut request = [0; 4];
        stream.read_exact(&mut request).unwrap();
        stream.write_all(&request).unwrap();
        stream
    });
    on_worker(async {
        let tcp = weir_net::Stream::connect(address).await.unwrap();
        let buffers = Rc::default();
        let client = Client::trusting(config, "localhost");
        let mut stream = Stream::with_tls(tcp, client.connect(address, &Rooms::new(&buffers)));
        poll_fn(|context| stream.poll_handshake(context)).await.unwrap();
        write_all(&mut stream, b"ping").await.unwrap();
        let mut buffer = buffers.take();
        assert_eq!(read(&mut stream, &mut buffer).await.unwrap(), 4);
        let mut server = server.join().unwrap();
        assert!(stream.is_quiet() && stream.is_quiet_by_kernel());
        // What nobody asked for makes it useless.
        server.write_all(b"more").unwrap();
        poll_fn(|context| stream.poll_readable(context)).await.unwrap();
        assert!(!stream.is_quiet() && !stream.is_quiet_by_kernel());
    });
}

#[test]
fn an_idle_session_is_small() {
    let size = size_of::<Session>();
    assert!(size <= 1700, "a session has grown to {size} bytes");
    assert!(size_of::<Stream>() <= size_of::<weir_net::Stream>() + 8);
}
