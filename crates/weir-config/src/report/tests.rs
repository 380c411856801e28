use super::{Findings, lines_of};
use crate::tree::{Place, Span};

/// One error over the given places, as it is shown without the summary.
fn check(text: &str, from: (u32, u32), to: (u32, u32), expected: &str) {
    let place = |(line, column)| Place { line, column };
    let mut findings = Findings::default();
    findings.error(Span { start: place(from), end: place(to) }, "wrong");
    let shown = findings.finish("f", text).expect_err("there is an error").to_string();
    assert_eq!(shown.strip_suffix("\n\nf: 1 error\n"), Some(expected), "{shown}");
}

#[test]
fn a_value_is_underlined() {
    check(
        "a: b\nc: value # comment",
        (2, 4),
        (2, 9),
        concat!("error: wrong\n", " --> f:2:4\n", "  |\n", "2 | c: value # comment\n", "  |    ^^^^^",),
    );
}

#[test]
fn a_value_over_lines_is_underlined_to_the_end_of_its_first() {
    check(
        "a: { b: c,\n  d: e }\n",
        (1, 4),
        (2, 9),
        concat!("error: wrong\n", " --> f:1:4\n", "  |\n", "1 | a: { b: c,\n", "  |    ^^^^^^^",),
    );
}

#[test]
fn tabs_controls_and_line_ends_do_not_move_the_caret() {
    check(
        "\u{feff}a:\tb\x1b[31m\r\nc",
        (1, 4),
        (1, 5),
        concat!("error: wrong\n", " --> f:1:4\n", "  |\n", "1 | a: b\u{fffd}[31m\n", "  |    ^",),
    );
}

#[test]
fn a_place_behind_the_text_has_one_caret() {
    check("a\n", (2, 1), (2, 1), "error: wrong\n --> f:2:1\n  |\n2 | \n  | ^");
    check("a", (9, 9), (1, 1), "error: wrong\n --> f:9:9\n  |\n9 | \n  |         ^");
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let text = format!("{}needle{}", "x".repeat(1000), "y".repeat(1000));
    let mut findings = Findings::default();
    findings.error(Span::on_line(1, 1001, 6), "wrong");
    let errors = findings.finish("f", &text).expect_err("there is an error");
    let place = errors.findings[0].place.clone().unwrap();
    assert_eq!(place.text.chars().count(), 120);
    let underlined: String = place.text.chars().skip(place.caret).take(place.length).collect();
    assert_eq!(underlined, "needle");
}

#[test]
fn errors_come_in_the_order_of_the_file_and_are_counted_beyond_the_limit() {
    let mut findings = Findings::default();
    for line in (1..=700).rev() {
        findings.error(Span::point(line, 1), "wrong").help("right");
    }
    let errors = findings.finish("f", "").expect_err("there are errors");
    assert!(errors.findings.is_sorted_by_key(|finding| finding.place.as_ref().unwrap().line));
    assert_eq!((errors.findings.len(), errors.more), (500, 200));
    assert!(errors.to_string().ends_with("f: 700 errors, the first 500 are shown\n"));
}

#[test]
fn warnings_alone_are_no_failure() {
    let mut findings = Findings::default();
    findings.warning(Span::point(1, 1), "hm");
    let warnings = findings.finish("f", "a").expect("no error");
    let mut shown = String::new();
    warnings[0].render("f", false, &mut shown);
    assert_eq!(shown, "warning: hm\n --> f:1:1\n  |\n1 | a\n  | ^\n");
}

#[test]
fn colour_is_only_there_when_asked_for() {
    let mut findings = Findings::default();
    findings.error(Span::point(1, 1), "wrong");
    let errors = findings.finish("f", "a").expect_err("there is an error");
    assert!(errors.render(true).starts_with("\x1b[1;31merror\x1b[0m: wrong"));
    assert!(!errors.render(false).contains('\x1b'));
}

#[test]
fn lines_end_as_in_yaml() {
    assert_eq!(lines_of("a\nb\r\nc\rd\n"), ["a", "b", "c", "d", ""]);
    assert_eq!(lines_of(""), [""]);
}
