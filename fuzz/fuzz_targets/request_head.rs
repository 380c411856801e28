//! See `weir_fuzz_checks::request_head`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz_checks::request_head::check(data));
