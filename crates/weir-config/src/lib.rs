//! The configuration file: text in, a checked [`Config`] or every error at its place out.
//!
//! The only crate that knows YAML. The way of a file: `yaml` reads the text into a tree with places, `fill`
//! checks that against the one definition of all keys (`spec`) and fills in the defaults, `settle` works out
//! those that depend on other keys, `assemble` resolves references and checks what only makes sense together.
//! Every step goes on after an error, so that all errors of a file are reported at once.

#![forbid(unsafe_code)]

mod assemble;
mod check;
mod command_line;
mod effective;
mod fill;
mod filled;
mod json;
mod kind;
mod model;
mod nearest;
mod reference;
mod report;
mod schema;
mod settle;
mod sheet;
mod spec;
mod tree;
mod yaml;

pub use check::{Checked, check, from_servers, load};
pub use model::*;
pub use reference::reference_markdown;
pub use report::{Errors, Finding, FindingPlace, Late, Place, Severity};
pub use schema::schema;
pub use sheet::read_sheet;
