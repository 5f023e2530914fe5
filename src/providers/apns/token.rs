//! Provider tokens: one per team and key, shared by every app, environment and connection.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

use crate::domain::clock::Clock;
use crate::providers::{InitError, Secret};

/// Apple wants a new token at least every 60 minutes…
const RENEW_AFTER: Duration = Duration::from_mins(50);
/// …refuses one that is older than this…
const DEAD_AFTER: Duration = Duration::from_hours(1);
/// …and not more often than every 20 ("Establishing a token-based connection to APNs").
const NOT_BEFORE: Duration = Duration::from_mins(20);

/// A signed token, ready to be sent.
#[derive(Debug)]
pub(super) struct Token {
    /// `bearer <JWT>`.
    pub(super) authorization: HeaderValue,
    signed_at: Duration,
}

impl Token {
    fn age(&self, clock: &dyn Clock) -> Duration {
        clock.monotonic().saturating_sub(self.signed_at)
    }
}

/// Signs for one team with one key.
pub(super) struct Signer {
    key: EncodingKey,
    key_id: String,
    team_id: String,
    clock: Arc<dyn Clock>,
    state: Mutex<Tokens>,
}

#[derive(Default)]
struct Tokens {
    current: Option<Arc<Token>>,
    /// The one before, or after [`Signer::too_many`] the one that was refused.
    other: Option<Arc<Token>>,
    /// Until then (monotonic) nothing is signed that need not be.
    quiet_until: Duration,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: i64,
}

impl Signer {
    fn new(team_id: &str, key_id: &str, pem: &Secret, clock: Arc<dyn Clock>) -> Result<Self, InitError> {
        let refused = |source| InitError::Key { key: "key_file", expected: "EC P-256", source };
        let key = EncodingKey::from_ec_pem(pem.expose().as_bytes()).map_err(refused)?;
        let signer = Self { key, key_id: key_id.to_owned(), team_id: team_id.to_owned(), clock, state: Mutex::default() };
        // a key of another curve is noticed here, not at the first push
        signer.sign().map_err(refused)?;
        Ok(signer)
    }

    /// The token to send with, renewed when it is due.
    pub(super) fn token(&self) -> Result<Arc<Token>, jsonwebtoken::errors::Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = state.usable(&*self.clock) {
            return Ok(token);
        }
        self.renew(&mut state)
    }

    /// Apple called `refused` expired: signs anew if it is old enough, else goes on with the same.
    pub(super) fn expired(&self, refused: &Arc<Token>) -> Result<Arc<Token>, jsonwebtoken::errors::Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &state.current {
            Some(current) if !Arc::ptr_eq(current, refused) || current.age(&*self.clock) < NOT_BEFORE => Ok(Arc::clone(current)),
            Some(_) | None => self.renew(&mut state),
        }
    }

    /// Apple says that tokens change too often: the older one is used as long as it lives, and nothing is signed for 20 minutes.
    pub(super) fn too_many(&self, refused: &Arc<Token>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.quiet_until = self.clock.monotonic() + NOT_BEFORE;
        let is_current = state.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, refused));
        if is_current && state.other.as_ref().is_some_and(|other| other.age(&*self.clock) < DEAD_AFTER) {
            let Tokens { current, other, .. } = &mut *state;
            std::mem::swap(current, other);
        }
    }

    fn renew(&self, state: &mut Tokens) -> Result<Arc<Token>, jsonwebtoken::errors::Error> {
        let token = Arc::new(self.sign()?);
        state.other = state.current.replace(Arc::clone(&token));
        Ok(token)
    }

    fn sign(&self) -> Result<Token, jsonwebtoken::errors::Error> {
        let header = Header { typ: None, kid: Some(self.key_id.clone()), ..Header::new(Algorithm::ES256) };
        let claims = Claims { iss: &self.team_id, iat: self.clock.now().timestamp() };
        let signed_at = self.clock.monotonic();
        let jwt = Secret::new(encode(&header, &claims, &self.key)?);
        let mut authorization =
            HeaderValue::try_from(format!("bearer {}", jwt.expose())).map_err(|_| jsonwebtoken::errors::ErrorKind::InvalidToken)?;
        authorization.set_sensitive(true);
        Ok(Token { authorization, signed_at })
    }
}

impl Tokens {
    fn usable(&self, clock: &dyn Clock) -> Option<Arc<Token>> {
        let limit = if clock.monotonic() < self.quiet_until { DEAD_AFTER } else { RENEW_AFTER };
        let token = [&self.current, &self.other].into_iter().flatten().find(|token| token.age(clock) < limit)?;
        Some(Arc::clone(token))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("key_id", &self.key_id).field("team_id", &self.team_id).finish_non_exhaustive()
    }
}

/// The signers of a process. Apple counts tokens per team and key, so apps that share both must share one.
#[derive(Debug, Default)]
pub struct Signers {
    by_key: Mutex<HashMap<(String, String), Kept>>,
}

#[derive(Debug)]
struct Kept {
    pem: Secret,
    signer: Arc<Signer>,
}

impl Signers {
    /// The signer of this team and key; a new one if there is none yet or the key's text has changed (a reload).
    pub(super) fn signer(&self, team_id: &str, key_id: &str, pem: &Secret, clock: &Arc<dyn Clock>) -> Result<Arc<Signer>, InitError> {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (team_id.to_owned(), key_id.to_owned());
        if let Some(kept) = by_key.get(&name).filter(|kept| kept.pem.expose() == pem.expose()) {
            return Ok(Arc::clone(&kept.signer));
        }
        let signer = Arc::new(Signer::new(team_id, key_id, pem, Arc::clone(clock))?);
        by_key.insert(name, Kept { pem: pem.clone(), signer: Arc::clone(&signer) });
        Ok(signer)
    }
}

#[cfg(test)]
mod tests;
