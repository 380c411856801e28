//! Handshakes with a server of rustls, by memory alone.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection};

use super::*;

/// A server, and the file with the certificate that is expected of it.
struct Place {
    server: Arc<ServerConfig>,
    file: std::path::PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

fn place(name: &str, adjust: impl FnOnce(&mut CryptoProvider)) -> Place {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([TLS_NAME.to_owned()]).expect("a key and its certificate");
    let file = std::env::temp_dir().join(format!("weir-load-{name}-{}.pem", std::process::id()));
    std::fs::write(&file, cert.pem()).expect("the folder for such files is writable");
    let mut provider = aws_lc_rs::default_provider();
    adjust(&mut provider);
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let mut server = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("versions that the provider has")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .expect("a key that fits");
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Place { server: Arc::new(server), file }
}

fn tls(place: &Place, options: &str) -> Tls {
    let line = format!("127.0.0.1:1 --tls {} {options}", place.file.display());
    let plan = Plan::from_args(line.split_whitespace().map(str::to_owned)).expect("a good line");
    Tls::new(&plan).expect("a certificate").expect("TLS is asked for")
}

/// A handshake and an echo of `echo` bytes, with pieces of `size` from the server.
fn talk(place: &Place, tls: &Tls, echo: usize, size: usize) -> Result<HandshakeKind, String> {
    let mut server = ServerConnection::new(place.server.clone()).expect("a server");
    let (mut to_server, mut plain, mut asked) = (Vec::new(), Vec::new(), false);
    let mut session = tls.session(&mut to_server)?;
    for _ in 0..20 {
        let mut sent = to_server.as_slice();
        while !sent.is_empty() {
            server.read_tls(&mut sent).expect("memory does not fail");
            server.process_new_packets().map_err(|error| format!("the server: {error}"))?;
            let mut heard = vec![0; echo];
            while let Ok(count @ 1..) = std::io::Read::read(&mut server.reader(), &mut heard) {
                std::io::Write::write_all(&mut server.writer(), &heard[..count])
                    .expect("memory does not fail");
            }
        }
        to_server.clear();
        let mut to_client = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut to_client).expect("memory does not fail");
        }
        for piece in to_client.chunks(size) {
            let mut buffer = vec![0; RECORD_BYTES_MAX * 2];
            let had = session.restore(&mut buffer);
            buffer[had..had + piece.len()].copy_from_slice(piece);
            session.take(&mut buffer[..had + piece.len()], &mut to_server, &mut |bytes| {
                plain.extend_from_slice(bytes);
                Ok(())
            })?;
        }
        if session.is_open() && !asked {
            session.encrypt(&vec![b'e'; echo], &mut to_server)?;
            asked = true;
        }
    }
    assert_eq!(plain, vec![b'e'; echo]);
    session.handshake_kind().ok_or("no end of the handshake".into())
}

#[test]
fn each_handshake_is_a_full_one_unless_resumption_is_asked_for() {
    let place = place("resume", |_| {});
    let (full, resuming) = (tls(&place, "--close"), tls(&place, "--close --resume"));
    for size in [1, 500, RECORD_BYTES_MAX] {
        assert_eq!(talk(&place, &full, 3, size), Ok(HandshakeKind::Full));
    }
    assert_eq!(talk(&place, &resuming, 3, 500), Ok(HandshakeKind::Full));
    for _ in 0..20 {
        assert_eq!(talk(&place, &resuming, 3, 500), Ok(HandshakeKind::Resumed));
    }
}

#[test]
fn what_is_larger_than_a_record_is_whole() {
    let place = place("large", |_| {});
    assert_eq!(talk(&place, &tls(&place, ""), 5 * RECORD_BYTES_MAX / 2, 1000), Ok(HandshakeKind::Full));
}

#[test]
fn servers_that_would_do_other_work_are_refused() {
    let (one, other) = (place("one", |_| {}), place("other", |_| {}));
    let wrong = talk(&one, &tls(&other, ""), 3, 500).expect_err("another certificate");
    assert!(wrong.contains("ApplicationVerificationFailure"), "{wrong}");
    let wrong = talk(&one, &tls(&one, "--h2 1"), 3, 500).expect_err("HTTP/1 only");
    assert!(wrong.contains("the server: peer doesn't support any known protocol"), "{wrong}");
    let p256 = place("p256", |provider| provider.kx_groups = vec![aws_lc_rs::kx_group::SECP256R1]);
    assert!(talk(&p256, &tls(&p256, ""), 3, 500).is_err(), "another group");
}
