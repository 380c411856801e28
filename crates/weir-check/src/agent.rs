//! What an agent beside a server says: one line, read over TCP.
//!
//! The line is the whole truth: what it does not name is as the file has it. `75%` is up with three quarters of the weight,
//! `up` is up with all of it. Words are those of HAProxy's agent check, so that its agents can be asked; other than
//! there, no word of an earlier line goes on to hold. What is not understood as a whole changes nothing.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use weir_balance::WEIGHT_PERCENT_MAX;
use weir_config::Agent;

use crate::said::said;

/// The longest line; what comes behind it is not read.
const LINE_BYTES_MAX: usize = 1024;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The server is not to be used, for this reason.
    pub down: Option<String>,
    /// Its live weight in percent of the written one; 0 while it drains.
    pub weight_percent: u16,
}

impl Default for Report {
    /// As the file has it.
    fn default() -> Self {
        Self { down: None, weight_percent: 100 }
    }
}

/// Reads one line of an agent at `address`. The error is the reason, for a person.
pub(crate) async fn read(address: SocketAddr, agent: &Agent) -> Result<Report, String> {
    match timeout(agent.timeout, line(address, agent)).await {
        Ok(Ok(line)) => parse(&line),
        Ok(Err(error)) => Err(format!("agent: {error}")),
        Err(_) => Err(format!("agent: no line within {:?}", agent.timeout)),
    }
}

async fn line(address: SocketAddr, agent: &Agent) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(agent.send.as_bytes()).await?;
    let mut line = Vec::with_capacity(64);
    let mut stream = stream.take(LINE_BYTES_MAX as u64);
    while stream.read_buf(&mut line).await? > 0 && !line.contains(&b'\n') {}
    Ok(line)
}

/// Reads a line: words between spaces, tabs and commas, up to `#`, `\r` or `\n`.
///
/// # Errors
/// What is not understood, in words for a person.
pub fn parse(bytes: &[u8]) -> Result<Report, String> {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let (line, remark) = match line.iter().position(|byte| *byte == b'#') {
        Some(at) => (&line[..at], Some(said(&line[at + 1..]))),
        None => (line, None),
    };
    let (mut state, mut percent) = (None, None);
    for word in line.split(|byte| matches!(byte, b' ' | b'\t' | b',')).filter(|word| !word.is_empty()) {
        let (place, value) = match word.to_ascii_lowercase().as_slice() {
            b"up" | b"ready" => (&mut state, State::Up as u16),
            b"down" | b"fail" | b"failed" | b"stopped" | b"maint" => (&mut state, State::Down as u16),
            b"drain" => (&mut state, State::Drain as u16),
            // A limit of connections is set in the file.
            folded if folded.starts_with(b"maxconn:") => continue,
            folded => match share(folded) {
                Some(share) => (&mut percent, share),
                None => return Err(format!("agent: `{}` is not understood", said(word))),
            },
        };
        if place.replace(value).is_some_and(|before| before != value) {
            return Err(format!("agent: `{}` contradicts itself", said(line)));
        }
    }
    if state.is_none() && percent.is_none() {
        return Err("agent: it said nothing".to_owned());
    }
    let is = |wanted: State| state == Some(wanted as u16);
    Ok(Report {
        down: is(State::Down).then(|| match remark {
            Some(remark) if !remark.is_empty() => format!("its agent says: {remark}"),
            _ => format!("its agent says `{}`", said(line)),
        }),
        weight_percent: if is(State::Drain) { 0 } else { percent.unwrap_or(100) },
    })
}

#[derive(Debug, Clone, Copy)]
enum State {
    Up,
    Down,
    Drain,
}

/// `75%`.
fn share(word: &[u8]) -> Option<u16> {
    let digits = word.strip_suffix(b"%").filter(|digits| (1..=5).contains(&digits.len()))?;
    let number = digits
        .iter()
        .try_fold(0u32, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))?;
    u16::try_from(number).ok().filter(|percent| *percent <= WEIGHT_PERCENT_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::said::SAID_CHARACTERS_MAX;

    /// `up`, `drain`, `N%` or `down: REASON`, or what is wrong.
    fn check(line: &str, expected: &str) {
        let found = match parse(line.as_bytes()) {
            Ok(Report { down: Some(reason), .. }) => format!("down: {reason}"),
            Ok(Report { weight_percent: 100, .. }) => "up".to_owned(),
            Ok(Report { weight_percent: 0, .. }) => "drain".to_owned(),
            Ok(Report { weight_percent, .. }) => format!("{weight_percent}%"),
            Err(reason) => reason,
        };
        assert_eq!(found, expected, "{line:?}");
    }

    #[test]
    fn lines() {
        check("up\n", "up");
        check("ready\r\n", "up");
        check("UP", "up");
        check("75%\n", "75%");
        check("up 50%\n", "50%");
        check("50%,ready\tup\n", "50%");
        check("0%\n", "drain");
        check("drain\n", "drain");
        check("drain 50%\n", "drain");
        check("150%\n", "150%");
        check("maxconn:30 up", "up");
        check("up # all fine\n", "up");
        check("up\ndown\n", "up");
        check("down\n", "down: its agent says `down`");
        check("failed # disk full\n", "down: its agent says: disk full");
        check("maint #\n", "down: its agent says `maint`");
        check("down 75% # \u{1b}[31mred\n", "down: its agent says: ?[31mred");
    }

    #[test]
    fn what_is_not_understood_is_refused_as_a_whole() {
        check("", "agent: it said nothing");
        check("# only a remark\n", "agent: it said nothing");
        check("maxconn:3\n", "agent: it said nothing");
        check("up sideways\n", "agent: `sideways` is not understood");
        check("75\n", "agent: `75` is not understood");
        check("1001%\n", "agent: `1001%` is not understood");
        check("99999999999%\n", "agent: `99999999999%` is not understood");
        check("-5%\n", "agent: `-5%` is not understood");
        check("%\n", "agent: `%` is not understood");
        check("up down\n", "agent: `up down` contradicts itself");
        check("50% 60%\n", "agent: `50% 60%` contradicts itself");
        check("HTTP/1.1 200 OK\r\n", "agent: `HTTP/1.1` is not understood");
    }

    proptest! {
        #[test]
        fn no_bytes_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let reason = match parse(&bytes) {
                Ok(report) => {
                    prop_assert!(report.weight_percent <= WEIGHT_PERCENT_MAX);
                    report.down
                }
                Err(reason) => Some(reason),
            };
            if let Some(reason) = reason {
                prop_assert!(!reason.chars().any(char::is_control));
                prop_assert!(reason.chars().count() <= SAID_CHARACTERS_MAX + 64);
            }
        }

        #[test]
        fn a_line_of_known_words_is_understood_or_contradicts_itself(
            words in proptest::collection::vec(
                prop_oneof!["up", "ready", "down", "drain", "stopped", "maint", "[0-9]{1,3}%"], 1..6
            ),
        ) {
            match parse(words.join(" ").as_bytes()) {
                Ok(report) => {
                    let drains = words.iter().any(|word| word == "drain");
                    prop_assert!(!drains || report.weight_percent == 0);
                }
                Err(reason) => prop_assert!(reason.ends_with("contradicts itself"), "{}", reason),
            }
        }
    }
}
