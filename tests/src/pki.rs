//! Authorities and certificates that are made for one test.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
    RevokedCertParams, RsaKeySize, SanType, SerialNumber, date_time_ymd,
};

/// So many authorities have been made: each has a name of its own.
static MADE: AtomicU32 = AtomicU32::new(1);

/// Who signs certificates.
pub struct Authority {
    /// Its own certificate.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub cert: String,
    /// The private key.
    pub key: String,
    /// The certificate as it goes over the wire.
    pub der: Vec<u8>,
    serial: Vec<u8>,
}

impl Authority {
    /// One of its own.
    pub fn new() -> Self {
        let (params, key) = Self::prepare();
        let pem = params.self_signed(&key).expect("it can be signed").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// One that this one vouches for: its own certificate belongs into the chains of those that it signs.
    pub fn intermediate(&self) -> Self {
        let (mut params, key) = Self::prepare();
        params.custom_extensions.push(filler());
        let pem = params.signed_by(&key, &self.issuer).expect("it can be signed").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn prepare() -> (CertificateParams, KeyPair) {
        let key = KeyPair::generate().expect("keys can be made");
        let mut params = CertificateParams::new(Vec::new()).expect("no name is a fine name");
        let number = MADE.fetch_add(1, Relaxed);
        params.distinguished_name.push(DnType::CommonName, format!("Authority {number} of tests"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params, key)
    }

    /// For a server of these names, on ECDSA.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.sign(names, |_| {}, &ecdsa())
    }

    /// The same, as long as those of public authorities.
    pub fn long_server(&self, names: &[&str]) -> Identity {
        self.sign(names, |params| params.custom_extensions.push(filler()), &ecdsa())
    }

    /// The same as [`Authority::server`] on RSA.
    pub fn rsa_server(&self, names: &[&str]) -> Identity {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("keys can be made");
        self.sign(names, |_| {}, &key)
    }

    /// For a server, with an end that has passed.
    pub fn expired_server(&self, names: &[&str]) -> Identity {
        let ended = |params: &mut CertificateParams| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 2, 3);
        };
        self.sign(names, ended, &ecdsa())
    }

    /// For a client of this name, with a URI as its second one.
    pub fn client(&self, name: &str, uri: &str) -> Identity {
        self.client_until(name, uri, SystemTime::UNIX_EPOCH + Duration::from_secs(u32::MAX.into()))
    }

    /// The same, with this end, in whole seconds.
    pub fn client_until(&self, name: &str, uri: &str, end: SystemTime) -> Identity {
        let end = end.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let client = |params: &mut CertificateParams| {
            params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(end.as_secs());
            params.distinguished_name.push(DnType::CommonName, name);
            params.subject_alt_names.push(SanType::URI(uri.try_into().expect("a URI")));
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        };
        self.sign(&[], client, &ecdsa())
    }

    /// A list of what is not good any more.
    pub fn revocations(&self, revoked: &[&Identity]) -> String {
        self.revocations_until(revoked, 2090)
    }

    /// The same, to be replaced at the beginning of this year.
    pub fn revocations_until(&self, revoked: &[&Identity], year: i32) -> String {
        let revoked = revoked.iter().map(|identity| RevokedCertParams {
            serial_number: SerialNumber::from(identity.serial.clone()),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).expect("it can be signed").pem().expect("it can be written")
    }

    fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams), key: &KeyPair) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names of tests are names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        let serial: Vec<u8> = std::iter::once(1).chain(key.public_key_raw()[1..9].iter().copied()).collect();
        params.serial_number = Some(SerialNumber::from(serial.clone()));
        change(&mut params);
        let cert = params.signed_by(key, &self.issuer).expect("it can be signed");
        Identity { cert: cert.pem(), key: key.serialize_pem(), der: cert.der().to_vec(), serial }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Identity {
    /// Certificate and key in one.
    pub fn both(&self) -> String {
        self.cert.clone() + &self.key
    }
}

/// What certificates of public authorities have besides and nobody here asks for, in one extension: the stamps of two
/// logs (RFC 6962 section 3.3), addresses and policies.
fn filler() -> CustomExtension {
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], vec![7; 450])
}

fn ecdsa() -> KeyPair {
    KeyPair::generate().expect("keys can be made")
}
