//! One order, from beginning to end (RFC 8555, section 7.1): order, answer the challenges, finalize, fetch.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    AuthorizationHandle, AuthorizationStatus, CertificateIdentifier, ChallengeHandle, ChallengeType,
    Identifier, NewOrder, OrderStatus, RetryPolicy,
};

use tokio::sync::Mutex;

use super::account;
use super::certificate;
use super::challenges::{Challenges, Offered, TooMany};
use super::http::Http;
use super::problem::{Kind, Problem};
use super::selfsigned::{self, Request};
use super::settings::{Challenge, Order};
use super::state::State;

/// How long an order may take from beginning to end.
const ORDER_TIMEOUT: Duration = Duration::from_secs(600);

/// How often the authority is asked how far it is: soon, then less and less often.
const POLLS: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(180));

/// What an order is carried out with.
pub(super) struct Job<'a> {
    pub(super) state: State,
    /// Held while an account is made, so that two orders do not make the same one twice.
    pub(super) accounts: &'a Mutex<()>,
    pub(super) challenges: Challenges,
    pub(super) order: Order,
    /// The certificate that the new one takes the place of, if the authority wants to know (RFC 9773, section 5).
    pub(super) replaces: Option<CertificateIdentifier<'static>>,
}

/// Orders a certificate. The result is the text for [`certificate::Certificate::read`].
pub(super) async fn issue(job: &Job<'_>) -> Result<String, Problem> {
    let http = Http::new(&job.order.account)?;
    let outcome = match tokio::time::timeout(ORDER_TIMEOUT, run(job, &http)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Problem::new(format!(
            "the order was not ready after {} minutes; is the authority in trouble?",
            ORDER_TIMEOUT.as_secs() / 60
        ))),
    };
    outcome.map_err(|problem| problem.not_before(http.put_off()))
}

async fn run(job: &Job<'_>, http: &Http) -> Result<String, Problem> {
    let mut order = place(job, http).await?;
    // Held until the end, because an authority may look several times and from several places.
    let _offered = answer(&mut order, job).await?;
    ready(&mut order, job).await?;
    finalize(&mut order, job).await
}

/// Places the order, with a new account if the authority has forgotten ours.
async fn place(job: &Job<'_>, http: &Http) -> Result<instant_acme::Order, Problem> {
    let account = account::open(&job.state, &job.order.account, http, job.accounts).await?;
    match place_with(&account, job).await {
        Err(problem) if problem.is(Kind::NoAccount) => {
            account::forget(&job.state, &job.order.account)?;
            let account = account::open(&job.state, &job.order.account, http, job.accounts).await?;
            place_with(&account, job).await
        }
        outcome => outcome,
    }
}

async fn place_with(account: &instant_acme::Account, job: &Job<'_>) -> Result<instant_acme::Order, Problem> {
    let identifiers: Vec<Identifier> = job.order.domains.iter().cloned().map(Identifier::Dns).collect();
    let new = NewOrder::new(&identifiers);
    if let Some(replaces) = &job.replaces {
        match account.new_order(&new.replaces(replaces.clone())).await {
            Ok(order) => return Ok(order),
            Err(error) => {
                let problem = Problem::acme(ordering(&job.order), &error);
                // Anything else may be for the sake of `replaces`, which is a courtesy: go on without.
                if problem.is(Kind::RateLimited) || problem.is(Kind::NoAccount) {
                    return Err(problem);
                }
            }
        }
    }
    let order = account.new_order(&NewOrder::new(&identifiers)).await;
    order.map_err(|error| Problem::acme(ordering(&job.order), &error))
}

fn ordering(order: &Order) -> String {
    format!("ordering a certificate for {} from {}", order.domains.join(", "), order.account.directory)
}

/// Offers the answers that the authority will look for, and says that it may.
async fn answer(order: &mut instant_acme::Order, job: &Job<'_>) -> Result<Vec<Offered>, Problem> {
    let mut offered = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let authorization =
            authorization.map_err(|error| Problem::acme("asking which domains have to be proved", &error))?;
        match authorization.status {
            AuthorizationStatus::Valid => {}
            AuthorizationStatus::Pending => offered.push(answer_one(authorization, job).await?),
            status => {
                let domain = authorization.identifier().to_string();
                return Err(Problem::new(format!("the authority holds `{domain}` for {status:?}")));
            }
        }
    }
    Ok(offered)
}

async fn answer_one(mut authorization: AuthorizationHandle<'_>, job: &Job<'_>) -> Result<Offered, Problem> {
    let domain = authorization.identifier().to_string();
    let kinds: Vec<String> = authorization.challenges.iter().map(|one| shown(&one.r#type)).collect();
    let kind = job.order.challenge;
    let Some(mut challenge) = authorization.challenge(kind_of(kind)) else {
        return Err(Problem::new(format!(
            "the authority does not verify `{domain}` by {}, but by {}; choose another `challenge`",
            kind.as_str(),
            kinds.join(", ")
        )));
    };
    let offered = offer(&domain, &challenge, job)?;
    challenge.set_ready().await.map_err(|error| match &error {
        instant_acme::Error::Api(found) if found.status != Some(429) => {
            Problem::challenge(&domain, kind, Some(found))
        }
        _ => Problem::acme(format!("having `{domain}` verified by {}", kind.as_str()), &error),
    })?;
    Ok(offered)
}

fn offer(domain: &str, challenge: &ChallengeHandle<'_>, job: &Job<'_>) -> Result<Offered, Problem> {
    let key_authorization = challenge.key_authorization();
    let offered = match job.order.challenge {
        Challenge::Http01 => job.challenges.offer_http_01(&challenge.token, key_authorization.as_str()),
        Challenge::TlsAlpn01 => {
            let certificate = selfsigned::tls_alpn_01(domain, key_authorization.digest().as_ref())?;
            job.challenges.offer_tls_alpn_01(domain, &Arc::new(certificate))
        }
    };
    offered.map_err(|TooMany| Problem::new("too many domains are being verified at the same time"))
}

/// Waits until the authority has looked at all domains.
async fn ready(order: &mut instant_acme::Order, job: &Job<'_>) -> Result<(), Problem> {
    if order.state().status == OrderStatus::Ready {
        return Ok(());
    }
    match order.poll_ready(&POLLS).await {
        Ok(OrderStatus::Invalid) => Err(why_invalid(order, job).await),
        Ok(_) => Ok(()),
        Err(error) => {
            if order.state().status == OrderStatus::Invalid {
                return Err(why_invalid(order, job).await);
            }
            Err(Problem::acme("waiting for the authority to verify the domains", &error))
        }
    }
}

/// What the authority found, which it tells with the challenge rather than with the order.
async fn why_invalid(order: &mut instant_acme::Order, job: &Job<'_>) -> Problem {
    let general = order.state().error.clone();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let domain = authorization.identifier().to_string();
        // Without an answer, the other domains and the order itself may still tell.
        let Ok(state) = authorization.refresh().await else { continue };
        let found = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        match state.status {
            AuthorizationStatus::Pending | AuthorizationStatus::Valid if found.is_none() => {}
            AuthorizationStatus::Invalid | AuthorizationStatus::Pending | AuthorizationStatus::Valid => {
                return Problem::challenge(&domain, job.order.challenge, found);
            }
            status => {
                return Problem::new(format!("the authority took back that `{domain}` is ours: {status:?}"));
            }
        }
    }
    match general {
        Some(found) => Problem::acme("the authority ended the order", &instant_acme::Error::Api(found)),
        None => Problem::new("the authority ended the order without a reason"),
    }
}

/// Makes the key, has it certified, and fetches the chain.
async fn finalize(order: &mut instant_acme::Order, job: &Job<'_>) -> Result<String, Problem> {
    let settings = job.order.clone();
    let request = tokio::task::spawn_blocking(move || Request::new(&settings)).await;
    let request = request.map_err(|error| Problem::new(format!("making a key: {error}")))??;
    let step = |error| Problem::acme("having the certificate made", &error);
    order.finalize_csr(&request.der).await.map_err(step)?;
    let chain = order.poll_certificate(&POLLS).await.map_err(step)?;
    Ok(certificate::file(&job.order, &request.key_pem, &chain))
}

fn kind_of(challenge: Challenge) -> ChallengeType {
    match challenge {
        Challenge::Http01 => ChallengeType::Http01,
        Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
    }
}

fn shown(kind: &ChallengeType) -> String {
    match kind {
        ChallengeType::Http01 => "http-01".to_owned(),
        ChallengeType::Dns01 => "dns-01".to_owned(),
        ChallengeType::TlsAlpn01 => "tls-alpn-01".to_owned(),
        ChallengeType::Unknown(name) => super::problem::printable(name),
        other => format!("{other:?}"),
    }
}
