//! The layer before the routes: whether a request is taken on at all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode};
use http_body::Body as _;
use utoipa::openapi::OpenApi;

use super::cors::Callable;
use super::health::{METRICS, is_probe};
use super::limits::{Attempt, Standing, noting};
use super::problem::Problem;
use super::{Api, openapi, peer, request_id};

/// An answer of so many bytes that is there as a whole is small.
const SMALL: u64 = 16 * 1024;

/// The methods of each route that need a credential: what the document says they do.
#[derive(Debug, Default)]
struct Keyed(HashMap<String, Vec<Method>>);

impl Keyed {
    fn of(document: &OpenApi) -> Self {
        let mut keyed = HashMap::<String, Vec<Method>>::new();
        for (route, method) in openapi::keyed(document) {
            keyed.entry(route.to_owned()).or_default().push(method);
        }
        Self(keyed)
    }

    fn has(&self, route: &str, method: &Method) -> bool {
        // axum answers HEAD as GET
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.0.get(route).is_some_and(|methods| methods.contains(method))
    }
}

/// What the document says of whom routes let in.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    keyed: Keyed,
    callable: Callable,
}

impl Admitted {
    pub(super) fn of(document: &OpenApi) -> Self {
        Self { keyed: Keyed::of(document), callable: Callable::of(document) }
    }
}

/// What is needed to decide.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) api: Api,
    pub(super) admitted: Arc<Admitted>,
}

/// Takes a request on, or tells its caller to come again. Those who watch over the daemon are answered whatever the load.
pub(super) async fn around(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let route = request_id::route_of(&request);
    let is_probe = is_probe(route);
    let needs_credential = gate.admitted.keyed.has(route, request.method()) || (route == METRICS && gate.api.settings.guards_metrics());
    if is_probe && !needs_credential {
        return next.run(request).await;
    }
    let caller = gate.address_of(&request);
    let permit = match gate.api.load.begin(caller) {
        Ok(permit) => Some(permit),
        Err(_) if is_probe => None,
        Err(problem) => return problem.into_response(),
    };
    if let Some(permit) = &permit {
        request.extensions_mut().insert(permit.clone().without_place());
    }
    let shown = needs_credential.then(|| request.headers().get(AUTHORIZATION).cloned().unwrap_or(HeaderValue::from_static("")));
    let mut response = gate.count(caller, shown, request, next).await;
    if let Some(permit) = permit {
        // until the answer is sent
        let permit = if is_done(&response) { permit.without_place() } else { permit };
        response.extensions_mut().insert(permit);
    }
    response
}

/// Whether nothing is left to do for an answer and little is to be kept of it: then it may wait to be taken without keeping others out. Errors
/// are such, however they are encoded.
fn is_done(response: &Response) -> bool {
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    is_error || response.body().size_hint().exact().is_some_and(|length| length <= SMALL)
}

impl Gate {
    /// Counts the request, and where one is needed, the credential that it shows, if that is new where it comes from.
    async fn count(&self, caller: IpAddr, shown: Option<HeaderValue>, request: Request, next: Next) -> Response {
        let asked = self.admitted.callable.asked(&self.api.origins, request_id::route_of(&request), request.method(), request.headers());
        let handled = async {
            let attempt = match self.attempt(caller, shown).await {
                Ok(attempt) => attempt,
                Err(problem) => return problem.into_response(),
            };
            match (asked.permission(), attempt) {
                (Some(permission), _) => permission,
                (None, None) => next.run(request).await,
                (None, Some(attempt)) => {
                    let response = attempt.during(next.run(request)).await;
                    if response.status() == StatusCode::UNAUTHORIZED {
                        attempt.found_bad();
                    }
                    response
                }
            }
        };
        let (mut response, standing) = noting(handled).await;
        asked.write(response.headers_mut(), standing.is_some_and(Standing::is_of_key));
        if let Some(standing) = standing {
            standing.write(response.headers_mut());
        }
        response
    }

    async fn attempt(&self, caller: IpAddr, shown: Option<HeaderValue>) -> Result<Option<Attempt>, Problem> {
        let limits = &self.api.limits;
        let Some(credential) = shown else { return limits.take_address(caller).map(|()| None) };
        limits.attempt(caller, credential.as_bytes()).await.map(Some)
    }

    /// Whose request it is.
    fn address_of(&self, request: &Request) -> IpAddr {
        let peer = request.extensions().get::<peer::Peer>().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.address);
        peer::caller(peer, request.headers(), &self.api.settings.trusted_proxies)
    }
}
