//! Options of a command: as typed, or why the command ends at once.

use std::process::ExitCode;

/// What `parse` makes of `args`; or how to end, when `--help` was asked for or something is wrong, which has been said.
pub(crate) fn of<T>(
    args: &[String],
    usage: &str,
    parse: impl FnOnce(&[String]) -> Result<T, String>,
) -> Result<T, ExitCode> {
    if args.iter().any(|arg| arg == "-h" || arg == "--help") {
        print!("{usage}");
        return Err(ExitCode::SUCCESS);
    }
    parse(args).map_err(|message| {
        eprint!("{message}\n{usage}");
        ExitCode::from(2)
    })
}
