//! The tables of `docs/simulation.md`: every algorithm in every case, at every size and load, with a fixed seed.
//!
//! A cell is one run, of a fixed length from idle: where a case has no steady state (round robin before servers of several
//! speeds) its numbers are those of that length. Cells do not depend on each other, so that any of them can be run again
//! alone, and a run of all that was broken off goes on where it stopped.

use std::collections::HashMap;

mod cell;
mod page;
mod row;

pub use cell::{ALGORITHMS, Case, Cell, LOADS_PERCENT, NODES, SERVERS, cells};
pub use page::{everything, summary};
pub use row::Row;

/// Of all cells.
pub const SEED: u64 = 1;

/// Where all rows are, from the workspace's folder.
pub const FILE: &str = "docs/balancing/cells.csv";

/// What is written into a page.
pub type Section = fn(&[Row]) -> String;

/// Pages with a section that is generated, and what it is.
pub const PAGES: [(&str, Section); 2] = [("docs/balancing.md", summary), ("docs/simulation.md", everything)];

const BEGIN: &str = "<!-- Written by `cargo xtask tables`. Do not edit. -->\n";
const END: &str = "<!-- End of what is written. -->\n";

/// The page with another section between its marks; `None` when it has none.
pub fn with_section(page: &str, section: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{section}\n{END}{after}"))
}

/// All rows as a file, in the order of the cells.
pub fn file(rows: &[Row]) -> String {
    let lines =
        cells().filter_map(|cell| rows.iter().find(|row| row.cell == cell)).map(|row| row.line() + "\n");
    format!("{}\n{}", row::HEAD, lines.collect::<String>())
}

/// The rows of a file, by cell. Lines of no cell are passed over.
pub fn rows_of(file: &str) -> Vec<Row> {
    // By what stands before the four numbers.
    let key = |line: &str| line.rsplitn(5, ',').nth(4).map(str::to_owned);
    let lines: HashMap<String, &str> = file.lines().filter_map(|line| Some((key(line)?, line))).collect();
    cells().filter_map(|cell| Row::of(cell, lines.get(&cell.to_string())?)).collect()
}
