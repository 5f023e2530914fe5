//! `[webhooks]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::providers::http2::Reach;
use crate::providers::proxy::ProxySettings;
use crate::providers::{InitError, Secret};

const DAY: Duration = Duration::from_hours(24);

/// How webhooks are sent to, and for how long it is known.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// For how many days messages that are delivered or given up, and attempts, are kept; 3 to 90.
    pub retention_days: u32,
    /// An extra root certificate beside the system's, PEM; empty for none.
    pub ca_file: Option<PathBuf>,
    /// Whether webhooks may be at addresses that are not of the public Internet, at IP addresses, and at plain http on this machine.
    pub allow_private_addresses: bool,
    /// An HTTP proxy to go through, `http://HOST:PORT`; empty for none. It resolves the names, and has to refuse what is private itself.
    pub proxy: Option<String>,
    /// `USER:PASSWORD` for the proxy.
    pub proxy_credentials: Option<Secret>,
    /// A file with them.
    pub proxy_credentials_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retention_days: 7,
            ca_file: None,
            allow_private_addresses: false,
            proxy: None,
            proxy_credentials: None,
            proxy_credentials_file: None,
        }
    }
}

impl Settings {
    /// Whether the values can be right, without reading a file. The error names the key.
    pub fn check(&self) -> Result<(), InitError> {
        if !(3..=90).contains(&self.retention_days) {
            return Err(InitError::Invalid { key: "retention_days", message: "must be 3 to 90" });
        }
        self.proxy().check()
    }

    /// [`Settings::retention_days`] as a duration.
    pub fn kept(&self) -> Duration {
        DAY * self.retention_days
    }

    /// How to go through a proxy, if at all.
    pub(super) fn proxy(&self) -> ProxySettings<'_> {
        ProxySettings {
            url: self.proxy.as_deref(),
            credentials: self.proxy_credentials.as_ref(),
            credentials_file: self.proxy_credentials_file.as_deref(),
        }
    }

    pub(super) fn reach(&self) -> Reach {
        if self.allow_private_addresses { Reach::Anywhere } else { Reach::Public }
    }

    /// The extra roots, if any.
    pub(super) fn extra_roots(&self) -> Option<&Path> {
        self.ca_file.as_deref().filter(|path| !path.as_os_str().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_right_names_its_key() {
        let good = Settings::default();
        good.check().unwrap();
        assert_eq!(good.kept(), Duration::from_hours(168));
        for (settings, key) in [
            (Settings { retention_days: 2, ..good.clone() }, "retention_days"),
            (Settings { retention_days: 91, ..good.clone() }, "retention_days"),
            (Settings { proxy: Some("proxy.example".to_owned()), ..good.clone() }, "proxy"),
            (Settings { proxy_credentials: Some(Secret::new("a:b".to_owned())), ..good.clone() }, "proxy_credentials"),
        ] {
            assert_eq!(settings.check().unwrap_err().key(), key);
        }
    }
}
