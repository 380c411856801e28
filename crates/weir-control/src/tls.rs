//! What a configuration needs of TLS: certificates, and what listeners offer and pools ask for.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use weir_config::{Checked, Config, Errors, Late, Listener, ListenerTls, Severity};
use weir_tls::{
    Client, Server, SystemRoots, Tickets,
    acme::Challenges,
    certs::{Options, Store},
};

use crate::{acme, source::Source, sticky::Sticky};

/// The part of a configuration that is about TLS, loaded.
pub(crate) struct Tls {
    pub(crate) store: Store,
    /// In the order of the listeners.
    pub(crate) servers: Vec<Option<Arc<Server>>>,
    /// In the order of the pools.
    pub(crate) clients: Vec<Option<Arc<Client>>>,
    /// Keys of Weir's own cookies.
    pub(crate) sticky: Sticky,
    /// By where they are good: own keys go on over reloads.
    tickets: HashMap<Vec<u8>, Arc<Tickets>>,
}

/// What certificates need beside the configuration.
pub(crate) fn options(config: &Config, challenges: &Challenges) -> Options {
    Options {
        state_dir: Some(config.runtime.state_dir.path.clone()),
        challenges: challenges.clone(),
        thorough: false,
    }
}

/// Checks a configuration with everything that it names, as a start does it; nothing is written.
///
/// # Errors
/// Everything that keeps it from being run.
pub fn check(source: &Source) -> Result<Checked, Errors> {
    let options = Options { state_dir: None, challenges: Challenges::new(), thorough: true };
    load(source.load()?, None, &options).map(|(checked, _)| checked)
}

/// Loads everything that `checked` names, with what `previous` has of it already. What is found out on the way is among
/// the warnings of what is returned.
pub(crate) fn load(
    checked: Checked,
    previous: Option<&Tls>,
    options: &Options,
) -> Result<(Checked, Tls), Errors> {
    let mut found = Vec::new();
    let tls = Tls::load(&checked.config, previous, options, &mut found);
    let checked = checked.report(found)?;
    Ok((checked, tls.expect("without a finding that is an error, all could be loaded")))
}

impl Tls {
    /// `None`: there are errors among `found`.
    fn load(
        config: &Config,
        previous: Option<&Tls>,
        options: &Options,
        found: &mut Vec<Late>,
    ) -> Option<Self> {
        let store = Store::load(config, previous.map(|tls| &tls.store), options, SystemTime::now());
        let store = match store {
            Ok(loaded) => {
                found.extend(loaded.warnings);
                Some(loaded.store)
            }
            Err(problems) => {
                found.extend(problems);
                None
            }
        };
        let mut tickets = HashMap::new();
        let mut servers = Vec::new();
        for (index, listener) in config.listeners.iter().enumerate() {
            let Some(settings) = &listener.tls else {
                servers.push(None);
                continue;
            };
            // Whatever is wrong, everything else is looked at too.
            let of_it = tickets_of(listener, settings, previous, &mut tickets);
            let of_it = of_it.map_err(|problems| found.extend(problems)).ok().flatten();
            let resolver = store.as_ref().and_then(|store| store.resolver(index));
            let made = Server::new(settings, listener.http.protocols, resolver, of_it);
            let made = made.map_err(|problems| found.extend(problems)).ok();
            servers.push(made.map(|(server, doubts)| {
                found.extend(doubts);
                Arc::new(server)
            }));
        }
        found.extend(acme::check(config));
        let sticky = Sticky::load(config, options.state_dir.is_some(), found);
        let system = SystemRoots::default();
        let clients = config.pools.iter().map(|pool| {
            let servers = pool.servers.iter().map(|server| server.address);
            let made =
                pool.tls.as_ref().map(|settings| Client::new(settings, pool.protocol, servers, &system));
            let (client, doubt) =
                made.and_then(|made| made.map_err(|problems| found.extend(problems)).ok())?;
            found.extend(doubt);
            Some(Arc::new(client))
        });
        let clients = clients.collect();
        if found.iter().any(|late| late.severity == Severity::Error) {
            return None;
        }
        Some(Self { store: store?, servers, clients, sticky, tickets })
    }
}

/// The tickets of a listener; `None` if it wants none.
fn tickets_of(
    listener: &Listener,
    settings: &ListenerTls,
    previous: Option<&Tls>,
    made: &mut HashMap<Vec<u8>, Arc<Tickets>>,
) -> Result<Option<Arc<Tickets>>, Vec<Late>> {
    let Some(wanted) = &settings.tickets else { return Ok(None) };
    let context = context(listener, settings);
    let known = previous.and_then(|tls| tls.tickets.get(&context));
    let tickets = match (&wanted.keys, known) {
        (Some(keys), _) => {
            let secrets = weir_tls::shared_secrets(keys)?;
            Arc::new(Tickets::shared(&secrets, &context, wanted.lifetime))
        }
        (None, Some(known)) if known.lifetime() == wanted.lifetime => Arc::clone(known),
        (None, _) => Arc::new(Tickets::own(wanted.lifetime)),
    };
    made.insert(context, Arc::clone(&tickets));
    Ok(Some(tickets))
}

/// Where a ticket is good: at listeners of this name that ask the same of their clients. A session that began without a
/// client's certificate must not go on where one is asked for.
fn context(listener: &Listener, settings: &ListenerTls) -> Vec<u8> {
    let mut context = listener.name.clone().into_bytes();
    if let Some(auth) = &settings.client_auth {
        context.extend_from_slice(format!("\n{:?}\n", auth.mode).as_bytes());
        for file in std::iter::once(&auth.ca).chain(&auth.crl) {
            // A file that cannot be read is an error elsewhere.
            let bytes = weir_tls::read_file(file).unwrap_or_default();
            context.extend(bytes.len().to_be_bytes());
            context.extend(bytes);
        }
    }
    context
}
