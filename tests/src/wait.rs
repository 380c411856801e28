//! Waiting for what can be seen, never for time to pass.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long anything may take that is expected. Only a test that fails waits as long.
pub const DEADLINE: Duration = Duration::from_secs(15);

/// How often a state is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// Waits until `state` gives a value.
#[track_caller]
pub fn until_some<T>(what: &str, state: impl FnMut() -> Option<T>) -> T {
    match in_time(state) {
        Some(value) => value,
        None => panic!("not within {DEADLINE:?}: {what}"),
    }
}

/// The same, for who reports by itself that the value did not come.
pub fn in_time<T>(mut state: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match state() {
            None if Instant::now() < deadline => thread::sleep(LOOK),
            came => return came,
        }
    }
}

/// Waits until `state` is true.
#[track_caller]
pub fn until(what: &str, mut state: impl FnMut() -> bool) {
    until_some(what, || state().then_some(()));
}

/// Waits until a file has so many whole lines; gives all of them.
#[track_caller]
pub fn until_lines(file: &Path, lines: usize) -> Vec<String> {
    until_some(&format!("{lines} lines in {}", file.display()), || {
        let text = fs::read_to_string(file).ok()?;
        (text.matches('\n').count() >= lines).then(|| text.lines().map(str::to_owned).collect())
    })
}
