//! A Google service account, and the assertion it signs (RFC 7523).

use std::fmt;

use http::Uri;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;
use crate::providers::fingerprint::{Fingerprint, fingerprint, of_pem};
use crate::providers::http2::{Origin, OriginError};
use crate::providers::{InitError, Secret};

const KEY: &str = "service_account_file";
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// Google's longest life of an assertion, in seconds.
const ASSERTION_SECONDS: i64 = 3600;

/// What a service account's JSON says, checked.
#[derive(Clone)]
pub struct ServiceAccount {
    project_id: String,
    client_email: String,
    key_id: String,
    key: EncodingKey,
    fingerprint: Fingerprint,
    audience: String,
    token_uri: Uri,
    token_origin: Origin,
}

/// The fields of the file that matter; Google adds others.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    project_id: String,
    #[serde(default)]
    client_email: String,
    #[serde(default)]
    private_key_id: String,
    #[serde(default)]
    private_key: String,
    #[serde(default)]
    token_uri: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'static str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

impl ServiceAccount {
    /// Parses the file's text.
    pub fn parse(json: &Secret) -> Result<Self, InitError> {
        let file: File = serde_json::from_str(json.expose()).map_err(|error| InitError::Json {
            key: KEY,
            line: error.line(),
            column: error.column(),
        })?;
        let private_key = Secret::new(file.private_key);
        let missing = |message| Err(InitError::Invalid { key: KEY, message });
        if file.project_id.is_empty() || !file.project_id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b)) {
            return missing("project_id is missing or not a project's");
        }
        if file.client_email.is_empty() {
            return missing("client_email is missing");
        }
        if private_key.expose().is_empty() {
            return missing("private_key is missing");
        }
        let audience = if file.token_uri.is_empty() { "https://oauth2.googleapis.com/token".to_owned() } else { file.token_uri };
        let (token_origin, path) = Origin::split(&audience).map_err(|problem| InitError::Origin { key: KEY, problem })?;
        let unusable = InitError::Origin { key: KEY, problem: OriginError::NotAUrl };
        let token_uri = token_origin.uri(path).ok_or(unusable)?;
        let refused = |source| InitError::Key { key: KEY, expected: "RSA", source };
        let key = EncodingKey::from_rsa_pem(private_key.expose().as_bytes()).map_err(refused)?;
        let of_key = of_pem(private_key.expose().as_bytes());
        let fingerprint = fingerprint(&[file.project_id.as_bytes(), file.client_email.as_bytes(), file.private_key_id.as_bytes(), &of_key]);
        let account = Self {
            fingerprint,
            project_id: file.project_id,
            client_email: file.client_email,
            key_id: file.private_key_id,
            key,
            audience,
            token_uri,
            token_origin,
        };
        // a key that cannot sign is noticed here, not at the first push
        account.assertion(Timestamp::UNIX_EPOCH).map_err(refused)?;
        Ok(account)
    }

    /// What Google exchanges for an access token.
    pub(super) fn assertion(&self, now: Timestamp) -> Result<Secret, jsonwebtoken::errors::Error> {
        let kid = Some(self.key_id.clone()).filter(|id| !id.is_empty());
        let header = Header { kid, ..Header::new(Algorithm::RS256) };
        let iat = now.timestamp();
        let claims = Claims { iss: &self.client_email, scope: SCOPE, aud: &self.audience, iat, exp: iat + ASSERTION_SECONDS };
        encode(&header, &claims, &self.key).map(Secret::new)
    }

    /// What it is known by.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The project.
    pub fn project_id(&self) -> &str {
        &self.project_id
    }

    pub(super) fn token_uri(&self) -> &Uri {
        &self.token_uri
    }

    pub(super) fn token_origin(&self) -> &Origin {
        &self.token_origin
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount").field("project_id", &self.project_id).finish_non_exhaustive()
    }
}
