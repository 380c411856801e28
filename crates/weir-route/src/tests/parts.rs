//! The parts of a request that engines take out for hash keys.

use super::*;
use crate::{cookie, query_parameter};

#[test]
fn the_first_cookie_of_a_name() {
    let request = get("host/").field("cookie", "id=\"a b\"; id=second").field("cookie", "id=third");
    let mut seen = Vec::new();
    let found = cookie(&request, "id", &mut |value| {
        seen.push(value.to_vec());
        true
    });
    assert!(found);
    assert_eq!(seen, [b"\"a b\""]);
}

#[test]
fn all_query_parameters_of_a_name() {
    let mut seen = Vec::new();
    let mut collect = |value: &[u8]| {
        seen.push(str::from_utf8(value).expect("text").to_owned());
        false
    };
    let found =
        query_parameter(&get("host/?id=a%20b&x=+&id&id=plain&id=1+2"), "id", &mut Vec::new(), &mut collect);
    assert!(!found);
    assert_eq!(seen, ["a b", "", "plain", "1 2"]);
}

#[test]
fn a_plain_query_is_not_copied() {
    let mut scratch = Vec::new();
    assert!(query_parameter(&get("host/?a=b&id=7"), "id", &mut scratch, &mut |value| value == b"7"));
    assert_eq!(scratch.capacity(), 0);
}
