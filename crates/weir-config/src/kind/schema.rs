//! What the JSON Schema says about a kind.

use super::{Kind, bound};
use crate::{CipherSuite, json::Json, spec::Status};

impl Kind {
    pub(crate) fn schema(self) -> Json {
        match self {
            Kind::Duration => pattern("^[0-9]+(ms|s|m|h)$"),
            Kind::Size { .. } => pattern("^[0-9]+(B|KiB|MiB|GiB|TiB)$"),
            Kind::Count { min, max } => integer(min, max),
            Kind::CountOrAuto { min, max } => {
                let auto = Json::object([("const", Json::text("auto"))]);
                Json::object([("anyOf", Json::List(vec![auto, integer(min, max)]))])
            }
            Kind::Share { .. } => pattern("^[0-9]+%$"),
            Kind::Part => pattern("^[0-9]+(\\.[0-9]{1,4})?%$"),
            Kind::Factor => pattern("^[0-9]+(\\.[0-9]{1,2})?x$"),
            Kind::Bool => Json::object([("type", Json::text("boolean"))]),
            Kind::Word(words) => {
                let built = words.iter().filter(|word| word.status == Status::Built);
                Json::object([("enum", Json::texts(built.map(|word| word.name)))])
            }
            Kind::Name | Kind::PoolName | Kind::CertificateName => pattern("^\\S+$"),
            Kind::Bind => pattern(":[0-9]+$"),
            Kind::ServerAddress => pattern("^(\\[.+\\]|[0-9.]+):[0-9]+$"),
            Kind::Network => pattern("^[0-9A-Fa-f.:]+(/[0-9]+)?$"),
            Kind::HostPattern | Kind::Host | Kind::HostName => pattern("^[^\\s/]+$"),
            Kind::AcmeDomain => pattern("^[^\\s/*]+$"),
            Kind::Email => pattern("^[^@\\s]+@[^@\\s]+$"),
            Kind::HttpsUrl => pattern("^https://"),
            Kind::Rate => pattern("^[0-9]+/[smh]$"),
            Kind::File => pattern("/"),
            Kind::EnvName => pattern("^[A-Za-z_][A-Za-z0-9_]*$"),
            Kind::GrpcService => pattern("^[A-Za-z0-9._/-]*$"),
            Kind::TlsVersion => Json::object([("enum", Json::texts(["1.2", "1.3"]))]),
            Kind::Challenge => Json::object([("enum", Json::texts(["http-01", "tls-alpn-01"]))]),
            Kind::CipherSuite => {
                Json::object([("enum", Json::texts(CipherSuite::ALL.iter().map(|suite| suite.name())))])
            }
            Kind::Ip => pattern("^[0-9A-Fa-f.:]+$"),
            Kind::JsonPointer => pattern("^(/|$)"),
            Kind::JsonScalar => {
                let types = ["string", "number", "boolean"];
                let types = types.map(|word| Json::object([("type", Json::text(word))]));
                Json::object([("anyOf", Json::List(types.into()))])
            }
            Kind::PathPattern => pattern("^(/|~ )"),
            Kind::PathPrefix | Kind::Target => pattern("^/"),
            Kind::Location => pattern("^(/|https?://)"),
            Kind::Method
            | Kind::CheckMethod
            | Kind::HeaderName
            | Kind::EditedHeader
            | Kind::CheckHeader
            | Kind::CookieName => pattern("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"),
            Kind::Text | Kind::HeaderValue | Kind::ValuePattern | Kind::QueryName | Kind::Sought => {
                Json::object([("type", Json::text("string"))])
            }
            Kind::RedirectStatus => {
                let codes = [301, 302, 303, 307, 308].map(Json::Number);
                Json::object([("enum", Json::List(codes.into()))])
            }
            Kind::StatusRange => {
                let range = pattern("^[2-5][0-9]{2}(-[2-5][0-9]{2})?$");
                Json::object([("anyOf", Json::List(vec![integer(200, 599), range]))])
            }
            Kind::Bound => Json::object([
                ("type", Json::text("number")),
                ("exclusiveMinimum", Json::Number(1)),
                ("maximum", Json::Number(bound::BOUND_PERCENT_MAX / 100)),
            ]),
            Kind::HashKey => pattern("^(client_ip|path|(header|cookie|query):.+)$"),
            Kind::RetryCondition => {
                let word = pattern("^([a-z_]+|[45][0-9]{2}(-[45][0-9]{2})?)$");
                Json::object([("anyOf", Json::List(vec![integer(400, 599), word]))])
            }
            Kind::HedgeDelay => pattern("^([0-9]+(ms|s|m|h)|p[5-9][0-9])$"),
            Kind::StickyKey => pattern("^(client_ip|header:.+)$"),
            Kind::LogTarget => pattern("^(stdout|stderr|.*/[^/]+)$"),
        }
    }
}

fn pattern(pattern: &str) -> Json {
    Json::object([("type", Json::text("string")), ("pattern", Json::text(pattern))])
}

fn integer(min: u64, max: u64) -> Json {
    Json::object([
        ("type", Json::text("integer")),
        ("minimum", Json::Number(min)),
        ("maximum", Json::Number(max)),
    ])
}
