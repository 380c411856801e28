//! A scenario in a file: the options of the command line by the same names, to be kept and shared.

use std::{path::Path, str::FromStr};

use weir_config::{Errors, read_sheet};

use super::{Arguments, balancers, load, service, speed, trouble};

/// Its keys.
const KEYS: [&str; 10] = [
    "algorithm",
    "servers",
    "nodes",
    "load",
    "service",
    "service_time",
    "speeds",
    "trouble",
    "requests",
    "seed",
];

/// Takes what the file says into the arguments.
pub(super) fn read(path: &Path, arguments: &mut Arguments) -> Result<(), Errors> {
    read_sheet(path, &KEYS, |key, words| take(arguments, key, words))
}

fn take(arguments: &mut Arguments, key: &str, words: &[&str]) -> Result<(), String> {
    match key {
        "algorithm" => {
            let algorithm = words.iter().map(|word| (*word).to_owned()).collect();
            let named = Arguments { algorithm, ..arguments.clone() };
            balancers(&named, None).map_err(|message| message.replacen("--algorithm ", "", 1))?;
            arguments.algorithm = named.algorithm;
            return Ok(());
        }
        "speeds" => {
            arguments.speeds = words.iter().map(|word| speed(word)).collect::<Result<_, _>>()?;
            return Ok(());
        }
        _ => {}
    }
    let [word] = words else { return Err(format!("`{key}` is one value")) };
    match key {
        "servers" if arguments.config.is_some() => {
            return Err("the servers are those of --config".to_owned());
        }
        "servers" => arguments.servers = Some(number(word, 1, 100_000)?),
        "nodes" => arguments.nodes = Some(number(word, 1, 10_000)?),
        "load" => arguments.load = load(word)?,
        "service" => arguments.service = service(word)?,
        "service_time" => arguments.service_time = crate::cli::length(word)?,
        "trouble" => arguments.trouble = trouble(word)?,
        "requests" => arguments.requests = number(word, 1000, 1_000_000_000)?,
        "seed" => arguments.seed = number(word, 0, u64::MAX)?,
        _ => unreachable!("{key} is a key"),
    }
    Ok(())
}

fn number<N: FromStr + PartialOrd + Copy + std::fmt::Display>(
    word: &str,
    least: N,
    most: N,
) -> Result<N, String> {
    let number = word.parse().ok().filter(|number| (&least..=&most).contains(&number));
    number.ok_or_else(|| format!("a whole number from {least} to {most} is expected here"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    /// The options that a line stands for, and what a file makes of those that are left out.
    fn read_text(text: &str) -> Result<Arguments, String> {
        let name = format!("weir-scenario-{}-{:x}.yaml", std::process::id(), text.len());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).expect("a file");
        let mut arguments = line(&[]);
        let outcome = read(&path, &mut arguments);
        std::fs::remove_file(&path).expect("it is there");
        outcome.map(|()| arguments).map_err(|errors| errors.to_string())
    }

    fn line(options: &[&str]) -> Arguments {
        Line::parse_from(["simulate"].iter().chain(options)).arguments
    }

    #[test]
    fn a_file_says_what_a_line_says() {
        let text = "algorithm: [p2c, peak_ewma]\nservers: 30\nnodes: 10\nload: 0.9\nservice: mixed\n\
                    service_time: 20ms\nspeeds: [1, 2, 4]\ntrouble: slow\nrequests: 5000\nseed: 7\n";
        let options = "--algorithm p2c,peak_ewma --servers 30 --nodes 10 --load 0.9 --service mixed --service-time 20ms \
                       --speeds 1,2,4 --trouble slow --requests 5000 --seed 7";
        let options: Vec<&str> = options.split_whitespace().collect();
        assert_eq!(read_text(text), Ok(line(&options)));
        let json = "{\"servers\": 30, \"speeds\": [1, 2]}";
        assert_eq!(read_text(json), Ok(line(&["--servers", "30", "--speeds", "1,2"])));
    }

    #[test]
    fn all_errors_have_their_places() {
        let errors = read_text("server: 3\nload: much\nnodes: 0\nalgorithm: best\n").unwrap_err();
        for expected in [
            ":1:1",
            "did you mean `servers`?",
            ":2:7",
            "a load is a number",
            ":3:8",
            "from 1 to 10000",
            ":4:12",
            "best: there is none of this name",
        ] {
            assert!(errors.contains(expected), "{expected} is missing:\n{errors}");
        }
    }
}
