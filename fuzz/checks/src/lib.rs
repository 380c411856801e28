//! What must hold for any bytes, one `check` per fuzz target.
//!
//! The targets in `fuzz/fuzz_targets` feed these functions with what libFuzzer makes up; `tests/corpus.rs` feeds them
//! with the committed corpora, on every test run. An input is the bytes as they would come over the wire, with no
//! selector bytes in front, so a corpus file can be read, written by hand, and sent to a real server. What a check
//! needs besides (where a message is cut into pieces) is drawn from the input itself ([`pieces::Pieces`]).

#![forbid(unsafe_code)]

mod body;
pub mod chunked_body;
pub mod config;
pub mod h2_frames;
pub mod h2_head;
pub mod hpack_block;
pub mod load_report;
pub mod pieces;
pub mod readers;
pub mod request_head;
pub mod response_head;
pub mod route_path;
pub mod sticky_cookie;

/// The routes of the one listener in a configuration.
fn routes(configuration: &str) -> Vec<weir_config::Route> {
    let checked = weir_config::check("routes", configuration);
    let checked = checked.unwrap_or_else(|errors| panic!("{}", errors.render(false)));
    checked.config.listeners.into_iter().next().expect("there is one listener").routes
}

/// Bytes as a person can read them.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
