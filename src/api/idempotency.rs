//! `Idempotency-Key`: the same key and body again answers what the first answered.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::Api;
use super::problem::{Code, Problem};
use crate::domain::hash::sha256;
use crate::domain::id::AppId;
use crate::store::engine::IdempotencyKey;
use crate::store::idempotency::Before as Stored;

static HEADER: HeaderName = HeaderName::from_static("idempotency-key");
static REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// As errors name it.
const FIELD: &str = "Idempotency-Key";
const ITEM_FIELD: &str = "idempotency_key";
const REUSED: &str = "was used within 24 hours with another body";
const MESSAGE: &str = "must be 1 to 255 visible ASCII characters, bare or in quotes";

/// How long a request waits for the one of the same key that is being handled.
const PATIENCE: Duration = Duration::from_secs(1);

/// What tells requests of one key from all others.
type Name = (AppId, &'static str, String);

/// The keys whose first request is being handled by this process. Which of two is the first, the store alone decides: this only spares
/// the second a long wait.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    names: Mutex<HashSet<Name>>,
    ended: Notify,
}

/// While it lives, its key is under way.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    all: &'a UnderWay,
    name: Name,
}

impl UnderWay {
    fn names(&self) -> MutexGuard<'_, HashSet<Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody else's turn of this key, or nothing while it is someone's.
    fn take(&self, name: Name) -> Option<Turn<'_>> {
        let is_free = self.names().insert(name.clone());
        is_free.then(|| Turn { all: self, name })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.all.names().remove(&self.name);
        self.all.ended.notify_waiters();
    }
}

/// How a key stands.
pub(super) enum Stands<'a> {
    /// It is new, and under way from now on.
    New(Turn<'a>),
    /// The same body came under it: what was answered.
    Same(Bytes),
    /// Another body came under it.
    Other,
}

/// What a key says of its request.
pub(super) enum Before<'a> {
    /// It is to be handled; nothing where it has no key.
    New(Option<Turn<'a>>),
    /// It was answered.
    Answered(Bytes),
}

/// The request's own key.
pub(super) fn of_request(headers: &HeaderMap, app: AppId, route: &'static str, body: &[u8]) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all(&HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().and_then(checked).filter(|_| values.next().is_none());
    let key = text.ok_or_else(|| unusable(MESSAGE))?;
    Ok(Some(new(app, route, key, body)))
}

/// The key of one item of a batch.
pub(super) fn of_item(text: &str, app: AppId, body: &[u8]) -> Result<IdempotencyKey, Problem> {
    let key = checked(text).ok_or_else(|| Problem::invalid_field(ITEM_FIELD, "invalid", MESSAGE))?;
    Ok(new(app, "notifications/batch/item", key, body))
}

/// What was answered under the key, before anything else of the request is judged: what was good then may be refused by now. While the
/// first of the key is being handled, its answer is waited for.
pub(super) async fn before<'a>(api: &'a Api, key: Option<&IdempotencyKey>) -> Result<Before<'a>, Problem> {
    let Some(key) = key else { return Ok(Before::New(None)) };
    match stands(api, key).await? {
        Stands::New(turn) => Ok(Before::New(Some(turn))),
        Stands::Same(answer) => Ok(Before::Answered(answer)),
        Stands::Other => Err(reused()),
    }
}

/// The same, for a body whose hash is not known before its end.
pub(super) async fn stands<'a>(api: &'a Api, key: &IdempotencyKey) -> Result<Stands<'a>, Problem> {
    let patience = Instant::now() + PATIENCE;
    loop {
        let mut ended = std::pin::pin!(api.under_way.ended.notified());
        ended.as_mut().enable();
        if let Some(used) = used(api, key).await? {
            return Ok(used);
        }
        if let Some(turn) = api.under_way.take((key.app, key.route, key.key.clone())) {
            // whoever had its turn before may have been answered between the look and this
            return Ok(used(api, key).await?.unwrap_or(Stands::New(turn)));
        }
        timeout_at(patience, ended).await.map_err(|_| in_progress())?;
    }
}

/// How a key stands that was answered.
async fn used<'a>(api: &Api, key: &IdempotencyKey) -> Result<Option<Stands<'a>>, Problem> {
    Ok(match api.store.before(std::slice::from_ref(key)).await?.pop() {
        Some(Stored::Same(answer)) => Some(Stands::Same(answer)),
        Some(Stored::Other) => Some(Stands::Other),
        Some(Stored::Nothing) | None => None,
    })
}

/// 409: come again.
pub(super) fn in_progress() -> Problem {
    Problem::new(Code::IdempotencyInProgress, "a request with this key is still being handled; its answer can be had soon")
}

/// 422: the key came with another body.
pub(super) fn reused() -> Problem {
    Problem::about(Code::IdempotencyKeyReused, FIELD, REUSED)
}

/// 422: the key of an item came with another item.
pub(super) fn item_reused() -> Problem {
    Problem::about(Code::IdempotencyKeyReused, ITEM_FIELD, REUSED)
}

/// 422: there is nothing that a key could remember here.
pub(super) fn unusable(message: &str) -> Problem {
    Problem::invalid_field(FIELD, "invalid", message)
}

/// Marks an answer as one that was given before.
pub(super) fn replayed(mut response: Response) -> Response {
    response.headers_mut().insert(REPLAYED.clone(), HeaderValue::from_static("true"));
    response
}

fn new(app: AppId, route: &'static str, key: &str, body: &[u8]) -> IdempotencyKey {
    IdempotencyKey { app, route, key: key.to_owned(), body_hash: sha256(body) }
}

fn checked(text: &str) -> Option<&str> {
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    ((1..=255).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_graphic())).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_bare_or_quoted() {
        let long = "k".repeat(255);
        for (text, expected) in [
            ("k1", Some("k1")),
            ("\"k1\"", Some("k1")),
            (long.as_str(), Some(long.as_str())),
            ("", None),
            ("\"\"", None),
            ("a b", None),
            ("é", None),
            (&"k".repeat(256), None),
        ] {
            assert_eq!(checked(text), expected, "{text}");
        }
    }

    #[test]
    fn a_body_is_told_byte_for_byte() {
        let key = |body: &[u8]| of_item("k", AppId(1), body).unwrap();
        assert_eq!(key(b"{}"), key(b"{}"));
        assert_ne!(key(b"{}"), key(b"{ }"));
    }
}
