//! See `weir_fuzz_checks::chunked_body`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz_checks::chunked_body::check(data));
