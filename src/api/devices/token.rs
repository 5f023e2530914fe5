//! Push tokens as callers write them: a string, `{"fid"}` or a web push subscription. No message repeats one.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use utoipa::ToSchema;

use crate::api::checks::Checks;
use crate::domain::device::{ProviderKind, PushToken};
use crate::domain::endpoint::Endpoint;

/// Whether a subscription may be at an endpoint: the app says.
pub(super) type Allows<'a> = &'a (dyn Fn(&Endpoint) -> bool + Send + Sync);

/// A token whose form is not judged yet.
#[derive(Clone, PartialEq)]
pub(super) enum TokenRequest {
    /// For APNs and FCM.
    Text(String),
    /// For FCM: a Firebase installation id.
    Fid(String),
    /// For browsers.
    Subscription { endpoint: String, p256dh: String, auth: String },
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenRequest(***)")
    }
}

/// A push token.
#[derive(ToSchema)]
#[schema(as = PushToken)]
#[serde(untagged)]
#[expect(dead_code, reason = "a schema only")]
pub(super) enum TokenSchema {
    /// For `apns` hexadecimal digits, for `fcm` the registration token.
    Text(String),
    /// For `fcm`: a Firebase installation id.
    Fid {
        /// The installation id.
        fid: String,
    },
    /// For `webpush`: the subscription.
    Subscription(Subscription),
}

/// What `PushSubscription.toJSON()` answers in a browser.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a schema only")]
pub(super) struct Subscription {
    /// Where to POST: https, at a push service that the app allows, by name; elsewhere is `address_forbidden`.
    #[schema(max_length = 2048)]
    endpoint: String,
    /// The browser's keys.
    keys: SubscriptionKeys,
    /// Browsers name it; it is not kept, since the push service says when a subscription is over.
    #[serde(rename = "expirationTime")]
    expiration_time: Option<f64>,
}

/// A browser's keys, in base64url.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscriptionKeys {
    /// The P-256 public key.
    p256dh: String,
    /// The shared secret.
    auth: String,
}

impl<'de> Deserialize<'de> for TokenRequest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Token)
    }
}

struct Token;

impl<'de> Visitor<'de> for Token {
    type Value = TokenRequest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an object with fid, or a web push subscription")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<TokenRequest, E> {
        Ok(TokenRequest::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<TokenRequest, E> {
        Ok(TokenRequest::Text(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<TokenRequest, A::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Members {
            fid: Option<String>,
            endpoint: Option<String>,
            keys: Option<SubscriptionKeys>,
            #[serde(rename = "expirationTime")]
            expiration_time: Option<f64>,
        }

        let members = Members::deserialize(MapAccessDeserializer::new(members))?;
        match (members.fid, members.endpoint, members.keys) {
            (Some(fid), None, None) if members.expiration_time.is_none() => Ok(TokenRequest::Fid(fid)),
            (None, Some(endpoint), Some(keys)) => Ok(TokenRequest::Subscription { endpoint, p256dh: keys.p256dh, auth: keys.auth }),
            _ => Err(Error::custom("must have either fid, or endpoint and keys")),
        }
    }
}

impl TokenRequest {
    /// The token in the form of a provider; `None` after noting what is wrong with it.
    pub(super) fn for_provider(self, provider: ProviderKind, allows: Allows<'_>, checks: &mut Checks) -> Option<PushToken> {
        let made = match (provider, self) {
            (ProviderKind::Apns, Self::Text(text)) => PushToken::apns(&text).map_err(|error| (String::new(), error.to_string())),
            (ProviderKind::Fcm, Self::Text(text)) => PushToken::fcm(&text).map_err(|error| (String::new(), error.to_string())),
            (ProviderKind::Fcm, Self::Fid(fid)) => PushToken::fcm_fid(&fid).map_err(|error| (".fid".to_owned(), error.to_string())),
            (ProviderKind::Webpush, Self::Subscription { endpoint, p256dh, auth }) => {
                if Endpoint::parse(&endpoint).is_some_and(|endpoint| !allows(&endpoint)) {
                    checks.refuse("token.endpoint", "address_forbidden", "must be at an allowed push service's host by name, on port 443");
                    return None;
                }
                PushToken::webpush(&endpoint, &p256dh, &auth).map_err(|(field, error)| (format!(".{field}"), error.to_string()))
            }
            (provider, _) => {
                let form = match provider {
                    ProviderKind::Apns => "a string for apns",
                    ProviderKind::Fcm => "a string or an object with fid for fcm",
                    ProviderKind::Webpush => "a subscription with endpoint and keys for webpush",
                };
                Err((String::new(), format!("must be {form}")))
            }
        };
        made.map_err(|(below, message)| checks.invalid(format_args!("token{below}"), message)).ok()
    }
}
