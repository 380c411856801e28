//! Configuration text: whatever it is, it is judged, in bounded time, and what is right stays right.

use std::time::{Duration, Instant};

/// Far more than any input here takes; what is quadratic does not stay below it.
const TIME_MAX: Duration = Duration::from_secs(5);

/// Panics when the check does, takes too long, or contradicts itself.
pub fn check(data: &[u8]) {
    let began = Instant::now();
    let text = String::from_utf8_lossy(data);
    match weir_config::check("file.yaml", &text) {
        Ok(checked) => {
            let effective = checked.effective();
            let again = weir_config::check("effective.yaml", &effective)
                .unwrap_or_else(|errors| panic!("the effective form is refused:\n{}", errors.render(false)));
            assert_eq!(effective, again.effective(), "the effective form of the effective form");
            assert_eq!(format!("{:?}", checked.config), format!("{:?}", again.config), "another meaning");
            let _ = (checked.summary(), checked.render_warnings(true));
        }
        Err(errors) => {
            assert!(!errors.findings.is_empty(), "refused without a reason");
            assert!(!errors.render(false).is_empty() && !errors.render(true).is_empty());
            let lines = text.split(['\n', '\r']).count() as u32 + 1;
            for place in errors.findings.iter().filter_map(|finding| finding.place.as_ref()) {
                assert!((1..=lines).contains(&place.line), "line {} of {lines}", place.line);
                assert!(place.column >= 1);
            }
        }
    }
    let mut arguments = text.split(' ').map(str::to_owned);
    let listen = arguments.next().unwrap_or_default();
    if let Err(errors) = weir_config::from_servers(&listen, &arguments.collect::<Vec<_>>()) {
        assert!(!errors.render(false).is_empty());
    }
    let took = began.elapsed();
    assert!(took < TIME_MAX, "{took:?} for {} bytes", data.len());
}
