//! The process's own log: one line per event on standard error, as text or as JSON.
//!
//! For rare events of the control plane only; exchanges have an access log of their own. A line is put
//! together first and written with one call, so lines of several threads never mix. Level and format can be
//! changed at any time, as a reload does.
//!
//! Rejected: `tracing`. Spans and subscribers are machinery for a process that asks who is calling; a dozen
//! kinds of event with their fields need one function.
//!
//! ```
//! use weir_control::log;
//! log::info("listening", &[("listener", &"web"), ("address", &"127.0.0.1:8080")]);
//! ```

use std::{
    fmt::Display,
    io::Write,
    sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed},
    time::SystemTime,
};

use weir_config::{LogFormat, LogLevel};

mod line;
mod timestamp;

/// Name and value of one field of an event.
pub type Field<'a> = (&'a str, &'a dyn Display);

/// The least severe level that is written, as its number.
static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Info as u8);
static JSON: AtomicBool = AtomicBool::new(false);

/// Sets what is written, from now on and in the whole process. Before the first call: info, as text.
pub fn init(level: LogLevel, format: LogFormat) {
    LEVEL.store(level as u8, Relaxed);
    JSON.store(format == LogFormat::Json, Relaxed);
}

/// Something failed that somebody must look after.
pub fn error(message: &str, fields: &[Field<'_>]) {
    log(LogLevel::Error, message, fields);
}

/// Something is not as it should be, and Weir goes on.
pub fn warn(message: &str, fields: &[Field<'_>]) {
    log(LogLevel::Warn, message, fields);
}

/// Something has changed.
pub fn info(message: &str, fields: &[Field<'_>]) {
    log(LogLevel::Info, message, fields);
}

/// Something that helps to find out why.
pub fn debug(message: &str, fields: &[Field<'_>]) {
    log(LogLevel::Debug, message, fields);
}

/// Whether events of this level are written, for those that are dear to put together.
pub fn enabled(level: LogLevel) -> bool {
    level as u8 <= LEVEL.load(Relaxed)
}

/// Writes one event, if its level is written.
pub fn log(level: LogLevel, message: &str, fields: &[Field<'_>]) {
    if !enabled(level) {
        return;
    }
    let format = if JSON.load(Relaxed) { LogFormat::Json } else { LogFormat::Text };
    let line = line::line(format, SystemTime::now(), level, message, fields);
    // When standard error is gone there is nowhere left to say so.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
