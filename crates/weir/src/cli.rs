//! The command line, in two stages: as typed ([`Typed`], which clap reads), and as checked ([`Command`]).

use std::{
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};

use crate::simulate;

/// The files that are looked for when none is named, in this order.
pub(crate) const USUAL_FILES: [&str; 2] = ["weir.yaml", "/etc/weir/weir.yaml"];

/// What is to be done, checked.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    /// Take traffic, as a file says; `None` is the usual one.
    RunFile(Option<PathBuf>),
    /// Take traffic on an address and spread it over these servers.
    RunServers { listen: String, servers: Vec<String> },
    /// Say whether a file is right; with `effective`, print it with all its defaults.
    Check { file: Option<PathBuf>, effective: bool },
    /// Print the JSON Schema of the file.
    Schema,
    /// Run balancing algorithms under virtual time.
    Simulate(Box<simulate::Arguments>),
    /// Show the main job.
    Demo { length: Option<Duration>, listen: Option<SocketAddr> },
}

/// Reads the process's own arguments. What clap answers itself (help, version, usage errors) ends the process.
pub(crate) fn parse() -> Command {
    Typed::parse().command.checked().unwrap_or_else(|error| error.exit())
}

#[derive(Debug, Parser)]
#[command(name = "weir", version, about = "Weir, the load balancer.", arg_required_else_help = true)]
struct Typed {
    #[command(subcommand)]
    command: TypedCommand,
}

#[derive(Debug, Subcommand)]
enum TypedCommand {
    /// Take traffic, in the foreground
    ///
    /// FILE is ./weir.yaml or else /etc/weir/weir.yaml unless named. SIGHUP reloads it. SIGTERM lets open
    /// requests end and stops; a second SIGTERM stops at once.
    #[command(override_usage = "weir run [FILE]\n       weir run --listen ADDR SERVER...")]
    Run {
        /// Needs no file: listen on this address and spread over the servers named
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
        /// The file, or with --listen the servers (such as 10.0.0.11:8080)
        #[arg(value_name = "FILE|SERVER")]
        arguments: Vec<String>,
    },
    /// Say whether a file is right, or show every error in it
    Check {
        /// Print the whole configuration, with every default
        #[arg(long)]
        effective: bool,
        /// The file [default: ./weir.yaml, then /etc/weir/weir.yaml]
        file: Option<PathBuf>,
    },
    /// Print the JSON Schema of the file
    Schema,
    /// Say how algorithms do, and how many servers may be lost before it hurts
    ///
    /// Runs the balancing code itself on simulated servers. Times are in units of the mean service time.
    Simulate(Box<simulate::Arguments>),
    /// Show the main job: three servers, Weir in front, real traffic, and a server killed
    Demo {
        /// End after this time, such as 15s [default: at Ctrl-C]
        #[arg(long = "for", value_name = "TIME", value_parser = length)]
        length: Option<Duration>,
        /// Listen here [default: 127.0.0.1:8080, or any free port]
        #[arg(long, value_name = "ADDR", value_parser = address)]
        listen: Option<SocketAddr>,
    },
}

impl TypedCommand {
    fn checked(self) -> Result<Command, clap::Error> {
        Ok(match self {
            TypedCommand::Run { listen: Some(_), arguments } if arguments.is_empty() => {
                return Err(usage("--listen needs at least one server, such as 10.0.0.11:8080"));
            }
            TypedCommand::Run { listen: Some(listen), arguments } => {
                Command::RunServers { listen, servers: arguments }
            }
            TypedCommand::Run { listen: None, arguments } if arguments.len() > 1 => {
                return Err(usage("one file at most; to name servers, add --listen ADDR"));
            }
            TypedCommand::Run { listen: None, arguments } => {
                Command::RunFile(arguments.into_iter().next().map(PathBuf::from))
            }
            TypedCommand::Check { effective, file } => Command::Check { file, effective },
            TypedCommand::Schema => Command::Schema,
            TypedCommand::Simulate(arguments) => Command::Simulate(arguments),
            TypedCommand::Demo { length, listen } => Command::Demo { length, listen },
        })
    }
}

fn usage(message: &str) -> clap::Error {
    let mut command = Typed::command();
    command.build();
    let run = command.find_subcommand_mut("run").expect("defined above");
    run.error(ErrorKind::WrongNumberOfValues, message)
}

/// `15s`, `2m`, `500ms`.
pub(crate) fn length(text: &str) -> Result<Duration, String> {
    let number_end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(number_end);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a time is a number and a unit: 500ms, 15s, 2m, 1h".to_owned()),
    };
    let ms = number.parse().ok().and_then(|number: u64| number.checked_mul(unit_ms));
    match ms.ok_or("no such number")? {
        0 => Err("it must be longer than nothing".to_owned()),
        ms => Ok(Duration::from_millis(ms)),
    }
}

/// `127.0.0.1:8080`, or `:8080` for every address of the host.
fn address(text: &str) -> Result<SocketAddr, String> {
    let parsed = match text.strip_prefix(':') {
        Some(port) => port.parse().ok().map(|port: u16| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))),
        None => text.parse().ok(),
    };
    parsed.ok_or_else(|| "an address is IP:PORT or :PORT".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a command line means, or the first line of what is wrong with it.
    fn parsed(line: &str) -> Result<Command, String> {
        let typed = Typed::try_parse_from(line.split(' '));
        typed
            .and_then(|typed| typed.command.checked())
            .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
    }

    #[track_caller]
    fn check(line: &str, expected: Command) {
        assert_eq!(parsed(line), Ok(expected), "{line}");
    }

    #[track_caller]
    fn check_error(line: &str, expected: &str) {
        let error = parsed(line).expect_err(line);
        assert!(error.contains(expected), "{line}: {error}");
    }

    #[test]
    fn the_definition_is_sound() {
        Typed::command().debug_assert();
    }

    #[test]
    fn run_takes_a_file_or_servers() {
        check("weir run", Command::RunFile(None));
        check("weir run my.yaml", Command::RunFile(Some("my.yaml".into())));
        let servers = vec!["10.0.0.11:8080".to_owned(), "10.0.0.12:8080".to_owned()];
        let listen = ":8080".to_owned();
        check(
            "weir run --listen :8080 10.0.0.11:8080 10.0.0.12:8080",
            Command::RunServers { listen, servers },
        );
        check_error("weir run --listen :8080", "at least one server");
        check_error("weir run 10.0.0.11:8080 10.0.0.12:8080", "add --listen ADDR");
    }

    #[test]
    fn check_and_schema() {
        check("weir check", Command::Check { file: None, effective: false });
        check(
            "weir check --effective a.yaml",
            Command::Check { file: Some("a.yaml".into()), effective: true },
        );
        check("weir schema", Command::Schema);
        check_error("weir check a.yaml b.yaml", "unexpected argument 'b.yaml'");
        check_error("weir chek", "unrecognized subcommand 'chek'");
    }

    #[test]
    fn demo_has_a_length_and_an_address() {
        check("weir demo", Command::Demo { length: None, listen: None });
        let demo = |length, listen: &str| Command::Demo {
            length: Some(Duration::from_millis(length)),
            listen: Some(listen.parse().unwrap()),
        };
        check("weir demo --for 15s --listen 127.0.0.1:9000", demo(15_000, "127.0.0.1:9000"));
        check("weir demo --for 500ms --listen :9000", demo(500, "[::]:9000"));
        check("weir demo --for 2m --listen [::1]:9000", demo(120_000, "[::1]:9000"));
        for wrong in ["15", "s", "-1s", "0s", "1.5s", "15sec", "99999999999999999999s", "9999999999999999h"] {
            check_error(&format!("weir demo --for={wrong}"), "invalid value");
        }
        check_error("weir demo --listen localhost:80", "IP:PORT");
    }
}
