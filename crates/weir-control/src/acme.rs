//! From `acme` in the file to what the ACME client orders: files and secrets read, words in its terms.

use std::fmt::Display;

use weir_config::{Acme, Certificate, CertificateSource, Config, FilePath, Late, Place, Secret, Severity};
use weir_tls::acme::{Account, Challenge, External, KeyType, Order};

use crate::certificates::acme_dir;

/// What is to be kept; nothing if the file has no `acme`.
///
/// # Errors
/// What is wrong with what it names, for [`weir_config::Checked::report`].
pub(crate) fn orders(config: &Config) -> Result<Vec<Order>, Vec<Late>> {
    let (mut orders, mut found) = (Vec::new(), Vec::new());
    for certificate in &config.certificates {
        if let CertificateSource::Acme(acme) = &certificate.source {
            match order(certificate, acme) {
                Ok(order) => orders.push(order),
                Err(late) => found.push(late),
            }
        }
    }
    if found.is_empty() { Ok(orders) } else { Err(found) }
}

/// What keeps them from being kept, as far as it can be known without a word to anybody.
pub(crate) fn check(config: &Config) -> Vec<Late> {
    let mut found = orders(config).err().unwrap_or_default();
    let needed = |certificate: &&Certificate| matches!(certificate.source, CertificateSource::Acme(_));
    if let Some(first) = config.certificates.iter().find(needed) {
        let checked = weir_tls::acme::check_state_dir(&acme_dir(config));
        found.extend(checked.err().map(|error| problem(first.place, error)));
    }
    found
}

fn order(certificate: &Certificate, acme: &Acme) -> Result<Order, Late> {
    let ca = acme.ca.as_ref().map(read);
    let external = acme.eab.as_ref().map(|eab| {
        Ok(External { key_id: eab.kid.clone(), hmac_key: text(&eab.hmac_key)?.trim().to_owned() })
    });
    let order = Order {
        name: certificate.name.clone(),
        domains: acme.domains.clone(),
        account: Account {
            directory: acme.directory.clone(),
            email: acme.email.clone(),
            ca: ca.transpose()?,
            external: external.transpose()?,
        },
        challenge: match acme.challenge {
            weir_config::Challenge::Http01 => Challenge::Http01,
            weir_config::Challenge::TlsAlpn01 => Challenge::TlsAlpn01,
        },
        key_type: match acme.key_type {
            weir_config::KeyType::Ecdsa => KeyType::Ecdsa,
            weir_config::KeyType::Rsa => KeyType::Rsa,
        },
    };
    order.checked().map_err(|error| problem(certificate.place, error))
}

fn read(file: &FilePath) -> Result<Vec<u8>, Late> {
    weir_tls::read_file(file).map_err(|mut problems| problems.remove(0))
}

fn text(secret: &Secret) -> Result<String, Late> {
    match secret {
        Secret::File(file) => String::from_utf8(read(file)?)
            .map_err(|_| problem(file.place, format!("{}: this is no text", file.path.display()))),
        Secret::Env { name, place } => {
            std::env::var(name).map_err(|_| problem(*place, format!("the environment has no `{name}`")))
        }
    }
}

fn problem(place: Place, message: impl Display) -> Late {
    Late { severity: Severity::Error, place, message: message.to_string(), help: None }
}
