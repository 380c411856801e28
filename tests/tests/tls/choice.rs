//! Which certificate a client gets.

use weir_tests::{
    Weir,
    peer::s_client,
    tls::{TlsClient, trusting},
};

use super::stage::Stage;

#[test]
fn the_name_decides_exact_before_wildcard_before_default() {
    let stage = Stage::new();
    let [default, exact, wild] = [
        stage.authority.server(&["default.example", "10.0.0.1"]),
        stage.authority.server(&["a.wild.example"]),
        stage.authority.server(&["*.wild.example"]),
    ];
    let (d, e, w) = (stage.pem("d.pem", &default), stage.pem("e.pem", &exact), stage.pem("w.pem", &wild));
    let weir = Weir::start(&stage.yaml(
        &format!("w: {{ cert: {w} }}, e: {{ cert: {e} }}, d: {{ cert: {d} }}"),
        "certificates: [w, e, d], default: d",
    ));
    let trusting = trusting(&stage.authority);
    for (name, expected) in [
        ("default.example", &default),
        ("a.wild.example", &exact),
        ("A.Wild.example", &exact),
        ("b.wild.example", &wild),
        // Such a client names nobody.
        ("10.0.0.1", &default),
    ] {
        let mut client = TlsClient::connect(weir.address(), &trusting, name);
        assert!(client.is_shown(expected), "{name}");
        assert_eq!(client.get("/").text(), "hello");
    }
    // Not below two labels, and nobody else's: the default, which the client does not take.
    for name in ["a.b.wild.example", "other.example"] {
        let error = TlsClient::try_connect(weir.address(), &trusting, name).expect_err(name);
        assert!(error.to_string().contains("not valid for name"), "{error}");
    }
}

#[test]
fn who_can_gets_ecdsa_and_the_others_rsa() {
    let stage = Stage::new();
    let ecdsa = stage.pem("e.pem", &stage.authority.server(&["a.example"]));
    let rsa = stage.pem("r.pem", &stage.authority.rsa_server(&["a.example"]));
    let weir = Weir::start(
        &stage.yaml(&format!("r: {{ cert: {rsa} }}, e: {{ cert: {ecdsa} }}"), "certificates: [r, e]"),
    );
    for (arguments, expected) in [
        (&["-tls1_3"][..], "Peer signature type: ECDSA"),
        (&["-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256"], "Peer signature type: RSA-PSS"),
        (&["-tls1_2"], "Cipher is ECDHE-ECDSA-"),
        (&["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "Cipher is ECDHE-RSA-AES128-GCM-SHA256"),
    ] {
        let said = s_client(weir.address(), &[&["-servername", "a.example"], arguments].concat());
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}
