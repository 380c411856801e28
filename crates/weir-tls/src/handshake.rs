//! How handshakes end, in few words for counters and in more for people.
//!
//! What strangers do wrong is counted only: a listener on the internet sees thousands of failed handshakes a day. What
//! is wrong with a server is said in words, since somebody can put it right.

use std::io::{self, ErrorKind};

use rustls::{AlertDescription, CertificateError, Error};
use weir_config::TlsVersion;

/// A handshake that has succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// What was agreed upon.
    pub version: TlsVersion,
    /// It goes on with an earlier session.
    pub resumed: bool,
}

/// Why a handshake with a client has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No version, cipher suite, key exchange, signature or protocol that both sides have.
    NothingShared,
    /// The client has no certificate, or one that is not accepted.
    ClientCertificate,
    /// The client has said no: mostly it does not trust our certificate.
    RefusedByClient,
    /// What came is not TLS.
    NotTls,
    /// The client went away in the middle of it, or before it.
    CutOff,
    /// It was not done within `handshake_timeout`.
    Timeout,
    /// Anything else.
    Other,
}

impl Failure {
    /// All, in the order of their counters.
    pub const ALL: [Self; 7] = [
        Self::NothingShared,
        Self::ClientCertificate,
        Self::RefusedByClient,
        Self::NotTls,
        Self::CutOff,
        Self::Timeout,
        Self::Other,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::NothingShared => "nothing_shared",
            Self::ClientCertificate => "client_certificate",
            Self::RefusedByClient => "refused_by_client",
            Self::NotTls => "not_tls",
            Self::CutOff => "cut_off",
            Self::Timeout => "timeout",
            Self::Other => "other",
        }
    }

    /// What the error of [`crate::Stream::poll_handshake`] means, on a connection of a client.
    pub fn of(error: &io::Error) -> Self {
        match within(error) {
            Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => Self::NothingShared,
            Some(Error::InvalidCertificate(_) | Error::NoCertificatesPresented) => Self::ClientCertificate,
            Some(Error::AlertReceived(_)) => Self::RefusedByClient,
            Some(Error::InvalidMessage(_)) => Self::NotTls,
            Some(_) => Self::Other,
            None => match error.kind() {
                ErrorKind::UnexpectedEof
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe => Self::CutOff,
                ErrorKind::TimedOut => Self::Timeout,
                _ => Self::Other,
            },
        }
    }
}

/// What is wrong with a server, if `error` came from TLS with it: a sentence without its subject.
pub fn why(error: &io::Error) -> Option<String> {
    Some(match within(error)? {
        Error::InvalidCertificate(wrong) => wrong_certificate(wrong),
        Error::NoCertificatesPresented => "shows no certificate".to_owned(),
        Error::AlertReceived(alert) => format!("refuses the handshake: {}", alert_words(*alert)),
        Error::PeerIncompatible(_) => "has no version or cipher suite of TLS that is allowed here".to_owned(),
        Error::NoApplicationProtocol => "does not speak the pool's protocol".to_owned(),
        Error::InvalidMessage(_) => "does not speak TLS".to_owned(),
        other => format!("breaks off the handshake: {other}"),
    })
}

fn within(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn wrong_certificate(wrong: &CertificateError) -> String {
    match wrong {
        CertificateError::UnknownIssuer => {
            "shows a certificate of an authority that is not trusted".to_owned()
        }
        CertificateError::BadSignature => {
            "shows a certificate that the trusted authority of that name has not signed".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "shows a certificate that has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "shows a certificate that is not valid yet".to_owned()
        }
        CertificateError::NotValidForName => "shows a certificate that is not for its name".to_owned(),
        CertificateError::NotValidForNameContext { expected, .. } => {
            format!("shows a certificate that is not for `{}`", expected.to_str())
        }
        other => format!("shows a certificate that is not accepted: {other}"),
    }
}

fn alert_words(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired => "it wants a certificate of its client",
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => "it does not accept the certificate of its client",
        AlertDescription::ProtocolVersion => "it speaks no version of TLS that is allowed here",
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            "it shares no cipher suite, or wants a certificate of its client"
        }
        AlertDescription::UnrecognisedName => "it does not know the name that it was asked for",
        AlertDescription::NoApplicationProtocol => "it does not speak the pool's protocol",
        _ => "it gave no reason",
    }
}

#[cfg(test)]
mod tests {
    use rustls::{InvalidMessage, PeerIncompatible, pki_types::ServerName};

    use super::*;

    fn tls(error: Error) -> io::Error {
        io::Error::new(ErrorKind::InvalidData, error)
    }

    #[test]
    fn failures_of_clients_fall_into_few_classes() {
        let check = |error: io::Error, expected| assert_eq!(Failure::of(&error), expected, "{error}");
        check(tls(Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon)), Failure::NothingShared);
        check(tls(Error::NoCertificatesPresented), Failure::ClientCertificate);
        check(tls(Error::InvalidCertificate(CertificateError::Revoked)), Failure::ClientCertificate);
        check(tls(Error::AlertReceived(AlertDescription::UnknownCA)), Failure::RefusedByClient);
        check(tls(Error::InvalidMessage(InvalidMessage::InvalidContentType)), Failure::NotTls);
        check(tls(Error::DecryptError), Failure::Other);
        check(ErrorKind::UnexpectedEof.into(), Failure::CutOff);
        check(ErrorKind::ConnectionReset.into(), Failure::CutOff);
    }

    #[test]
    fn counters_and_names_are_one_to_one() {
        let mut names: Vec<&str> = Failure::ALL.iter().map(|failure| failure.name()).collect();
        assert!(Failure::ALL.iter().enumerate().all(|(index, failure)| *failure as usize == index));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Failure::ALL.len());
    }

    #[test]
    fn what_is_wrong_with_a_server_is_said() {
        let check = |error, expected: &str| assert_eq!(why(&tls(error)).as_deref(), Some(expected));
        check(
            Error::InvalidCertificate(CertificateError::NotValidForNameContext {
                expected: ServerName::try_from("api.internal").unwrap(),
                presented: Vec::new(),
            }),
            "shows a certificate that is not for `api.internal`",
        );
        check(
            Error::AlertReceived(AlertDescription::CertificateRequired),
            "refuses the handshake: it wants a certificate of its client",
        );
        assert_eq!(why(&ErrorKind::ConnectionRefused.into()), None);
    }
}
