//! The account at an authority: made once, then taken from the state directory.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use instant_acme::{AccountCredentials, ExternalAccountKey, NewAccount};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::http::Http;
use super::problem::Problem;
use super::settings::{Account, External};
use super::state::{self, State};

/// The account of the state directory, or a new one that is put there.
pub(super) async fn open(
    state: &State,
    settings: &Account,
    http: &Http,
    one_at_a_time: &Mutex<()>,
) -> Result<instant_acme::Account, Problem> {
    if let Some(account) = stored(state, settings, http).await? {
        return Ok(account);
    }
    let _turn = one_at_a_time.lock().await;
    match stored(state, settings, http).await? {
        Some(account) => Ok(account),
        None => create(state, settings, http).await,
    }
}

/// The account of the state directory, if there is one.
pub(super) async fn stored(
    state: &State,
    settings: &Account,
    http: &Http,
) -> Result<Option<instant_acme::Account>, Problem> {
    let path = state.account(settings);
    let Some(content) = state::read(&path)? else {
        return Ok(None);
    };
    let credentials = credentials(&path, &content)?;
    let builder = instant_acme::Account::builder_with_http(Box::new(http.clone()));
    let account = builder.from_credentials(credentials).await;
    account.map(Some).map_err(|error| Problem::acme(asking(settings), &error))
}

/// Takes an account that the authority does not know (any more) out of use.
pub(super) fn forget(state: &State, settings: &Account) -> Result<(), Problem> {
    state::set_aside(&state.account(settings))
}

async fn create(state: &State, settings: &Account, http: &Http) -> Result<instant_acme::Account, Problem> {
    let email = settings.email.as_ref().map(|email| format!("mailto:{email}"));
    let contact: Vec<&str> = email.as_deref().into_iter().collect();
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let external = settings.external.as_ref().map(external_key).transpose()?;
    let builder = instant_acme::Account::builder_with_http(Box::new(http.clone()));
    let created = builder.create(&new, settings.directory.clone(), external.as_ref()).await;
    let (account, credentials) = created
        .map_err(|error| Problem::acme(format!("making an account at {}", settings.directory), &error))?;

    let content = json!({
        "directory": settings.directory,
        "email": settings.email,
        "credentials": credentials,
    });
    let path = state.account(settings);
    // Without the file the next start would make another account, until the authority has had enough.
    state::write(&path, format!("{content:#}\n").as_bytes())?;
    Ok(account)
}

fn credentials(path: &Path, content: &[u8]) -> Result<AccountCredentials, Problem> {
    // The error of the parser is not shown: it may quote the key.
    let broken = || {
        Problem::new(format!(
            "{} is no account of an authority; move it away, and a new account will be made",
            path.display()
        ))
    };
    let mut content: Value = serde_json::from_slice(content).map_err(|_| broken())?;
    let credentials = content.get_mut("credentials").map(Value::take).ok_or_else(broken)?;
    serde_json::from_value(credentials).map_err(|_| broken())
}

/// Whether what the file says of the account can be used.
pub(super) fn check(settings: &Account) -> Result<(), Problem> {
    settings.external.as_ref().map_or(Ok(()), |external| external_key(external).map(drop))
}

fn external_key(external: &External) -> Result<ExternalAccountKey, Problem> {
    // Some authorities hand it out in the other alphabet, or padded.
    let text = external.hmac_key.trim().trim_end_matches('=').replace('+', "-").replace('/', "_");
    let key = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| {
        Problem::new(format!(
            "the HMAC key for the key id `{}` is not base64url; copy it again from the authority's page",
            external.key_id
        ))
    })?;
    Ok(ExternalAccountKey::new(external.key_id.clone(), &key))
}

fn asking(settings: &Account) -> String {
    format!("asking {}", settings.directory)
}
