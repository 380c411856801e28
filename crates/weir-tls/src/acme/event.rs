//! What the keeper tells: certificates for the store, and what happened, for the log and the metrics.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::sign::CertifiedKey;

use super::problem::Problem;

/// Where all events go. Called on threads of the control plane, in order for one certificate. It must not block, and not
/// call the keeper, which may be waiting for it.
pub type Report = Arc<dyn Fn(Event) + Send + Sync>;

/// Something that the rest of the control plane has to do or to know.
#[derive(Clone)]
#[non_exhaustive]
pub enum Event {
    /// Serve this certificate under this name, instead of any before.
    Serve {
        /// The name in the file.
        name: String,
        /// Key and chain.
        certificate: Arc<CertifiedKey>,
        /// Where it comes from.
        origin: Origin,
    },
    /// An order begins.
    Ordering {
        /// The name in the file.
        name: String,
        /// What for.
        why: Why,
    },
    /// An order has succeeded; [`Event::Serve`] came just before.
    Issued {
        /// The name in the file.
        name: String,
        /// When the certificate ends.
        not_after: SystemTime,
        /// When the next one will be ordered.
        renew_at: SystemTime,
    },
    /// An order has failed. What was served before is still served.
    Failed {
        /// The name in the file.
        name: String,
        /// When the certificate ends that is still served; `None` if that is the placeholder.
        served_until: Option<SystemTime>,
        /// What went wrong.
        problem: Problem,
        /// How many orders have failed in a row.
        failures: u32,
        /// When the next order will be made.
        next_try: SystemTime,
    },
    /// The authority has named a time to renew (RFC 9773).
    Rescheduled {
        /// The name in the file.
        name: String,
        /// When the certificate will be ordered anew.
        renew_at: SystemTime,
        /// A page that says why, if the authority gave one.
        explanation: Option<String>,
    },
    /// Something is wrong that does not keep certificates from being served.
    Trouble {
        /// The name in the file, if it is about one certificate.
        name: Option<String>,
        /// What is wrong.
        problem: Problem,
    },
    /// Whether this process orders, or takes over what another one on this host has ordered.
    Role {
        /// Whether it is this one.
        orders: bool,
    },
}

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Signed by ourselves; no client trusts it.
    Placeholder,
    /// From the state directory.
    Stored,
    /// Just issued.
    Issued,
}

/// What an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no valid certificate.
    First,
    /// The file asks for other domains, another kind of key, or another authority than the certificate has.
    Changed,
    /// It is time.
    Due,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::First => "there is no valid one",
            Why::Changed => "the file asks for another one than is stored",
            Why::Due => "it is time to renew it",
        })
    }
}

/// A line for the log.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Serve { name, origin: Origin::Placeholder, .. } => {
                write!(f, "certificate `{name}`: serving a self-signed placeholder until one is issued")
            }
            Event::Serve { name, origin: Origin::Stored, .. } => {
                write!(f, "certificate `{name}`: serving the one from the state directory")
            }
            Event::Serve { name, origin: Origin::Issued, .. } => {
                write!(f, "certificate `{name}`: serving the new one")
            }
            Event::Ordering { name, why } => write!(f, "certificate `{name}`: ordering, because {why}"),
            Event::Issued { name, not_after, renew_at } => write!(
                f,
                "certificate `{name}`: issued, ends {}, will be renewed {}",
                httpdate::fmt_http_date(*not_after),
                httpdate::fmt_http_date(*renew_at)
            ),
            Event::Failed { name, served_until, problem, failures, next_try } => {
                let next_try = httpdate::fmt_http_date(*next_try);
                write!(
                    f,
                    "certificate `{name}`: {problem} (failure {failures} in a row; next try {next_try}); "
                )?;
                match served_until.map(httpdate::fmt_http_date) {
                    Some(end) => write!(f, "the one before is still served, its end is {end}"),
                    None => f.write_str("clients get a self-signed placeholder, for there is none before"),
                }
            }
            Event::Rescheduled { name, renew_at, explanation } => {
                let renew_at = httpdate::fmt_http_date(*renew_at);
                write!(f, "certificate `{name}`: to be renewed {renew_at}, as the authority wants")?;
                explanation.as_ref().map_or(Ok(()), |page| write!(f, "; it explains why at {page}"))
            }
            Event::Trouble { name: Some(name), problem } => write!(f, "certificate `{name}`: {problem}"),
            Event::Trouble { name: None, problem } => write!(f, "acme: {problem}"),
            Event::Role { orders: true } => f.write_str("acme: this process orders certificates"),
            Event::Role { orders: false } => f.write_str(
                "acme: another process on this host orders certificates; this one takes them from the state directory",
            ),
        }
    }
}
