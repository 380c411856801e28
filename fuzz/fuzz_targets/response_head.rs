//! See `weir_fuzz_checks::response_head`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz_checks::response_head::check(data));
