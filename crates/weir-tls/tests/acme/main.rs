//! The ACME client against a real authority, `pebble`: both challenges, renewal, and everything that can go wrong.
//!
//! A test sets up an authority, a site that answers like Weir's workers, and a keeper; then it waits for what the
//! keeper reports. Time is turned forward, never waited for.

#![forbid(unsafe_code)]

mod fetch;
mod front;
mod keeping;
mod pki;
mod site;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;
use weir_tests::pebble::{BLOCKED, LIFETIME, Pebble, Setup};
use weir_tls::acme::{Challenge, Event, KeyType, Origin, Why};

use crate::front::Front;
use crate::keeping::{Keeping, Seen};
use crate::pki::Pki;
use crate::site::Site;

/// Into the last third of the lifetime of a certificate that was issued just now.
const RENEWAL_TIME: Duration = Duration::from_secs(2450);

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// An authority and a site, as most tests want them.
async fn world() -> (Pki, Site, Pebble) {
    world_with(0, None).await
}

async fn world_with(nonce_reject: u8, external: Option<(&'static str, &'static str)>) -> (Pki, Site, Pebble) {
    let pki = Pki::new();
    let site = Site::start().await;
    let setup = Setup { http_port: site.http_port, tls_port: site.tls_port, nonce_reject, external };
    let pebble = Pebble::start(&pki.authority, &setup);
    (pki, site, pebble)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_start_serves_a_placeholder_and_then_what_http_01_brings() {
    let (pki, site, pebble) = world().await;
    let mut keeping = Keeping::new(&pki, &site, &pebble.directory);
    keeping.orders[0].domains = vec!["b.example".to_owned(), "A.example.".to_owned()];

    let keeper = keeping.start().expect("a new state directory is fine");
    // Before `start` returned.
    let placeholder = keeping.served_already();
    assert_eq!(
        (placeholder.origin, placeholder.names()),
        (Origin::Placeholder, "a.example b.example".to_owned())
    );

    let first = keeping.until(Seen::ordering).await;
    assert_eq!(first, Why::First);
    let served = keeping.until(Seen::served).await;
    assert_eq!((served.origin, served.names()), (Origin::Issued, "a.example b.example".to_owned()));
    let (not_after, renew_at) = keeping.until(Seen::issued).await;
    assert_eq!(not_after, served.not_after());
    let at = renew_at.duration_since(served.not_before()).expect("it lies ahead");
    assert!((LIFETIME * 6 / 10..=LIFETIME * 2 / 3).contains(&at), "{at:?}");

    // Each name was asked for, and no answer is left behind.
    let tokens = site.tokens.lock().expect("nobody panics with it").clone();
    assert!(
        tokens.len() >= 2 && tokens.iter().all(|token| site.challenges.http_01(token).is_none()),
        "{tokens:?}"
    );
    let status = &keeper.status()[0];
    assert_eq!((status.orders, status.issued, status.failed), (1, 1, 0));
    assert_eq!((status.not_after, status.renew_at), (Some(not_after), Some(renew_at)));
    keeping.all_files_are_ours_alone();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_alpn_01_brings_certificates_for_both_kinds_of_keys() {
    let (pki, site, pebble) = world().await;
    let mut keeping = Keeping::new(&pki, &site, &pebble.directory);
    keeping.orders[0].challenge = Challenge::TlsAlpn01;
    keeping.orders.push(keeping.orders[0].clone());
    keeping.orders[1].name = "old".to_owned();
    keeping.orders[1].key_type = KeyType::Rsa;

    let _keeper = keeping.start().expect("a new state directory is fine");
    let mut issued = Vec::new();
    while issued.len() < 2 {
        let served = keeping.until(Seen::served).await;
        if served.origin == Origin::Issued {
            issued.push((served.name.clone(), served.key_type()));
        }
    }
    issued.sort();
    assert_eq!(issued, [("old".to_owned(), "rsa"), ("shop".to_owned(), "ecdsa")]);
    assert_eq!(site.challenges.tls_alpn_01("shop.example").map(|_| ()), None);
    // Both orders, begun at the same time, share one account.
    assert_eq!(pebble.logged("POST /sign-me-up"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_fails_keeps_the_old_certificate_and_says_why() {
    let (pki, site, pebble) = world().await;
    let mut keeping = Keeping::new(&pki, &site, &pebble.directory);
    let keeper = keeping.start().expect("a new state directory is fine");
    let (first_end, _) = keeping.until(Seen::issued).await;

    site.works.store(false, Ordering::Relaxed);
    keeping.turn_clock(RENEWAL_TIME);
    let why = keeping.until(Seen::ordering).await;
    assert_eq!(why, Why::Due);
    let failed = keeping.until(Seen::failed).await;
    for words in ["`shop.example`", "http-01", "it says: ", "404", "port 80 of `shop.example` must reach"] {
        assert!(failed.problem.to_string().contains(words), "{words:?} is not in {}", failed.problem);
    }
    assert!(failed.next_try > keeping.now() && failed.failures == 1, "{failed:?}");
    assert_eq!(failed.served_until, Some(first_end));
    // What is served is still the first one.
    let status = keeper.status()[0].clone();
    assert_eq!((status.failed, status.failures, status.not_after), (1, 1, Some(first_end)));
    assert_eq!(status.problem, Some(failed.problem));
    assert!(!keeping.served_since());

    site.works.store(true, Ordering::Relaxed);
    keeping.turn_clock(RENEWAL_TIME + Duration::from_secs(1000));
    let served = keeping.until(Seen::served).await;
    assert_eq!(served.origin, Origin::Issued);
    keeping.until(Seen::issued).await;
    let status = keeper.status()[0].clone();
    assert_eq!((status.failures, &status.problem, status.next_try), (0, &None, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_takes_account_and_certificate_from_the_state_directory() {
    let (pki, site, pebble) = world().await;
    let mut keeping = Keeping::new(&pki, &site, &pebble.directory);
    let keeper = keeping.start().expect("a new state directory is fine");
    let (first_end, _) = keeping.until(Seen::issued).await;
    drop(keeper);

    keeping.forget_events();
    let keeper = keeping.start_alone().await;
    let stored = keeping.served_already();
    assert_eq!((stored.origin, stored.not_after()), (Origin::Stored, first_end));

    // Other domains are another certificate, by the same account; until it comes, the stored one is served.
    keeping.orders[0].domains.push("more.example".to_owned());
    keeper.change(keeping.orders.clone()).expect("the orders are fine");
    let why = keeping.until(Seen::ordering).await;
    assert_eq!(why, Why::Changed);
    let served = keeping.until(Seen::served).await;
    assert_eq!((served.origin, served.names()), (Origin::Issued, "more.example shop.example".to_owned()));
    let for_a_new_store = keeper.served();
    assert_eq!(for_a_new_store.len(), 1);
    assert!(served.is(&for_a_new_store[0].0, &for_a_new_store[0].1));
    // One account, and one order before and one after the restart.
    assert_eq!((pebble.logged("POST /sign-me-up"), pebble.logged("POST /order-plz")), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_one_orders_and_both_serve() {
    let (pki, site, pebble) = world().await;
    let mut first = Keeping::new(&pki, &site, &pebble.directory);
    let mut second = first.beside();
    let keeper = first.start().expect("a new state directory is fine");
    let _other = second.start().expect("a shared state directory is fine");
    assert!(!second.until(Seen::role).await);
    assert_eq!(second.until(Seen::served).await.origin, Origin::Placeholder);

    let (end, _) = first.until(Seen::issued).await;
    let served = second.until(Seen::served).await;
    assert_eq!((served.origin, served.not_after()), (Origin::Stored, end));

    // When the first one is gone, the second takes over.
    drop(keeper);
    assert!(second.until(Seen::role).await);
    second.turn_clock(RENEWAL_TIME);
    assert_eq!(second.until(Seen::ordering).await, Why::Due);
    second.until(Seen::issued).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limit_is_obeyed_for_as_long_as_the_authority_says() {
    let (pki, site, pebble) = world().await;
    let front = Front::start(&pki).await;
    front.point_to(&pki, &pebble.directory, &["newOrder"]).await;
    front.answer(
        "newOrder",
        "429 Too Many Requests",
        "content-type: application/problem+json\r\nretry-after: 1800\r\n",
        r#"{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many certificates for shop.example"}"#,
    );
    let mut keeping = Keeping::new(&pki, &site, &front.directory);
    let keeper = keeping.start().expect("a new state directory is fine");

    let failed = keeping.until(Seen::failed).await;
    let text = failed.problem.to_string();
    assert!(text.contains("too many certificates for shop.example (rateLimited)"), "{text}");
    let wait = failed.next_try.duration_since(SystemTime::now()).expect("it lies ahead");
    assert!((Duration::from_secs(1700)..=Duration::from_secs(1800)).contains(&wait), "{wait:?}");
    let status = &keeper.status()[0];
    assert_eq!((status.rate_limited, status.failed, status.next_try), (1, 1, Some(failed.next_try)));
    assert_eq!(front.asked("newOrder"), 1);

    front.point_to(&pki, &pebble.directory, &[]).await;
    keeping.turn_clock(Duration::from_secs(1900));
    keeping.until(Seen::issued).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_nonces_are_asked_for_again() {
    // Each first nonce is bad, and a part of the good ones is refused too.
    let (pki, site, pebble) = world_with(20, None).await;
    let front = Front::start(&pki).await;
    front.point_to(&pki, &pebble.directory, &["newNonce"]).await;
    front.answer("newNonce", "200 OK", "replay-nonce: stale\r\n", "");
    let mut keeping = Keeping::new(&pki, &site, &front.directory);
    keeping.pace.back_off.max = Duration::from_millis(50);
    keeping.pace.back_off.min = Duration::from_millis(50);

    let _keeper = keeping.start().expect("a new state directory is fine");
    keeping.until(Seen::issued).await;
    assert!(front.asked("newNonce") >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authority_may_want_a_certificate_renewed_early() {
    let (pki, site, pebble) = world().await;
    let front = Front::start(&pki).await;
    front.point_to(&pki, &pebble.directory, &["renewalInfo"]).await;
    let window = |start: &str, end: &str| {
        let body = format!(
            r#"{{"suggestedWindow": {{"start": "{start}", "end": "{end}"}}, "explanationURL": "https://ca.example/why"}}"#
        );
        front.answer("renewalInfo", "200 OK", "content-type: application/json\r\nretry-after: 0\r\n", &body);
    };
    // Behind the end of the certificate: not believed.
    window("2999-01-01T00:00:00Z", "2999-01-02T00:00:00Z");
    let mut keeping = Keeping::new(&pki, &site, &front.directory);
    let _keeper = keeping.start().expect("a new state directory is fine");
    let (_, planned) = keeping.until(Seen::issued).await;
    let (renew_at, _) = keeping.until(Seen::rescheduled).await;
    assert!(renew_at > SystemTime::now() && planned > SystemTime::now());

    // The certificate is revoked; the window says so (RFC 9773, section 4.2), and the next one is ordered.
    keeping.revoke(&pki).await;
    window("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z");
    let (renew_at, explanation) = keeping.until(Seen::rescheduled).await;
    assert!(renew_at < SystemTime::now());
    assert_eq!(explanation.as_deref(), Some("https://ca.example/why"));
    // A new certificate waits for a while before it is replaced, whatever the authority says.
    keeping.turn_clock(Duration::from_secs(700));
    assert_eq!(keeping.until(Seen::ordering).await, Why::Due);
    assert_eq!(keeping.until(Seen::served).await.origin, Origin::Issued);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_the_authority_has_forgotten_is_made_anew() {
    let (pki, site, mut pebble) = world().await;
    let mut keeping = Keeping::new(&pki, &site, &pebble.directory);
    let keeper = keeping.start().expect("a new state directory is fine");
    keeping.until(Seen::issued).await;
    assert_eq!(pebble.logged("POST /sign-me-up"), 1);

    pebble.restart();
    keeping.orders[0].key_type = KeyType::Rsa;
    keeper.change(keeping.orders.clone()).expect("the orders are fine");
    assert_eq!(keeping.until(Seen::ordering).await, Why::Changed);
    keeping.until(Seen::issued).await;
    assert_eq!(pebble.logged("POST /sign-me-up"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_external_account_is_bound_or_its_key_refused_with_the_reason() {
    // The key is `secretsecretsecretsecretsecretse` in base64url.
    const KEY: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U";
    let (pki, site, pebble) = world_with(0, Some(("kid-1", KEY))).await;
    let mut keeping = Keeping::new(&pki, &site, &pebble.directory);
    let keeper = keeping.start().expect("a new state directory is fine");
    let failed = keeping.until(Seen::failed).await;
    let text = failed.problem.to_string();
    assert!(text.contains("making an account at ") && text.contains("externalAccountRequired"), "{text}");

    keeping.orders[0].account.external = Some(keeping::external("kid-1", KEY));
    keeper.change(keeping.orders.clone()).expect("the orders are fine");
    keeping.until(Seen::issued).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_work_is_said_in_words() {
    let (pki, site, pebble) = world().await;
    let mut keeping = Keeping::new(&pki, &site, &pebble.directory);

    // The authority's policy.
    keeping.orders[0].domains = vec![BLOCKED.to_owned()];
    let keeper = keeping.start().expect("a new state directory is fine");
    let text = keeping.until(Seen::failed).await.problem.to_string();
    for words in ["ordering a certificate for blocked.example from https://", "(rejectedIdentifier)"] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }

    // A directory that is none, and one that nobody vouches for.
    keeping.orders[0].account.directory = pebble.directory.replace("/dir", "/nothing-here");
    keeper.change(keeping.orders.clone()).expect("the orders are fine");
    let text = keeping.until(Seen::failed).await.problem.to_string();
    assert!(text.contains("/nothing-here: answered 404 Not Found, and not in the form of ACME"), "{text}");
    keeping.orders[0].account.directory.clone_from(&pebble.directory);
    keeping.orders[0].account.ca = Some(Pki::new().ca);
    keeper.change(keeping.orders.clone()).expect("the orders are fine");
    let text = keeping.until(Seen::failed).await.problem.to_string();
    assert!(text.contains("invalid peer certificate"), "{text}");

    // What can be refused at once is.
    keeping.orders[0].account.ca = Some(b"no PEM".to_vec());
    let text = keeper.change(keeping.orders.clone()).expect_err("there is no CA in it").to_string();
    assert!(text.contains("certificate `shop`: the `ca` for the ACME directory"), "{text}");
    keeping.orders[0].account.ca = Some(pki.ca.clone());
    drop(keeper);
    keeping.open_to_others();
    let text = keeping.start().err().expect("others may enter").to_string();
    assert!(text.contains("mode 0755") && text.contains("chmod 700"), "{text}");
}

/// The lines for the log, as they would be read.
#[test]
fn events_are_lines_for_the_log() {
    let event = Event::Ordering { name: "shop".to_owned(), why: Why::Due };
    assert_eq!(event.to_string(), "certificate `shop`: ordering, because it is time to renew it");
}

/// Whether somebody has to get up at night for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_order_says_what_clients_get_meanwhile() {
    let pki = Pki::new();
    let mut keeping = Keeping::new(&pki, &Site::start().await, "https://127.0.0.1:1/dir");
    let _keeper = keeping.start().expect("a new state directory is fine");
    let is_failed = |Seen(event): Seen| matches!(event, Event::Failed { .. }).then_some(event);
    let mut event = keeping.until(is_failed).await;
    let text = event.to_string();
    assert!(text.ends_with("; clients get a self-signed placeholder, for there is none before"), "{text}");
    if let Event::Failed { served_until, .. } = &mut event {
        *served_until = Some(SystemTime::UNIX_EPOCH);
    }
    let text = event.to_string();
    assert!(
        text.ends_with("; the one before is still served, its end is Thu, 01 Jan 1970 00:00:00 GMT"),
        "{text}"
    );
}
