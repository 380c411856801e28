//! The project's own commands, run as `cargo xtask NAME`.
//!
//! Plain Rust instead of shell scripts: the same on every machine, and checked by the compiler. Few
//! dependencies, because everybody who runs the tests builds this first.

#![forbid(unsafe_code)]

mod attack;
mod bench;
mod certificates;
mod checks;
mod docs;
mod fuzz;
mod launch;
mod options;
mod peers;
mod picks;
mod python;
mod tables;
mod test;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test     formatting, lints, every test, the end-to-end tests; installs the peers they need where it may
  bench    Weir beside nginx, HAProxy, Envoy and a plain relay; `bench --help` lists its options
  attack   attacks on HTTP/2, each from many connections, while another client is served; `attack --help`
  certificates
           fifty thousand in a directory: the start, and one that is swapped under load; `certificates --help`
  checks   a hundred thousand servers under checks, and how late these begin; `checks --help`
  fuzz     the fuzz targets, on a nightly toolchain: [--minutes N] [--target NAME]
  picks    what a pick costs with a hundred thousand servers against ten, in instructions
  tables   simulate every algorithm in every case, and write the tables of docs/balancing.md; `tables --help`
  docs     write docs/reference.md anew from the configuration model
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("", &[] as &[String]),
    };
    let outcome = match command {
        "test" if rest.is_empty() => test::run(),
        "bench" => bench::run(rest),
        "attack" => attack::run(rest),
        "attackers" => attack::run_attackers(rest),
        "certificates" => certificates::run(rest),
        "checks" => checks::run(rest),
        "fuzz" => fuzz::run(rest),
        "launch" => launch::run(rest),
        "picks" if rest.is_empty() => picks::run(),
        "tables" => tables::run(rest),
        "docs" if rest.is_empty() => docs::run(),
        "help" | "-h" | "--help" => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(code) => code,
        Err(message) => {
            eprintln!("xtask {command}: {message}");
            ExitCode::FAILURE
        }
    }
}
