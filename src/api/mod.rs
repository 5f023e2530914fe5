//! The HTTP API: routes, one file per resource. It translates between the contract and the path; no rule of Herald's is decided here.
//!
//! A request goes through [`request_id`] (id, span), then decompression and the limits of [`body`], then [`auth`], then [`json`], and ends in
//! a call of the store's traits or of the way into the path. All that goes wrong becomes a [`problem`].

mod admission;
mod analytics;
mod app;
mod audit;
mod auth;
mod body;
mod campaigns;
mod categories;
mod checks;
mod client_tokens;
mod contacts;
mod cors;
mod dead_letters;
mod deprecation;
mod devices;
mod etag;
mod explain;
mod fresh_id;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod header_fields;
mod health;
mod idempotency;
mod instant;
mod json;
mod key_ring;
mod key_uses;
mod keys;
mod lanes;
mod limits;
mod load;
mod notifications;
mod openapi;
mod own_config;
mod page;
mod path;
mod peer;
mod preferences;
mod problem;
mod query;
mod receipts;
mod request_id;
mod schema;
mod segments;
mod serve;
mod settings;
mod sign_in;
mod tags;
mod templates;
mod topics;
mod ttl;
mod users;
mod way_in;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::decompression::RequestDecompressionLayer;

use self::admission::{Admitted, Gate};
use self::auth::SeenPhones;
use self::client_tokens::Issuer;
use self::deprecation::{DEPARTURES, Departure};
use self::limits::Limits;
use self::load::Load;
use self::problem::{Code, Problem};
use self::way_in::{Path, WayIn};
use crate::dispatch::handle::Dispatch;
use crate::domain::client_token::ClientTokenSettings;
use crate::domain::clock::Clock;
use crate::queue::Queue;
use crate::store::Store;
use crate::store::analytics::Retention;

pub use self::cors::Origins;
pub use self::key_ring::{BuiltInKey, KeyRing};
pub use self::serve::{Door, Tls, TlsError, serve};
pub use self::settings::{Rate, Rates, Settings};
pub use self::sign_in::{KeySetError, SignIn, SignIns};

/// Answers smaller than this are not compressed, in bytes: it would cost more than it saves.
const COMPRESS_ABOVE: u64 = 860;
/// Of brotli's and gzip's levels; more costs much and saves little.
const COMPRESSION: CompressionLevel = CompressionLevel::Precise(4);

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
    /// The keys.
    pub keys: Arc<KeyRing>,
    /// What the tokens of phones are like.
    pub client_tokens: ClientTokenSettings,
    /// Whose tokens are taken beside them.
    pub sign_ins: Arc<SignIns>,
    /// Where pages may call from.
    pub origins: Origins,
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
    keys: Arc<KeyRing>,
    issuer: Issuer,
    sign_ins: Arc<SignIns>,
    seen: SeenPhones,
    stopping: CancellationToken,
    origins: Origins,
    /// What is under way.
    load: Arc<Load>,
    /// How often callers called.
    limits: Limits,
    /// The idempotency keys that are being handled.
    under_way: idempotency::UnderWay,
}

type Api = Arc<Shared>;

/// The OpenAPI document, as `/openapi.json` answers it.
pub fn document() -> utoipa::openapi::OpenApi {
    openapi::routes(DEPARTURES).1
}

/// The router of all routes.
pub fn router(state: State) -> Router {
    assemble(state.shared(), DEPARTURES)
}

/// The router of a node that does not serve the API: `/health`, `/ready` and `/metrics` only.
pub fn probes(state: State) -> Router {
    let api = state.shared();
    dress(openapi::probes(), &api, Admitted::default()).with_state(api)
}

/// The router of `[server] admin_listen`: `/metrics`, without a key.
pub fn admin(metrics: Metrics) -> Router {
    Router::new().route(health::METRICS, get(move || std::future::ready(health::text(&metrics)))).fallback(no_such_route)
}

impl State {
    fn shared(self) -> Api {
        let issuer = Issuer::new(Arc::clone(&self.store), Arc::clone(&self.clock), self.client_tokens);
        Arc::new(Shared {
            load: Arc::new(Load::new(self.settings.max_requests, self.settings.max_bytes())),
            limits: Limits::new(&self.settings.rates, &self.clock),
            path: Arc::new(Path(self.dispatch)),
            store: self.store,
            queue: self.queue,
            clock: self.clock,
            settings: self.settings,
            analytics: self.analytics,
            metrics: self.metrics,
            keys: self.keys,
            issuer,
            sign_ins: self.sign_ins,
            seen: SeenPhones::default(),
            origins: self.origins,
            stopping: self.stopping,
            under_way: idempotency::UnderWay::default(),
        })
    }
}

fn assemble(api: Api, departures: &[Departure]) -> Router {
    let (routes, document) = openapi::routes(departures);
    let pages = openapi::pages(&document).unwrap_or_else(|error| {
        tracing::error!(%error, "the OpenAPI document cannot be written");
        Router::new()
    });
    let audited = (Arc::clone(&api), Arc::new(audit::Operations::of(&document)));
    let told = Arc::new(deprecation::Told::of(&document, departures));
    let routes = routes.layer(from_fn_with_state(audited, audit::around)).layer(from_fn_with_state(told, deprecation::around));
    dress(routes.merge(pages), &api, Admitted::of(&document)).with_state(api)
}

/// What is around every route, and what is said where there is none.
fn dress(routes: Router<Api>, api: &Api, admitted: Admitted) -> Router<Api> {
    let gate = Gate { api: Arc::clone(api), admitted: Arc::new(admitted) };
    let worth_it = SizeAbove::new(COMPRESS_ABOVE).and(NotForContentType::IMAGES);
    routes
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(RequestDecompressionLayer::new())
        .layer(CompressionLayer::new().quality(COMPRESSION).compress_when(worth_it))
        .layer(from_fn_with_state(gate, admission::around))
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
