//! What servers say of their load: any octets, and only numbers come out.

/// Reads `data` as the value of a field, and as a body.
pub fn check(data: &[u8]) {
    for front in [&b""[..], b"TEXT ", b"JSON "] {
        let value = [front, data].concat();
        let Some((requests, latency_us)) = weir_http::fuzzing::load_report(&value) else { continue };
        let is_number = |number: f32| number.is_finite() && number >= 0.0;
        assert!(is_number(requests) && latency_us.is_none_or(is_number), "{requests} {latency_us:?}");
        let spaced = [b" ", &value[..], b" "].concat();
        let again = weir_http::fuzzing::load_report(&spaced);
        assert!(
            spaced.len() > 4096 || again == Some((requests, latency_us)),
            "white space around it changes nothing"
        );
    }
}
