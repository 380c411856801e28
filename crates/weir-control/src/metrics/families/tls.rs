//! Handshakes, certificates, orders by ACME, and HTTP/2 connections that could not go on.

use std::time::{SystemTime, UNIX_EPOCH};

use weir_config::TlsVersion;
use weir_http::{counters::Handshakes, h2::Abuse};
use weir_tls::{Failure, acme, certs};

use crate::{
    metrics::encode::Exposition,
    registry::{ListenerEntry, Registry},
    running::State,
};

/// All of them.
pub(super) fn write(out: &mut Exposition, registry: &Registry, state: &State) {
    handshakes(out, registry, state);
    http2(out, registry);
    certificates(out, state);
    orders(out, state);
}

/// Of the listeners that have TLS.
fn handshakes(out: &mut Exposition, registry: &Registry, state: &State) {
    let config = state.config();
    let listeners: Vec<&ListenerEntry> = config
        .listeners
        .iter()
        .zip(&registry.listeners)
        .filter_map(|(listener, entry)| listener.tls.is_some().then_some(entry))
        .collect();
    let mut family = out.counter("weir_tls_handshakes", "Handshakes with clients that succeeded.");
    for listener in &listeners {
        for kind in Handshakes::KINDS {
            let version = match kind.version {
                TlsVersion::Tls12 => "1.2",
                TlsVersion::Tls13 => "1.3",
            };
            let way = if kind.resumed { "resumed" } else { "full" };
            let times = listener.counters.iter().map(|block| block.handshakes.times_done(kind)).sum();
            let labels = [("listener", listener.name.as_str()), ("version", version), ("kind", way)];
            family.sample(&labels, times);
        }
    }
    let mut family =
        out.counter("weir_tls_handshake_failures", "Handshakes with clients that failed, by reason.");
    for listener in &listeners {
        for failure in Failure::ALL {
            let times = listener.counters.iter().map(|block| block.handshakes.times_failed(failure)).sum();
            family.sample(&[("listener", &listener.name), ("reason", failure.name())], times);
        }
    }
}

fn http2(out: &mut Exposition, registry: &Registry) {
    let mut family =
        out.counter("weir_http2_abuses", "HTTP/2 connections that were ended because of an abuse.");
    for abuse in Abuse::ALL {
        let times = registry.workers.iter().map(|worker| worker.times_abused(abuse)).sum();
        family.sample(&[("abuse", abuse.name())], times);
    }
    let times = registry.workers.iter().map(|worker| worker.http2_errors.get()).sum();
    out.counter("weir_http2_errors", "HTTP/2 connections that ended by another mistake of the peer.")
        .sample(&[], times);
}

fn certificates(out: &mut Exposition, state: &State) {
    let statuses = state.certificates.store().status(SystemTime::now());
    let help = "When the certificate that is served ends, or the first of them, in seconds since 1970.";
    let mut family = out.gauge("weir_certificate_expiry_timestamp_seconds", help);
    for status in &statuses {
        if let Some(not_after) = status.not_after {
            family.sample(&[("certificate", &status.name)], timestamp(not_after));
        }
    }
    let help = "Certificates that end within so many days; with 0, that have ended.";
    let mut family = out.gauge("weir_certificates_ending", help);
    for status in &statuses {
        for (days, count) in certs::ENDING_DAYS.iter().zip(status.ending) {
            family.sample(&[("certificate", &status.name), ("days", &days.to_string())], count as u64);
        }
    }
    type Get = fn(&certs::Status) -> u64;
    let gauges: [(&str, &str, Get); 3] = [
        ("weir_certificates", "Certificates that are there.", |status| status.certificates as u64),
        ("weir_certificate_names", "Names that they are for.", |status| status.names as u64),
        ("weir_certificates_loaded", "Certificates held with their keys.", |status| status.loaded as u64),
    ];
    for (name, help, get) in gauges {
        let mut family = out.gauge(name, help);
        for status in &statuses {
            family.sample(&[("certificate", &status.name)], get(status));
        }
    }
    let counters: [(&str, &str, Get); 3] = [
        ("weir_certificate_loads", "Certificates of directories read for a handshake.", |status| {
            status.loads
        }),
        ("weir_certificate_evictions", "Certificates of directories given up for others.", |status| {
            status.evictions
        }),
        (
            "weir_certificate_load_failures",
            "Certificates that could not be read for a handshake.",
            |status| status.failures,
        ),
    ];
    for (name, help, get) in counters {
        let mut family = out.counter(name, help);
        for status in &statuses {
            family.sample(&[("certificate", &status.name)], get(status));
        }
    }
    let files = state.certificates.files();
    let help = "Files of certificates that changed, by what became of them.";
    let mut family = out.counter("weir_certificate_file_changes", help);
    for status in &statuses {
        let changes = files.get(&status.name).copied().unwrap_or_default();
        family
            .sample(&[("certificate", &status.name), ("result", "taken")], changes.taken)
            .sample(&[("certificate", &status.name), ("result", "refused")], changes.refused);
    }
}

fn orders(out: &mut Exposition, state: &State) {
    let statuses = state.certificates.ordered();
    type Get = fn(&acme::Status) -> u64;
    let counters: [(&str, &str, Get); 4] = [
        ("weir_acme_orders", "Orders that were begun.", |status| status.orders),
        ("weir_acme_issued", "Orders that succeeded.", |status| status.issued),
        ("weir_acme_failures", "Orders that failed.", |status| status.failed),
        ("weir_acme_rate_limited", "Orders that failed because there were too many.", |status| {
            status.rate_limited
        }),
    ];
    for (name, help, get) in counters {
        let mut family = out.counter(name, help);
        for status in &statuses {
            family.sample(&[("certificate", &status.name)], get(status));
        }
    }
    let help = "When the next order is due, in seconds since 1970; 0 if that is now.";
    let mut family = out.gauge("weir_acme_next_order_timestamp_seconds", help);
    for status in &statuses {
        let next = status.renew_at.max(status.next_try);
        family.sample(&[("certificate", &status.name)], next.map_or(0, timestamp));
    }
    let refused = state.certificates.challenges().refused();
    out.counter("weir_acme_challenges_refused", "Answers that were not offered because there were too many.")
        .sample(&[], refused);
}

fn timestamp(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
