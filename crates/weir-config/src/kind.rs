//! The kinds of single values: how each is written, parsed, described, and put into the JSON Schema.
//!
//! One `match` per question; what a kind needs to answer lies in the module of its family.

pub(crate) mod address;
pub(crate) mod bound;
pub(crate) mod check;
pub(crate) mod factor;
pub(crate) mod header;
pub(crate) mod host;
pub(crate) mod number;
pub(crate) mod part;
pub(crate) mod path;
pub(crate) mod pattern;
mod plain;
pub(crate) mod resilience;
mod schema;

pub(crate) mod status;
pub(crate) mod text;
pub(crate) mod tls;

use std::{net::SocketAddr, time::Duration};

use ipnet::IpNet;

use crate::{
    Challenge, CipherSuite, HashKey, HedgeAfter, HostPattern, JsonScalar, PathPattern, Rate, RetryCondition,
    Sought, TlsVersion, ValuePattern,
    nearest::nearest,
    report::shown,
    spec::{Status, Word},
    tree::Scalar,
};

pub(crate) use plain::{boolean_or_null, misread, taken_for};

/// A kind of single value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// `100ms`, `2s`, `5m`, `1h`.
    Duration,
    /// `512B`, `16KiB`, `10MiB`, `1GiB`; both limits in bytes.
    Size { min: u64, max: u64 },
    /// A whole number.
    Count { min: u64, max: u64 },
    /// A whole number, or `auto`.
    CountOrAuto { min: u64, max: u64 },
    /// `20%`: a whole number of hundredths, and its limits.
    Share { min: u64, max: u64 },
    /// `0.1%`: a share of all requests.
    Part,
    /// `3x`: how many times as much.
    Factor,
    /// `true` or `false`.
    Bool,
    /// One of these.
    Word(&'static [Word]),
    /// The name of a listener, route, pool or server.
    Name,
    /// The name of a pool of this file.
    PoolName,
    /// Any text.
    Text,
    /// An address to listen on.
    Bind,
    /// The address of a server.
    ServerAddress,
    /// A network, or one address.
    Network,
    /// A host in a match.
    HostPattern,
    /// A host to send, with or without a port.
    Host,
    /// A host without a port.
    HostName,
    /// A path in a match.
    PathPattern,
    /// The front of a path.
    PathPrefix,
    /// A path with or without a query, to ask for.
    Target,
    /// A URL or a path to redirect to.
    Location,
    /// A method.
    Method,
    /// The name of a header field.
    HeaderName,
    /// The name of a header field that may be edited.
    EditedHeader,
    /// What a header field is set to.
    HeaderValue,
    /// A value in a match.
    ValuePattern,
    /// The name of a cookie.
    CookieName,
    /// The name of a query parameter.
    QueryName,
    /// A status code that answers with a redirect.
    RedirectStatus,
    /// Status codes, like `200` or `200-299`.
    StatusRange,
    /// What is hashed to pick a server.
    HashKey,
    /// How many times its share something may have.
    Bound,
    /// What a client is known by.
    StickyKey,
    /// `stdout`, `stderr`, or a file.
    LogTarget,
    /// `100/s`.
    Rate,
    /// The path of a file or a directory.
    File,
    /// The name of an environment variable.
    EnvName,
    /// The name of a certificate of this file.
    CertificateName,
    /// `"1.2"` or `"1.3"`.
    TlsVersion,
    /// A cipher suite by its IANA name.
    CipherSuite,
    /// A name that an ACME server can verify.
    AcmeDomain,
    /// `http-01` or `tls-alpn-01`.
    Challenge,
    /// An address of mail.
    Email,
    /// A URL with TLS.
    HttpsUrl,
    /// The name of a gRPC service, or nothing.
    GrpcService,
    /// An IP address.
    Ip,
    /// A method that a check may ask with.
    CheckMethod,
    /// The name of a header field that a check may send.
    CheckHeader,
    /// What is looked for in an answer.
    Sought,
    /// A place in JSON.
    JsonPointer,
    /// A single value in JSON.
    JsonScalar,
    /// A failure after which a request is tried again.
    RetryCondition,
    /// A duration, or a percentile like `p95`.
    HedgeDelay,
}

/// A parsed single value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Duration(Duration),
    Number(u64),
    Auto,
    Bool(bool),
    Word(&'static str),
    /// Already right as it is written.
    Text,
    Address(SocketAddr),
    Network(IpNet),
    Host(HostPattern),
    Path(PathPattern),
    Pattern(ValuePattern),
    Range(u16, u16),
    Hash(HashKey),
    Rate(Rate),
    Tls(TlsVersion),
    Cipher(CipherSuite),
    Challenge(Challenge),
    Sought(Sought),
    Json(JsonScalar),
    Retry(RetryCondition),
    Hedge(HedgeAfter),
}

/// Why a value is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Fault {
        Fault { message: message.into(), help: None }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Fault {
        Fault { help: Some(help.into()), ..self }
    }
}

impl Kind {
    /// The value of a scalar, or why it is none.
    pub(crate) fn parse(self, scalar: &Scalar) -> Result<Value, Fault> {
        self.check_style(scalar)?;
        let text = scalar.text.as_str();
        match self {
            Kind::Duration => number::duration(text).map(Value::Duration),
            Kind::Size { min, max } => number::size(text, min, max).map(Value::Number),
            Kind::CountOrAuto { .. } if text == "auto" => Ok(Value::Auto),
            Kind::Count { min, max } => number::count(text, min, max, "").map(Value::Number),
            Kind::CountOrAuto { min, max } => number::count(text, min, max, "`auto` or ").map(Value::Number),
            Kind::Share { min, max } => number::share(text, min, max).map(Value::Number),
            Kind::Part => part::part(text).map(Value::Number),
            Kind::Factor => factor::factor(text).map(Value::Number),
            Kind::Bool => plain::boolean(text).map(Value::Bool),
            Kind::Word(words) => word(text, words, scalar.quoted).map(Value::Word),
            Kind::Name | Kind::PoolName | Kind::CertificateName => text::name(text).map(as_written),
            Kind::Text => text::text(text).map(as_written),
            Kind::Bind => address::bind(text).map(Value::Address),
            Kind::ServerAddress => address::server(text).map(Value::Address),
            Kind::Network => address::network(text).map(Value::Network),
            Kind::HostPattern => host::pattern(text).map(Value::Host),
            Kind::Host => host::with_port(text).map(as_written),
            Kind::HostName => host::name(text).map(as_written),
            Kind::PathPattern => path::pattern(text).map(Value::Path),
            Kind::PathPrefix => path::prefix(text).map(as_written),
            Kind::Target => path::target(text).map(as_written),
            Kind::Location => path::location(text).map(as_written),
            Kind::Method => header::method(text).map(as_written),
            Kind::HeaderName => header::name(text).map(as_written),
            Kind::EditedHeader => header::edited(text).map(as_written),
            Kind::HeaderValue => header::value(text).map(as_written),
            Kind::ValuePattern => pattern::value(text).map(Value::Pattern),
            Kind::CookieName => header::cookie(text).map(as_written),
            Kind::QueryName => text::query_name(text).map(as_written),
            Kind::RedirectStatus => status::redirect(text).map(Value::Number),
            Kind::StatusRange => status::range(text).map(|(from, to)| Value::Range(from, to)),
            Kind::HashKey => text::hash_key(text).map(Value::Hash),
            Kind::Bound => bound::bound(text).map(Value::Number),
            Kind::StickyKey => text::sticky_key(text).map(Value::Hash),
            Kind::LogTarget => text::log_target(text).map(as_written),
            Kind::Rate => tls::rate(text).map(Value::Rate),
            Kind::File => tls::file(text).map(as_written),
            Kind::EnvName => tls::env_name(text).map(as_written),
            Kind::TlsVersion => tls::version(text).map(Value::Tls),
            Kind::CipherSuite => tls::cipher(text).map(Value::Cipher),
            Kind::AcmeDomain => tls::acme_domain(text).map(as_written),
            Kind::Challenge => tls::challenge(text).map(Value::Challenge),
            Kind::Email => tls::email(text).map(as_written),
            Kind::HttpsUrl => tls::https_url(text).map(as_written),
            Kind::GrpcService => tls::grpc_service(text).map(as_written),
            Kind::Ip => address::ip(text).map(as_written),
            Kind::CheckMethod => check::method(text).map(as_written),
            Kind::CheckHeader => check::header(text).map(as_written),
            Kind::Sought => check::sought(text).map(Value::Sought),
            Kind::JsonPointer => check::json_pointer(text).map(as_written),
            Kind::JsonScalar => check::json_scalar(scalar).map(Value::Json),
            Kind::RetryCondition => resilience::condition(text).map(Value::Retry),
            Kind::HedgeDelay => resilience::hedge_delay(text).map(Value::Hedge),
        }
    }

    /// What the value must be, for messages: "expected …".
    pub(crate) fn what(self) -> String {
        let what = match self {
            Kind::Duration => "a duration like `2s`",
            Kind::Size { .. } => "a size like `16KiB`",
            Kind::Count { .. } => "a whole number",
            Kind::CountOrAuto { .. } => "`auto` or a whole number",
            Kind::Share { .. } => "a share like `20%`",
            Kind::Part => "a share like `10%` or `0.1%`",
            Kind::Factor => "a factor like `3x`",
            Kind::Bool => "`true` or `false`",
            Kind::Word(words) => return listed(words),
            Kind::Name => "a name",
            Kind::PoolName => "the name of a pool",
            Kind::Text => "text",
            Kind::Bind => "an address like `\":8080\"` or `127.0.0.1:8080`",
            Kind::ServerAddress => "an address like `10.0.0.11:8080`",
            Kind::Network => "a network like `10.0.0.0/8`",
            Kind::HostPattern => "a host like `shop.example.com`",
            Kind::Host | Kind::HostName => "a host name",
            Kind::PathPattern => "a path like `/api` or `/api/*`",
            Kind::PathPrefix | Kind::Target => "a path like `/api`",
            Kind::Location => "a URL or a path",
            Kind::Method => "a method like `GET`",
            Kind::HeaderName | Kind::EditedHeader => "the name of a header field",
            Kind::HeaderValue => "the text of a header field",
            Kind::ValuePattern => "text, `~ REGEX` or `\"*\"`",
            Kind::CookieName => "the name of a cookie",
            Kind::QueryName => "the name of a query parameter",
            Kind::RedirectStatus => "301, 302, 303, 307 or 308",
            Kind::StatusRange => "status codes like `200` or `200-299`",
            Kind::Bound => "a number above 1 like `1.25`",
            Kind::HashKey => "`client_ip`, `path`, `\"header:NAME\"`, `\"cookie:NAME\"` or `\"query:NAME\"`",
            Kind::StickyKey => "`client_ip` or `\"header:NAME\"`",
            Kind::LogTarget => "`stdout`, `stderr` or the path of a file",
            Kind::Rate => "a rate like `100/s`",
            Kind::File => "a path like `/etc/weir/shop.pem`",
            Kind::EnvName => "the name of an environment variable",
            Kind::CertificateName => "the name of a certificate",
            Kind::TlsVersion => "`\"1.2\"` or `\"1.3\"`",
            Kind::CipherSuite => "a cipher suite like `TLS_AES_128_GCM_SHA256`",
            Kind::AcmeDomain => "a host name",
            Kind::Challenge => "`http-01` or `tls-alpn-01`",
            Kind::Email => "an address of mail",
            Kind::HttpsUrl => "a URL like `https://HOST/PATH`",
            Kind::GrpcService => "the name of a gRPC service",
            Kind::Ip => "an IP address",
            Kind::CheckMethod => "a method like `GET`",
            Kind::CheckHeader => "the name of a header field",
            Kind::Sought => "text or `~ REGEX`",
            Kind::JsonPointer => "a JSON pointer like `/status`",
            Kind::JsonScalar => "text, a number, `true` or `false`",
            Kind::RetryCondition => "a failure like `connect_failure` or `503`",
            Kind::HedgeDelay => "a time like `50ms`, or `p95`",
        };
        what.to_owned()
    }

    /// Text must not look like something else to another reader of YAML, a number must not be text.
    fn check_style(self, scalar: &Scalar) -> Result<(), Fault> {
        match self {
            Kind::Count { .. }
            | Kind::CountOrAuto { .. }
            | Kind::Bound
            | Kind::Bool
            | Kind::RedirectStatus
                if scalar.quoted && scalar.text != "auto" =>
            {
                Err(Fault::new(format!("expected {}, not text", self.what())).help("take the quotes away"))
            }
            Kind::Name
            | Kind::PoolName
            | Kind::Text
            | Kind::HeaderName
            | Kind::EditedHeader
            | Kind::HeaderValue
            | Kind::ValuePattern
            | Kind::CookieName
            | Kind::QueryName
            | Kind::CertificateName
            | Kind::TlsVersion
            | Kind::GrpcService
            | Kind::Sought
                if !scalar.quoted =>
            {
                plain::check(&scalar.text)
            }
            _ => Ok(()),
        }
    }
}

/// For kinds whose value is the text itself, once it is checked.
fn as_written(_: ()) -> Value {
    Value::Text
}

fn word(text: &str, words: &'static [Word], quoted: bool) -> Result<&'static str, Fault> {
    if let Some(word) = words.iter().find(|word| word.name == text) {
        return match word.status {
            Status::Built => Ok(word.name),
            Status::Later => Err(Fault::new(format!("`{text}` is not supported yet"))
                .help(format!("supported today: {}", listed(words)))),
        };
    }
    let names = || words.iter().map(|word| word.name);
    // By its letters, `http2` is nearest to `http1`.
    if matches!(text, "http2" | "http/2" | "h2c") && names().any(|name| name == "h2") {
        return Err(Fault::new(format!("unknown value `{text}`, did you mean `h2`?"))
            .help(format!("expected {}", listed(words))));
    }
    // `off` and its like are what other programs call it.
    let none = names().find(|name| *name == "none" && !quoted && plain::denies(text));
    Err(match none.or_else(|| nearest(text, names())) {
        Some(near) => Fault::new(format!("unknown value `{}`, did you mean `{near}`?", shown(text))),
        None => Fault::new(format!("unknown value `{}`", shown(text))),
    }
    .help(format!("expected {}", listed(words))))
}

/// The words that are built: `a`, `b` or `c`.
fn listed(words: &[Word]) -> String {
    let built: Vec<String> = words
        .iter()
        .filter(|word| word.status == Status::Built)
        .map(|word| format!("`{}`", word.name))
        .collect();
    match built.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
