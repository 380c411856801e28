//! The tables that are committed: what they say, that they are what runs, and that the pages are made of them.

use std::{fs, path::PathBuf};

use weir_sim::tables::{Case, Cell, FILE, PAGES, Row, SEED, rows_of, with_section};

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rows() -> Vec<Row> {
    rows_of(&read(FILE))
}

fn p99(rows: &[Row], cell: Cell) -> Option<f64> {
    rows.iter().find(|row| row.cell == cell).map(|row| row.p99)
}

/// Who changes an algorithm runs the tables again.
#[test]
fn some_cells_come_out_as_they_are_written() {
    let rows = rows();
    for (case, nodes, load_percent, algorithm) in [
        (Case::Uniform, 1, 70, "least_requests"),
        (Case::Speeds, 100, 90, "peak_ewma"),
        (Case::FailFast, 10, 70, "p2c"),
        (Case::Cold, 10, 90, "peak_ewma"),
    ] {
        let cell = Cell { case, servers: 100, nodes, load_percent, algorithm };
        let written = rows.iter().find(|row| row.cell == cell).expect("a row");
        let again = Row::new(cell, &cell.run(SEED));
        assert_eq!(&again, written, "run `cargo xtask tables --again {algorithm}`");
    }
}

#[test]
fn the_pages_are_those_of_the_rows() {
    let rows = rows();
    for (page, section) in PAGES {
        let text = read(page);
        let made = with_section(&text, &section(&rows)).expect("marks");
        assert!(made == text, "{page} is not what {FILE} says: run `cargo xtask tables`");
    }
}

/// What is promised of the algorithm that is recommended.
#[test]
fn peak_ewma_is_never_worse_than_round_robin_and_far_better_before_unequal_servers() {
    let rows = rows();
    let own: Vec<&Row> = rows.iter().filter(|row| row.cell.algorithm == "peak_ewma").collect();
    assert!(own.len() >= 72, "only {} cells", own.len());
    for row in own {
        let (cell, has) = (row.cell, row.p99);
        let other = |algorithm| p99(&rows, Cell { algorithm, ..cell });
        let Some(round_robin) = other("round_robin") else { continue };
        assert!(has <= 1.05 * round_robin, "{cell}: {has}, and round robin {round_robin}");
        if cell.case == Case::Speeds && cell.nodes == 100 && cell.load_percent == 90 {
            let least = other("least_requests").expect("a row");
            assert!(has <= 0.2 * round_robin && has <= 0.5 * least, "{cell}: {has}, {round_robin}, {least}");
        }
    }
}
