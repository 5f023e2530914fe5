//! The HTTP API: routes, one file per resource. It translates between the contract and the path; no rule of Herald's is decided here.
//!
//! A request goes through [`request_id`] (id, span), then decompression and the limits of [`body`], then [`auth`], then [`json`], and ends in
//! a call of the store's traits or of the way into the path. All that goes wrong becomes a [`problem`].

mod analytics;
mod app;
mod auth;
mod body;
mod campaigns;
mod categories;
mod checks;
mod client_tokens;
mod contacts;
mod dead_letters;
mod devices;
mod etag;
mod explain;
mod health;
mod idempotency;
mod instant;
mod json;
mod keys;
mod lanes;
mod notifications;
mod openapi;
mod page;
mod path;
mod preferences;
mod problem;
mod query;
mod receipts;
mod request_id;
mod schema;
mod segments;
mod serve;
mod sign_in;
mod tags;
mod templates;
mod topics;
mod users;
mod way_in;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::decompression::RequestDecompressionLayer;

use self::auth::{KeyRing, SeenPhones};
use self::client_tokens::Issuer;
use self::problem::{Code, Problem};
use self::way_in::{Path, WayIn};
use crate::dispatch::handle::Dispatch;
use crate::domain::client_token::ClientTokenSettings;
use crate::domain::clock::Clock;
use crate::queue::Queue;
use crate::store::Store;
use crate::store::analytics::Retention;

pub use self::auth::BuiltInKey;
pub use self::serve::serve;
pub use self::sign_in::{KeySetError, SignIn, SignIns};

/// Answers smaller than this are not compressed, in bytes: it would cost more than it saves.
const COMPRESS_ABOVE: u64 = 860;
/// Of brotli's and gzip's levels; more costs much and saves little.
const COMPRESSION: CompressionLevel = CompressionLevel::Precise(4);

/// How the API is served, `[server]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where to listen, `address:port`.
    pub listen: String,
    /// How long a caller may take to send the head of a request, in seconds; 1 to 300.
    pub header_timeout_seconds: u64,
    /// How long a caller may take to send the body, in seconds; 1 to 3600.
    pub body_timeout_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8080".to_owned(), header_timeout_seconds: 15, body_timeout_seconds: 60 }
    }
}

impl Settings {
    /// [`Settings::header_timeout_seconds`] as a duration.
    pub fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_seconds)
    }

    /// Whether others than this machine may reach it. What is no address is taken for one that they may.
    pub fn is_public(&self) -> bool {
        !self.listen.parse::<SocketAddr>().is_ok_and(|address| address.ip().to_canonical().is_loopback())
    }

    /// [`Settings::body_timeout_seconds`] as a duration.
    pub fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_seconds)
    }
}

/// Makes the text of `/metrics`.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the API works on.
pub struct State {
    /// The path of this node.
    pub dispatch: Arc<Dispatch>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The queue, for `/ready`.
    pub queue: Arc<dyn Queue>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How it is served.
    pub settings: Settings,
    /// For how long analytics are kept.
    pub analytics: Retention,
    /// The text of `/metrics`.
    pub metrics: Metrics,
    /// Keys beside those in the store.
    pub built_in_keys: Vec<BuiltInKey>,
    /// What the tokens of phones are like.
    pub client_tokens: ClientTokenSettings,
    /// Whose tokens are taken beside them.
    pub sign_ins: Arc<SignIns>,
    /// Cancelled once the process is to stop.
    pub stopping: CancellationToken,
}

/// What every handler has.
struct Shared {
    path: Arc<dyn WayIn>,
    store: Arc<dyn Store>,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    analytics: Retention,
    metrics: Metrics,
    keys: KeyRing,
    issuer: Issuer,
    sign_ins: Arc<SignIns>,
    seen: SeenPhones,
    stopping: CancellationToken,
    /// The idempotency keys that are being handled.
    under_way: idempotency::UnderWay,
}

type Api = Arc<Shared>;

/// The OpenAPI document, as `/openapi.json` answers it.
pub fn document() -> utoipa::openapi::OpenApi {
    openapi::routes().1
}

/// The router of all routes.
pub fn router(state: State) -> Router {
    assemble(state.shared())
}

/// The router of a node that does not serve the API: `/health`, `/ready` and `/metrics` only.
pub fn probes(state: State) -> Router {
    let api = state.shared();
    dress(openapi::probes(), &api).with_state(api)
}

impl State {
    fn shared(self) -> Api {
        let issuer = Issuer::new(Arc::clone(&self.store), Arc::clone(&self.clock), self.client_tokens);
        Arc::new(Shared {
            path: Arc::new(Path(self.dispatch)),
            store: self.store,
            queue: self.queue,
            clock: self.clock,
            settings: self.settings,
            analytics: self.analytics,
            metrics: self.metrics,
            keys: KeyRing::new(self.built_in_keys),
            issuer,
            sign_ins: self.sign_ins,
            seen: SeenPhones::default(),
            stopping: self.stopping,
            under_way: idempotency::UnderWay::default(),
        })
    }
}

fn assemble(api: Api) -> Router {
    let (routes, document) = openapi::routes();
    let pages = openapi::pages(&document).unwrap_or_else(|error| {
        tracing::error!(%error, "the OpenAPI document cannot be written");
        Router::new()
    });
    dress(routes.merge(pages), &api).with_state(api)
}

/// What is around every route, and what is said where there is none.
fn dress(routes: Router<Api>, api: &Api) -> Router<Api> {
    let worth_it = SizeAbove::new(COMPRESS_ABOVE).and(NotForContentType::IMAGES);
    routes
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(RequestDecompressionLayer::new())
        .layer(CompressionLayer::new().quality(COMPRESSION).compress_when(worth_it))
        .layer(from_fn_with_state(Arc::clone(api), request_id::around))
}

async fn no_such_route() -> Problem {
    Problem::not_found("route")
}

async fn no_such_method() -> Problem {
    Problem::new(Code::MethodNotAllowed, "the header Allow says which methods there are")
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands over what was thrown")]
fn panicked(thrown: Box<dyn std::any::Any + Send>) -> Response {
    let said = thrown.downcast_ref::<&str>().copied().or_else(|| thrown.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = said.unwrap_or("without a message"), "a request panicked");
    Problem::internal_logged().into_response()
}

#[cfg(test)]
mod tests;
