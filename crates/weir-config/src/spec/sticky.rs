//! `pools.NAME.sticky` and `listeners[].routes[].split_sticky`.

use super::{Choice, Section, Shape, Word, certificate::secret, key, word};
use crate::kind::Kind;

pub(super) static STICKY: Section = Section {
    path: "pools.NAME.sticky",
    doc: "Keeping a client on its server: by a cookie that Weir issues, by one of the application, or by what the \
          client is known by. A client whose server may not be used any more gets another one by `balance`.",
    keys: &[
        key("cookie", Shape::One(Kind::CookieName), "The name of a cookie that Weir issues; it names the server, sealed."),
        key(
            "app_cookie",
            Shape::One(Kind::CookieName),
            "The name of a cookie that the servers issue; which server issued which is remembered.",
        ),
        key(
            "table",
            Shape::One(Kind::StickyKey),
            "Remember where a client is by this: `client_ip` or `\"header:NAME\"`.",
        ),
        key(
            "ttl",
            Shape::One(Kind::Duration),
            "How long a client that does not come is remembered; whole seconds.",
        )
        .settled("`8h` with `cookie`, else `30m`"),
        key(
            "drain",
            Shape::One(Kind::Duration),
            "How long a server keeps its clients that takes no new ones: its weight is 0, or it is a backup and others are up again.",
        )
        .settled("the same as `ttl`"),
        key(
            "size",
            Shape::One(Kind::Count { min: 1, max: 10_000_000 }),
            "The most clients that are remembered, in 20 bytes each; those that were away for longest make room.",
        )
        .settled("`100000` with `app_cookie` and `table`"),
        SAME_SITE.needs("cookie"),
        NO_CACHE.needs("cookie"),
        key("keys", Shape::Section(&STICKY_KEYS), SHARED_DOC).needs("cookie"),
    ],
    choices: &[
        Choice { keys: &["cookie", "app_cookie", "table"], needed: true },
        Choice { keys: &["cookie", "size"], needed: false },
    ],
};

pub(super) static SPLIT_STICKY: Section = Section {
    path: "listeners[].routes[].split_sticky",
    doc: "Keeping a client on its side of `split`, by a cookie that Weir issues. It holds a place between 0 and 1, sealed: \
          when shares change, only as many clients change sides as it takes.",
    keys: &[
        key("cookie", Shape::One(Kind::CookieName), "The name of the cookie.").required(),
        key(
            "ttl",
            Shape::One(Kind::Duration),
            "How long a client that does not come is remembered; whole seconds.",
        )
        .default("24h"),
        SAME_SITE.default("lax"),
        NO_CACHE.default("false"),
        key("keys", Shape::Section(&SPLIT_KEYS), SHARED_DOC),
    ],
    choices: &[],
};

const SHARED_DOC: &str = "Keys that several nodes share: 32 random bytes or more each, in base64, one per line. The first one seals, all of them open. Without, Weir makes its own in `runtime.state_dir`.";

const SAME_SITE: super::Key = key(
    "same_site",
    Shape::One(Kind::Word(&SAME_SITES)),
    "Whether browsers send the cookie with requests that other sites cause.",
)
.settled("`lax` with `cookie`");

const NO_CACHE: super::Key = key(
    "no_cache",
    Shape::One(Kind::Bool),
    "Answers that set the cookie get `Cache-Control: private`, so that no shared cache hands it to others.",
)
.settled("`false` with `cookie`");

static SAME_SITES: [Word; 3] = [
    word("lax", "only when the user follows a link"),
    word("strict", "never"),
    word("none", "always; such a cookie is for HTTPS only"),
];

static STICKY_KEYS: Section = secret("pools.NAME.sticky.keys", "Where the shared keys are.");
static SPLIT_KEYS: Section = secret("listeners[].routes[].split_sticky.keys", "Where the shared keys are.");
