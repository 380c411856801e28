//! What to do, as the command line says it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
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
  --tls CERTIFICATE    over TLS 1.3 (X25519, AES-128-GCM); the server must show the certificate in this PEM file.
                       Each handshake is a full one
  --resume             with --tls: resume sessions by their tickets instead, as soon as there are any
  --h2 STREAMS         HTTP/2, with this many requests at a time on each connection;
                       without --tls in the clear, with prior knowledge
";

/// The name that the bench's certificates are for; `certificates` has it too.
pub(crate) const TLS_NAME: &str = "bench.test";

/// So many fit below the least that servers commonly allow.
const STREAMS_MAX: usize = 1000;

/// What to do.
#[derive(Debug)]
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
    /// The certificate that the server must show.
    pub(crate) tls: Option<PathBuf>,
    pub(crate) resume: bool,
    /// HTTP/2, and how many requests at a time on each connection.
    pub(crate) h2_streams: Option<usize>,
}

impl Plan {
    pub(crate) fn from_args(mut args: impl Iterator<Item = String>) -> Result<Plan, String> {
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
            tls: None,
            resume: false,
            h2_streams: None,
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
                "--tls" => plan.tls = Some(value()?.into()),
                "--resume" => plan.resume = true,
                "--h2" => plan.h2_streams = Some(number(&value()?)?),
                _ => return Err(format!("unknown option `{name}`")),
            }
        }
        plan.checked()
    }

    fn checked(self) -> Result<Plan, String> {
        if self.connections == 0 {
            return Err("--connections must be at least 1".into());
        }
        if self.resume && self.tls.is_none() {
            return Err("--resume needs --tls".into());
        }
        match self.h2_streams {
            Some(streams) if !(1..=STREAMS_MAX).contains(&streams) => {
                Err(format!("--h2 takes 1 to {STREAMS_MAX} streams"))
            }
            Some(_) if self.close || self.upload_bytes.is_some() => {
                Err("--h2 goes neither with --close nor with --upload".into())
            }
            Some(2..) if self.idle => Err("--idle asks once on each connection: --h2 1".into()),
            _ => Ok(self),
        }
    }

    /// Who is asked, as `Host` and `:authority` have it.
    pub(crate) fn authority(&self) -> String {
        if self.tls.is_some() { TLS_NAME.into() } else { self.target.to_string() }
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number that fits here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Plan, String> {
        Plan::from_args(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_that_contradict_are_refused() {
        for line in [
            "",
            "localhost",
            "127.0.0.1:1 --connections 0",
            "127.0.0.1:1 --resume",
            "127.0.0.1:1 --h2 0",
            "127.0.0.1:1 --h2 10 --close",
            "127.0.0.1:1 --h2 10 --upload 5",
            "127.0.0.1:1 --h2 10 --idle",
            "127.0.0.1:1 --tls",
            "127.0.0.1:1 --fast",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        for line in ["127.0.0.1:1", "127.0.0.1:1 --tls a.pem --resume --close", "127.0.0.1:1 --h2 1 --idle"] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }
}
