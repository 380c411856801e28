//! Certificates that look after themselves: orders them from an authority by ACME (RFC 8555), keeps them in a state
//! directory, and renews them in time.
//!
//! All of it runs on the control plane's runtime. Workers see two things only: [`Challenges`], a table behind an
//! atomic pointer, for the questions that an authority asks; and whatever the receiver of [`Event::Serve`] puts into
//! the certificate store. A name that has no certificate yet gets a self-signed placeholder at once, so a listener never
//! waits for an authority; a failed renewal changes nothing but a counter and the log.
//!
//! The protocol itself is `instant-acme`'s. An own client was rejected: signing, nonces and the state machine of an
//! order are the same for everybody. What is ours is everything around it: when, how often, where it is kept, and
//! what is said when it fails.

mod account;
mod certificate;
mod challenges;
mod event;
mod http;
mod issue;
mod keep;
mod keeper;
mod lead;
mod problem;
mod schedule;
mod selfsigned;
mod settings;
mod state;

use std::path::Path;

pub use challenges::{CHALLENGES_MAX, Challenges, HTTP_01_PATH, TLS_ALPN_01_PROTOCOL};
pub use event::{Event, Origin, Report, Why};
pub use keeper::{Keeper, ORDERS_AT_ONCE, Pace, Status};
pub use problem::Problem;
pub use schedule::{BackOff, Window, back_off, when_to_renew};
pub use settings::{Account, Challenge, DOMAINS_MAX, External, KeyType, LETS_ENCRYPT, Order};

/// Whether a keeper could be started with this state directory, as far as it is there. Nothing is written.
///
/// # Errors
/// Why not.
pub fn check_state_dir(dir: &Path) -> Result<(), Problem> {
    state::State::check(dir)
}
