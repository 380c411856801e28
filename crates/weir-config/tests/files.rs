//! Whole files: those that must load, those that must not, and the pages that are made from the definition.
//!
//! `WEIR_BLESS=1` writes what is printed now into the expected files; read the difference before you commit it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use weir_config::{Checked, Severity};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

fn load(path: &Path) -> Checked {
    weir_config::load(path).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Compares, or writes the expected file where `WEIR_BLESS` is set; the difference as text.
fn compare(expected: &Path, printed: &str) -> Option<String> {
    if std::env::var_os("WEIR_BLESS").is_some() {
        fs::write(expected, printed).unwrap();
        return None;
    }
    let same = fs::read_to_string(expected).is_ok_and(|text| text == printed);
    (!same).then(|| format!("=== {} is now:\n{printed}", expected.display()))
}

#[test]
fn every_faulty_file_is_refused_with_its_text() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faulty");
    let faulty = files(&folder, "yaml");
    let mut different = Vec::new();
    for path in &faulty {
        let name = path.file_name().unwrap().to_str().unwrap();
        let printed = match weir_config::check(name, &fs::read_to_string(path).unwrap()) {
            Ok(checked) => panic!("{name} was taken: {}", checked.summary()),
            Err(errors) => errors.to_string(),
        };
        different.extend(compare(&path.with_extension("expected"), &printed));
    }
    assert!(faulty.len() >= 20, "only {} faulty configurations were found", faulty.len());
    assert!(different.is_empty(), "{}\nWEIR_BLESS=1 writes the expected files anew", different.join("\n"));
}

#[test]
fn every_example_loads_without_a_warning() {
    let folder = root().join("examples");
    let examples = [files(&folder, "yaml"), files(&folder, "json")].concat();
    assert!(examples.len() >= 4, "only {} examples were found", examples.len());
    for path in examples {
        let checked = load(&path);
        assert_eq!(checked.render_warnings(false), "", "{}", path.display());
    }
}

#[test]
fn the_effective_file_of_every_example_loads_to_the_same() {
    for path in files(&root().join("examples"), "yaml") {
        let checked = load(&path);
        let effective = checked.effective();
        let again =
            weir_config::check("effective", &effective).unwrap_or_else(|e| panic!("{e}\n{effective}"));
        assert_eq!(format!("{:?}", again.config), format!("{:?}", checked.config), "{}", path.display());
        assert_eq!(again.effective(), effective, "{}", path.display());
    }
}

#[test]
fn the_whole_design_is_known_and_what_is_not_built_is_refused() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/design/whole.yaml");
    let errors = weir_config::load(&path).expect_err("the design names much that is not built");
    for finding in &errors.findings {
        assert_eq!(finding.severity, Severity::Error);
        assert!(finding.message.ends_with(" is not supported yet"), "{errors}");
    }
    let refused: Vec<&str> =
        errors.findings.iter().map(|finding| finding.message.split('`').nth(1).unwrap()).collect();
    let expected = [
        "admin",
        "accept_proxy",
        "limits",
        "tcp",
        "allow",
        "tcp",
        "sni",
        "udp",
        "zone",
        "discover",
        "postgres",
        "on_role_change",
        "ha",
        "dns",
        "regions",
    ];
    assert_eq!(refused, expected, "{errors}");
}

#[test]
fn the_effective_smallest_file_shows_every_default() {
    let printed = load(&root().join("examples/smallest.yaml")).effective();
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/design/smallest.effective.yaml");
    assert_eq!(compare(&expected, &printed), None);
}

#[test]
fn the_reference_page_is_fresh() {
    let path = root().join("docs/reference.md");
    let printed = weir_config::reference_markdown();
    let stale = compare(&path, &printed).is_some();
    assert!(!stale, "docs/reference.md is stale: `cargo xtask docs` writes it anew");
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason() {
    let errors = weir_config::load(Path::new("/nowhere/weir.yaml")).expect_err("there is no such file");
    let text = errors.to_string();
    assert!(text.starts_with("error: cannot read the file: No such file or directory"), "{text}");
    assert!(text.contains("--> /nowhere/weir.yaml"), "{text}");
}

#[test]
fn a_file_that_is_not_text_is_refused_at_its_place() {
    let folder = std::env::temp_dir().join(format!("weir-config-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("latin1.yaml");
    fs::write(&path, b"listeners:\n  - bind: \":80\"\n    name: caf\xe9\n").unwrap();
    let result = weir_config::load(&path);
    fs::remove_dir_all(&folder).unwrap();
    let errors = result.expect_err("latin-1 is not UTF-8");
    let place = errors.findings[0].place.clone().unwrap();
    assert_eq!((place.line, place.column), (3, 14), "{errors}");
}

#[test]
fn a_file_without_end_is_refused() {
    let errors = weir_config::load(Path::new("/dev/zero")).expect_err("it never ends");
    assert_eq!(errors.findings[0].message, "the file is larger than 16 MiB");
}
