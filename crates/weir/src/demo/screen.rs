//! Where the demo writes: a terminal is redrawn in place, anything else gets line after line.

use std::io::{self, IsTerminal, Write};

/// Standard output.
pub(super) struct Screen {
    terminal: bool,
    /// What stands at the bottom, to be drawn over.
    table: String,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { terminal: io::stdout().is_terminal(), table: String::new() }
    }

    /// Whether it can be redrawn.
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Adds lines that stay; a table moves down.
    pub(super) fn say(&mut self, lines: &str) {
        let text = format!("{}{lines}{}", self.erase(), self.table);
        write(&text);
    }

    /// Draws the table over the one before.
    pub(super) fn draw(&mut self, table: String) {
        let erase = self.erase();
        self.table = table;
        write(&format!("{erase}{}", self.table));
    }

    /// Leaves no table behind.
    pub(super) fn clear(&mut self) {
        write(&self.erase());
        self.table.clear();
    }

    /// The way up to the start of the table, and away with what stands there.
    fn erase(&self) -> String {
        match self.table.lines().count() {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\x1b[J"),
        }
    }
}

fn write(text: &str) {
    // Whoever reads may have gone: that is no reason to stop the demo half way.
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
