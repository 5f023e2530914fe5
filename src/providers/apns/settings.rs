//! `[apps.<name>.apns]`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::providers::http2::Origin;
use crate::providers::proxy::ProxySettings;
use crate::providers::{InitError, Secret};

/// An app's way to APNs, with token or certificate authentication. Secrets are not shown.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The app's bundle id: the topic, with the suffix of the push type.
    #[serde(default)]
    pub bundle_id: String,
    /// Every alert is sent mutable, so that the app's service extension can report `delivered`.
    #[serde(default)]
    pub service_extension: bool,
    /// The `.p8` file of the key (PEM, PKCS#8), as downloaded from Apple; empty with a certificate.
    #[serde(default)]
    pub key_file: PathBuf,
    /// The key's id, 10 characters.
    #[serde(default)]
    pub key_id: String,
    /// The team's id, 10 characters.
    #[serde(default)]
    pub team_id: String,
    /// The app's push certificate with its private key, `.p12` or `.pem`, in the place of a key.
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    /// The password of a `.p12`.
    #[serde(default)]
    pub cert_password: Option<Secret>,
    /// A file with the password of a `.p12`.
    #[serde(default)]
    pub cert_password_file: Option<PathBuf>,
    /// Where production tokens are sent.
    #[serde(default = "production")]
    pub endpoint: String,
    /// Where sandbox tokens are sent.
    #[serde(default = "sandbox")]
    pub sandbox_endpoint: String,
    /// An extra root certificate beside the system's, PEM; empty for none.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// An HTTP proxy to go through, `http://HOST:PORT`; empty for none.
    #[serde(default)]
    pub proxy: Option<String>,
    /// `USER:PASSWORD` for the proxy.
    #[serde(default)]
    pub proxy_credentials: Option<Secret>,
    /// A file with them.
    #[serde(default)]
    pub proxy_credentials_file: Option<PathBuf>,
}

/// Which of the two ways to authenticate.
#[derive(Debug)]
pub(super) enum Chosen<'a> {
    Key { file: &'a Path },
    Certificate { file: &'a Path },
}

fn production() -> String {
    "https://api.push.apple.com".to_owned()
}

fn sandbox() -> String {
    "https://api.sandbox.push.apple.com".to_owned()
}

fn given(path: Option<&PathBuf>) -> Option<&Path> {
    path.map(PathBuf::as_path).filter(|path| !path.as_os_str().is_empty())
}

fn invalid(key: &'static str, message: &'static str) -> InitError {
    InitError::Invalid { key, message }
}

impl Settings {
    /// Whether the values can be right, without reading a file. The error names the key.
    pub fn check(&self) -> Result<(), InitError> {
        self.problems().into_iter().next().map_or(Ok(()), Err)
    }

    /// All that cannot be right, without reading a file.
    pub fn problems(&self) -> Vec<InitError> {
        let mut problems = Vec::new();
        if self.bundle_id.is_empty() {
            problems.push(invalid("bundle_id", "is missing"));
        } else if !self.bundle_id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
            problems.push(invalid("bundle_id", "must be letters, digits, hyphens and dots"));
        }
        problems.extend(match self.chosen() {
            Err(problem) => vec![problem],
            Ok(Chosen::Key { .. }) => self.problems_of_key(),
            Ok(Chosen::Certificate { .. }) => self.problems_of_certificate(),
        });
        problems.extend(self.origins().err());
        problems.extend(self.proxy().check().err());
        problems
    }

    /// Which of the two ways is chosen: it must be exactly one.
    pub(super) fn chosen(&self) -> Result<Chosen<'_>, InitError> {
        match (given(Some(&self.key_file)), given(self.cert_file.as_ref())) {
            (Some(file), None) => Ok(Chosen::Key { file }),
            (None, Some(file)) => Ok(Chosen::Certificate { file }),
            (None, None) => Err(invalid("key_file", "is missing: a token key (.p8), or a certificate as cert_file")),
            (Some(_), Some(_)) => Err(invalid("cert_file", "does not go with key_file: an app has a token key or a certificate")),
        }
    }

    fn problems_of_key(&self) -> Vec<InitError> {
        let mut problems = Vec::new();
        for (key, id) in [("key_id", &self.key_id), ("team_id", &self.team_id)] {
            if id.is_empty() {
                problems.push(invalid(key, "is missing"));
            } else if id.len() != 10 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
                problems.push(invalid(key, "must be 10 letters or digits"));
            }
        }
        for (key, is_given) in [("cert_password", self.cert_password.is_some()), ("cert_password_file", self.cert_password_file.is_some())]
        {
            if is_given {
                problems.push(invalid(key, "goes with cert_file only"));
            }
        }
        problems
    }

    fn problems_of_certificate(&self) -> Vec<InitError> {
        let mut problems = Vec::new();
        for (key, id) in [("key_id", &self.key_id), ("team_id", &self.team_id)] {
            if !id.is_empty() {
                problems.push(invalid(key, "goes with key_file only"));
            }
        }
        if self.cert_password.is_some() && self.cert_password_file.is_some() {
            problems.push(invalid("cert_password_file", "does not go with cert_password"));
        }
        problems
    }

    /// The password of the `.p12`, if it has one.
    pub(super) fn certificate_password(&self) -> Result<Option<Secret>, InitError> {
        let Some(path) = given(self.cert_password_file.as_ref()) else { return Ok(self.cert_password.clone()) };
        Secret::read_line("cert_password_file", path).map(Some)
    }

    /// Production's and the sandbox's.
    pub(super) fn origins(&self) -> Result<(Origin, Origin), InitError> {
        let parse = |key, url: &str| Origin::parse(url).map_err(|problem| InitError::Origin { key, problem });
        Ok((parse("endpoint", &self.endpoint)?, parse("sandbox_endpoint", &self.sandbox_endpoint)?))
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
        let files =
            [self.cert_file.as_ref(), self.cert_password_file.as_ref(), self.ca_file.as_ref(), self.proxy_credentials_file.as_ref()];
        std::iter::once(Some(&self.key_file)).chain(files).filter_map(given).collect()
    }

    /// The extra roots, if any.
    pub(super) fn extra_roots(&self) -> Option<&Path> {
        given(self.ca_file.as_ref())
    }
}
