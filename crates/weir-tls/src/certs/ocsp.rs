//! OCSP responses to staple (RFC 6960 section 4.2.1): that one is for this certificate, and until when.
//!
//! Its signature is the client's to verify: who can put a wrong one into the file can do worse.

use std::time::SystemTime;

use super::der::{ENUMERATED, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE};

/// id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1.
const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];

/// A response that can be stapled.
#[derive(Debug)]
pub(super) struct Staple {
    /// When it ends; a client may refuse it later.
    pub(super) next_update: Option<SystemTime>,
    pub(super) good: bool,
}

/// Why a response cannot be stapled.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is no OCSP response.
    NotOcsp,
    /// The responder had no answer.
    Refused,
    /// It says nothing about this certificate.
    OfAnother,
}

/// The response about the certificate with this serial number.
pub(super) fn read(der: &[u8], serial: &[u8]) -> Result<Staple, Unfit> {
    let mut response = Reader::new(der).enter(SEQUENCE).ok_or(Unfit::NotOcsp)?;
    match response.take(ENUMERATED) {
        Some([0]) => {}
        Some(_) => return Err(Unfit::Refused),
        None => return Err(Unfit::NotOcsp),
    }
    let mut singles = basic(&mut response).ok_or(Unfit::NotOcsp)?;
    while let Some(mut single) = singles.enter(SEQUENCE) {
        let (of, staple) = one(&mut single).ok_or(Unfit::NotOcsp)?;
        if of == serial {
            return Ok(staple);
        }
    }
    Err(Unfit::OfAnother)
}

/// The list of single responses.
fn basic<'a>(response: &mut Reader<'a>) -> Option<Reader<'a>> {
    let mut bytes = response.enter(0xa0)?.enter(SEQUENCE)?;
    if bytes.take(OID)? != BASIC {
        return None;
    }
    let mut data = Reader::new(bytes.take(OCTET_STRING)?).enter(SEQUENCE)?.enter(SEQUENCE)?;
    data.take(0xa0); // version
    data.next()?; // responderID
    data.time()?; // producedAt
    data.enter(SEQUENCE)
}

/// The serial number that it is about, and what it says.
fn one<'a>(single: &mut Reader<'a>) -> Option<(&'a [u8], Staple)> {
    let mut id = single.enter(SEQUENCE)?;
    id.take(SEQUENCE)?; // hashAlgorithm
    id.take(OCTET_STRING)?; // issuerNameHash
    id.take(OCTET_STRING)?; // issuerKeyHash
    let serial = id.take(INTEGER)?;
    let (status, _) = single.next()?;
    single.time()?; // thisUpdate
    let next_update = match single.enter(0xa0) {
        Some(mut time) => Some(time.time()?),
        None => None,
    };
    Some((serial, Staple { next_update, good: status == 0x80 }))
}
