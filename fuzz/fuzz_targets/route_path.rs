//! See `weir_fuzz_checks::route_path`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz_checks::route_path::check(data));
