//! What happens when: the demo's plot. Pure.

use std::time::Duration;

/// Without an end, something happens this often.
const ENDLESS_STEP: Duration = Duration::from_secs(10);

/// What happens to a server, by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Kill(usize),
    StartAgain(usize),
}

/// The act with this number, and when: the second server is killed after a third of the time and started again
/// after two thirds. Without an end, one server after the other, for ever.
pub(super) fn act(length: Option<Duration>, number: u32, servers: usize) -> Option<(Duration, Act)> {
    let step = length.map_or(ENDLESS_STEP, |length| length / 3);
    if length.is_some() && number >= 2 {
        return None;
    }
    let server = (number as usize / 2 + 1) % servers;
    let act = if number.is_multiple_of(2) { Act::Kill(server) } else { Act::StartAgain(server) };
    Some((step * (number + 1), act))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_an_end() {
        let act = |number| act(Some(Duration::from_secs(15)), number, 3);
        assert_eq!(act(0), Some((Duration::from_secs(5), Act::Kill(1))));
        assert_eq!(act(1), Some((Duration::from_secs(10), Act::StartAgain(1))));
        assert_eq!(act(2), None);
    }

    #[test]
    fn without_an_end_each_has_its_turn() {
        let acts: Vec<_> = (0..7).map(|number| act(None, number, 3).unwrap()).collect();
        let seconds: Vec<_> = acts.iter().map(|(at, _)| at.as_secs()).collect();
        assert_eq!(seconds, [10, 20, 30, 40, 50, 60, 70]);
        let killed: Vec<_> = acts.iter().step_by(2).map(|(_, act)| *act).collect();
        assert_eq!(killed, [Act::Kill(1), Act::Kill(2), Act::Kill(0), Act::Kill(1)]);
        assert_eq!(acts[3].1, Act::StartAgain(2));
    }
}
