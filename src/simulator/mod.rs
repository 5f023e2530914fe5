//! Look-alikes of APNs, of FCM HTTP v1, of Google's token endpoint and of a web push service, on
//! loopback and with a certificate authority of their own: what Herald is tried against without any credentials.
//!
//! They check what the real services check and refuse as they do, misbehave on demand (by the
//! beginning of a token, see `prefix.rs`, and by script, see `behaviour.rs`), and keep a book of
//! every push, so that a test can prove that nothing was lost and nothing sent twice. The control
//! view under `/simulator` shows the book and takes the scripts.
//!
//! What is booked: every push that arrives whole and is answered, refused ones too. A `stall` is
//! booked and counted as accepted, with no status, since the sender cannot know that it was not.
//! `goaway`, `reset` and `reset_connection` book nothing. A push is booked when it is answered,
//! just before.
//!
//! It must be quick, since under load it shares the machine with the daemon it is there to try:
//! one task per connection, one pass over each body, one short lock per push, nothing logged. Its
//! memory is bounded: see [`Options::kept_pushes`] and [`Options::remembered_pushes`].

mod apns;
mod arrivals;
mod behaviour;
mod body;
mod book;
mod ca;
mod conduct;
mod control;
mod error;
mod fcm;
mod files;
mod frames;
mod http1;
mod http2;
mod keys;
mod look_alike;
mod memory;
mod oauth;
mod options;
mod prefix;
mod record;
mod rotation;
mod serve;
mod webpush;
mod wire;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;

pub use behaviour::{Fault, Provider, Respond, RetryAfter, Rule};
pub use book::Stats;
pub use error::Error;
pub use options::{Now, Options};
pub use record::Push;

use apns::{Apns, Credentials};
use behaviour::Behaviours;
use book::Book;
use ca::Authority;
use conduct::Shared;
use fcm::Fcm;
use http2::Streams;
use keys::{ApnsKey, ServiceAccount, VapidKey};
use look_alike::LookAlike;
use oauth::OAuth;
use prefix::Failures;
use record::Source;
use rotation::Rotation;
use serve::Service;
use webpush::{Subscriptions, Webpush};

/// Where the look-alikes are: URLs without a path, but for the token endpoint's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoints {
    /// APNs, production.
    pub apns: String,
    /// APNs, sandbox.
    pub apns_sandbox: String,
    /// FCM HTTP v1.
    pub fcm: String,
    /// The token endpoint, as the service account names it.
    pub token_uri: String,
    /// The web push service, by name.
    pub webpush: String,
}

/// A running simulator. It runs until its options' token is cancelled, dropped or not.
pub struct Simulator {
    options: Options,
    endpoints: Endpoints,
    ca_pem: String,
    apns_certificate_pem: String,
    apns_key_pem: String,
    service_account_json: String,
    vapid_key_pem: String,
    subscriptions: Arc<Subscriptions>,
    rotation: Arc<Rotation>,
    shared: Arc<Shared>,
}

impl Simulator {
    /// Makes keys and certificates, binds the listeners and starts to serve.
    pub async fn start(mut options: Options) -> Result<Self, Error> {
        options.cancel = options.cancel.child_token();
        let (apns, apns_address) = bind(options.apns_listen).await?;
        let (sandbox, sandbox_address) = bind(options.apns_sandbox_listen).await?;
        let (fcm, fcm_address) = bind(options.fcm_listen).await?;
        let (webpush, webpush_address) = bind(options.webpush_listen).await?;
        let endpoints = Endpoints {
            apns: options.origin(apns_address),
            apns_sandbox: options.origin(sandbox_address),
            fcm: options.origin(fcm_address),
            token_uri: format!("{}{}", options.origin(fcm_address), oauth::PATH),
            webpush: format!("https://{}", options.authority(webpush_address)),
        };
        let authority = Authority::generate(options.host.as_deref(), &options.bundle_id)?;
        let apns_key = ApnsKey::generate()?;
        let account = ServiceAccount::generate(&options.project_id, endpoints.token_uri.clone())?;
        let vapid_key = VapidKey::generate()?;
        let shared = Arc::new(Shared {
            book: Book::new(options.kept_pushes, options.remembered_pushes),
            behaviours: Behaviours::default(),
            failures: Failures::default(),
            now: Arc::clone(&options.now),
        });
        let Options { key_id, team_id, bundle_id, project_id, access_token_seconds, .. } = &options;
        let (apns_key_pem, service_account_json) = (apns_key.pem, account.json.clone());
        let rotation = Rotation {
            credentials: Arc::new(Credentials::new(apns_key.public, key_id, team_id, bundle_id)),
            oauth: Arc::new(OAuth::new(account, *access_token_seconds)),
            project_id: project_id.clone(),
            token_uri: endpoints.token_uri.clone(),
        };
        let simulator = Self {
            ca_pem: authority.ca_pem.clone(),
            apns_certificate_pem: authority.push_pem.clone(),
            apns_key_pem,
            service_account_json,
            vapid_key_pem: vapid_key.pem,
            subscriptions: Arc::new(Subscriptions::new(endpoints.webpush.clone(), vapid_key.public)),
            rotation: Arc::new(rotation),
            shared,
            endpoints,
            options,
        };
        let listeners = [(Source::ApnsProduction, apns), (Source::ApnsSandbox, sandbox)];
        simulator.serve_apns(&authority, listeners)?;
        simulator.serve_fcm(&authority, fcm)?;
        simulator.serve_webpush(&authority, webpush)?;
        Ok(simulator)
    }

    fn serve_apns(&self, authority: &Authority, listeners: [(Source, TcpListener); 2]) -> Result<(), Error> {
        for (source, listener) in listeners {
            let look_alike = Apns { source, credentials: Arc::clone(&self.rotation.credentials), shared: Arc::clone(&self.shared) };
            let streams = Streams { first: self.options.first_streams.max(1), later: self.options.apns_streams };
            self.serve(look_alike, authority.server_config(&[b"h2"])?, streams, listener);
        }
        Ok(())
    }

    fn serve_fcm(&self, authority: &Authority, listener: TcpListener) -> Result<(), Error> {
        let look_alike = Fcm::new(&self.options.project_id, Arc::clone(&self.rotation.oauth), Arc::clone(&self.shared));
        let streams = Streams { first: self.options.fcm_streams, later: self.options.fcm_streams };
        let tls = authority.server_config(&[b"h2", b"http/1.1"])?;
        self.serve(look_alike, tls, streams, listener);
        Ok(())
    }

    fn serve_webpush(&self, authority: &Authority, listener: TcpListener) -> Result<(), Error> {
        let look_alike = Webpush::new(Arc::clone(&self.subscriptions), Arc::clone(&self.shared));
        let streams = Streams { first: self.options.webpush_streams, later: self.options.webpush_streams };
        self.serve(look_alike, authority.server_config(&[b"h2", b"http/1.1"])?, streams, listener);
        Ok(())
    }

    fn serve<L: LookAlike>(&self, look_alike: L, tls: Arc<rustls::ServerConfig>, streams: Streams, listener: TcpListener) {
        let service = Service {
            look_alike: Arc::new(look_alike),
            tls,
            streams,
            tasks: self.options.tasks.clone(),
            cancel: self.options.cancel.clone(),
        };
        service.start(listener);
    }

    /// The control view. Its routes have full paths (`/simulator/…`): merge it, do not nest it.
    pub fn control_router(&self) -> Router {
        control::router(Arc::clone(&self.shared), Arc::clone(&self.subscriptions), Arc::clone(&self.rotation))
    }

    /// Serves the control view alone; answers the address it got.
    pub async fn serve_control(&self, address: SocketAddr) -> Result<SocketAddr, Error> {
        let (listener, address) = bind(address).await?;
        let cancel = self.options.cancel.clone();
        let serving = axum::serve(listener, self.control_router()).with_graceful_shutdown(cancel.cancelled_owned()).into_future();
        self.options.tasks.spawn(async move {
            if let Err(error) = serving.await {
                tracing::warn!(%error, "the simulator's control view ended");
            }
        });
        Ok(address)
    }

    /// Ends the simulator's tasks; whoever owns the task set waits for them.
    pub fn shutdown(&self) {
        self.options.cancel.cancel();
    }

    /// Where the look-alikes are.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The certificate of the authority that all listeners' certificates come from, PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A push certificate with its private key, which APNs takes in the place of tokens: the text of a `.pem` file.
    pub fn apns_certificate_pem(&self) -> &str {
        &self.apns_certificate_pem
    }

    /// The APNs key: the text of a `.p8` file.
    pub fn apns_key_pem(&self) -> &str {
        &self.apns_key_pem
    }

    /// The service account: the text of a `service-account.json`.
    pub fn service_account_json(&self) -> &str {
        &self.service_account_json
    }

    /// The VAPID key that subscriptions made here may be sent to with: PKCS#8, PEM.
    pub fn vapid_key_pem(&self) -> &str {
        &self.vapid_key_pem
    }

    /// The APNs key's id.
    pub fn key_id(&self) -> &str {
        &self.options.key_id
    }

    /// The APNs team's id.
    pub fn team_id(&self) -> &str {
        &self.options.team_id
    }

    /// The bundle id that may be sent to.
    pub fn bundle_id(&self) -> &str {
        &self.options.bundle_id
    }

    /// The FCM project.
    pub fn project_id(&self) -> &str {
        &self.options.project_id
    }

    /// The pushes still held whole, oldest first: those for one token, or all.
    pub fn pushes(&self, device_token: Option<&str>) -> Vec<Push> {
        self.shared.book.pushes(device_token)
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.shared.book.stats()
    }

    /// Forgets all pushes, and how often tokens have failed.
    pub fn forget(&self) {
        self.shared.forget();
    }

    /// Replaces all scripts. Unlike the control view it takes the rules as they are.
    pub fn set_behaviours(&self, rules: Vec<Rule>) {
        self.shared.behaviours.replace(rules);
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
