//! See `weir_fuzz_checks::load_report`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz_checks::load_report::check(data));
