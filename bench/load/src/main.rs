//! The bench's load generator: one thread, N connections, the next request when the last one is answered.
//!
//! `wrk` does not upload, does not hold ten thousand idle connections, and leaves a wrong body unnoticed; one own
//! tool measures all cases alike. Every answer must be 200 with the expected length, anything else is an error.
//! Prints one line of JSON.

#![forbid(unsafe_code)]

mod answer;
mod histogram;
mod run;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
usage: load ADDRESS [OPTION...]

  --path PATH          what to ask for (/small)
  --expect BYTES       length of the body that must come (128)
  --connections N      open at the same time (1)
  --seconds S          for how long to start new requests (5)
  --requests N         stop after this many at the latest
  --upload BYTES       POST a body of this size instead of GET
  --close              a new connection for each request
  --idle               one request on each connection, print the line, keep all open until stdin ends,
                       then print how many the other side closed in the meantime
";

/// What to do, as given on the command line.
pub(crate) struct Plan {
    pub(crate) target: SocketAddr,
    pub(crate) path: String,
    pub(crate) expect_bytes: u64,
    pub(crate) connections: usize,
    pub(crate) time: Duration,
    pub(crate) requests_max: u64,
    pub(crate) upload_bytes: Option<usize>,
    pub(crate) close: bool,
    pub(crate) idle: bool,
}

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

impl Plan {
    fn from_args(mut args: impl Iterator<Item = String>) -> Result<Plan, String> {
        let target = args.next().ok_or("no address")?;
        let mut plan = Plan {
            target: target.parse().map_err(|_| format!("`{target}` is no address with a port"))?,
            path: "/small".into(),
            expect_bytes: 128,
            connections: 1,
            time: Duration::from_secs(5),
            requests_max: u64::MAX,
            upload_bytes: None,
            close: false,
            idle: false,
        };
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or(format!("{name} wants a value"));
            match name.as_str() {
                "--path" => plan.path = value()?,
                "--expect" => plan.expect_bytes = number(&value()?)?,
                "--connections" => plan.connections = number(&value()?)?,
                "--seconds" => {
                    let seconds: f64 = number(&value()?)?;
                    plan.time = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
                }
                "--requests" => plan.requests_max = number(&value()?)?,
                "--upload" => plan.upload_bytes = Some(number(&value()?)?),
                "--close" => plan.close = true,
                "--idle" => plan.idle = true,
                _ => return Err(format!("unknown option `{name}`")),
            }
        }
        if plan.connections == 0 {
            return Err("--connections must be at least 1".into());
        }
        Ok(plan)
    }

    /// The bytes of one request, body included.
    pub(crate) fn request(&self) -> Vec<u8> {
        let connection = if self.close { "Connection: close\r\n" } else { "" };
        let Plan { path, target, .. } = self;
        let mut request = match self.upload_bytes {
            None => format!("GET {path} HTTP/1.1\r\nHost: {target}\r\n{connection}"),
            Some(bytes) => {
                format!("POST {path} HTTP/1.1\r\nHost: {target}\r\nContent-Length: {bytes}\r\n{connection}")
            }
        }
        .into_bytes();
        request.extend_from_slice(b"User-Agent: weir-bench/1\r\nAccept: */*\r\n\r\n");
        request.resize(request.len() + self.upload_bytes.unwrap_or(0), b'u');
        request
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number that fits here"))
}
