//! `listeners[].tls` and `pools.NAME.tls`.

use super::{List, Section, Shape, Word, certificate::secret, key, list, word};
use crate::kind::Kind;

pub(super) static LISTENER_TLS: Section = Section {
    path: "listeners[].tls",
    doc: "TLS towards the clients. 0-RTT is never taken: it can be replayed.",
    keys: &[
        key(
            "certificates",
            Shape::List(&CERTIFICATES),
            "Which of the file's `certificates` are served here, chosen by the name that the client asks for (SNI).",
        )
        .required(),
        key("default", Shape::One(Kind::CertificateName), "For a client that asks for another name, or for none.")
            .settled("the first of `certificates`; of a directory, the first file by name"),
        key("min_version", Shape::One(Kind::TlsVersion), "The oldest version that is spoken: `\"1.2\"` or `\"1.3\"`.")
            .default("\"1.2\""),
        key(
            "ciphers",
            Shape::List(&CIPHERS),
            "The only cipher suites, for all versions, by their IANA names, the preferred one first.",
        )
        .settled("all that are safe, AES-128 first"),
        key("handshake_timeout", Shape::One(Kind::Duration), "From the accept to the end of the handshake.")
            .default("10s"),
        key("client_auth", Shape::Section(&CLIENT_AUTH), "Certificates of clients; without it, none is asked for."),
        key("tickets", Shape::WordOrSection(&NO_TICKETS, &TICKETS), "Tickets, by which clients resume sessions.")
            .default("{}"),
        key(
            "hsts",
            Shape::Section(&HSTS),
            "Tells browsers to use HTTPS only (`Strict-Transport-Security`, RFC 6797), in every answer.",
        ),
    ],
    choices: &[],
};

static CERTIFICATES: List = list(Kind::CertificateName, 1, 1000);
static CIPHERS: List = list(Kind::CipherSuite, 1, 100);

static CLIENT_AUTH: Section = Section {
    path: "listeners[].tls.client_auth",
    doc: "Certificates of clients.",
    keys: &[
        key("ca", Shape::One(Kind::File), "PEM: the certificates that those of clients must come from.")
            .required(),
        key("mode", Shape::One(Kind::Word(&CLIENT_AUTH_MODES)), "Whether a client may come without one.")
            .default("required"),
        key("crl", Shape::One(Kind::File), "PEM: lists of revoked certificates, one for each issuer."),
    ],
    choices: &[],
};

static CLIENT_AUTH_MODES: [Word; 2] = [
    word("required", "a client without a certificate is refused"),
    word("optional", "a client may come without one; a wrong one is refused all the same"),
];

static NO_TICKETS: [Word; 1] = [word("none", "every connection begins with a full handshake")];

static TICKETS: Section = Section {
    path: "listeners[].tls.tickets",
    doc: "Without `keys`, each process makes its own and changes them by itself.",
    keys: &[
        key(
            "keys",
            Shape::Section(&TICKET_KEYS),
            "Keys that several nodes share: 80 random bytes each, in base64, one per line. The first one seals, all of them open.",
        ),
        key(
            "lifetime",
            Shape::One(Kind::Duration),
            "How long a ticket is good for; at most seven days (`168h`).",
        )
        .default("12h"),
    ],
    choices: &[],
};

static TICKET_KEYS: Section = secret("listeners[].tls.tickets.keys", "Where the shared keys are.");

static HSTS: Section = Section {
    path: "listeners[].tls.hsts",
    doc: "It takes the place of what a server says; a route whose `response_headers` name the field has its way.",
    keys: &[
        key("max_age", Shape::One(Kind::Duration), "How long a browser remembers it; whole seconds.")
            .default("8760h"),
        key("include_subdomains", Shape::One(Kind::Bool), "For all names below, too.").default("false"),
        key("preload", Shape::One(Kind::Bool), "Agrees that browsers come with it.").default("false"),
    ],
    choices: &[],
};

pub(super) static POOL_TLS: Section = Section {
    path: "pools.NAME.tls",
    doc: "TLS towards the servers, and for their checks. Their certificates are verified.",
    keys: &[
        key(
            "ca",
            Shape::One(Kind::File),
            "PEM: the only roots that certificates of the servers may come from.",
        )
        .settled("the system's roots"),
        key(
            "server_name",
            Shape::One(Kind::HostName),
            "The name that is asked for (SNI) and that the certificate must be for.",
        )
        .settled("the IP address of the server, which its certificate must then name"),
        key(
            "cert",
            Shape::One(Kind::File),
            "PEM: the certificate that Weir shows to the servers, with its chain.",
        ),
        key("key", Shape::Section(&CLIENT_KEY), "Its private key in PEM; without it, it is in `cert`.")
            .needs("cert"),
        key(
            "min_version",
            Shape::One(Kind::TlsVersion),
            "The oldest version that is spoken: `\"1.2\"` or `\"1.3\"`.",
        )
        .default("\"1.2\""),
        key(
            "danger_accept_any_certificate",
            Shape::One(Kind::Bool),
            "Verify nothing: whoever is in between can read and change everything. For tests only.",
        )
        .default("false"),
    ],
    choices: &[],
};

static CLIENT_KEY: Section = secret("pools.NAME.tls.key", "Where the private key is.");
