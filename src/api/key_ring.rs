//! Which key a text is.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio_util::sync::CancellationToken;

use super::key_uses::KeyUses;
use crate::domain::Timestamp;
use crate::domain::clock::Clock;
use crate::domain::id::AppId;
use crate::domain::key_text;
use crate::store::key::{ApiKey, Scope};
use crate::store::key_hash::{KeyHasher, digest_of, is_same};
use crate::store::{self, Store};

/// How long a key that was looked up is believed: a key deleted at another node works here for as long.
const KEY_AGE: Duration = Duration::from_secs(1);
/// Keys that are remembered, at most.
const KEYS: u64 = 10_000;
/// What an unknown id is compared with. It is the hash of no text that anybody knows.
const NOBODYS: [u8; 32] = [0; 32];

/// A key that is not in the store: `herald dev` has one. It has all scopes.
#[derive(Clone)]
pub struct BuiltInKey {
    digest: [u8; 32],
    app: AppId,
}

impl BuiltInKey {
    /// The key of this text, for this app. Only its hash is kept.
    pub fn new(text: &str, app: AppId) -> Self {
        Self { digest: digest_of(text), app }
    }
}

impl std::fmt::Debug for BuiltInKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BuiltInKey").field("app", &self.app).finish_non_exhaustive()
    }
}

/// A key that is good, or has expired.
#[derive(Clone)]
pub(super) enum KnownKey {
    /// One that is in the store.
    Stored(Arc<ApiKey>),
    /// One of this process, for an app.
    BuiltIn(AppId),
}

impl KnownKey {
    /// The app that it names.
    pub(super) fn app(&self) -> AppId {
        match self {
            Self::Stored(key) => key.app,
            Self::BuiltIn(app) => *app,
        }
    }

    /// Whether it has this scope.
    pub(super) fn may(&self, scope: Scope) -> bool {
        match self {
            Self::Stored(key) => key.scopes.contains(&scope),
            Self::BuiltIn(_) => true,
        }
    }

    /// Whether its time is over.
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        match self {
            Self::Stored(key) => key.expires_at.is_some_and(|end| end <= now),
            Self::BuiltIn(_) => false,
        }
    }
}

/// All keys: those in the store, of which the ones that were looked up lately are remembered, and those of this process.
///
/// How long an answer takes tells nothing of a key. What is looked for is a keyed hash ([`KeyHasher`]), so that nobody can choose how much
/// of it is like that of a key; the hash of the id's row, or one that is nobody's where there is no such row, is compared in constant time.
/// So a wrong secret is refused alike wherever it is wrong. That an id exists may be told by the time that reading its row takes: ids are
/// not secret. Keys of before there were ids in their texts are found by their keyed hash.
pub struct KeyRing {
    hasher: KeyHasher,
    built_in: Vec<BuiltInKey>,
    seen: Cache<[u8; 32], (Duration, Arc<ApiKey>)>,
    uses: KeyUses,
}

impl KeyRing {
    /// The keys of a store, and others beside them.
    pub fn new(hasher: KeyHasher, built_in: Vec<BuiltInKey>) -> Self {
        Self { hasher, built_in, seen: Cache::new(KEYS), uses: KeyUses::default() }
    }

    /// Makes the hashes of new keys.
    pub(super) fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// Forgets what was looked up, after a key changed.
    pub(super) fn forget(&self) {
        self.seen.invalidate_all();
    }

    /// The key of this text.
    pub(super) async fn find(&self, store: &dyn Store, clock: &dyn Clock, text: &str) -> Result<Option<KnownKey>, store::Error> {
        let digest = digest_of(text);
        // all of them are looked at, whichever it is
        let built_in = self.built_in.iter().fold(None, |found, key| if is_same(&key.digest, &digest) { Some(key.app) } else { found });
        if let Some(app) = built_in {
            return Ok(Some(KnownKey::BuiltIn(app)));
        }
        let hash = self.hasher.of_digest(&digest);
        let now = clock.monotonic();
        if let Some((read_at, key)) = self.seen.get(&hash)
            && now.saturating_sub(read_at) < KEY_AGE
        {
            return Ok(Some(KnownKey::Stored(key)));
        }
        // unknown keys are not remembered: whoever guesses would fill the memory, and a new key works at once
        let Some(key) = look_up(store, text, hash).await?.map(Arc::new) else { return Ok(None) };
        self.uses.note(key.id, clock.now());
        self.seen.insert(hash, (now, Arc::clone(&key)));
        Ok(Some(KnownKey::Stored(key)))
    }

    /// Writes to the store when keys were used, until `stopping`, and once more then.
    pub async fn write_uses(self: Arc<Self>, store: Arc<dyn Store>, clock: Arc<dyn Clock>, stopping: CancellationToken) {
        self.uses.write(&*store, &*clock, &stopping).await;
    }
}

async fn look_up(store: &dyn Store, text: &str, hash: [u8; 32]) -> Result<Option<ApiKey>, store::Error> {
    let Some(id) = key_text::id_of(text) else { return store.key_by_hash(hash).await };
    let (key, stored) = store.key_by_id(id).await?.map_or((None, NOBODYS), |(key, stored)| (Some(key), stored));
    Ok(if is_same(&stored, &hash) { key } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_built_in_key_does_not_show_itself() {
        let shown = format!("{:?}", BuiltInKey::new("herald_dev_key", AppId(1)));
        assert!(!shown.contains("digest") && !shown.contains("dev"), "{shown}");
    }
}
