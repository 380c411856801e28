//! The reference page, from the definition: one table per section.

use std::fmt::Write as _;

use crate::{
    kind::{Kind, number::size_text},
    spec::{self, Key, Preset, Section, Shape, Status, Word},
};

/// `docs/reference.md` as text.
pub fn reference_markdown() -> String {
    let mut out = String::from(HEAD);
    for section in spec::sections() {
        write_section(section, &mut out);
    }
    out.push_str(VALUES);
    out
}

fn write_section(section: &'static Section, out: &mut String) {
    match section.path {
        "" => out.push_str("## The file\n\n"),
        path => {
            let _ = writeln!(out, "## `{path}`\n");
        }
    }
    let _ = writeln!(out, "{}\n", section.doc);
    out.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
    let built = || section.keys.iter().filter(|key| key.status == Status::Built);
    for key in built() {
        let cells = [format!("`{}`", key.name), value(&key.shape), default(key), key.doc.to_owned()];
        let _ = writeln!(out, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    out.push('\n');
    for key in built() {
        write_words(key, out);
    }
    for choice in section.choices.iter().filter(|choice| choice.needed) {
        let _ = writeln!(out, "Exactly one of {} must be written.\n", quoted(choice.keys));
    }
    let later: Vec<&str> =
        section.keys.iter().filter(|key| key.status == Status::Later).map(|key| key.name).collect();
    if !later.is_empty() {
        let _ = writeln!(out, "Not supported yet, and refused: {}.\n", quoted(&later));
    }
}

/// What each word of a key means.
fn write_words(key: &Key, out: &mut String) {
    let words: &[Word] = match key.shape {
        Shape::One(Kind::Word(words)) | Shape::WordOrSection(words, _) => words,
        _ => return,
    };
    let _ = writeln!(out, "`{}`:\n", key.name);
    for word in words {
        let later = if word.status == Status::Later { " (not supported yet, and refused)" } else { "" };
        let _ = writeln!(out, "- `{}`: {}{later}", word.name, word.doc);
    }
    out.push('\n');
}

fn default(key: &Key) -> String {
    match key.default {
        Preset::Required => "**required**".to_owned(),
        Preset::Absent => String::new(),
        Preset::Text(text) => format!("`{text}`"),
        Preset::Settled(text) => text.to_owned(),
    }
}

/// What may be written, with links to the sections.
fn value(shape: &Shape) -> String {
    match shape {
        Shape::One(kind) => one(*kind),
        Shape::OneOrList(kind) => format!("{}, or a list", one(*kind)),
        Shape::List(list) => match list.item {
            Shape::One(kind) => format!("a list, each {}", one(kind)),
            ref item => format!("a list, each {}", value(item)),
        },
        Shape::Map(map) => match map.value {
            Shape::One(kind) => format!("`{}:` {}, …", map.placeholder, one(kind)),
            ref item => format!("`{}:` {}, …", map.placeholder, value(item)),
        },
        Shape::Section(section) => link(section),
        Shape::Short(_, kind, section) => format!("{}, or {}", one(*kind), link(section)),
        Shape::WordOrSection(words, section) => format!("{}, or {}", Kind::Word(words).what(), link(section)),
    }
}

fn one(kind: Kind) -> String {
    match kind {
        Kind::Count { min, max } => format!("{min} to {max}"),
        Kind::CountOrAuto { min, max } => format!("`auto`, or {min} to {max}"),
        Kind::Size { min, max } => format!("a size, {} to {}", size_text(min), size_text(max)),
        Kind::Duration => "a duration".to_owned(),
        Kind::Rate => "a rate".to_owned(),
        Kind::File => "a path".to_owned(),
        Kind::CipherSuite => "a cipher suite".to_owned(),
        _ => kind.what(),
    }
}

fn link(section: &Section) -> String {
    // As GitHub makes anchors of headings.
    let anchor: String =
        section.path.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect();
    format!("[`{}`](#{})", section.path, anchor.to_ascii_lowercase())
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

const HEAD: &str = "\
# Reference of the configuration file

<!-- Written by `cargo xtask docs` from the definition in `crates/weir-config/src/spec`. Do not edit. -->

The file is YAML 1.2, or JSON, which is a part of it. Every key that can be written is on this page; an unknown
one is an error. `weir check FILE` shows every error of a file at once, `weir check --effective FILE` prints the
file with every default written out, and `weir schema` prints the JSON Schema for editors.

Anchors, aliases, tags and a second document are refused. So is plain text that other readers of YAML take for a
boolean or a number (`on`, `yes`, `1`) where text is meant: put it in quotes.

";

const VALUES: &str = "\
## Values

- **Duration**: a whole number and a unit: `100ms`, `2s`, `5m`, `1h`. Longer than zero, at most a year (`8760h`).
- **Size**: a whole number and a unit: `512B`, `16KiB`, `10MiB`, `1GiB`, `1TiB`.
- **Rate**: a whole number and a unit: `100/s`, `600/m`, `1000/h`.
- **Path of a file**: with a `/`: `/etc/weir/shop.pem` or `./shop.pem`, which is relative to the working directory.
- **Address to listen on**: `\":8080\"` is every address of the host, IPv6 and IPv4. `127.0.0.1:8080` and
  `\"[::1]:8080\"` are one address. Port 0 takes a free port.
- **Address of a server**: `10.0.0.11:8080` or `\"[fd00::1]:8080\"`. Names are not looked up.
- **Network**: `10.0.0.0/8`, `fd00::/8`, or one IP address. No bits behind the prefix.
- **Name**: one word of at most 128 characters, without quotes.
- **Host in a match**: `shop.example.com` is exactly this host; `\"*.example.com\"` is every name below, of one or more
  labels, and not `example.com` itself. With `:8080` behind it, the port must stand in `Host` too. Case does not matter.
- **Path in a match**: `/api` is exactly `/api`; `/api/*` is `/api` and everything below it; `~ ^/v[0-9]+/` is a regular
  expression. The query does not belong to the path. No slash is added or removed anywhere.
- **Value in a match**: `web` is exactly this text; `\"~ ^(web|qa)$\"` is a regular expression; `\"*\"` is any value, it only
  has to be there.
- **Query parameters** are compared without their escapes, name and value: write `a b` for what is sent as `a%20b` or
  `a+b`.
- **Regular expression**: `~`, a space, and an expression in the syntax of the Rust crate `regex`, over bytes, with
  classes of ASCII characters. It may match anywhere in the value: write `^` and `$` where it must not.
- **Status codes**: `200`, `200-299`, or a list of both.
- **Secret**: never in the file itself, only `{ file: PATH }` or `{ env: NAME }`.
- **Cipher suites**: `TLS_AES_256_GCM_SHA384`, `TLS_AES_128_GCM_SHA256`, `TLS_CHACHA20_POLY1305_SHA256` (TLS 1.3), and
  `TLS_ECDHE_ECDSA_WITH_…` and `TLS_ECDHE_RSA_WITH_…` `AES_256_GCM_SHA384`, `AES_128_GCM_SHA256`,
  `CHACHA20_POLY1305_SHA256` (TLS 1.2). A list names at least one for each version that is spoken.
- **Header fields that cannot be edited**, because they frame a message or belong to one connection: `connection`,
  `content-length`, `expect`, `host` (use `rewrite`), `keep-alive`, `proxy-connection`, `te`, `trailer`,
  `transfer-encoding`, `upgrade`.
";
