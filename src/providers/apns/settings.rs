//! `[apps.<name>.apns]`.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

use crate::providers::InitError;
use crate::providers::http2::Origin;

/// An app's way to APNs, with token authentication.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The app's bundle id: the topic, with the suffix of the push type.
    pub bundle_id: String,
    /// Every alert is sent mutable, so that the app's service extension can report `delivered`.
    #[serde(default)]
    pub service_extension: bool,
    /// The `.p8` file of the key (PEM, PKCS#8), as downloaded from Apple.
    pub key_file: PathBuf,
    /// The key's id, 10 characters.
    pub key_id: String,
    /// The team's id, 10 characters.
    pub team_id: String,
    /// Where production tokens are sent.
    #[serde(default = "production")]
    pub endpoint: String,
    /// Where sandbox tokens are sent.
    #[serde(default = "sandbox")]
    pub sandbox_endpoint: String,
    /// An extra root certificate beside the system's, PEM; empty for none.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

fn production() -> String {
    "https://api.push.apple.com".to_owned()
}

fn sandbox() -> String {
    "https://api.sandbox.push.apple.com".to_owned()
}

impl Settings {
    /// Whether the values can be right, without reading a file. The error names the key.
    pub fn check(&self) -> Result<(), InitError> {
        self.origins()?;
        let bundle_id = !self.bundle_id.is_empty() && self.bundle_id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if !bundle_id {
            return Err(InitError::Invalid { key: "bundle_id", message: "must be letters, digits, hyphens and dots" });
        }
        for (key, id) in [("key_id", &self.key_id), ("team_id", &self.team_id)] {
            if id.len() != 10 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err(InitError::Invalid { key, message: "must be 10 letters or digits" });
            }
        }
        if self.key_file.as_os_str().is_empty() {
            return Err(InitError::Invalid { key: "key_file", message: "must name the .p8 file" });
        }
        Ok(())
    }

    /// Production's and the sandbox's.
    pub(super) fn origins(&self) -> Result<(Origin, Origin), InitError> {
        let parse = |key, url: &str| Origin::parse(url).map_err(|problem| InitError::Origin { key, problem });
        Ok((parse("endpoint", &self.endpoint)?, parse("sandbox_endpoint", &self.sandbox_endpoint)?))
    }

    /// The extra roots, if any.
    pub(super) fn extra_roots(&self) -> Option<&std::path::Path> {
        self.ca_file.as_deref().filter(|path| !path.as_os_str().is_empty())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("bundle_id", &self.bundle_id)
            .field("service_extension", &self.service_extension)
            .field("key_file", &self.key_file)
            .field("key_id", &self.key_id)
            .field("team_id", &self.team_id)
            .field("endpoint", &self.endpoint)
            .field("sandbox_endpoint", &self.sandbox_endpoint)
            .field("ca_file", &self.ca_file)
            .finish()
    }
}
