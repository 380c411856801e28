//! Every relative link in the project's Markdown pages leads somewhere: to a file that is there and, behind a `#`, to a
//! heading of it.
//!
//! Links to other sites are left alone: whether those answer is not for a test to say.

#![forbid(unsafe_code)]

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

/// Folders that hold nothing that people wrote.
const SKIPPED: [&str; 5] = ["target", ".git", "artifacts", "corpus", "node_modules"];

#[test]
fn every_relative_link_leads_somewhere() {
    let pages = pages(root());
    assert!(pages.iter().any(|page| page.ends_with("README.md")), "no README.md under {}", root().display());
    let mut anchors = HashMap::new();
    let mut wrong = Vec::new();
    for page in &pages {
        for (line, link) in links(&read(page)) {
            if let Err(reason) = follow(page, &link, &mut anchors) {
                let shown = page.strip_prefix(root()).unwrap_or(page).display();
                wrong.push(format!("{shown}:{line}: `{link}`: {reason}"));
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n  {}\n", wrong.join("\n  "));
}

/// Says why a link leads nowhere. `anchors` remembers the headings of pages that were read.
fn follow(page: &Path, link: &str, anchors: &mut HashMap<PathBuf, HashSet<String>>) -> Result<(), String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return Ok(());
    }
    let (path, anchor) = match link.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (link, None),
    };
    if path.starts_with('/') {
        return Err("an absolute path means something else on every machine".to_owned());
    }
    let target = match path {
        "" => page.to_owned(),
        path => page.parent().expect("a page lies in a folder").join(path),
    };
    // A link out of the project works on one machine only.
    let target = target.canonicalize().map_err(|_| "there is no such file".to_owned())?;
    if !target.starts_with(root().canonicalize().expect("the root is there")) {
        return Err("it leads out of the project".to_owned());
    }
    let Some(anchor) = anchor else { return Ok(()) };
    if target.extension().is_none_or(|extension| extension != "md") {
        return Err("only pages have headings".to_owned());
    }
    let known = anchors.entry(target.clone()).or_insert_with(|| headings(&read(&target)));
    if known.contains(anchor) { Ok(()) } else { Err("the page has no such heading".to_owned()) }
}

/// The targets of `[text](target)` and `[label]: target` outside code, with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            found.push((number, target.trim().to_owned()));
        }
        for (at, _) in line.match_indices("](") {
            let rest = &line[at + 2..];
            // A title may stand behind the target.
            let target = rest.split([')', ' ']).next().unwrap_or(rest);
            found.push((number, target.to_owned()));
        }
    }
    found
}

/// The lines outside code blocks, without what stands between backquotes, counted from 1.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut in_code = false;
    let mut lines = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code && !line.starts_with("    ") {
            let plain = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
            lines.push((number, plain));
        }
    }
    lines
}

/// The anchors that GitHub makes of a page's headings.
fn headings(text: &str) -> HashSet<String> {
    let mut in_code = false;
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut anchors = HashSet::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let Some(title) = line.trim_start_matches('#').strip_prefix(' ') else { continue };
        if in_code || !line.starts_with('#') {
            continue;
        }
        let anchor = anchor(title);
        let count = seen.entry(anchor.clone()).or_default();
        anchors.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    anchors
}

fn anchor(title: &str) -> String {
    let kept = title.trim().chars().filter(|char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_'));
    kept.map(|char| if char == ' ' { '-' } else { char }).collect::<String>().to_lowercase()
}

fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the project is readable") {
        let path = entry.expect("a folder's entry is readable").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_symlink() || SKIPPED.contains(&name) {
            continue;
        }
        if path.is_dir() {
            found.extend(pages(&path));
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(page: &Path) -> String {
    fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace's root")
}

// The rules refuse what they are there to refuse.

#[test]
fn links_are_found_in_prose_only() {
    let text = "See [a](a.md) and [b](b/c.md#d \"title\").\n\n    [indented](no.md)\n```\n[fenced](no.md)\n```\n\
                `[quoted](no.md)` [`c`](c.md)\n[label]: d.md\n";
    let found: Vec<_> = links(text).into_iter().map(|(line, link)| format!("{line} {link}")).collect();
    assert_eq!(found, ["1 a.md", "1 b/c.md#d", "7 c.md", "8 d.md"]);
}

#[test]
fn anchors_are_those_of_the_site() {
    let text = "# One Word\n## `listeners[].http`\n```\n# no heading\n```\n## Again\n## Again\n#tag\n";
    let expected = ["one-word", "listenershttp", "again", "again-1"].map(str::to_owned);
    assert_eq!(headings(text), HashSet::from(expected));
}

#[test]
fn what_leads_nowhere_is_refused() {
    let page = root().join("README.md");
    let reason = |link: &str| follow(&page, link, &mut HashMap::new()).err().unwrap_or_default();
    assert_eq!(reason("https://example.com/x"), "");
    assert_eq!(reason("Cargo.toml"), "");
    assert_eq!(reason("no-such-page.md"), "there is no such file");
    assert_eq!(reason("/etc/passwd"), "an absolute path means something else on every machine");
    assert_eq!(reason(".."), "it leads out of the project");
    assert_eq!(reason("#no-such-heading"), "the page has no such heading");
    assert_eq!(reason("Cargo.toml#x"), "only pages have headings");
}
