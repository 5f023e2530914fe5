//! An app's own sign-in: whose tokens are taken in the place of client tokens.

use std::path::PathBuf;

use serde::Deserialize;

/// Which JWTs of others are taken for an app, `[apps.NAME.sign_in]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInSettings {
    /// What their claim `iss` is; 1 to 256 characters.
    pub issuer: String,
    /// What is in their claim `aud`; 1 to 256 characters. No two apps have the same issuer and audience.
    pub audience: String,
    /// The public keys that sign them (RFC 7517): RSA for RS256, P-256 for ES256, Ed25519 for `EdDSA`.
    pub jwks_file: PathBuf,
    /// The claim that has the `user_id`.
    #[serde(default = "sub")]
    pub user_claim: String,
    /// The claim that has the `device_id` they are bound to, where they have it.
    #[serde(default)]
    pub device_claim: Option<String>,
}

fn sub() -> String {
    "sub".to_owned()
}
