//! Who calls, and what they may do: one extractor, before the body is looked at. What is needed of a caller is a type, so that no handler can
//! forget to ask: [`Caller`] has an API key, [`Phone`] a client token, [`KeyOrPhone`] either.

mod phone;
mod report;

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::audit::Audited;
use super::key_ring::KnownKey;
use super::problem::Problem;
use super::{Api, limits};
use crate::domain::id::AppId;
use crate::store::key::Scope;

pub(super) use phone::{KeyOrPhone, Phone, SeenPhones};
pub(super) use report::MayReport;

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
    key: KnownKey,
    need: PhantomData<N>,
}

impl<N> Caller<N> {
    /// Whether the key has this scope, too.
    pub(super) fn may(&self, scope: Scope) -> bool {
        self.key.may(scope)
    }

    /// Whether the key has the scope `critical`, too.
    pub(super) fn may_be_critical(&self) -> bool {
        self.may(Scope::Critical)
    }
}

impl<N: Need> FromRequestParts<Api> for Caller<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Some(text) = bearer_of(parts) else {
            return Err(Problem::key_invalid("an API key is needed: Authorization: Bearer <key>"));
        };
        if is_token(text) {
            return Err(phone::refuse(api, &parts.method, text, N::SCOPE).await);
        }
        let known = api.keys.find(&*api.store, &*api.clock, text).await?;
        let Some(key) = known.filter(|key| api.path.has_app(key.app())) else {
            return Err(Problem::key_invalid("this API key is not known"));
        };
        if key.has_expired(api.clock.now()) {
            return Err(Problem::key_invalid("this API key has expired"));
        }
        let counted = match &key {
            KnownKey::Stored(key) => limits::Caller::Key(key.id),
            KnownKey::BuiltIn(app) => limits::Caller::BuiltIn(*app),
        };
        api.limits.take(counted)?;
        let missing = N::SCOPE.filter(|scope| !key.may(*scope));
        // what is done is always written down
        if let Some(audited) = parts.extensions.get::<Audited>()
            && (missing.is_none() || api.limits.writes_refusal(counted))
        {
            audited.begin(api, &key).await?;
        }
        match missing {
            Some(scope) => Err(Problem::scope_missing(scope)),
            None => Ok(Self { app: key.app(), key, need: PhantomData }),
        }
    }
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
}
