//! The command line of Weir.
//!
//! Exit codes: 0 is fine, 1 is a failure while running, 2 is an error in the command line or the configuration.

#![forbid(unsafe_code)]

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use weir_config::Errors;
use weir_control::Source;

mod cli;
mod configuration;
mod demo;
mod simulate;

use cli::Command;

const WRONG_INPUT: u8 = 2;

fn main() -> ExitCode {
    let (text, code) = match done(cli::parse()) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Running(message)) => (format!("weir: {message}\n"), ExitCode::FAILURE),
        Err(Failure::Usage(message)) => (format!("weir: {message}\n"), ExitCode::from(WRONG_INPUT)),
        Err(Failure::Configuration(errors)) => (configuration::render(&errors), ExitCode::from(WRONG_INPUT)),
    };
    complain(&text);
    code
}

/// Writes to standard error, whose reader may have gone.
fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Why a command did not do what it should.
enum Failure {
    Running(String),
    Usage(String),
    Configuration(Errors),
}

fn done(command: Command) -> Result<(), Failure> {
    match command {
        Command::RunFile(file) => weir_control::run(Source::File(find(file)?))?,
        Command::RunServers { listen, servers } => weir_control::run(Source::Servers { listen, servers })?,
        Command::Check { file, effective } => {
            configuration::check(&find(file)?, effective).map_err(Failure::Configuration)?;
        }
        Command::Schema => configuration::schema(),
        Command::Simulate(arguments) => simulate::done(&arguments)?,
        Command::Demo { length, listen } => demo::run(length, listen).map_err(Failure::Running)?,
    }
    Ok(())
}

fn find(file: Option<PathBuf>) -> Result<PathBuf, Failure> {
    configuration::find(file).map_err(Failure::Usage)
}

impl From<weir_control::Error> for Failure {
    fn from(error: weir_control::Error) -> Self {
        match error {
            weir_control::Error::Config(errors) => Failure::Configuration(errors),
            other => Failure::Running(other.to_string()),
        }
    }
}
