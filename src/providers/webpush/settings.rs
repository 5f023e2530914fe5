//! `[apps.<name>.webpush]`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::domain::endpoint::AllowedHosts;
use crate::providers::InitError;
use crate::providers::http2::Reach;

/// An app's way to browsers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The private key whose public half is the pages' `applicationServerKey` (EC P-256; PEM, PKCS#8).
    pub vapid_key_file: PathBuf,
    /// Whom a push service may turn to: `mailto:` or `https:` (RFC 8292, 2.1).
    pub subject: String,
    /// The push services that subscriptions may be at: names, `*.` before one for all below it, `:port` behind one for another
    /// port than 443.
    #[serde(default = "usual")]
    pub allowed_hosts: Vec<String>,
    /// Whether the names of `allowed_hosts` may have addresses that are not of the public Internet: a push service of one's own.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// An extra root certificate beside the system's, PEM; empty for none.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// The push services of Chrome, Firefox, Safari and Edge.
fn usual() -> Vec<String> {
    ["fcm.googleapis.com", "*.push.services.mozilla.com", "web.push.apple.com", "*.notify.windows.com"].map(str::to_owned).into()
}

impl Settings {
    /// Whether the values can be right, without reading a file. The error names the key.
    pub fn check(&self) -> Result<(), InitError> {
        if self.vapid_key_file.as_os_str().is_empty() {
            return Err(InitError::Invalid { key: "vapid_key_file", message: "must name the VAPID key" });
        }
        if !is_contact(&self.subject) {
            let message = "must be a contact for push services: mailto: with an address, or an https: URL";
            return Err(InitError::Invalid { key: "subject", message });
        }
        if self.allowed_hosts.is_empty() {
            return Err(InitError::Invalid { key: "allowed_hosts", message: "must name a host; leave it out for the usual ones" });
        }
        self.allowed().map(drop)
    }

    pub(super) fn allowed(&self) -> Result<AllowedHosts, InitError> {
        let message = "must be hosts by name, as push.example.com, *.push.example.com or push.example.com:8443";
        AllowedHosts::parse(&self.allowed_hosts).map_err(|_| InitError::Invalid { key: "allowed_hosts", message })
    }

    pub(super) fn reach(&self) -> Reach {
        if self.allow_private_addresses { Reach::Anywhere } else { Reach::Public }
    }

    /// The files it names.
    pub fn files(&self) -> Vec<&Path> {
        std::iter::once(&*self.vapid_key_file).chain(self.extra_roots()).collect()
    }

    /// The extra roots, if any.
    pub(super) fn extra_roots(&self) -> Option<&Path> {
        self.ca_file.as_deref().filter(|path| !path.as_os_str().is_empty())
    }
}

/// Apple refuses every push of one who has no contact.
fn is_contact(subject: &str) -> bool {
    let is_plain = subject.bytes().all(|byte| byte.is_ascii_graphic());
    let is_address = |address: &str| address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    let is_url = || subject.parse::<http::Uri>().is_ok_and(|url| url.scheme_str() == Some("https"));
    is_plain && (subject.strip_prefix("mailto:").is_some_and(is_address) || is_url())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(patch: &Value) -> Settings {
        let mut settings = json!({"vapid_key_file": "vapid.pem", "subject": "mailto:ops@example.com"});
        crate::providers::patch::merge(&mut settings, patch);
        serde_json::from_value(settings).unwrap()
    }

    #[test]
    fn what_cannot_be_right_names_its_key() {
        for (patch, key) in [
            (json!({"vapid_key_file": ""}), "vapid_key_file"),
            (json!({"subject": ""}), "subject"),
            (json!({"subject": "ops@example.com"}), "subject"),
            (json!({"subject": "mailto:"}), "subject"),
            (json!({"subject": "mailto:ops"}), "subject"),
            (json!({"subject": "mailto:o ps@example.com"}), "subject"),
            (json!({"subject": "http://example.com"}), "subject"),
            (json!({"subject": "https://"}), "subject"),
            (json!({"allowed_hosts": []}), "allowed_hosts"),
            (json!({"allowed_hosts": ["push.example.com", "127.0.0.1"]}), "allowed_hosts"),
            (json!({"allowed_hosts": ["*"]}), "allowed_hosts"),
        ] {
            assert_eq!(settings(&patch).check().unwrap_err().key(), key, "{patch}");
        }
        for patch in [json!({}), json!({"subject": "https://example.com/contact"}), json!({"allowed_hosts": ["localhost:8443"]})] {
            assert!(settings(&patch).check().is_ok(), "{patch}");
        }
    }

    #[test]
    fn nobody_private_is_reached_unless_it_is_said() {
        assert_eq!(settings(&json!({})).reach(), Reach::Public);
        assert_eq!(settings(&json!({"allow_private_addresses": true})).reach(), Reach::Anywhere);
    }
}
