//! Weir as a client of HTTP/2 servers: what it sends, what it obeys, what it refuses, and what it tries again.
//!
//! Its own clients speak HTTP/1.1 here, so that nothing of one side's HTTP/2 hides in the other's. Every connection to
//! an [`H2Origin`](weir_tests::h2::H2Origin) is watched for broken rules, whatever the test is about.
//! `WEIR_TESTS_H2=haproxy` runs the same against HAProxy.

mod h2_upstream {
    mod errors;
    mod front;
    mod limits;
    mod requests;
    mod responses;
    mod retries;
    mod settings;
}
