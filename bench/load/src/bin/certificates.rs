//! `certificates FOLDER` makes the bench's certificates anew: `ecdsa.pem` (P-256) and `rsa.pem` (2048 bits), each with its
//! key beside it in `NAME.pem.key`, where HAProxy looks by itself.
//!
//! A program of its own and not a part of `xtask`, which everybody builds first and which shall not wait for a crypto
//! library.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm};

/// The name that they are for; the load generator asks for it.
const NAME: &str = "bench.test";

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: certificates FOLDER");
        return ExitCode::from(2);
    };
    for (name, algorithm) in [("ecdsa", &PKCS_ECDSA_P256_SHA256), ("rsa", &PKCS_RSA_SHA256)] {
        if let Err(error) = make(Path::new(&folder), name, algorithm) {
            eprintln!("certificates: {name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// RSA keys come out with 2048 bits.
fn make(
    folder: &Path,
    name: &str,
    algorithm: &'static SignatureAlgorithm,
) -> Result<(), Box<dyn std::error::Error>> {
    let key = KeyPair::generate_for(algorithm)?;
    let certificate = CertificateParams::new([NAME.to_owned()])?.self_signed(&key)?;
    std::fs::write(folder.join(format!("{name}.pem")), certificate.pem())?;
    std::fs::write(folder.join(format!("{name}.pem.key")), key.serialize_pem())?;
    Ok(())
}
