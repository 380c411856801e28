//! TLS from end to end, with curl, OpenSSL and rustls at the other end, and with a real ACME server.

mod tls {
    mod acme;
    mod check;
    mod choice;
    mod clients;
    mod failures;
    mod resumption;
    mod servers;
    mod settings;
    mod stage;
    mod swap;
}
