//! Subscriptions as a browser makes them, with the keys that a browser keeps to itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::PATH;
use super::checks::is_id;
use super::vapid::read_key;

/// Subscriptions, at most: the control view is open to anybody.
const MOST: usize = 200_000;

/// What only the browser knows of a subscription.
pub(super) struct Subscription {
    pub(super) private: PrivateKey,
    /// Its public half.
    pub(super) point: Vec<u8>,
    pub(super) auth: [u8; 16],
    /// The one key that may send to it, base64url.
    pub(super) application_server_key: String,
}

/// All that were made here.
pub(in crate::simulator) struct Subscriptions {
    origin: String,
    /// The key of those that name none.
    usual_key: String,
    made: Mutex<HashMap<String, Arc<Subscription>>>,
}

/// The body of `POST /simulator/subscriptions`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::simulator) struct Asked {
    /// How the endpoint ends, and so how it misbehaves; made up where absent.
    id: Option<String>,
    /// The public VAPID key that may send to it; the simulator's own where absent.
    application_server_key: Option<String>,
}

/// Its answer: what a browser's `PushSubscription.toJSON()` has.
#[derive(Debug, Serialize)]
pub(in crate::simulator) struct Made {
    endpoint: String,
    keys: Keys,
}

#[derive(Debug, Serialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

/// Why there is none: the field, and what is wrong.
pub(in crate::simulator) type Unmade = (&'static str, &'static str);

impl Subscriptions {
    pub(in crate::simulator) fn new(origin: String, usual_key: String) -> Self {
        Self { origin, usual_key, made: Mutex::default() }
    }

    /// Where endpoints are.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// One that was made here.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Subscription>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Subscribes; what has the id already is answered as it is.
    pub(in crate::simulator) fn make(&self, asked: Asked) -> Result<Made, Unmade> {
        let id = asked.id.unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
        if !is_id(&id) {
            return Err(("id", "must be 1 to 256 of A-Za-z0-9._-"));
        }
        let key = asked.application_server_key.unwrap_or_else(|| self.usual_key.clone());
        if read_key(&key).is_none() {
            return Err(("application_server_key", "must be an uncompressed P-256 point in base64url without padding"));
        }
        let fresh = Subscription::new(key).ok_or(("id", "no key could be made for it"))?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() >= MOST && !made.contains_key(&id) {
            return Err(("id", "would be one subscription too many: start a new simulator"));
        }
        let subscription = made.entry(id.clone()).or_insert_with(|| Arc::new(fresh));
        Ok(Made {
            endpoint: format!("{}{PATH}{id}", self.origin),
            keys: Keys { p256dh: URL_SAFE_NO_PAD.encode(&subscription.point), auth: URL_SAFE_NO_PAD.encode(subscription.auth) },
        })
    }
}

impl Subscription {
    fn new(application_server_key: String) -> Option<Self> {
        let private = PrivateKey::generate(&ECDH_P256).ok()?;
        let mut auth = [0; 16];
        rand::fill(&mut auth).ok()?;
        let point = private.compute_public_key().ok()?.as_ref().to_vec();
        Some(Self { private, point, auth, application_server_key })
    }
}
