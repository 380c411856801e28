//! Parts of a pool, from end to end: each node picks from its own, and together they hold every server equally often.

use std::collections::{BTreeMap, BTreeSet};

use weir_tests::{Origin, Weir};

const SERVERS: usize = 6;
const SIZE: usize = 2;

fn yaml(node: usize, origins: &[Origin]) -> String {
    let servers: Vec<String> = origins.iter().map(ToString::to_string).collect();
    format!(
        "
runtime: {{ workers: 1, node: {node} }}
listeners: [{{ name: web, bind: \"127.0.0.1:0\", pool: web }}]
pools:
  web:
    subset: {{ size: {SIZE} }}
    servers: [{}]
    health: {{ tcp: connect, interval: 100ms, fall: 1, rise: 1 }}
",
        servers.join(", ")
    )
}

fn part_of(weir: &Weir) -> BTreeSet<String> {
    let mut client = weir.connect();
    (0..40).map(|_| client.get("/").text()).collect()
}

#[test]
fn each_node_has_its_part() {
    let origins: Vec<Origin> = (0..SERVERS).map(|number| Origin::saying(&number.to_string())).collect();
    let mut nodes: BTreeMap<String, usize> = BTreeMap::new();
    let mut parts = Vec::new();
    for node in 0..SERVERS {
        let weir = Weir::start(&yaml(node, &origins));
        let part = part_of(&weir);
        assert_eq!(part.len(), SIZE, "node {node}");
        part.iter().for_each(|name| *nodes.entry(name.clone()).or_default() += 1);
        parts.push(part);
        if node == 0 {
            assert_eq!(part_of(&weir), parts[0], "it stays the same");
        }
    }
    assert_eq!(nodes.len(), SERVERS, "{parts:?}");
    assert!(nodes.values().all(|nodes| *nodes == SIZE), "every server is in as many parts: {nodes:?}");
}

#[test]
fn one_that_is_down_is_replaced_and_comes_back() {
    let origins: Vec<Origin> = (0..SERVERS).map(|number| Origin::saying(&number.to_string())).collect();
    let weir = Weir::start(&yaml(1, &origins));
    let before = part_of(&weir);
    let lost = before.first().expect("it has some").clone();
    let mark = weir.mark();
    origins[lost.parse::<usize>().expect("a number")].kill();
    weir.wait_for_log(mark, "to=down");
    let meanwhile = part_of(&weir);
    assert_eq!(meanwhile.len(), SIZE);
    assert!(
        !meanwhile.contains(&lost) && meanwhile.intersection(&before).count() == SIZE - 1,
        "{meanwhile:?}"
    );
    let mark = weir.mark();
    origins[lost.parse::<usize>().expect("a number")].restart();
    weir.wait_for_log(mark, "to=up");
    assert_eq!(part_of(&weir), before);
}
