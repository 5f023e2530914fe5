//! `[apps.<name>.fcm]`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::providers::http2::Origin;
use crate::providers::proxy::ProxySettings;
use crate::providers::{InitError, Secret};

/// An app's way to FCM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The service account's JSON, as downloaded from Google; its `token_uri` is honoured.
    pub service_account_file: PathBuf,
    /// Where messages are sent.
    #[serde(default = "google")]
    pub endpoint: String,
    /// An extra root certificate beside the system's, PEM; empty for none. It holds for `token_uri` as well.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// An HTTP proxy to go through, to `token_uri` as well, `http://HOST:PORT`; empty for none.
    #[serde(default)]
    pub proxy: Option<String>,
    /// `USER:PASSWORD` for the proxy.
    #[serde(default)]
    pub proxy_credentials: Option<Secret>,
    /// A file with them.
    #[serde(default)]
    pub proxy_credentials_file: Option<PathBuf>,
    /// Who shows a notification on Android.
    #[serde(default)]
    pub display: Display,
}

/// Who shows a notification on Android.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Display {
    /// Android, while the app sleeps.
    #[default]
    System,
    /// The app: it gets data only, and can report every receipt.
    App,
}

fn google() -> String {
    "https://fcm.googleapis.com".to_owned()
}

impl Settings {
    /// Whether the values can be right, without reading a file. The error names the key.
    pub fn check(&self) -> Result<(), InitError> {
        self.origin()?;
        self.proxy().check()?;
        if self.service_account_file.as_os_str().is_empty() {
            return Err(InitError::Invalid { key: "service_account_file", message: "must name the service account's JSON" });
        }
        Ok(())
    }

    pub(super) fn origin(&self) -> Result<Origin, InitError> {
        Origin::parse(&self.endpoint).map_err(|problem| InitError::Origin { key: "endpoint", problem })
    }

    /// How to go through a proxy, if at all.
    pub(super) fn proxy(&self) -> ProxySettings<'_> {
        ProxySettings {
            url: self.proxy.as_deref(),
            credentials: self.proxy_credentials.as_ref(),
            credentials_file: self.proxy_credentials_file.as_deref(),
        }
    }

    /// The files it names.
    pub fn files(&self) -> Vec<&Path> {
        let files = [Some(&self.service_account_file), self.ca_file.as_ref(), self.proxy_credentials_file.as_ref()];
        files.into_iter().flatten().map(PathBuf::as_path).filter(|path| !path.as_os_str().is_empty()).collect()
    }

    /// The extra roots, if any.
    pub(super) fn extra_roots(&self) -> Option<&Path> {
        self.ca_file.as_deref().filter(|path| !path.as_os_str().is_empty())
    }
}
