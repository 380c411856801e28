//! Versions and cipher suites, from the file's words to the library's.

use rustls::{
    SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    version::{TLS12, TLS13},
};
use weir_config::{CipherSuite, TlsVersion};

/// aws-lc-rs, with these suites in this order, or with all.
pub(crate) fn provider(ciphers: Option<&[CipherSuite]>) -> CryptoProvider {
    let ciphers = ciphers.unwrap_or(&ALL_BY_PREFERENCE);
    CryptoProvider {
        cipher_suites: ciphers.iter().map(|suite| of(*suite)).collect(),
        ..aws_lc_rs::default_provider()
    }
}

/// All of them, the preferred one first: AES-128 is as safe as anybody needs and the fastest where the processor has AES, as
/// nearly all do by now.
const ALL_BY_PREFERENCE: [CipherSuite; 9] = [
    CipherSuite::TLS_AES_128_GCM_SHA256,
    CipherSuite::TLS_AES_256_GCM_SHA384,
    CipherSuite::TLS_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

static FROM_TLS12: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
static FROM_TLS13: [&SupportedProtocolVersion; 1] = [&TLS13];

/// This version and all later ones.
pub(crate) fn versions(min: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    match min {
        TlsVersion::Tls12 => &FROM_TLS12,
        TlsVersion::Tls13 => &FROM_TLS13,
    }
}

fn of(suite: CipherSuite) -> SupportedCipherSuite {
    use aws_lc_rs::cipher_suite as library;
    match suite {
        CipherSuite::TLS_AES_256_GCM_SHA384 => library::TLS13_AES_256_GCM_SHA384,
        CipherSuite::TLS_AES_128_GCM_SHA256 => library::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS_CHACHA20_POLY1305_SHA256 => library::TLS13_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => {
            library::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        }
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => {
            library::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        }
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
            library::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => library::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => library::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => {
            library::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_suites_are_there_by_default() {
        assert_eq!(ALL_BY_PREFERENCE.len(), CipherSuite::ALL.len());
        assert!(CipherSuite::ALL.iter().all(|suite| ALL_BY_PREFERENCE.contains(suite)));
        assert_eq!(provider(None).cipher_suites.len(), aws_lc_rs::ALL_CIPHER_SUITES.len());
    }

    #[test]
    fn each_suite_is_what_its_name_says() {
        for suite in CipherSuite::ALL {
            let library = format!("{:?}", of(suite).suite());
            assert_eq!(library.replace("TLS13_", "TLS_"), suite.name());
        }
    }
}
