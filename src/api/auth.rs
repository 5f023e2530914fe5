//! Who calls, and what they may do: one extractor, before the body is looked at. What is needed of a caller is a type, so that no handler can
//! forget to ask: [`Caller`] has an API key, [`Phone`] a client token, [`KeyOrPhone`] either.

mod phone;
mod report;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use moka::sync::Cache;

use super::Api;
use super::problem::Problem;
use crate::domain::id::AppId;
use crate::store::key::{ApiKey, Scope};

pub(super) use phone::{KeyOrPhone, Phone, SeenPhones};
pub(super) use report::MayReport;

/// How long a key that was looked up is believed: a key deleted at another node works here for as long.
const KEY_AGE: Duration = Duration::from_secs(1);
/// Keys that are remembered, at most.
const KEYS: u64 = 10_000;

/// A key that is not in the store: `herald dev` has one. It has all scopes.
#[derive(Clone, PartialEq, Eq)]
pub struct BuiltInKey {
    hash: [u8; 32],
    app: AppId,
}

impl BuiltInKey {
    /// The key of this text, for this app. Only its hash is kept.
    pub fn new(text: &str, app: AppId) -> Self {
        Self { hash: hash_of(text), app }
    }
}

impl std::fmt::Debug for BuiltInKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BuiltInKey").field("app", &self.app).finish_non_exhaustive()
    }
}

/// The keys that were looked up lately.
pub(super) struct KeyRing {
    built_in: Vec<BuiltInKey>,
    seen: Cache<[u8; 32], (Duration, Arc<ApiKey>)>,
}

impl KeyRing {
    pub(super) fn new(built_in: Vec<BuiltInKey>) -> Self {
        Self { built_in, seen: Cache::new(KEYS) }
    }

    /// Forgets what was looked up, after a key was deleted.
    pub(super) fn forget(&self) {
        self.seen.invalidate_all();
    }
}

/// The SHA-256 under which a key is stored.
pub(super) fn hash_of(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    hash
}

/// What a route needs of its caller.
pub(super) trait Need: Send + Sync {
    /// `None`: any key will do.
    const SCOPE: Option<Scope>;
}

macro_rules! needs {
    ($($(#[$doc:meta])* $name:ident = $scope:ident;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl Need for $name {
            const SCOPE: Option<Scope> = Some(Scope::$scope);
        }
    )*};
}

needs! {
    /// Notifications, batch, receipts, explain, previews.
    ToSend = Send;
    /// All else that writes, and reading what is secret or personal.
    ToManage = Manage;
    /// Every other GET.
    ToRead = Read;
}

/// A key of any scope: to ask what the key itself says.
pub(super) struct ToKnowOneself;

impl Need for ToKnowOneself {
    const SCOPE: Option<Scope> = None;
}

/// Someone with a key that has the scope of `N`.
pub(super) struct Caller<N> {
    /// The app that the key names.
    pub(super) app: AppId,
    may_be_critical: bool,
    need: PhantomData<N>,
}

impl<N> Caller<N> {
    /// Whether the key has the scope `critical`, too.
    pub(super) fn may_be_critical(&self) -> bool {
        self.may_be_critical
    }
}

impl<N: Need> FromRequestParts<Api> for Caller<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Some(text) = bearer_of(parts) else {
            return Err(Problem::key_invalid("an API key is needed: Authorization: Bearer <key>"));
        };
        if is_token(text) {
            return Err(phone::refuse(api, text, N::SCOPE).await);
        }
        let hash = hash_of(text);
        if let Some(key) = api.keys.built_in.iter().find(|key| key.hash == hash) {
            return Ok(Self { app: key.app, may_be_critical: true, need: PhantomData });
        }
        let Some(key) = look_up(api, hash).await?.filter(|key| api.path.has_app(key.app)) else {
            return Err(Problem::key_invalid("this API key is not known"));
        };
        if key.expires_at.is_some_and(|end| end <= api.clock.now()) {
            return Err(Problem::key_invalid("this API key has expired"));
        }
        if let Some(scope) = N::SCOPE.filter(|scope| !key.scopes.contains(scope)) {
            return Err(Problem::scope_missing(scope));
        }
        Ok(Self { app: key.app, may_be_critical: key.scopes.contains(&Scope::Critical), need: PhantomData })
    }
}

async fn look_up(api: &Api, hash: [u8; 32]) -> Result<Option<Arc<ApiKey>>, Problem> {
    let now = api.clock.monotonic();
    if let Some((read_at, key)) = api.keys.seen.get(&hash)
        && now.saturating_sub(read_at) < KEY_AGE
    {
        return Ok(Some(key));
    }
    // unknown keys are not remembered: whoever guesses would fill the memory, and a new key works at once
    let Some(key) = api.store.key_by_hash(hash).await? else { return Ok(None) };
    let key = Arc::new(key);
    api.keys.seen.insert(hash, (now, Arc::clone(&key)));
    Ok(Some(key))
}

fn bearer_of(parts: &Parts) -> Option<&str> {
    parts.headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()))
}

/// Whether it is a JWT, which has two dots; an API key has none.
fn is_token(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'.').count() == 2
}

fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, key) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_has_a_key() {
        for (value, expected) in [
            ("Bearer k1", Some("k1")),
            ("bearer  k1 ", Some("k1")),
            ("Bearer ", None),
            ("Bearer", None),
            ("Basic azE6", None),
            ("k1", None),
            ("", None),
        ] {
            assert_eq!(bearer(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn a_built_in_key_does_not_show_itself() {
        let shown = format!("{:?}", BuiltInKey::new("herald_dev_key", AppId(1)));
        assert!(!shown.contains("hash") && !shown.contains("dev"), "{shown}");
    }
}
