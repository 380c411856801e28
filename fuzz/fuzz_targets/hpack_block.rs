//! See `weir_fuzz_checks::hpack_block`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz_checks::hpack_block::check(data));
