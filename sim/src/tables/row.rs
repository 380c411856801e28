//! What came of a cell, as a line of a file.

use crate::{Outcome, tables::Cell};

/// The first line of the file.
pub(super) const HEAD: &str = "case,servers,nodes,load_percent,algorithm,p50,p99,p99.9,errors_percent";

/// A line of the file. Numbers are kept as they are written, so that a file read and written again is the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What was run.
    pub cell: Cell,
    /// In mean service times.
    pub p50: f64,
    /// In mean service times.
    pub p99: f64,
    /// In mean service times.
    pub p999: f64,
    /// Of all requests.
    pub errors_percent: f64,
}

impl Row {
    /// Of what came of a run.
    pub fn new(cell: Cell, outcome: &Outcome) -> Self {
        let rounded = |number: f64| number_of(&written(number));
        let quantile = |share| rounded(outcome.times.quantile(share));
        Self {
            cell,
            p50: quantile(0.5),
            p99: quantile(0.99),
            p999: quantile(0.999),
            errors_percent: number_of(&format!("{:.3}", outcome.errors * 100.0)),
        }
    }

    /// As a line, without its end.
    pub fn line(&self) -> String {
        let Self { cell, p50, p99, p999, errors_percent } = self;
        format!("{cell},{},{},{},{errors_percent}", written(*p50), written(*p99), written(*p999))
    }

    /// The row of `cell`, if the line is one of it.
    pub fn of(cell: Cell, line: &str) -> Option<Self> {
        let mut numbers = line.strip_prefix(&format!("{cell},"))?.split(',').map(str::parse);
        let mut next = || numbers.next()?.ok();
        let row = Self { cell, p50: next()?, p99: next()?, p999: next()?, errors_percent: next()? };
        numbers.next().is_none().then_some(row)
    }
}

/// With four digits that count.
pub(super) fn written(number: f64) -> String {
    match number {
        ..9.9995 => format!("{number:.3}"),
        ..99.995 => format!("{number:.2}"),
        ..999.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

fn number_of(text: &str) -> f64 {
    text.parse().expect("it was written as a number")
}
