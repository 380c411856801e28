//! The parts of a certificate that are read here (RFC 5280 section 4.1), for all who read one.

use std::time::SystemTime;

use super::der::{BOOLEAN, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE};

/// id-ce-subjectAltName (RFC 5280 section 4.2.1.6), 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// Where the parts are.
pub(crate) struct Certificate<'a> {
    pub(crate) serial: &'a [u8],
    /// Two times: see [`Certificate::period`].
    validity: Reader<'a>,
    pub(crate) subject: Reader<'a>,
    /// The GeneralNames in subjectAltName, if it has any.
    pub(crate) alternative_names: Option<Reader<'a>>,
}

impl<'a> Certificate<'a> {
    /// `None` if it is no certificate.
    pub(crate) fn read(der: &'a [u8]) -> Option<Self> {
        let mut body = Reader::new(der).enter(SEQUENCE)?.enter(SEQUENCE)?;
        body.take(0xa0); // version
        let serial = body.take(INTEGER)?;
        body.take(SEQUENCE)?; // signature
        body.take(SEQUENCE)?; // issuer
        let validity = body.enter(SEQUENCE)?;
        let subject = body.enter(SEQUENCE)?;
        body.take(SEQUENCE)?; // subjectPublicKeyInfo
        while body.peek().is_some_and(|tag| tag != 0xa3) {
            body.next()?; // issuerUniqueID, subjectUniqueID
        }
        let mut alternative_names = None;
        if let Some(mut extensions) = body.enter(0xa3).and_then(|mut all| all.enter(SEQUENCE)) {
            while let Some(mut extension) = extensions.enter(SEQUENCE) {
                let oid = extension.take(OID)?;
                extension.take(BOOLEAN);
                let value = extension.take(OCTET_STRING)?;
                if oid == SUBJECT_ALT_NAME {
                    alternative_names = Some(Reader::new(value).enter(SEQUENCE)?);
                }
            }
        }
        Some(Self { serial, validity, subject, alternative_names })
    }

    /// From when until when it is valid.
    pub(crate) fn period(&self) -> Option<(SystemTime, SystemTime)> {
        let mut validity = self.validity;
        Some((validity.time()?, validity.time()?))
    }
}

/// What is read of a list of revoked certificates (RFC 5280 section 5.1).
pub(crate) struct RevocationList<'a> {
    /// The contents of the issuer's name.
    pub(crate) issuer: &'a [u8],
    /// When the next one should be there.
    pub(crate) next_update: Option<SystemTime>,
}

impl<'a> RevocationList<'a> {
    /// `None` if it is none.
    pub(crate) fn read(der: &'a [u8]) -> Option<Self> {
        let mut body = Reader::new(der).enter(SEQUENCE)?.enter(SEQUENCE)?;
        body.take(INTEGER); // version
        body.take(SEQUENCE)?; // signature
        let issuer = body.take(SEQUENCE)?;
        body.time()?; // thisUpdate
        // What comes instead, if it is left out, is no time.
        Some(Self { issuer, next_update: body.time() })
    }
}
