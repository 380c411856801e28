//! Keeps one certificate: looks at the file, orders when it is due, and waits in between.
//!
//! The loop never sleeps longer than [`Pace::look`](super::Pace::look) and compares the clock each time: a timer for
//! sixty days would not notice that the clock was set, or that the machine slept.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::sign::CertifiedKey;
use weir_balance::Rng;

use super::account;
use super::certificate::Certificate;
use super::event::{Event, Origin, Why};
use super::http::Http;
use super::issue::{Job, issue};
use super::keeper::{Record, Shared, Status, locked};
use super::problem::Problem;
use super::schedule::{Window, back_off, when_to_renew};
use super::selfsigned;
use super::settings::Order;
use super::state::{self, Stamp};

/// How long not to ask again for a window where the authority has none, or did not answer.
const NO_WINDOW: Duration = Duration::from_secs(6 * 3600);

/// The task for one certificate.
pub(super) struct Keep {
    shared: Arc<Shared>,
    order: Order,
    record: Arc<Record>,
    path: PathBuf,
    stamp: Option<Stamp>,
    held: Option<Certificate>,
    /// When an order is due; in the past while there is no certificate.
    renew_at: SystemTime,
    /// Not to order before this, after a failure.
    next_try: SystemTime,
    failures: u32,
    window: Option<Window>,
    ask_window_at: SystemTime,
    rng: Rng,
}

impl Keep {
    pub(super) fn new(shared: &Arc<Shared>, order: Order, record: Arc<Record>) -> Keep {
        Keep {
            path: shared.state.certificate(&order.name),
            shared: Arc::clone(shared),
            order,
            record,
            stamp: None,
            held: None,
            renew_at: SystemTime::UNIX_EPOCH,
            next_try: SystemTime::UNIX_EPOCH,
            failures: 0,
            window: None,
            ask_window_at: SystemTime::UNIX_EPOCH,
            rng: Rng::new(RandomState::new().hash_one(0)),
        }
    }

    /// Hands out what is stored and valid, or a placeholder.
    pub(super) fn serve_first(&mut self) {
        self.look_at_file();
        let now = self.now();
        // Issued before the order was changed, but it could not be stored: still better than a placeholder.
        let serves_a_real_one = locked(&self.record.status).not_after.is_some_and(|end| now < end);
        if self.held.is_some() || serves_a_real_one {
            return;
        }
        self.note(|status| (status.not_after, status.renew_at) = (None, None));
        match selfsigned::placeholder(&self.order.domains) {
            Ok(certificate) => self.serve(Arc::new(certificate), Origin::Placeholder),
            Err(problem) => self.trouble(problem),
        }
    }

    pub(super) async fn run(mut self) {
        let mut leads = self.shared.leads.subscribe();
        loop {
            self.look_at_file();
            let pause = if *leads.borrow_and_update() {
                self.lead().await;
                self.pause()
            } else {
                self.shared.pace.look
            };
            // Whichever comes first. The sender of the role is in `shared`, so it outlives this.
            let _ = tokio::time::timeout(pause, leads.changed()).await;
        }
    }

    async fn lead(&mut self) {
        let now = self.now();
        if now >= self.renew_at {
            if now >= self.next_try {
                self.order_one().await;
            }
        } else if now >= self.ask_window_at {
            self.ask_window().await;
        }
    }

    /// Until something is due, but never longer than it takes to notice a changed file or clock.
    fn pause(&self) -> Duration {
        let now = self.now();
        let next = if now >= self.renew_at { self.next_try } else { self.renew_at.min(self.ask_window_at) };
        next.duration_since(now).unwrap_or_default().min(self.shared.pace.look)
    }

    /// Takes what another process, or an earlier life of this one, has put into the state directory.
    fn look_at_file(&mut self) {
        let stamp = state::stamp(&self.path);
        if stamp == self.stamp || stamp.is_none() {
            return;
        }
        self.stamp = stamp;
        let read =
            state::read(&self.path).and_then(|text| text.map(|text| Certificate::read(&text)).transpose());
        match read {
            Ok(Some(certificate)) if certificate.is_valid(self.now()) => {
                self.take(certificate, Origin::Stored);
            }
            // Gone or expired: as if there were none.
            Ok(_) => {}
            Err(problem) => {
                self.trouble(problem.within(format!("{} is not used", self.path.display())));
            }
        }
    }

    /// Serves a certificate and plans its renewal.
    fn take(&mut self, certificate: Certificate, origin: Origin) {
        self.window = None;
        self.ask_window_at = self.now();
        self.renew_at = match certificate.is_for(&self.order) {
            true => when_to_renew(certificate.not_before, certificate.not_after, None, &mut self.rng),
            false => SystemTime::UNIX_EPOCH,
        };
        self.failures = 0;
        self.next_try = SystemTime::UNIX_EPOCH;
        let (not_after, renew_at) = (certificate.not_after, self.renew_at);
        self.note(|status| {
            (status.not_after, status.renew_at) = (Some(not_after), Some(renew_at));
            (status.failures, status.problem, status.next_try) = (0, None, None);
        });
        self.serve(Arc::clone(&certificate.served), origin);
        self.held = Some(certificate);
    }

    async fn order_one(&mut self) {
        let shared = Arc::clone(&self.shared);
        let Ok(_permit) = shared.orders.acquire().await else {
            return;
        };
        self.note(|status| status.orders += 1);
        self.report(Event::Ordering { name: self.order.name.clone(), why: self.why() });
        let job = Job {
            state: shared.state.clone(),
            challenges: shared.challenges.clone(),
            accounts: &shared.accounts,
            order: self.order.clone(),
            // Only authorities that have renewal information know the word.
            replaces: self
                .held
                .as_ref()
                .filter(|_| self.window.is_some())
                .and_then(|held| held.identifier.clone()),
        };
        let ordered = issue(&job).await.and_then(|text| Ok((self.read_issued(&text)?, text)));
        match ordered {
            Ok((certificate, text)) => self.issued(certificate, text).await,
            Err(problem) => self.failed(problem),
        }
    }

    fn why(&self) -> Why {
        match &self.held {
            Some(held) if !held.is_valid(self.now()) => Why::First,
            Some(held) if held.is_for(&self.order) => Why::Due,
            Some(_) => Why::Changed,
            None => Why::First,
        }
    }

    /// What an authority sends is looked at before it is served.
    fn read_issued(&self, text: &str) -> Result<Certificate, Problem> {
        let unusable =
            |problem: Problem| problem.within("the authority sent a certificate that cannot be used");
        let certificate = Certificate::read(text.as_bytes()).map_err(unusable)?;
        if !certificate.is_for(&self.order) {
            return Err(unusable(Problem::new(
                "it has other names or another kind of key than were ordered",
            )));
        }
        if !certificate.is_valid(self.now()) {
            return Err(unusable(Problem::new("it has expired; is the clock of this machine right?")));
        }
        Ok(certificate)
    }

    async fn issued(&mut self, certificate: Certificate, text: String) {
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || state::write(&path, text.as_bytes())).await;
        match written {
            Ok(Ok(())) => self.stamp = state::stamp(&self.path),
            Ok(Err(problem)) => {
                self.trouble(problem.within("the new certificate is served, but would be lost in a restart"));
            }
            Err(error) => self.trouble(Problem::new(format!("writing the new certificate: {error}"))),
        }
        self.note(|status| status.issued += 1);
        let not_after = certificate.not_after;
        self.take(certificate, Origin::Issued);
        // If the clock is wrong, or the authority wants everything renewed, even a new certificate is due at once.
        self.next_try = self.now() + self.shared.pace.back_off.min;
        let name = self.order.name.clone();
        self.report(Event::Issued { name, not_after, renew_at: self.renew_at });
    }

    fn failed(&mut self, problem: Problem) {
        self.failures = self.failures.saturating_add(1);
        let wait = back_off(self.failures, self.shared.pace.back_off, &mut self.rng);
        self.next_try = (self.now() + wait).max(problem.retry_after().unwrap_or(SystemTime::UNIX_EPOCH));
        let (failures, next_try) = (self.failures, self.next_try);
        let served_until = locked(&self.record.status).not_after;
        self.note(|status| {
            status.failed += 1;
            status.rate_limited += u64::from(problem.is_rate_limited());
            (status.failures, status.next_try) = (failures, Some(next_try));
            status.problem = Some(problem.clone());
        });
        let name = self.order.name.clone();
        self.report(Event::Failed { name, served_until, problem, failures, next_try });
    }

    /// Asks the authority when it wants the certificate to be renewed. Not getting an answer is no failure: the
    /// lifetime says it too (RFC 9773, section 4.3.3).
    async fn ask_window(&mut self) {
        let answer = self.renewal_info().await;
        let (least, most) = self.shared.pace.window;
        let again = answer.as_ref().map_or(NO_WINDOW, |(_, again)| (*again).clamp(least, most));
        self.ask_window_at = self.now() + again;
        let (Some((info, _)), Some(held)) = (answer, &self.held) else {
            return;
        };
        let window =
            Window { start: info.suggested_window.start.into(), end: info.suggested_window.end.into() };
        if self.window == Some(window) {
            return;
        }
        self.window = Some(window);
        self.renew_at = when_to_renew(held.not_before, held.not_after, self.window, &mut self.rng);
        let renew_at = self.renew_at;
        self.note(|status| status.renew_at = Some(renew_at));
        self.report(Event::Rescheduled {
            name: self.order.name.clone(),
            renew_at,
            explanation: info.explanation_url.map(|page| super::problem::printable(&page)),
        });
    }

    async fn renewal_info(&self) -> Option<(instant_acme::RenewalInfo, Duration)> {
        let identifier = self.held.as_ref()?.identifier.as_ref()?;
        let http = Http::new(&self.order.account).ok()?;
        let account = account::stored(&self.shared.state, &self.order.account, &http).await.ok()??;
        account.renewal_info(identifier).await.ok()
    }

    fn serve(&self, certificate: Arc<CertifiedKey>, origin: Origin) {
        *locked(&self.record.served) = Some((Arc::clone(&certificate), origin));
        self.report(Event::Serve { name: self.order.name.clone(), certificate, origin });
    }

    fn trouble(&self, problem: Problem) {
        self.report(Event::Trouble { name: Some(self.order.name.clone()), problem });
    }

    fn report(&self, event: Event) {
        (self.shared.report)(event);
    }

    fn note(&self, change: impl FnOnce(&mut Status)) {
        change(&mut locked(&self.record.status));
    }

    fn now(&self) -> SystemTime {
        (self.shared.pace.clock)()
    }
}
