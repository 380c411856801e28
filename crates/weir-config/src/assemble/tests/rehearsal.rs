use std::time::Duration;

use super::load;
use crate::{Abort, Delay, Faults, Mirror, Part, PoolIndex};

fn route(section: &str) -> crate::Checked {
    load(&format!(
        "listeners:\n  - bind: ':80'\n    routes: [{{ pool: a, {section} }}]\npools: {{ a: {{ servers: ['10.0.0.1:80'] }}, b: {{ servers: ['10.0.0.2:80'] }} }}\n"
    ))
}

#[test]
fn a_mirror_uses_its_pool_and_has_limits() {
    let checked = route("mirror: { pool: b }");
    let expected = Mirror {
        pool: PoolIndex(1),
        share: Part::WHOLE,
        body_bytes_max: 64 * 1024,
        requests_max: 100,
        timeout: Duration::from_secs(5),
    };
    assert_eq!(checked.config.listeners[0].routes[0].mirror, Some(expected));
    assert_eq!(checked.render_warnings(false), "");
}

#[test]
fn faults_are_warned_of() {
    let checked = route(
        "mirror: { pool: b }, faults: { delay: { share: 5%, time: 200ms }, abort: { share: 0.1%, status: 500 } }",
    );
    let expected = Faults {
        delay: Some(Delay { share: Part(50_000), time: Duration::from_millis(200), requests_max: 1000 }),
        abort: Some(Abort { share: Part(1_000), status: 500 }),
    };
    assert_eq!(checked.config.listeners[0].routes[0].faults, Some(expected));
    let warning = "faults are made on purpose: this route delays 5% of the requests, and answers 0.1% of the requests with 500";
    assert!(checked.render_warnings(false).contains(warning), "{}", checked.render_warnings(false));
}
