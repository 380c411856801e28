//! See `weir_fuzz_checks::sticky_cookie`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz_checks::sticky_cookie::check(data));
