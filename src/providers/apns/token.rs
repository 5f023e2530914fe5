//! Provider tokens: one per team and key, shared by every app, environment, connection and, where they can share, node.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::shelf::{Jwt, Shelf};
use crate::domain::clock::Clock;
use crate::providers::ShareError;
use crate::providers::fingerprint::{Fingerprint, fingerprint, of_pem};

/// Apple wants a new token at least every 60 minutes…
const RENEW_AFTER: Duration = Duration::from_mins(50);
/// …refuses one that is older than this…
const DEAD_AFTER: Duration = Duration::from_hours(1);
/// …and not more often than every 20 ("Establishing a token-based connection to APNs").
const NOT_BEFORE: Duration = Duration::from_mins(20);
/// While what the nodes share cannot be reached, a token is used this long before a node signs for itself.
const ALONE_AFTER: Duration = Duration::from_mins(55);
/// How long a send waits at most for what the nodes share.
const SHARED_WITHIN: Duration = Duration::from_millis(500);
/// Where it was away, or told nothing new, it is asked again after this.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(15);
/// How often somebody else may be quicker while a token is renewed.
const ROUNDS: usize = 3;

/// A signed token, ready to be sent.
#[derive(Debug)]
pub(super) struct Token {
    /// `bearer <JWT>`.
    pub(super) authorization: HeaderValue,
    issued_at: i64,
    taken_at: Duration,
    /// How old it was when it was taken.
    age_then: Duration,
}

impl Token {
    fn age(&self, now: Duration) -> Duration {
        self.age_then + now.saturating_sub(self.taken_at)
    }

    fn is(&self, other: &Self) -> bool {
        self.authorization == other.authorization
    }
}

/// Signs for one team with one key.
pub(super) struct Signer {
    key: EncodingKey,
    /// Of the key.
    pub(super) fingerprint: Fingerprint,
    key_id: String,
    team_id: String,
    clock: Arc<dyn Clock>,
    state: Mutex<Tokens>,
    /// Held by the one who renews.
    renewing: tokio::sync::Mutex<()>,
    shelf: Option<Shelf>,
}

#[derive(Default)]
struct Tokens {
    current: Option<Arc<Token>>,
    /// The one before, or after [`Signer::too_many`] the one that was refused.
    other: Option<Arc<Token>>,
    /// Until then (monotonic) nothing is signed that need not be.
    quiet_until: Duration,
    /// Until then (monotonic) the nodes are not asked again, unless there is no token at all.
    asked_until: Duration,
}

/// What there is to send with.
enum Standing {
    /// It serves.
    Good(Arc<Token>),
    /// It still serves, and a new one is due.
    Due(Arc<Token>),
    None,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: i64,
}

impl Signer {
    pub(super) fn new((team_id, key_id): (&str, &str), pem: &[u8], clock: Arc<dyn Clock>, shelf: Option<Shelf>) -> Result<Self, Error> {
        let key = EncodingKey::from_ec_pem(pem)?;
        let fingerprint = fingerprint(&[team_id.as_bytes(), key_id.as_bytes(), &of_pem(pem)]);
        let (key_id, team_id) = (key_id.to_owned(), team_id.to_owned());
        let signer =
            Self { key, fingerprint, key_id, team_id, clock, state: Mutex::default(), renewing: tokio::sync::Mutex::default(), shelf };
        // a key of another curve is noticed here, not at the first push
        signer.sign()?;
        Ok(signer)
    }

    /// The token to send with, renewed when it is due. One renews, and only who has nothing to send with waits for it.
    pub(super) async fn token(&self) -> Result<Arc<Token>, Error> {
        let _renewing = match self.standing() {
            Standing::Good(token) => return Ok(token),
            Standing::Due(token) => match self.renewing.try_lock() {
                Ok(renewing) => renewing,
                Err(_) => return Ok(token),
            },
            Standing::None => self.renewing.lock().await,
        };
        match self.standing() {
            Standing::Good(token) => Ok(token),
            Standing::Due(token) => self.renew(Some(token), None).await,
            Standing::None => self.renew(None, None).await,
        }
    }

    /// Apple called `refused` expired: another one if that is old enough, else the same again. All who were refused share one renewal.
    pub(super) async fn expired(&self, refused: &Arc<Token>) -> Result<Arc<Token>, Error> {
        let _renewing = self.renewing.lock().await;
        let present = self.instead_of(refused);
        match present {
            Some(token) => Ok(token),
            None => self.renew(None, Some(refused)).await,
        }
    }

    /// Apple says that tokens change too often: the older one is used as long as it lives, and nothing is signed for 20 minutes.
    pub(super) fn too_many(&self, refused: &Token) {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        state.quiet_until = now + NOT_BEFORE;
        let is_current = state.current.as_ref().is_some_and(|current| current.is(refused));
        if is_current && state.other.as_ref().is_some_and(|other| other.age(now) < DEAD_AFTER) {
            let Tokens { current, other, .. } = &mut *state;
            std::mem::swap(current, other);
        }
    }

    /// Signs, and keeps nothing of it.
    pub(super) fn prove(&self) -> Result<(), Error> {
        self.sign().map(drop)
    }

    fn lock(&self) -> MutexGuard<'_, Tokens> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> Standing {
        let now = self.clock.monotonic();
        self.lock().standing(now)
    }

    /// What takes the place of an expired token without a renewal.
    fn instead_of(&self, refused: &Arc<Token>) -> Option<Arc<Token>> {
        let now = self.clock.monotonic();
        let state = self.lock();
        let current = state.current.as_ref()?;
        if !current.is(refused) || current.age(now) < NOT_BEFORE {
            return Some(Arc::clone(current));
        }
        // signed less than 20 minutes ago, and set aside since Apple found that too soon
        let younger = state.other.as_ref().filter(|other| other.age(now) < NOT_BEFORE);
        younger.or((now < state.quiet_until).then_some(current)).map(Arc::clone)
    }

    /// Only with `renewing` held.
    async fn renew(&self, due: Option<Arc<Token>>, refused: Option<&Token>) -> Result<Arc<Token>, Error> {
        let Some(shelf) = &self.shelf else { return self.sign_alone() };
        let shared = timeout(SHARED_WITHIN, self.share(shelf, refused)).await;
        let now = self.clock.monotonic();
        match (shared, due) {
            (Ok(Ok(Some(token))), _) => return Ok(self.keep(token, now)),
            (Ok(Ok(None)), due) => {
                tracing::warn!(signer = ?self, "what the nodes share cannot be used: is a clock wrong?");
                due
            }
            (Ok(Err(error)), due) => {
                tracing::warn!(signer = ?self, error = &error as &dyn std::error::Error, "no provider token from the other nodes");
                due
            }
            (Err(_), due) => {
                tracing::warn!(signer = ?self, "no provider token from the other nodes within {SHARED_WITHIN:?}");
                due
            }
        }
        .filter(|token| token.age(now) < ALONE_AFTER)
        .map_or_else(
            || self.sign_alone(),
            |token| {
                self.lock().asked_until = now + ASK_AGAIN_AFTER;
                Ok(token)
            },
        )
    }

    /// The token of all nodes: the one that is there, or a new one in its place. `None`: what is there serves nobody with a right clock.
    async fn share(&self, shelf: &Shelf, refused: Option<&Token>) -> Result<Option<Token>, ShareError> {
        for _ in 0..ROUNDS {
            let kept = shelf.look().await?;
            if let Some(kept) = &kept {
                let present = kept.jwt.as_ref().filter(|jwt| self.is_of_today(jwt)).and_then(|jwt| self.received(jwt, kept.age).ok());
                match present {
                    Some(token) if serves(&token, kept.age, refused) => return Ok(Some(token)),
                    None if kept.age < NOT_BEFORE => return Ok(None),
                    Some(_) | None => {}
                }
            }
            let Ok(jwt) = self.sign() else { return Ok(None) };
            if shelf.replace(kept.as_ref(), &jwt, NOT_BEFORE, DEAD_AFTER).await? {
                return Ok(self.received(&jwt, Duration::ZERO).ok());
            }
        }
        Ok(None)
    }

    /// Whether Apple would take it, if this node's clock is right.
    fn is_of_today(&self, jwt: &Jwt) -> bool {
        u128::from(self.clock.now().timestamp().abs_diff(jwt.issued_at)) < u128::from(DEAD_AFTER.as_secs())
    }

    fn sign_alone(&self) -> Result<Arc<Token>, Error> {
        let token = self.received(&self.sign()?, Duration::ZERO)?;
        Ok(self.keep(token, self.clock.monotonic()))
    }

    fn keep(&self, token: Token, now: Duration) -> Arc<Token> {
        let token = Arc::new(token);
        let mut state = self.lock();
        let previous = state.current.replace(Arc::clone(&token));
        if previous.as_ref().is_some_and(|previous| previous.is(&token)) {
            // it was not due yet by the clock of who keeps it
            state.asked_until = now + ASK_AGAIN_AFTER;
        } else {
            state.other = previous;
        }
        token
    }

    fn sign(&self) -> Result<Jwt, Error> {
        let header = Header { typ: None, kid: Some(self.key_id.clone()), ..Header::new(Algorithm::ES256) };
        let issued_at = self.clock.now().timestamp();
        let claims = Claims { iss: &self.team_id, iat: issued_at };
        Ok(Jwt { issued_at, text: Zeroizing::new(encode(&header, &claims, &self.key)?) })
    }

    fn received(&self, jwt: &Jwt, age: Duration) -> Result<Token, Error> {
        let text = Zeroizing::new(format!("bearer {}", jwt.text.as_str()));
        let mut authorization = HeaderValue::try_from(text.as_str()).map_err(|_| ErrorKind::InvalidToken)?;
        authorization.set_sensitive(true);
        Ok(Token { authorization, issued_at: jwt.issued_at, taken_at: self.clock.monotonic(), age_then: age })
    }
}

/// Whether a shared token does: one that is younger than Apple's least interval always, since there can be no other yet.
fn serves(token: &Token, age: Duration, refused: Option<&Token>) -> bool {
    let is_newer = refused.is_none_or(|refused| !token.is(refused) && token.issued_at > refused.issued_at);
    age < NOT_BEFORE || age < RENEW_AFTER && is_newer
}

impl Tokens {
    fn standing(&self, now: Duration) -> Standing {
        let younger = |limit| [&self.current, &self.other].into_iter().flatten().find(|token| token.age(now) < limit).map(Arc::clone);
        let waits = now < self.quiet_until || now < self.asked_until;
        match younger(if waits { DEAD_AFTER } else { RENEW_AFTER }) {
            Some(token) => Standing::Good(token),
            None => younger(DEAD_AFTER).map_or(Standing::None, Standing::Due),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("key_id", &self.key_id).field("team_id", &self.team_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
