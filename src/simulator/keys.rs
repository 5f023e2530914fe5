//! The credentials that the look-alikes accept: an APNs `.p8` key, an FCM service account and a VAPID key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde::Serialize;

use super::Error;

/// A P-256 key as Apple hands it out, and its public half.
pub(super) struct ApnsKey {
    /// The text of the `.p8` file: PKCS#8, PEM.
    pub(super) pem: String,
    /// What its signatures are checked with.
    pub(super) public: DecodingKey,
}

impl ApnsKey {
    pub(super) fn generate() -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        Ok(Self { pem: key.serialize_pem(), public: DecodingKey::from_ec_pem(key.public_key_pem().as_bytes())? })
    }
}

/// A key that an app signs with for push services, and its public half.
pub(super) struct VapidKey {
    /// The private key: PKCS#8, PEM.
    pub(super) pem: String,
    /// What pages subscribe with: the uncompressed point, base64url.
    pub(super) public: String,
}

impl VapidKey {
    pub(super) fn generate() -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        Ok(Self { pem: key.serialize_pem(), public: URL_SAFE_NO_PAD.encode(key.public_key_raw()) })
    }
}

/// A service account with a 2048-bit RSA key.
pub(super) struct ServiceAccount {
    /// The account's address: `iss` of its assertions.
    pub(super) client_email: String,
    /// Names the key: `kid` of its assertions.
    pub(super) private_key_id: String,
    /// Where assertions are exchanged: `aud`.
    pub(super) token_uri: String,
    /// What its signatures are checked with.
    pub(super) public: DecodingKey,
    /// The text of `service-account.json`.
    pub(super) json: String,
}

/// The file's members, in Google's order.
#[derive(Serialize)]
struct File<'a> {
    r#type: &'a str,
    project_id: &'a str,
    private_key_id: &'a str,
    private_key: &'a str,
    client_email: &'a str,
    client_id: &'a str,
    token_uri: &'a str,
}

impl ServiceAccount {
    pub(super) fn generate(project_id: &str, token_uri: String) -> Result<Self, Error> {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        let client_email = format!("herald@{project_id}.iam.gserviceaccount.com");
        let private_key_id = uuid::Uuid::new_v4().simple().to_string();
        let json = serde_json::to_string_pretty(&File {
            r#type: "service_account",
            project_id,
            private_key_id: &private_key_id,
            private_key: &key.serialize_pem(),
            client_email: &client_email,
            client_id: "100000000000000000001",
            token_uri: &token_uri,
        })
        .map_err(Error::ServiceAccount)?;
        Ok(Self { public: DecodingKey::from_rsa_pem(key.public_key_pem().as_bytes())?, client_email, private_key_id, token_uri, json })
    }
}
