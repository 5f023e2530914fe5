//! The app's own JWTs in the place of client tokens, so that a team with a sign-in of its own mints nothing.
//!
//! Nothing of a token decides how it is checked: the key does, by the file (RFC 8725, 3.1). Herald cannot revoke such a token, so it may not
//! hold for longer than a day.

#[cfg(feature = "fuzzing")]
pub(super) mod fuzz;
mod trusted;

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::decode_header;
use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::{Map, Value};

use self::trusted::TrustedKey;
use super::client_tokens::verified;
use super::problem::{Code, Problem};
use crate::domain::Timestamp;
use crate::domain::id::AppId;
use crate::domain::name::{check_device_id, check_user_id};
use crate::domain::sign_in::SignInSettings;

pub use self::trusted::KeySetError;

/// How far another's clock may be off, in seconds.
const LEEWAY: f64 = 60.0;
/// How long a token may still hold, in seconds.
const LONGEST: f64 = 24.0 * 3600.0;

/// One app's sign-in.
pub struct SignIn {
    settings: SignInSettings,
    keys: Vec<TrustedKey>,
}

/// The sign-ins of all apps that have one. They are replaced when the configuration is read again.
#[derive(Default)]
pub struct SignIns(RwLock<Arc<BTreeMap<AppId, SignIn>>>);

/// Whom a token is of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SignedIn {
    /// The app.
    pub(super) app: AppId,
    /// Its user.
    pub(super) user: Option<String>,
    /// The device that the token is bound to.
    pub(super) device: Option<String>,
}

/// For whom a token says that it is, before its signature is looked at.
#[derive(Debug, Deserialize)]
struct Named {
    iss: String,
    aud: Audience,
}

/// RFC 7519, 4.1.3
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Many(many) => many.iter().any(|one| one == name),
        }
    }
}

impl SignIn {
    /// With the keys of its file.
    pub fn new(settings: SignInSettings, key_set: &[u8]) -> Result<Self, KeySetError> {
        Ok(Self { settings, keys: trusted::read(key_set)? })
    }

    fn is_for(&self, named: &Named) -> bool {
        self.settings.issuer == named.iss && named.aud.has(&self.settings.audience)
    }

    /// What a token says that one of the keys signed and whose time it is.
    fn read(&self, app: AppId, token: &str, now: Timestamp) -> Result<SignedIn, Problem> {
        let claims = self.claims(token)?;
        check_times(&claims, now)?;
        let named = serde_json::from_value(Value::Object(claims.clone())).ok();
        if !named.is_some_and(|named| self.is_for(&named)) {
            return Err(refused("its issuer or audience is another"));
        }
        let user = text_of(&claims, &self.settings.user_claim)?;
        let device = self.settings.device_claim.as_deref().map_or(Ok(None), |claim| text_of(&claims, claim))?;
        let is_bad = |name: Option<&str>, check: fn(&str) -> _| name.is_some_and(|name| Result::is_err(&check(name)));
        if is_bad(user.as_deref(), check_user_id) || is_bad(device.as_deref(), check_device_id) {
            return Err(refused("the user or the device in it has a name that nobody can have"));
        }
        if user.is_none() && device.is_none() {
            return Err(refused("it names neither a user nor a device"));
        }
        Ok(SignedIn { app, user, device })
    }

    fn claims(&self, token: &str) -> Result<Map<String, Value>, Problem> {
        let header = decode_header(token).map_err(|_| refused("its header cannot be read"))?;
        let mut fitting = self.keys.iter().filter(|key| key.fits(&header));
        let verified = fitting.find_map(|key| verified(token, &key.verifying, key.algorithm));
        verified.ok_or_else(|| refused("it is not signed by a key of the app's key set"))
    }
}

impl SignIns {
    /// These take the place of all there were.
    pub fn replace(&self, all: impl IntoIterator<Item = (AppId, SignIn)>) {
        *self.0.write() = Arc::new(all.into_iter().collect());
    }

    /// Whose a token is; `None`: it names no sign-in that is known here.
    pub(super) fn read(&self, token: &str, now: Timestamp) -> Option<Result<SignedIn, Problem>> {
        let named: Named = insecure_decode_claims(token).ok()?;
        let all = Arc::clone(&self.0.read());
        let mut fitting = all.iter().filter(|(_, sign_in)| sign_in.is_for(&named));
        let (app, sign_in) = fitting.next()?;
        if fitting.next().is_some() {
            return Some(Err(refused("it is for more than one app")));
        }
        Some(sign_in.read(*app, token, now))
    }
}

/// RFC 7519, 4.1.4 and 4.1.5; a time may have a fraction.
fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), Problem> {
    #[expect(clippy::cast_precision_loss, reason = "the seconds of any clock fit")]
    let now = now.timestamp() as f64;
    let Some(end) = claims.get("exp").and_then(Value::as_f64) else {
        return Err(refused("it says not when it ends"));
    };
    if end + LEEWAY <= now {
        return Err(Problem::new(Code::TokenExpired, "the app gets another one from its own sign-in"));
    }
    if end - LEEWAY > now + LONGEST {
        return Err(refused("it ends more than 24 hours from now"));
    }
    match claims.get("nbf") {
        None => Ok(()),
        Some(begin) if begin.as_f64().is_some_and(|begin| begin - LEEWAY <= now) => Ok(()),
        Some(_) => Err(refused("it does not hold yet")),
    }
}

fn text_of(claims: &Map<String, Value>, claim: &str) -> Result<Option<String>, Problem> {
    match claims.get(claim) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(refused("the user or the device in it is no text")),
    }
}

fn refused(why: &'static str) -> Problem {
    Problem::new(Code::TokenInvalid, why)
}

#[cfg(test)]
mod tests;
