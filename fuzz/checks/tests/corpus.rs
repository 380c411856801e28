//! Every input that the fuzz targets have kept, once more: what was right stays right.

#![forbid(unsafe_code)]

use std::path::Path;

/// Runs `check` on every seed and every corpus file of a target.
fn replay(target: &str, check: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("checks lie in fuzz/");
    let mut count = 0;
    let mut failed = Vec::new();
    for folder in ["seeds", "corpus"].map(|kind| fuzz.join(kind).join(target)) {
        for entry in std::fs::read_dir(&folder).expect("seeds and corpora are part of the repository") {
            let path = entry.expect("a folder's entry is readable").path();
            let input = std::fs::read(&path).expect("an input is readable");
            if std::panic::catch_unwind(|| check(&input)).is_err() {
                failed.push(path.display().to_string());
            }
            count += 1;
        }
    }
    assert!(failed.is_empty(), "messages above, inputs here:\n{}", failed.join("\n"));
    assert!(count >= 20, "only {count} inputs are there");
}

#[test]
fn request_head() {
    replay("request_head", weir_fuzz_checks::request_head::check);
}

#[test]
fn chunked_body() {
    replay("chunked_body", weir_fuzz_checks::chunked_body::check);
}

#[test]
fn response_head() {
    replay("response_head", weir_fuzz_checks::response_head::check);
}

#[test]
fn config() {
    replay("config", weir_fuzz_checks::config::check);
}

#[test]
fn route_path() {
    replay("route_path", weir_fuzz_checks::route_path::check);
}

#[test]
fn hpack_block() {
    replay("hpack_block", weir_fuzz_checks::hpack_block::check);
}

#[test]
fn h2_head() {
    replay("h2_head", weir_fuzz_checks::h2_head::check);
}

#[test]
fn h2_frames() {
    replay("h2_frames", weir_fuzz_checks::h2_frames::check);
}

#[test]
fn sticky_cookie() {
    replay("sticky_cookie", weir_fuzz_checks::sticky_cookie::check);
}

#[test]
fn load_report() {
    replay("load_report", weir_fuzz_checks::load_report::check);
}
