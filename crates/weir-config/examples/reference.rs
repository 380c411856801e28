//! Prints the reference page of the configuration file; `cargo xtask docs` writes it to `docs/reference.md`.

fn main() {
    print!("{}", weir_config::reference_markdown());
}
