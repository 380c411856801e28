//! Faulty configurations as files: `NAME.yaml` beside `NAME.expected`, the full text that a user reads.
//!
//! `WEIR_BLESS=1` writes what is printed now into the expected files; read the difference before you commit it.

use std::{fs, path::Path};

#[test]
fn every_faulty_file_is_refused_with_its_text() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faulty");
    let bless = std::env::var_os("WEIR_BLESS").is_some();
    let mut different = Vec::new();
    let mut files = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        files += 1;
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let printed = match weir_config::check(name, &text) {
            Ok(checked) => panic!("{name} was taken: {}", checked.summary()),
            Err(errors) => errors.to_string(),
        };
        let expected = path.with_extension("expected");
        if bless {
            fs::write(&expected, &printed).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != printed {
            different.push(format!("=== {name} now prints:\n{printed}"));
        }
    }
    assert!(files >= 20, "only {files} faulty configurations were found");
    assert!(different.is_empty(), "{}\nWEIR_BLESS=1 writes the expected files anew", different.join("\n"));
}
