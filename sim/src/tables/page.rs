//! The tables as Markdown: the few that decide, and all.

use std::fmt::Write;

use super::{ALGORITHMS, Case, Cell, LOADS_PERCENT, NODES, Row, SERVERS};

/// The algorithm that is recommended, and those it is held against.
const RECOMMENDED: &str = "peak_ewma";
const PLAIN: &str = "round_robin";
const LEAST: &str = "least_requests";

/// Where the short table looks.
const LOOK: (usize, usize, u8) = (1_000, 100, 90);

/// Rows by cell.
struct Rows<'a>(&'a [Row]);

impl Rows<'_> {
    fn of(&self, cell: Cell) -> Option<&Row> {
        self.0.iter().find(|row| row.cell == cell)
    }

    /// How many times the p99 of `other` the recommended one has, and where that is most.
    fn worst(&self, other: &'static str, is_in: impl Fn(&Cell) -> bool) -> Option<(f64, Cell)> {
        let own = self.0.iter().filter(|row| row.cell.algorithm == RECOMMENDED && is_in(&row.cell));
        let ratios = own.filter_map(|row| {
            let other = self.of(Cell { algorithm: other, ..row.cell })?;
            Some((row.p99 / other.p99, row.cell))
        });
        ratios.max_by(|a, b| a.0.total_cmp(&b.0))
    }
}

/// The tables that decide.
pub fn summary(rows: &[Row]) -> String {
    let rows = Rows(rows);
    let (servers, nodes, load_percent) = LOOK;
    let mut out = format!(
        "The p99 at a load of 0.{load_percent}, {} servers and {nodes} nodes, in mean service times; behind it the share \
         of requests that failed, where any did.\n\n",
        grouped(servers)
    );
    heading(&mut out, "", ALGORITHMS.iter().map(|(name, _)| format!("`{name}`")));
    for case in Case::ALL {
        let _ = write!(out, "| {} |", case.title());
        for (algorithm, _) in ALGORITHMS {
            let row = rows.of(Cell { case, servers, nodes, load_percent, algorithm });
            let text = row.map(|row| format!("{}{}", short(row.p99), errors(row))).unwrap_or_default();
            let _ = write!(out, " {text} |");
        }
        out.push('\n');
    }
    let _ = write!(
        out,
        "\nThe p99 of `{RECOMMENDED}` as a multiple of others', at its worst over all numbers of servers, of nodes, and \
         loads; and at its worst with 100 nodes and a load of 0.90.\n\n"
    );
    let columns = [
        format!("of `{PLAIN}`"),
        "where".to_owned(),
        format!("of `{PLAIN}`, 100 nodes, 0.90"),
        format!("of `{LEAST}`, 100 nodes, 0.90"),
    ];
    heading(&mut out, "", columns.into_iter());
    for case in Case::ALL {
        let busy = |cell: &Cell| cell.case == case && cell.nodes == 100 && cell.load_percent == LOOK.2;
        let Some((most, at)) = rows.worst(PLAIN, |cell| cell.case == case) else { continue };
        let number =
            |found: Option<(f64, Cell)>| found.map(|(ratio, _)| ratio_text(ratio)).unwrap_or_default();
        let _ = writeln!(
            out,
            "| {} | {} | {} servers, {} node{}, 0.{} | {} | {} |",
            case.title(),
            ratio_text(most),
            grouped(at.servers),
            at.nodes,
            if at.nodes == 1 { "" } else { "s" },
            at.load_percent,
            number(rows.worst(PLAIN, busy)),
            number(rows.worst(LEAST, busy)),
        );
    }
    out
}

/// All rows.
pub fn everything(rows: &[Row]) -> String {
    let rows = Rows(rows);
    let mut out = String::new();
    for case in Case::ALL {
        let _ = write!(out, "## {}\n\n{}\n", case.title(), case.explanation());
        for (servers, nodes) in
            SERVERS.iter().flat_map(|servers| NODES.iter().map(move |nodes| (*servers, *nodes)))
        {
            let plural = if nodes == 1 { "" } else { "s" };
            let _ = write!(out, "\n{} servers, {nodes} node{plural}:\n\n", grouped(servers));
            heading(&mut out, "", LOADS_PERCENT.iter().map(|load| format!("0.{load}")));
            for (algorithm, _) in ALGORITHMS {
                let _ = write!(out, "| `{algorithm}` |");
                for load_percent in LOADS_PERCENT {
                    let row = rows.of(Cell { case, servers, nodes, load_percent, algorithm });
                    let _ = write!(out, " {} |", row.map(numbers).unwrap_or_default());
                }
                out.push('\n');
            }
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn numbers(row: &Row) -> String {
    format!("{} / {} / {}{}", short(row.p50), short(row.p99), short(row.p999), errors(row))
}

fn errors(row: &Row) -> String {
    if row.errors_percent == 0.0 { String::new() } else { format!(" ({}%)", row.errors_percent) }
}

fn heading(out: &mut String, first: &str, others: impl Iterator<Item = String>) {
    let others: Vec<String> = others.collect();
    let _ = writeln!(out, "| {first} | {} |", others.join(" | "));
    let _ = writeln!(out, "|---|{}", "---|".repeat(others.len()));
}

/// With three digits that count, as far as they stand behind the point.
fn short(number: f64) -> String {
    match number {
        ..9.995 => format!("{number:.2}"),
        ..99.95 => format!("{number:.1}"),
        _ => grouped(number.round() as usize),
    }
}

fn ratio_text(ratio: f64) -> String {
    if ratio < 0.0995 { format!("{ratio:.3}") } else { format!("{ratio:.2}") }
}

/// Thousands apart.
fn grouped(number: usize) -> String {
    if number < 1_000 {
        number.to_string()
    } else {
        format!("{},{:03}", grouped(number / 1_000), number % 1_000)
    }
}

impl Case {
    fn title(self) -> &'static str {
        match self {
            Self::Uniform => "Equal servers",
            Self::Speeds => "Speeds 1, 2, 4",
            Self::Long => "1% of requests 100 times longer",
            Self::Slowed => "10% of servers slowed for 30 s",
            Self::FailFast => "1% of servers failing fast",
            Self::Cold => "10% of servers restarting cold",
        }
    }

    fn explanation(self) -> &'static str {
        match self {
            Self::Uniform => "Equal servers, exponential service.",
            Self::Speeds => {
                "A third each of the servers has speed 1, 2 and 4; all have the same weight. Algorithms that give all of \
                 them the same have no steady state: their numbers grow with the length of the run, which is the same for all."
            }
            Self::Long => {
                "99% of requests are exponential, 1% are as well and take 100 times as long. The mean over all counts as 1."
            }
            Self::Slowed => {
                "10% of the servers take five times as long for everything, for 30 of every 90 seconds. The mean service \
                 time is 100 ms. At loads of 0.95 and 0.99 all servers together cannot do the work while that lasts."
            }
            Self::FailFast => {
                "1% of the servers answer every request with an error, after 0.1 ms. In brackets the share of requests that \
                 failed; times are those of the others."
            }
            Self::Cold => {
                "10% of the servers restart at the same moment, every 90 seconds: they are down for a second, come back with \
                 a tenth of their speed and are warm after 30 seconds. The mean service time is 100 ms. No slow start is \
                 configured."
            }
        }
    }
}
