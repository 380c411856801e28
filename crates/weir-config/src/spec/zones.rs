//! Where servers and this Weir stand, who is preferred, and which part of a pool a node picks from.

use super::{Key, Map, Section, Shape, key};
use crate::kind::Kind;

pub(super) const OWN_ZONE: Key = key(
    "zone",
    Shape::One(Kind::Name),
    "Where this Weir stands: servers of this zone come first. Without it, zones of servers mean nothing.",
);

pub(super) const TRAFFIC: Key = key(
    "zone_traffic",
    Shape::Map(&TRAFFIC_MAP),
    "How traffic comes in by zones, as a proportion; zones that are not named get none. Without it, the same in each \
     zone where servers of the pool stand, and here.",
)
.needs("zone");

static TRAFFIC_MAP: Map = Map {
    name: Kind::Name,
    placeholder: "ZONE",
    value: Shape::One(Kind::Count { min: 0, max: 1_000_000 }),
    min: 1,
    max: 256,
};

pub(super) const NODE: Key = key(
    "node",
    Shape::One(Kind::Count { min: 0, max: 1_000_000 }),
    "The number of this Weir among those of the same zone, from 0 on and without gaps; `subset` goes by it.",
);

pub(super) const ZONE: Key = key(
    "zone",
    Shape::One(Kind::Name),
    "Where it stands. Servers of `runtime.zone` come first; one without a zone is in none.",
);

pub(super) const PRIORITY: Key = key(
    "priority",
    Shape::One(Kind::Count { min: 0, max: 100 }),
    "Those with the least number come first; others get what these cannot bear (`spill`).",
)
.default("0");

pub(super) const SPILL: Key = key(
    "spill",
    Shape::One(Kind::Share { min: 1, max: 100 }),
    "With less than this share of its weight usable, a priority hands traffic on to the next. A server of the own zone \
     gets at most what it would if all were used alike, divided by this; what is more goes to other zones.",
)
.settled("`70%` where a server has a `zone` or a `priority`");

pub(super) const SUBSET_KEY: Key = key(
    "subset",
    Shape::Section(&SUBSET),
    "Picking from a part of the servers only, so that many nodes do not hold connections to all of them.",
);

static SUBSET: Section = Section {
    path: "pools.NAME.subset",
    doc: "A part of the servers for each node. `runtime.node` says which; all parts together hold every server equally \
          often.",
    keys: &[key(
        "size",
        Shape::One(Kind::Count { min: 1, max: 100_000 }),
        "How many servers, of each priority and zone.",
    )
    .required()],
    choices: &[],
};
