//! What is to be kept, as the control plane says it: already read from the file, secrets and certificates included.

use std::fmt;

use super::{account, http, problem::Problem};

/// The directory of Let's Encrypt, where certificates come from if nothing else is said.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// At most so many domains are in one certificate; authorities rarely allow more.
pub const DOMAINS_MAX: usize = 100;

/// One certificate to keep: what is in it, and from whom it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The name under which the file knows it. Files and reports carry it.
    pub name: String,
    /// DNS names, at least one, no wildcards: neither challenge can prove one.
    pub domains: Vec<String>,
    /// By which account at which authority.
    pub account: Account,
    /// How the authority shall look whether the domains are ours.
    pub challenge: Challenge,
    /// What kind of key the certificate is for. Each certificate gets a new one.
    pub key_type: KeyType,
}

/// Who orders, and where. Orders with the same directory, address and key id share an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// URL of the authority's directory; see [`LETS_ENCRYPT`].
    pub directory: String,
    /// Where the authority may write to.
    pub email: Option<String>,
    /// PEM certificates that the directory's own certificate is verified with, instead of those of the system.
    pub ca: Option<Vec<u8>>,
    /// What ties the account to one that exists outside of ACME, where the authority wants that.
    pub external: Option<External>,
}

/// An external account binding (RFC 8555, section 7.3.4).
#[derive(Clone, PartialEq, Eq)]
pub struct External {
    /// The key identifier, as the authority gave it.
    pub key_id: String,
    /// The HMAC key, in base64url as authorities hand it out. Secret.
    pub hmac_key: String,
}

/// The key is not shown.
impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("External").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// How control over a domain is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A request over HTTP to port 80 (RFC 8555, section 8.3).
    Http01,
    /// A handshake on port 443 (RFC 8737).
    TlsAlpn01,
}

impl Challenge {
    /// As the standards and the file write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Challenge::Http01 => "http-01",
            Challenge::TlsAlpn01 => "tls-alpn-01",
        }
    }
}

/// The kind of a certificate's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyType {
    /// ECDSA on P-256.
    #[default]
    Ecdsa,
    /// RSA with 2048 bits, for clients that are too old for anything else.
    Rsa,
}

impl KeyType {
    /// As the file writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyType::Ecdsa => "ecdsa",
            KeyType::Rsa => "rsa",
        }
    }
}

impl Order {
    /// The order with its domains in one normal form: lower case, no dot at the end, sorted, each once. The error says
    /// what is wrong in words for whoever wrote the file.
    pub fn checked(mut self) -> Result<Order, Problem> {
        for domain in &mut self.domains {
            domain.make_ascii_lowercase();
            domain.truncate(domain.trim_end_matches('.').len());
        }
        self.domains.sort();
        self.domains.dedup();
        let within = |problem: Problem| problem.within(format!("certificate `{}`", self.name));
        if let Some(fault) = self.fault() {
            return Err(within(Problem::new(fault)));
        }
        // Here, where it can still be refused, rather than in the middle of the first order.
        http::check(&self.account).and_then(|()| account::check(&self.account)).map_err(within)?;
        Ok(self)
    }

    fn fault(&self) -> Option<String> {
        if self.name.is_empty() {
            return Some("it has no name".to_owned());
        }
        if self.domains.is_empty() {
            return Some("it has no domains; name at least one".to_owned());
        }
        if self.domains.len() > DOMAINS_MAX {
            let count = self.domains.len();
            return Some(format!(
                "{count} domains are more than {DOMAINS_MAX}; make several certificates of it"
            ));
        }
        if !self.account.directory.starts_with("https://") {
            let directory = &self.account.directory;
            return Some(format!(
                "the directory `{directory}` does not begin with https://, as ACME demands"
            ));
        }
        self.domains.iter().find_map(|domain| domain_fault(domain, self.challenge))
    }
}

fn domain_fault(domain: &str, challenge: Challenge) -> Option<String> {
    if domain.starts_with("*.") {
        return Some(format!(
            "`{domain}` is a wildcard, which {} cannot prove; list the names one by one, or use a certificate \
             from a file",
            challenge.as_str()
        ));
    }
    let labels_are_good = domain.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    });
    let is_address = domain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if labels_are_good && !is_address && domain.len() <= 253 {
        return None;
    }
    Some(format!("`{domain}` is no DNS name; write names of other scripts in their xn-- form"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(domains: &[&str], expected: Result<&[&str], &str>) {
        let order = Order {
            name: "shop".to_owned(),
            domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
            account: Account { directory: LETS_ENCRYPT.to_owned(), email: None, ca: None, external: None },
            challenge: Challenge::Http01,
            key_type: KeyType::Ecdsa,
        };
        match (order.checked(), expected) {
            (Ok(order), Ok(expected)) => assert_eq!(order.domains, expected),
            (Err(problem), Err(expected)) => {
                let text = problem.to_string();
                assert!(text.starts_with("certificate `shop`: ") && text.contains(expected), "{text}");
            }
            (result, _) => panic!("{domains:?}: {result:?}"),
        }
    }

    #[test]
    fn domains_are_taken_in_one_form_or_refused_with_the_reason() {
        check(&["b.example", "A.example.", "b.example"], Ok(&["a.example", "b.example"]));
        check(&["xn--bcher-kva.example"], Ok(&["xn--bcher-kva.example"]));
        check(&[], Err("no domains"));
        check(&["*.example.com"], Err("`*.example.com` is a wildcard, which http-01 cannot prove"));
        check(&["bücher.example"], Err("xn--"));
        check(&["192.0.2.1"], Err("`192.0.2.1` is no DNS name"));
        check(&["a..example"], Err("no DNS name"));
        check(&["a b.example"], Err("no DNS name"));
        let many: Vec<String> = (0..=DOMAINS_MAX).map(|number| format!("n{number}.example")).collect();
        check(&many.iter().map(String::as_str).collect::<Vec<_>>(), Err("101 domains are more than 100"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let external = External { key_id: "kid-1".to_owned(), hmac_key: "c2VjcmV0".to_owned() };
        let shown = format!("{external:?}");
        assert!(shown.contains("kid-1") && !shown.contains("c2VjcmV0"), "{shown}");
    }
}
