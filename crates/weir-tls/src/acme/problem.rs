//! What went wrong, in words that somebody can act on: which domain, which challenge, what the authority said, and
//! what helps.

use std::error::Error as _;
use std::fmt;
use std::path::Path;
use std::time::SystemTime;

use instant_acme::Error;

use super::settings::Challenge;

/// At most so many characters of what an authority says are passed on to the log.
const SAID_CHARS_MAX: usize = 500;

/// The prefix of the types that RFC 8555 defines (section 6.7).
const ACME_ERRORS: &str = "urn:ietf:params:acme:error:";

/// Why there is no (new) certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    text: String,
    kind: Kind,
    not_before: Option<SystemTime>,
}

/// What the code, rather than a reader, has to know of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The authority refuses for now; more of the same makes it worse.
    RateLimited,
    /// The authority does not know the account, or has closed it.
    NoAccount,
    /// The authority did not take the order as a replacement of an older certificate.
    NotReplaceable,
    Other,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Problem {}

impl Problem {
    /// A problem in plain words.
    pub(super) fn new(text: impl Into<String>) -> Problem {
        Problem { text: text.into(), kind: Kind::Other, not_before: None }
    }

    /// What an operation on a file or folder met.
    pub(super) fn file(what: &str, path: &Path, error: &std::io::Error) -> Problem {
        Problem::new(format!("cannot {what} {}: {error}", path.display()))
    }

    /// What came of a step with the authority.
    pub(super) fn acme(step: impl fmt::Display, error: &Error) -> Problem {
        let kind = match error {
            Error::Api(problem) => {
                match problem.r#type.as_deref().and_then(|kind| kind.strip_prefix(ACME_ERRORS)) {
                    Some("rateLimited") => Kind::RateLimited,
                    Some("accountDoesNotExist") => Kind::NoAccount,
                    Some("alreadyReplaced") => Kind::NotReplaceable,
                    _ => Kind::Other,
                }
            }
            _ => Kind::Other,
        };
        Problem { text: format!("{step}: {}", said(error)), kind, not_before: None }
    }

    /// What the authority found when it looked at a domain.
    pub(super) fn challenge(
        domain: &str,
        challenge: Challenge,
        found: Option<&instant_acme::Problem>,
    ) -> Problem {
        let said = found.map_or_else(|| "it gave no reason".to_owned(), shown);
        Problem::new(format!(
            "the authority could not verify `{domain}` by {}: {said}; {}",
            challenge.as_str(),
            advice(domain, challenge)
        ))
    }

    /// The same with what comes before it.
    pub(super) fn within(mut self, context: impl fmt::Display) -> Problem {
        self.text = format!("{context}: {}", self.text);
        self
    }

    /// The same, not to be tried again before a moment.
    pub(super) fn not_before(mut self, moment: Option<SystemTime>) -> Problem {
        self.not_before = self.not_before.max(moment);
        self
    }

    pub(super) fn is(&self, kind: Kind) -> bool {
        self.kind == kind
    }

    /// Whether the authority refused because there was too much of it.
    pub fn is_rate_limited(&self) -> bool {
        self.is(Kind::RateLimited)
    }

    /// The moment before which the authority does not want to be asked again.
    pub fn retry_after(&self) -> Option<SystemTime> {
        self.not_before
    }
}

fn advice(domain: &str, challenge: Challenge) -> String {
    match challenge {
        Challenge::Http01 => {
            format!("port 80 of `{domain}` must reach a listener of Weir from the whole internet")
        }
        Challenge::TlsAlpn01 => format!(
            "port 443 of `{domain}` must reach a TLS listener of Weir that has this certificate, with no other TLS \
             in between"
        ),
    }
}

/// What an error says, with what is behind it.
fn said(error: &Error) -> String {
    match error {
        Error::Api(problem) => shown(problem),
        Error::Json(error) => {
            format!("the answer is not what ACME says it is ({error}); is this an ACME directory?")
        }
        Error::Timeout(_) => "the authority took too long".to_owned(),
        error => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                let more = error.to_string();
                // Some wrappers repeat what they wrap.
                if !text.contains(&more) {
                    text = format!("{text}: {more}");
                }
                cause = error.source();
            }
            printable(&text)
        }
    }
}

/// A problem document: the detail is for people, the type for search engines.
fn shown(problem: &instant_acme::Problem) -> String {
    let mut text = problem.detail.clone().unwrap_or_else(|| "no detail".to_owned());
    for part in &problem.subproblems {
        text = format!("{text}; {part}");
    }
    if let Some(kind) = &problem.r#type {
        text = format!("{text} ({})", kind.strip_prefix(ACME_ERRORS).unwrap_or(kind));
    }
    format!("it says: {}", printable(&text))
}

/// What strangers sent, as one line of bounded length without control characters.
pub(super) fn printable(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(SAID_CHARS_MAX)
        .collect();
    if text.chars().count() > SAID_CHARS_MAX {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> instant_acme::Problem {
        serde_json::from_str(text).expect("a problem document")
    }

    #[test]
    fn a_problem_says_which_domain_which_challenge_what_was_said_and_what_helps() {
        let found = document(
            r#"{"type": "urn:ietf:params:acme:error:connection", "detail": "192.0.2.1: Connection refused", "status": 400}"#,
        );
        assert_eq!(
            Problem::challenge("shop.example", Challenge::Http01, Some(&found)).to_string(),
            "the authority could not verify `shop.example` by http-01: it says: 192.0.2.1: Connection refused \
             (connection); port 80 of `shop.example` must reach a listener of Weir from the whole internet"
        );
    }

    #[test]
    fn the_kind_comes_from_the_type_of_the_document() {
        let check = |kind: &str, expected: Kind| {
            let text = format!(r#"{{"type": "urn:ietf:params:acme:error:{kind}", "detail": "no"}}"#);
            let problem = Problem::acme("ordering", &Error::Api(document(&text)));
            assert!(problem.is(expected), "{problem:?}");
            assert_eq!(problem.to_string(), format!("ordering: it says: no ({kind})"));
        };
        check("rateLimited", Kind::RateLimited);
        check("accountDoesNotExist", Kind::NoAccount);
        check("rejectedIdentifier", Kind::Other);
    }

    #[test]
    fn what_strangers_say_is_one_bounded_line() {
        assert_eq!(printable("a\nb\u{1b}[31m"), "a b [31m");
        let long = "x".repeat(SAID_CHARS_MAX + 1);
        assert_eq!(printable(&long).chars().count(), SAID_CHARS_MAX + 1);
        assert!(printable(&long).ends_with('…'));
    }
}
