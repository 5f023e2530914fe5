//! Makes the tokens of phones, and says whose one is.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use http::Method;
use jsonwebtoken::decode_header;
use moka::sync::Cache;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::{Builder, Uuid};
use zeroize::Zeroizing;

use super::claims::{Claims, Use, Wrong};
use super::device_changes::DeviceChanges;
use super::refresh_token::RefreshToken;
use super::signing::{self, Keys, SigningKeys};
use crate::api::fresh_id::fresh_id;
use crate::api::problem::{Code, Problem};
use crate::domain::Timestamp;
use crate::domain::client_token::ClientTokenSettings;
use crate::domain::clock::Clock;
use crate::domain::id::AppId;
use crate::store::Store;
use crate::store::client_token::{Family, Refreshed, Standing};

/// How long a family that stood is believed to by what only reads: one that is revoked at another node is refused here after as long.
const STANDING_AGE: Duration = Duration::from_secs(1);
/// Families that are remembered, at most.
const FAMILIES: u64 = 10_000;

/// What a phone gets when somebody signs in, and with each refresh.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenPair {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// How long it holds, in seconds.
    expires_in: u64,
    /// Gets the next pair, once.
    refresh_token: String,
    /// How long it holds, in seconds.
    refresh_expires_in: u64,
}

/// Whom tokens are made for.
pub(super) struct Bearer {
    /// The app's number.
    pub(super) app: AppId,
    /// Its name.
    pub(super) app_name: String,
    /// Whose they are.
    pub(super) user: Option<String>,
    /// The device that they are bound to.
    pub(super) device: Option<String>,
}

/// What a token of ours says of whoever has it.
#[derive(Debug)]
pub(in crate::api) struct Says {
    /// The app, by its name.
    pub(in crate::api) app: String,
    /// Whose it is.
    pub(in crate::api) user: Option<String>,
    /// What it lets do.
    pub(in crate::api) lets: Lets,
}

/// What a token of ours lets do.
#[derive(Debug)]
pub(in crate::api) enum Lets {
    /// Act for the user, or for the device.
    Act {
        /// Its family.
        family: Uuid,
        /// Its generation in it.
        generation: i64,
        /// The device that it is bound to.
        device: Option<String>,
    },
    /// Report receipts of this device.
    Report {
        /// The device.
        device: String,
    },
}

/// Makes and reads client tokens.
pub(in crate::api) struct Issuer {
    keys: SigningKeys,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    settings: ClientTokenSettings,
    /// Families that stood lately: the generation that was seen, and when.
    standing: Cache<Uuid, (i64, Duration)>,
    /// What was seen of a family that is bound to a device, before the device changed, is not believed.
    changes: DeviceChanges,
}

impl Issuer {
    pub(in crate::api) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, settings: ClientTokenSettings) -> Self {
        let keys = SigningKeys::new(Arc::clone(&store), Arc::clone(&clock), settings.clone());
        Self { keys, store, clock, settings, standing: Cache::new(FAMILIES), changes: DeviceChanges::default() }
    }

    /// The keys, for those who check tokens themselves.
    pub(super) async fn keys(&self) -> Result<Arc<Keys>, Problem> {
        Ok(self.keys.keys().await?)
    }

    /// Begins a family.
    pub(super) async fn begin(&self, bearer: Bearer) -> Result<TokenPair, Problem> {
        let keys = self.keys().await?;
        let now = self.clock.now();
        let mut key = Zeroizing::new([0; 32]);
        rand::fill(&mut *key).map_err(|error| Problem::internal(&error))?;
        let id = fresh_id(now);
        let Bearer { app, app_name, user, device } = bearer;
        let family = Family { id, app, user, device, created_at: now, expires_at: now + self.settings.refresh() };
        let refresh = keys.refresh.first(id, &key);
        self.store.begin_family(&family, refresh.hash()).await?;
        self.pair(&keys, &family, &app_name, &refresh)
    }

    /// Exchanges a refresh token; `name_of` tells the name of an app that is still there.
    pub(super) async fn refresh(&self, text: &str, name_of: impl Fn(AppId) -> Option<String>) -> Result<TokenPair, Problem> {
        let keys = self.keys().await?;
        let presented = keys.refresh.parse(text).ok_or_else(not_ours)?;
        let next = keys.refresh.next(&presented).ok_or_else(not_ours)?;
        let expires_at = self.clock.now() + self.settings.refresh();
        let refreshed = self.store.refresh(presented.family(), presented.generation(), presented.hash(), next.hash(), expires_at).await?;
        match refreshed {
            Refreshed::Renewed { family, .. } | Refreshed::Again { family, .. } => {
                let name = name_of(family.app).ok_or_else(not_ours)?;
                self.pair(&keys, &family, &name, &next)
            }
            Refreshed::Reused(family) => {
                self.standing.invalidate(&family.id);
                tracing::warn!(family = %family.id, "a refresh token was used twice: its family is revoked");
                Err(Problem::new(Code::RefreshTokenReused, "it was exchanged before: all tokens of this sign-in are revoked"))
            }
            Refreshed::Gone => Err(revoked()),
        }
    }

    /// Revokes the family of a refresh token, if it is one.
    pub(super) async fn revoke(&self, text: &str) -> Result<(), Problem> {
        let keys = self.keys().await?;
        if let Some(token) = keys.refresh.parse(text) {
            self.store.revoke_family(token.family()).await?;
            self.standing.invalidate(&token.family());
        }
        Ok(())
    }

    /// Revokes all of a user's.
    pub(super) async fn revoke_user(&self, app: AppId, user: &str) -> Result<(), Problem> {
        self.store.revoke_user(app, user).await?;
        self.forget();
        Ok(())
    }

    /// Forgets which families stood, after some were revoked.
    pub(in crate::api) fn forget(&self) {
        self.standing.invalidate_all();
    }

    /// A device that was there was registered or deleted: tokens that are bound to it may have been revoked.
    pub(in crate::api) fn forget_device(&self, app: AppId, device: &str) {
        self.changes.note(app, device, self.clock.monotonic());
    }

    /// A token that only reports the receipts of a device.
    pub(in crate::api) async fn receipt_token(&self, app: &str, device: &str, user: Option<&str>) -> Result<String, Problem> {
        let use_of = Use::Receipt { device_id: device.to_owned() };
        self.sign(&*self.keys().await?, app, user, use_of, ClientTokenSettings::RECEIPT)
    }

    /// What a token says that was signed here and whose time is not over.
    pub(in crate::api) async fn read(&self, token: &str) -> Result<Says, Problem> {
        let id = decode_header(token).ok().and_then(|header| header.kid).ok_or_else(not_ours)?;
        let keys = self.keys.keys_with(&id).await?;
        let key = keys.of_id(&id).ok_or_else(not_ours)?;
        let claims = Claims::read(token, &key.verifying, &self.settings.issuer, self.clock.now()).map_err(Problem::from)?;
        let lets = match claims.use_of {
            Use::Access { sid, generation, device_id } => Lets::Act { family: sid, generation, device: device_id },
            Use::Receipt { device_id } => Lets::Report { device: device_id },
        };
        Ok(Says { app: claims.aud, user: claims.sub, lets })
    }

    /// Refuses tokens of a family that does not stand; `device`: the one that it is bound to. Only what reads believes one that stood lately: a
    /// write would bring back who was erased meanwhile.
    pub(in crate::api) async fn check_standing(
        &self,
        app: AppId,
        (family, generation, device): (Uuid, i64, Option<&str>),
        method: &Method,
    ) -> Result<(), Problem> {
        let now = self.clock.monotonic();
        let is_news = |at| device.is_some_and(|device| self.changes.came_since(app, device, at));
        let stood = self.standing.get(&family).filter(|(_, at)| now.saturating_sub(*at) < STANDING_AGE && !is_news(*at));
        if method.is_safe() && stood.is_some_and(|(seen, _)| seen >= generation) {
            return Ok(());
        }
        match self.store.seen(app, family, generation).await? {
            Standing::Stands => {
                self.standing.insert(family, (generation, now));
                Ok(())
            }
            Standing::Revoked | Standing::Gone => Err(revoked()),
        }
    }

    fn pair(&self, keys: &Keys, family: &Family, app: &str, refresh: &RefreshToken) -> Result<TokenPair, Problem> {
        let use_of = Use::Access { sid: family.id, generation: refresh.generation(), device_id: family.device.clone() };
        let left = family.expires_at.signed_duration_since(self.clock.now()).num_seconds();
        Ok(TokenPair {
            access_token: self.sign(keys, app, family.user.as_deref(), use_of, self.settings.access())?,
            expires_in: self.settings.access().as_secs(),
            refresh_token: refresh.text(),
            refresh_expires_in: u64::try_from(left).unwrap_or_default(),
        })
    }

    fn sign(&self, keys: &Keys, app: &str, user: Option<&str>, use_of: Use, life: Duration) -> Result<String, Problem> {
        let key = keys.signing().ok_or_else(Problem::internal_logged)?;
        let now: Timestamp = self.clock.now();
        let mut id = [0; 16];
        rand::fill(&mut id).map_err(|error| Problem::internal(&error))?;
        let claims = Claims {
            iss: self.settings.issuer.clone(),
            aud: app.to_owned(),
            iat: now.timestamp(),
            exp: (now + life).timestamp(),
            jti: Builder::from_random_bytes(id).into_uuid(),
            sub: user.map(str::to_owned),
            use_of,
        };
        claims.sign(&key.id, &key.private).map_err(|error| Problem::internal(&error))
    }
}

/// 401: nobody here made it.
pub(in crate::api) fn not_ours() -> Problem {
    Problem::new(Code::TokenInvalid, "it was not made here, or for an app that is not there any more")
}

/// 401: it was taken back.
pub(in crate::api) fn revoked() -> Problem {
    Problem::new(Code::TokenRevoked, "it was taken back, or is over")
}

impl From<Wrong> for Problem {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Invalid => not_ours(),
            Wrong::Expired => Self::new(Code::TokenExpired, "get the next one with the refresh token"),
        }
    }
}

impl From<signing::Error> for Problem {
    fn from(error: signing::Error) -> Self {
        match error {
            signing::Error::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}
