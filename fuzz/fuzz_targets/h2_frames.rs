//! See `weir_fuzz_checks::h2_frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz_checks::h2_frames::check(data));
