use proptest::prelude::*;

use super::*;

#[test]
fn the_whole_text() {
    let mut text = Exposition::new();
    text.info("weir_build", "What runs.", &[("version", "0.1.0")]);
    text.counter("weir_requests", "Requests answered.")
        .sample(&[("route", "web"), ("class", "2xx")], 7)
        .sample(&[("route", "say \"hi\"\\\n"), ("class", "5xx")], 0);
    text.counter("weir_worker_cpu_seconds", "CPU time.").sample_f64(&[], 1.5);
    text.gauge("weir_connections", "Open connections.").sample(&[], 3);
    text.gauge("weir_odd", "Odd values.")
        .sample_f64(&[("of", "none")], f64::NAN)
        .sample_f64(&[("of", "much")], f64::NEG_INFINITY);
    text.histogram("weir_latency_seconds", "Time to answer.").sample(
        &[("server", "web1")],
        &[0.005, 1.0],
        [4, 2, 1],
        12.25,
    );
    let expected = r#"# TYPE weir_build info
# HELP weir_build What runs.
weir_build_info{version="0.1.0"} 1
# TYPE weir_requests counter
# HELP weir_requests Requests answered.
weir_requests_total{route="web",class="2xx"} 7
weir_requests_total{route="say \"hi\"\\\n",class="5xx"} 0
# TYPE weir_worker_cpu_seconds counter
# UNIT weir_worker_cpu_seconds seconds
# HELP weir_worker_cpu_seconds CPU time.
weir_worker_cpu_seconds_total 1.5
# TYPE weir_connections gauge
# HELP weir_connections Open connections.
weir_connections 3
# TYPE weir_odd gauge
# HELP weir_odd Odd values.
weir_odd{of="none"} NaN
weir_odd{of="much"} -Inf
# TYPE weir_latency_seconds histogram
# UNIT weir_latency_seconds seconds
# HELP weir_latency_seconds Time to answer.
weir_latency_seconds_bucket{server="web1",le="0.005"} 4
weir_latency_seconds_bucket{server="web1",le="1.0"} 6
weir_latency_seconds_bucket{server="web1",le="+Inf"} 7
weir_latency_seconds_sum{server="web1"} 12.25
weir_latency_seconds_count{server="web1"} 7
# EOF
"#;
    let text = text.finish();
    assert_eq!(text, expected);
    strict::parse(&text).unwrap();
}

#[test]
fn nothing_is_a_valid_text() {
    assert_eq!(Exposition::new().finish(), "# EOF\n");
}

#[test]
#[should_panic(expected = "is there twice")]
fn a_family_is_written_once() {
    let mut text = Exposition::new();
    text.gauge("weir_a", "A.");
    text.gauge("weir_a", "A.");
}

#[test]
#[should_panic(expected = "is no name of a metric")]
fn a_name_is_a_name() {
    Exposition::new().gauge("weir-a", "A.");
}

#[test]
#[should_panic(expected = "one count for each bucket")]
fn a_histogram_has_all_its_counts() {
    Exposition::new().histogram("a", "A.").sample(&[], &[1.0, 2.0], [1, 1], 0.0);
}

proptest! {
    #[test]
    fn every_value_comes_back(
        help in any::<String>(),
        labels in any::<[String; 2]>(),
        value in any::<u64>(),
        float in any::<f64>(),
    ) {
        let mut text = Exposition::new();
        text.counter("weir_a", &help).sample(&[("x", &labels[0]), ("y", &labels[1])], value);
        text.gauge("weir_b_bytes", "B.").sample_f64(&[], float);
        let families = strict::parse(&text.finish()).map_err(TestCaseError::fail)?;
        let [first, second] = labels;
        let labels = vec![("x".to_owned(), first), ("y".to_owned(), second)];
        let a = &families["weir_a"];
        prop_assert_eq!(&a.help, &help);
        prop_assert_eq!(a.samples[&("weir_a_total".to_owned(), labels)], value as f64);
        let b = families["weir_b_bytes"].samples[&("weir_b_bytes".to_owned(), Vec::new())];
        prop_assert!(b == float || (b.is_nan() && float.is_nan()));
        prop_assert_eq!(families["weir_b_bytes"].unit.as_deref(), Some("bytes"));
    }
}
