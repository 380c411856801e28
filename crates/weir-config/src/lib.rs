//! The configuration file: text in, a checked [`Config`] or every error at its place out.
//!
//! The only crate that knows YAML.

#![forbid(unsafe_code)]

mod model;

pub use model::*;
