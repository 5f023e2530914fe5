//! The keys that client tokens are signed with. The daemon makes them and keeps them in the store's vault, so that there is nothing to
//! configure and every node has the same.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use parking_lot::RwLock;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::refresh_token::RefreshTokens;
use crate::domain::Timestamp;
use crate::domain::client_token::ClientTokenSettings;
use crate::domain::clock::Clock;
use crate::store::vault::Secret;
use crate::store::{self, Store};

/// The names of the keys in the vault, which a number follows: nodes that make one at the same time make the same.
const KEYS: &str = "client_token_key/";
/// The name of the secret behind refresh tokens. It never changes: with another one, everybody would be logged out.
const REFRESH: &str = "client_token_refresh";

/// What was read is used for so long, then read again.
const AGE: Duration = Duration::from_mins(1);
/// A token that names a key that is not known has the vault read again, no more often than this.
const SEARCH: Duration = Duration::from_secs(10);
/// After a vault that could not be read it is asked again no sooner.
const PAUSE: Duration = Duration::from_secs(5);

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The vault cannot be read or written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What is in the vault is no key of ours.
    #[error("the secret {0} is not one that was made here")]
    Foreign(String),
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] Unspecified),
}

/// The keys of this node, as they were read last.
pub(super) struct SigningKeys {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    settings: ClientTokenSettings,
    known: RwLock<Option<Known>>,
    /// Held by whoever reads the vault.
    reading: Mutex<()>,
}

#[derive(Clone)]
struct Known {
    keys: Arc<Keys>,
    /// When they were read, or were to be and could not.
    at: Duration,
    /// For how long they are used from then.
    age: Duration,
}

/// All keys there are.
pub(super) struct Keys {
    /// What is signed by them may still hold; oldest first.
    pub(super) all: Vec<Key>,
    signing: usize,
    /// Makes and tells refresh tokens.
    pub(super) refresh: RefreshTokens,
}

/// An Ed25519 key.
pub(super) struct Key {
    /// Its RFC 7638 thumbprint.
    pub(super) id: String,
    /// Its public half, 32 bytes.
    pub(super) public: Vec<u8>,
    /// Signs.
    pub(super) private: EncodingKey,
    /// Tells what it signed.
    pub(super) verifying: DecodingKey,
    number: u64,
    made: Timestamp,
}

impl SigningKeys {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, settings: ClientTokenSettings) -> Self {
        Self { store, clock, settings, known: RwLock::default(), reading: Mutex::default() }
    }

    /// The keys, read lately. The first call makes them where there are none.
    pub(super) async fn keys(&self) -> Result<Arc<Keys>, Error> {
        self.no_older_than(None).await
    }

    /// The keys that have the one of this id, as far as that is known at all.
    pub(super) async fn keys_with(&self, id: &str) -> Result<Arc<Keys>, Error> {
        let keys = self.keys().await?;
        if keys.of_id(id).is_some() { Ok(keys) } else { self.no_older_than(Some(SEARCH)).await }
    }

    async fn no_older_than(&self, limit: Option<Duration>) -> Result<Arc<Keys>, Error> {
        if let Some(keys) = self.known_for(limit) {
            return Ok(keys);
        }
        let _reading = self.reading.lock().await;
        // somebody else may have read them meanwhile
        if let Some(keys) = self.known_for(limit) {
            return Ok(keys);
        }
        let before = self.known.read().clone();
        let at = self.clock.monotonic();
        let known = match (self.read().await, before) {
            (Ok(keys), _) => Known { keys: Arc::new(keys), at, age: AGE },
            // phones are not turned away for what is known already
            (Err(error), Some(before)) => {
                tracing::warn!(%error, "the keys of client tokens cannot be read again; those that are known are used");
                Known { at, age: PAUSE, ..before }
            }
            (Err(error), None) => return Err(error),
        };
        let keys = Arc::clone(&known.keys);
        *self.known.write() = Some(known);
        Ok(keys)
    }

    fn known_for(&self, limit: Option<Duration>) -> Option<Arc<Keys>> {
        let known = self.known.read();
        let known = known.as_ref()?;
        let age = self.clock.monotonic().saturating_sub(known.at);
        (age < known.age && limit.is_none_or(|limit| age < limit)).then(|| Arc::clone(&known.keys))
    }

    /// Reads the vault, makes the key that is due, and forgets those that are spent.
    async fn read(&self) -> Result<Keys, Error> {
        let mut all = Vec::new();
        for secret in self.store.secrets(KEYS).await? {
            all.push(Key::read(&secret)?);
        }
        all.sort_unstable_by_key(|key| key.number);
        if self.plan(&all).is_due {
            let number = all.last().map_or(1, |key| key.number + 1);
            let kept = self.store.keep_secret(&format!("{KEYS}{number}"), &*random()?).await?;
            all.push(Key::read(&kept)?);
        }
        let plan = self.plan(&all);
        for key in all.drain(..plan.spent) {
            self.store.forget_secret(&format!("{KEYS}{}", key.number)).await?;
        }
        let signing = plan.signing.unwrap_or_default().saturating_sub(plan.spent);
        Ok(Keys { all, signing, refresh: RefreshTokens::new(&self.refresh_secret().await?.value) })
    }

    fn plan(&self, all: &[Key]) -> crate::domain::client_token::KeyPlan {
        let made: Vec<Timestamp> = all.iter().map(|key| key.made).collect();
        self.settings.plan(&made, self.clock.now())
    }

    async fn refresh_secret(&self) -> Result<Secret, Error> {
        Ok(self.store.keep_secret(REFRESH, &*random()?).await?)
    }
}

impl Keys {
    /// The one that signs.
    pub(super) fn signing(&self) -> Option<&Key> {
        self.all.get(self.signing)
    }

    /// The one of this id.
    pub(super) fn of_id(&self, id: &str) -> Option<&Key> {
        self.all.iter().find(|key| key.id == id)
    }
}

impl Key {
    fn read(secret: &Secret) -> Result<Self, Error> {
        let foreign = || Error::Foreign(secret.name.clone());
        let number = secret.name.strip_prefix(KEYS).and_then(|number| number.parse().ok()).ok_or_else(foreign)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&secret.value).map_err(|_| foreign())?;
        let document = pair.to_pkcs8v1()?;
        let public = pair.public_key().as_ref().to_vec();
        Ok(Self {
            id: thumbprint(&public),
            private: EncodingKey::from_ed_der(document.as_ref()),
            verifying: DecodingKey::from_ed_der(&public),
            public,
            number,
            made: secret.created_at,
        })
    }
}

/// A new secret; as a seed it is an Ed25519 key (RFC 8032, 5.1.5).
fn random() -> Result<Zeroizing<[u8; 32]>, Unspecified> {
    let mut fresh = Zeroizing::new([0; 32]);
    rand::fill(&mut *fresh)?;
    Ok(fresh)
}

/// The RFC 7638 thumbprint of an Ed25519 key: the hash of its required members in the order of their names (RFC 8037, 2).
fn thumbprint(public: &[u8]) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(public));
    URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037, appendix A.3.
    #[test]
    fn a_key_has_its_thumbprint() {
        let public = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(thumbprint(&public), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
