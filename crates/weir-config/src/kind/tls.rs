//! What belongs to TLS and certificates: files, names, versions, cipher suites, ACME.

use std::{net::IpAddr, time::Duration};

use super::{Fault, host};
use crate::{Challenge, CipherSuite, Rate, TlsVersion, nearest::nearest, report::shown};

/// More are no limit.
const RATE_MAX: u64 = 1_000_000_000;

/// The path of a file or a directory: with a `/`, so that no slip of the finger becomes a file.
pub(crate) fn file(text: &str) -> Result<(), Fault> {
    if text.contains("-----BEGIN") {
        return Err(Fault::new("the path of a file stands here, not what is in it"));
    }
    if text.contains('/') && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Fault::new(format!("`{}` is not the path of a file", shown(text)))
        .help("a path is written with a `/`: `/etc/weir/shop.pem` or `./shop.pem`"))
}

/// The name of an environment variable.
pub(crate) fn env_name(text: &str) -> Result<(), Fault> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if text.bytes().all(fine) && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return Ok(());
    }
    let fault = Fault::new(format!("`{}` is not the name of an environment variable", shown(text)));
    Err(match text.strip_prefix('$') {
        Some(name) => {
            fault.help(format!("did you mean `{}`, without `$`?", shown(name.trim_matches(['{', '}']))))
        }
        None => fault,
    })
}

/// `1.2` or `1.3`, with the names that other programs have for them as help.
pub(crate) fn version(text: &str) -> Result<TlsVersion, Fault> {
    match text {
        "1.2" => return Ok(TlsVersion::Tls12),
        "1.3" => return Ok(TlsVersion::Tls13),
        _ => {}
    }
    let folded = text.to_ascii_lowercase();
    let number = folded.trim_start_matches(['t', 'l', 's', 'v', '_', ' ']).replace('_', ".");
    Err(match number.as_str() {
        "1.2" | "1.3" => Fault::new(format!("unknown value `{}`, did you mean `\"{number}\"`?", shown(text))),
        "1.0" | "1.1" | "1" => {
            Fault::new(format!("`{}` is no longer safe, and not supported (RFC 8996)", shown(text)))
        }
        _ => Fault::new(format!("unknown value `{}`", shown(text))),
    }
    .help("expected `\"1.2\"` or `\"1.3\"`"))
}

/// A cipher suite by its IANA name.
pub(crate) fn cipher(text: &str) -> Result<CipherSuite, Fault> {
    let all = CipherSuite::ALL;
    if let Some(suite) = all.iter().find(|suite| suite.name() == text) {
        return Ok(*suite);
    }
    let folded = text.to_ascii_uppercase().replace('-', "_");
    let meant = all.iter().find(|suite| suite.openssl_name() == text || suite.name() == folded);
    let near = meant.map(|suite| suite.name()).or_else(|| {
        // The names are long and alike: only a slip of a few letters is one.
        let near = nearest(text, all.iter().map(|suite| suite.name()))?;
        near.len().abs_diff(text.len()).le(&2).then_some(near)
    });
    if let Some(near) = near.filter(|_| meant.is_some() || text.starts_with("TLS_")) {
        return Err(Fault::new(format!("unknown cipher suite `{}`, did you mean `{near}`?", shown(text))));
    }
    let names: Vec<&str> = all.iter().map(|suite| suite.name()).collect();
    Err(Fault::new(format!("unknown cipher suite `{}`", shown(text)))
        .help(format!("all that there are: {}; without `ciphers`, all of them", names.join(", "))))
}

/// A name that an ACME server can verify by a challenge that Weir answers.
pub(crate) fn acme_domain(text: &str) -> Result<(), Fault> {
    if text.starts_with("*.") {
        return Err(Fault::new(format!(
            "`{}` is a wildcard, which ACME only gives for a record in the DNS",
            shown(text)
        ))
        .help("wildcards need the challenge dns-01, which Weir does not answer: list the names one by one"));
    }
    let address = text.trim_start_matches('[').trim_end_matches(']');
    if address.parse::<IpAddr>().is_ok() {
        return Err(Fault::new(format!(
            "`{}` is an IP address, for which no certificate is ordered",
            shown(text)
        )));
    }
    host::name(text)
}

/// `ops@example.com`: one `@` with something around it. Everything else only the mail server knows.
pub(crate) fn email(text: &str) -> Result<(), Fault> {
    let (name, host) = text.split_once('@').unwrap_or((text, ""));
    let fine =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_graphic() && !"@,:<>\"".contains(c));
    if fine(name) && fine(host) {
        return Ok(());
    }
    let fault = Fault::new(format!("`{}` is not an address of mail", shown(text)));
    Err(match text.starts_with("mailto:") {
        true => fault.help("write it without `mailto:`"),
        false => fault,
    })
}

/// A URL with TLS (RFC 8555 section 6.1 asks for it).
pub(crate) fn https_url(text: &str) -> Result<(), Fault> {
    if text.starts_with("http://") {
        return Err(
            Fault::new("ACME is only spoken over TLS (RFC 8555 section 6.1)").help("write `https://…`")
        );
    }
    let not = || Fault::new(format!("`{}` is not a URL", shown(text))).help("write `https://HOST/PATH`");
    let rest = text.strip_prefix("https://").ok_or_else(not)?;
    let host = rest.split('/').next().unwrap_or_default();
    if host.is_empty() || host.contains('@') || !rest.chars().all(|c| c.is_ascii_graphic()) {
        return Err(not());
    }
    host::with_port(host)
}

/// `http-01` or `tls-alpn-01`, by their names in RFC 8555 and RFC 8737.
pub(crate) fn challenge(text: &str) -> Result<Challenge, Fault> {
    const NAMES: [&str; 2] = ["http-01", "tls-alpn-01"];
    let fault = match text {
        "http-01" => return Ok(Challenge::Http01),
        "tls-alpn-01" => return Ok(Challenge::TlsAlpn01),
        "dns-01" => Fault::new("`dns-01` is not supported"),
        _ => match nearest(text, NAMES) {
            Some(near) => Fault::new(format!("unknown value `{}`, did you mean `{near}`?", shown(text))),
            None => Fault::new(format!("unknown value `{}`", shown(text))),
        },
    };
    Err(fault.help("expected `http-01` or `tls-alpn-01`"))
}

/// The name of a gRPC service, `package.Service`; empty is the server as a whole.
pub(crate) fn grpc_service(text: &str) -> Result<(), Fault> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
    match text.len() <= 256 && text.bytes().all(fine) {
        true => Ok(()),
        false => Err(Fault::new(format!("`{}` is not the name of a gRPC service", shown(text)))
            .help("write it like `shop.Orders`, or `\"\"` for the server as a whole")),
    }
}

/// `100/s`, `6000/m`, `10/h`: a whole number per second, minute or hour.
pub(crate) fn rate(text: &str) -> Result<Rate, Fault> {
    let not = || {
        Fault::new(format!("`{}` is not a rate", shown(text)))
            .help("write a whole number and a unit: `100/s`, `600/m` or `1000/h`")
    };
    let (number, unit) = text.split_once('/').ok_or_else(not)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(not()),
    };
    let count: u64 =
        number.parse().ok().filter(|_| number.bytes().all(|b| b.is_ascii_digit())).ok_or_else(not)?;
    match count {
        1..=RATE_MAX => Ok(Rate { count, per: Duration::from_secs(seconds) }),
        _ => Err(Fault::new(format!("`{}` is out of range: expected 1 to {RATE_MAX}", shown(text)))),
    }
}
