//! Who a client is, by its certificate: as fields of a request for servers.
//!
//! Read once per connection, from a certificate that has been verified. Values are printable ASCII whatever is in the
//! certificate: what is not, and what separates, is escaped, so that no name in it can pass for two, or for another.

use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_STANDARD};

use crate::certs::{
    der::{OID, Reader, SEQUENCE},
    x509::Certificate,
};

/// The largest certificate of a client, in bytes: its fields must fit into a request's head.
pub const CLIENT_CERTIFICATE_BYTES_MAX: usize = 8 * 1024;

/// SET, which holds the parts of a name's component.
const SET: u8 = 0x31;

/// Who a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    fields: Vec<(&'static str, String)>,
}

impl Identity {
    /// From the DER of a certificate. `None` if it is too large, or none.
    pub(crate) fn of(der: &[u8]) -> Option<Self> {
        if der.len() > CLIENT_CERTIFICATE_BYTES_MAX {
            return None;
        }
        let (subject, alternatives) = read(der)?;
        let mut fields = vec![
            // RFC 9440 section 2.2: a byte sequence of RFC 8941, which stands between colons.
            ("client-cert", format!(":{}:", BASE64_STANDARD.encode(der))),
            ("x-client-cert-fingerprint", hex(digest(&SHA256, der).as_ref())),
            ("x-client-cert-subject", subject),
        ];
        if !alternatives.is_empty() {
            fields.push(("x-client-cert-san", alternatives));
        }
        Some(Self { fields })
    }

    /// Names and values of the fields.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.fields.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

/// Whether a certificate is past its end; so is one that cannot be read.
pub(crate) fn has_ended(der: &[u8], now: SystemTime) -> bool {
    Certificate::read(der).and_then(|certificate| certificate.period()).is_none_or(|(_, end)| end < now)
}

/// The subject and the alternative names.
fn read(der: &[u8]) -> Option<(String, String)> {
    let certificate = Certificate::read(der)?;
    let alternatives = certificate.alternative_names.map(names).unwrap_or_default();
    Some((distinguished(certificate.subject)?, alternatives))
}

/// As RFC 4514 writes a name: the last component first.
fn distinguished(mut name: Reader<'_>) -> Option<String> {
    let mut components = Vec::new();
    while let Some(mut set) = name.enter(SET) {
        let mut parts = Vec::new();
        while let Some(mut part) = set.enter(SEQUENCE) {
            let oid = part.take(OID)?;
            let (tag, value) = part.next()?;
            parts.push(attribute(oid, tag, value));
        }
        components.push(parts.join("+"));
    }
    components.reverse();
    Some(components.join(","))
}

/// A type and its value. Types that RFC 4514 knows, and `emailAddress`, go by their short name.
fn attribute(oid: &[u8], tag: u8, value: &[u8]) -> String {
    let known = match oid {
        [0x55, 0x04, 0x03] => "CN",
        [0x55, 0x04, 0x06] => "C",
        [0x55, 0x04, 0x07] => "L",
        [0x55, 0x04, 0x08] => "ST",
        [0x55, 0x04, 0x09] => "STREET",
        [0x55, 0x04, 0x0a] => "O",
        [0x55, 0x04, 0x0b] => "OU",
        [0x55, 0x04, 0x05] => "serialNumber",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => "DC",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01] => "emailAddress",
        _ => "",
    };
    let name = if known.is_empty() { dotted(oid) } else { known.to_owned() };
    // UTF8String, NumericString, PrintableString, IA5String.
    match tag {
        0x0c | 0x12 | 0x13 | 0x16 if !known.is_empty() => format!("{name}={}", escaped_value(value)),
        // RFC 4514 section 2.4: anything else as its encoding.
        _ => format!("{name}=#{}{}{}", hex(&[tag]), length(value.len()), hex(value)),
    }
}

/// RFC 4514 section 2.4, with all that is not printable ASCII as pairs of digits.
fn escaped_value(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    for (at, byte) in value.iter().enumerate() {
        let at_edge = at == 0 || at + 1 == value.len();
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' | b'=' => out.extend(['\\', char::from(*byte)]),
            b'#' if at == 0 => out.push_str("\\#"),
            b' ' if at_edge => out.push_str("\\ "),
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => out.extend(["\\", &hex(&[*byte])]),
        }
    }
    out
}

/// `DNS:a.example, URI:spiffe://b, email:c@d, IP:192.0.2.1`; other kinds are left out.
fn names(mut all: Reader<'_>) -> String {
    let mut entries = Vec::new();
    while let Some((tag, value)) = all.next() {
        match (tag, value.len()) {
            (0x81, _) => entries.push(format!("email:{}", escaped_name(value))),
            (0x82, _) => entries.push(format!("DNS:{}", escaped_name(value))),
            (0x86, _) => entries.push(format!("URI:{}", escaped_name(value))),
            (0x87, 4) => {
                let octets: [u8; 4] = value.try_into().expect("four");
                entries.push(format!("IP:{}", std::net::Ipv4Addr::from(octets)));
            }
            (0x87, 16) => {
                let octets: [u8; 16] = value.try_into().expect("sixteen");
                entries.push(format!("IP:{}", std::net::Ipv6Addr::from(octets)));
            }
            _ => {}
        }
    }
    entries.join(", ")
}

/// Visible ASCII without the separator stays as it is.
fn escaped_name(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value {
        match byte {
            b',' | b'\\' => out.extend(["\\", &hex(&[*byte])]),
            b'!'..=b'~' => out.push(char::from(*byte)),
            _ => out.extend(["\\", &hex(&[*byte])]),
        }
    }
    out
}

/// `2.5.4.3` (X.690 section 8.19).
fn dotted(oid: &[u8]) -> String {
    let mut numbers: Vec<String> = Vec::new();
    let mut number = 0_u64;
    for byte in oid {
        number = number.wrapping_shl(7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.extend([first.to_string(), (number - first * 40).to_string()]);
            } else {
                numbers.push(number.to_string());
            }
            number = 0;
        }
    }
    numbers.join(".")
}

/// A length in DER, as digits. Values are shorter than a certificate may be.
fn length(length: usize) -> String {
    match length {
        0..=0x7f => hex(&[length as u8]),
        0x80..=0xff => hex(&[0x81, length as u8]),
        _ => hex(&[0x82, (length >> 8) as u8, length as u8]),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    bytes.iter().flat_map(digits).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::*;

    fn made(name: &[(DnType, &str)], alternatives: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in name {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.subject_alt_names = alternatives;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn field(identity: &Identity, name: &str) -> Option<String> {
        identity.fields().find(|(own, _)| *own == name).map(|(_, value)| value.to_owned())
    }

    #[test]
    fn a_subject_is_written_as_rfc_4514_wants_it() {
        let check = |name: &[(DnType, &str)], expected: &str| {
            let identity = Identity::of(&made(name, Vec::new())).unwrap();
            assert_eq!(field(&identity, "x-client-cert-subject").as_deref(), Some(expected));
        };
        check(
            &[(DnType::CountryName, "DE"), (DnType::OrganizationName, "Ops"), (DnType::CommonName, "alice")],
            "CN=alice,O=Ops,C=DE",
        );
        check(&[(DnType::CommonName, "a,CN=root")], "CN=a\\,CN\\=root");
        check(&[(DnType::CommonName, " #é\r\nx: y ")], "CN=\\ #\\c3\\a9\\0d\\0ax: y\\ ");
        check(&[(DnType::CustomDnType(vec![1, 2, 840, 1]), "x")], "1.2.840.1=#0c0178");
        check(&[], "");
    }

    #[test]
    fn no_alternative_name_can_pass_for_two() {
        let names = vec![
            SanType::DnsName("a.example".try_into().unwrap()),
            SanType::URI("spiffe://x, DNS:root".try_into().unwrap()),
            SanType::Rfc822Name("a@b.example".try_into().unwrap()),
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
        ];
        let identity = Identity::of(&made(&[], names)).unwrap();
        assert_eq!(
            field(&identity, "x-client-cert-san").as_deref(),
            Some("DNS:a.example, URI:spiffe://x\\2c\\20DNS:root, email:a@b.example, IP:192.0.2.1")
        );
    }

    #[test]
    fn the_certificate_itself_goes_along_with_its_fingerprint() {
        let der = made(&[], Vec::new());
        let identity = Identity::of(&der).unwrap();
        let value = field(&identity, "client-cert").unwrap();
        let base64 = value.strip_prefix(':').and_then(|value| value.strip_suffix(':')).unwrap();
        assert_eq!(BASE64_STANDARD.decode(base64).unwrap(), der);
        assert_eq!(field(&identity, "x-client-cert-fingerprint"), Some(hex(digest(&SHA256, &der).as_ref())));
        assert_eq!(field(&identity, "x-client-cert-san"), None);
    }

    #[test]
    fn what_is_no_certificate_is_nobody() {
        let der = made(&[(DnType::CommonName, "x")], Vec::new());
        assert_eq!(Identity::of(&[]), None);
        assert_eq!(Identity::of(&vec![0x30; CLIENT_CERTIFICATE_BYTES_MAX + 1]), None);
        for at in 0..der.len() {
            assert_eq!(Identity::of(&der[..at]), None, "cut at {at}");
            let mut changed = der.clone();
            changed[at] ^= 0x55;
            // Whatever comes of it is fit for a header.
            for (name, value) in Identity::of(&changed).iter().flat_map(Identity::fields) {
                assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name}: {value}");
            }
        }
    }
}
