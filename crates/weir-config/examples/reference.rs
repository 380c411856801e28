//! Prints `docs/reference.md`, for `cargo xtask docs`.

fn main() {
    print!("{}", weir_config::reference_markdown());
}
