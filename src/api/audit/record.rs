//! How the audit log is written: one layer around all routes, and the caller's key, which tells whose act it is.
//!
//! The layer marks every request for an operation that is audited ([`Operations`]); whoever then shows a key ([`Caller`]) has the act written
//! down before the route is reached; the layer adds how it ended. Without a row there is no act: where it cannot be written, the request fails
//! with 503. Of those that are refused because the key lacks the scope, a number is written down.
//!
//! [`Caller`]: super::super::auth::Caller

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use axum::RequestExt;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, StatusCode};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi, SecurityRequirement};
use uuid::Uuid;

use crate::api::fresh_id::fresh_id;
use crate::api::key_ring::KnownKey;
use crate::api::problem::Problem;
use crate::api::{Api, openapi, request_id};
use crate::domain::hash::sha256;
use crate::domain::id::AppId;
use crate::store::audit::{Actor, NewAct};

/// What an object is called, at most, in characters: what paths name may be of any length.
const MAX_OBJECT: usize = 256;

/// What backends do on behalf of phones and people, and as often as those do something: traffic, which is in the log of requests.
const TRAFFIC: [&str; 9] = [
    "create_client_token",
    "put_device",
    "patch_device",
    "delete_device",
    "put_device_token",
    "delete_device_token",
    "put_preferences",
    "patch_preferences",
    "patch_user",
];

/// The operations that are audited, by method and path: those that write and need the scope `manage`, but [`TRAFFIC`].
#[derive(Debug)]
pub(in crate::api) struct Operations(HashMap<(Method, String), Arc<str>>);

impl Operations {
    /// Those of a document.
    pub(in crate::api) fn of(document: &OpenApi) -> Self {
        let manages = |operation: &Operation| {
            operation.security.as_ref().is_some_and(|ways| ways.contains(&SecurityRequirement::new("api_key", ["manage"])))
        };
        let writing = openapi::all(document).filter(|(_, method, operation)| *method != Method::GET && manages(operation));
        let audited = writing.filter_map(|(path, method, operation)| {
            let id = operation.operation_id.as_deref().filter(|id| !TRAFFIC.contains(id))?;
            Some(((method, path.to_owned()), Arc::from(id)))
        });
        Self(audited.collect())
    }

    fn find(&self, method: &Method, path: &str) -> Option<Arc<str>> {
        self.0.get(&(method.clone(), path.to_owned())).cloned()
    }
}

/// The mark of a request whose act is to be in the log.
#[derive(Clone)]
pub(in crate::api) struct Audited(Arc<Asked>);

struct Asked {
    act: Arc<str>,
    object: Option<String>,
    /// The row, once it is written.
    begun: OnceLock<(AppId, Uuid)>,
}

/// The id of what a route made, which is what its act was done to. A route adds it to its answer as an extension.
#[derive(Clone, Debug)]
pub(in crate::api) struct Object(pub(in crate::api) String);

impl Audited {
    /// Writes that this caller begins the act.
    pub(in crate::api) async fn begin(&self, api: &Api, key: &KnownKey) -> Result<(), Problem> {
        let actor = match key {
            KnownKey::Stored(key) => Actor::Key { id: key.id, name: key.name.clone() },
            KnownKey::BuiltIn(_) => Actor::BuiltIn,
        };
        let id = fresh_id(api.clock.now());
        let (act, object) = (self.0.act.as_ref().to_owned(), self.0.object.clone());
        api.store.begin_act(key.app(), &NewAct { id, actor, request_id: request_id::current(), act, object }).await?;
        // a caller is asked for once in a request
        self.0.begun.get_or_init(|| (key.app(), id));
        Ok(())
    }

    async fn end(&self, api: &Api, status: StatusCode, object: Option<Object>) {
        // who showed no good key did nothing
        let Some((app, id)) = self.0.begun.get() else { return };
        let object = object.as_ref().map(|Object(id)| id.as_str());
        if let Err(error) = api.store.end_act(*app, *id, status.as_u16(), object).await {
            tracing::warn!(%error, audit.id = %id, audit.act = &*self.0.act, "it cannot be written in the audit log how an act ended");
        }
    }
}

/// The layer.
pub(in crate::api) async fn around(State((api, operations)): State<(Api, Arc<Operations>)>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let Some(act) = path.and_then(|path| operations.find(request.method(), path.as_str())) else { return next.run(request).await };
    let object = match request.extract_parts::<RawPathParams>().await {
        Ok(params) => object_of(&params),
        Err(_) => None,
    };
    let audited = Audited(Arc::new(Asked { act, object, begun: OnceLock::new() }));
    request.extensions_mut().insert(audited.clone());
    let response = next.run(request).await;
    let (status, object) = (response.status(), response.extensions().get::<Object>().cloned());
    audited.end(&api, status, object).await;
    response
}

/// What a path names, as the log may have it: nobody by their own name.
fn object_of(params: &RawPathParams) -> Option<String> {
    let names: Vec<String> = params.iter().map(|(name, value)| if name == "user_id" { user(value) } else { value.to_owned() }).collect();
    let plain = |character: char| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character };
    let object: String = names.join("/").chars().take(MAX_OBJECT).map(plain).collect();
    Some(object).filter(|object| !object.is_empty())
}

/// A user, so that who knows their id can tell that it is them.
fn user(id: &str) -> String {
    format!("user:{}", hex::encode(sha256(id.as_bytes()).get(..8).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_by_a_hash() {
        // SHA-256 of "abc" (FIPS 180-4)
        assert_eq!(user("abc"), "user:ba7816bf8f01cfea");
    }

    #[test]
    fn traffic_is_there() {
        let document = crate::api::document();
        let writing = openapi::all(&document).filter(|(_, method, _)| *method != Method::GET);
        let all: Vec<&str> = writing.filter_map(|(_, _, one)| one.operation_id.as_deref()).collect();
        for name in TRAFFIC {
            assert!(all.contains(&name), "{name} is no operation");
        }
    }
}
