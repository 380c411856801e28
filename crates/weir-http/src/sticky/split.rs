//! Which pool of a split takes a request.
//!
//! A client that is to stay has a place between 0 and 1 for as long as its cookie lives, and the shares lie side by side
//! over the same line. When 95 and 5 become 90 and 10, the places between 0.90 and 0.95 change sides and no others do.
//! A cookie that named the pool would keep everybody where they are, whatever the shares say later.

use weir_config::PoolIndex;

use super::{cookie, is_secure, now_s};
use crate::{
    connection::Connection,
    exchange::Desk,
    site::{ListenerSite, RouteSite},
};

/// One of the pools, each with its share of the sum.
pub(crate) fn draw(
    connection: &Connection,
    desk: &mut Desk,
    listener: &ListenerSite,
    route: &RouteSite,
    shares: &[(PoolIndex, u32)],
) -> PoolIndex {
    let random = || (connection.worker.rng.borrow_mut().next() >> 32) as u32;
    let Some(own) = &route.split_sticky else { return at(random(), shares) };
    let now_s = now_s();
    let brought = cookie::brought(&connection.view(&desk.request), own, now_s, cookie::decode_place);
    let (place, is_known) = match brought {
        Ok((place, is_aging)) => (place, !is_aging),
        Err(_) => (random(), false),
    };
    if !is_known {
        let is_secure = is_secure(connection, listener, desk);
        cookie::write_place(&mut desk.sticky.lines, own, place, now_s, is_secure);
    }
    at(place, shares)
}

/// The pool whose share lies at this place, a fraction of 2^32.
fn at(place: u32, shares: &[(PoolIndex, u32)]) -> PoolIndex {
    let sum: u64 = shares.iter().map(|(_, share)| u64::from(*share)).sum();
    // At most 100 shares of a million each: no overflow.
    let mut left = (u64::from(place) * sum) >> 32;
    for (pool, share) in shares {
        match left.checked_sub(u64::from(*share)) {
            Some(rest) => left = rest,
            None => return *pool,
        }
    }
    shares[0].0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(shares: &[u32]) -> Vec<usize> {
        let shares: Vec<_> =
            shares.iter().enumerate().map(|(pool, share)| (PoolIndex(pool), *share)).collect();
        (0..100_000_u64).map(|n| at((n * 42_949) as u32, &shares).0).collect()
    }

    #[test]
    fn shares_are_as_written() {
        let drawn = counts(&[0, 95, 0, 5]);
        let of = |pool| drawn.iter().filter(|drawn| **drawn == pool).count();
        assert_eq!((of(0), of(2)), (0, 0));
        assert!(of(1).abs_diff(95_000) < 10 && of(3).abs_diff(5_000) < 10, "{} {}", of(1), of(3));
    }

    #[test]
    fn a_change_moves_no_more_than_it_must() {
        let check = |before: &[u32], after: &[u32], expected: usize| {
            let moved = counts(before).iter().zip(counts(after)).filter(|(a, b)| **a != *b).count();
            assert!(moved.abs_diff(expected) < 10, "{before:?} to {after:?}: {moved}");
        };
        check(&[95, 5], &[90, 10], 5_000);
        check(&[95, 5], &[950, 50], 0);
        check(&[50, 50], &[0, 100], 50_000);
        check(&[90, 10], &[90, 5, 5], 5_000);
    }
}
