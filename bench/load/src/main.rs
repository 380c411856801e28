//! The bench's load generator: one thread, N connections, the next request when the last one is answered.
//!
//! `wrk` does not upload, does not hold ten thousand idle connections, leaves a wrong body unnoticed, and resumes no
//! TLS session when it is told to; one own tool measures all cases alike: HTTP/1 and HTTP/2, in the clear and over
//! TLS. Every answer must be 200 with the expected length, anything else is an error. Prints one line of JSON.

#![forbid(unsafe_code)]

mod answer;
mod histogram;
mod http1;
mod http2;
mod plan;
mod run;
mod tally;
mod tls;
mod wire;

use std::process::ExitCode;

use plan::{Plan, USAGE};

fn main() -> ExitCode {
    let plan = match Plan::from_args(std::env::args().skip(1)) {
        Ok(plan) => plan,
        Err(message) => {
            eprint!("load: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run::run(&plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {}: {error}", plan.target);
            ExitCode::FAILURE
        }
    }
}
