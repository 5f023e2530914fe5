//! New keys for the app, while everything runs: what a developer does in Apple's and Google's consoles.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Error;
use super::apns::Credentials;
use super::keys::{ApnsKey, ServiceAccount};
use super::oauth::OAuth;

/// Letters and digits of an APNs key's id.
const KEY_ID: usize = 10;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    /// The keys before are refused from now on. Access tokens that Google handed out for them hold until their end.
    revoke: bool,
}

/// The new keys.
#[derive(Serialize)]
pub(super) struct Keys {
    apns: Apns,
    fcm: Fcm,
}

#[derive(Serialize)]
struct Apns {
    key_id: String,
    /// The text of the `.p8` file.
    key: String,
}

#[derive(Serialize)]
struct Fcm {
    /// The content of `service-account.json`.
    service_account: Box<RawValue>,
}

/// Where keys are checked.
pub(super) struct Rotation {
    pub(super) credentials: Arc<Credentials>,
    pub(super) oauth: Arc<OAuth>,
    pub(super) project_id: String,
    pub(super) token_uri: String,
}

impl Rotation {
    pub(super) fn rotate(&self, Asked { revoke }: &Asked) -> Result<Keys, Error> {
        let key_id: String = uuid::Uuid::new_v4().simple().to_string().to_ascii_uppercase().chars().take(KEY_ID).collect();
        let key = ApnsKey::generate()?;
        let account = ServiceAccount::generate(&self.project_id, self.token_uri.clone())?;
        let service_account = RawValue::from_string(account.json.clone()).map_err(Error::ServiceAccount)?;
        self.credentials.rotate(key_id.clone(), key.public, *revoke);
        self.oauth.rotate(account, *revoke);
        Ok(Keys { apns: Apns { key_id, key: key.pem }, fcm: Fcm { service_account } })
    }
}
