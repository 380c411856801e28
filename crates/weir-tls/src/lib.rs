//! TLS on both sides, certificates, and the ACME client. The only crate that names rustls.

#![forbid(unsafe_code)]

pub mod certs;
