//! The settings of a proxy, alike for every provider: where it is, and who asks it, from a file or the environment.

use std::path::Path;

use super::http2::{Proxy, ProxyError};
use super::{InitError, Secret};

/// `proxy`, `proxy_credentials` and `proxy_credentials_file` of a section; what is empty is not given.
pub(super) struct ProxySettings<'a> {
    pub(super) url: Option<&'a str>,
    pub(super) credentials: Option<&'a Secret>,
    pub(super) credentials_file: Option<&'a Path>,
}

impl ProxySettings<'_> {
    /// Whether they can be right, without reading a file.
    pub(super) fn check(&self) -> Result<(), InitError> {
        self.parse(self.credentials.cloned()).map(drop)
    }

    /// The proxy, if there is one; reads the file.
    pub(super) fn load(&self) -> Result<Option<Proxy>, InitError> {
        let Some(path) = self.file() else { return self.parse(self.credentials.cloned()) };
        self.parse(Some(Secret::read_line("proxy_credentials_file", path)?))
    }

    fn file(&self) -> Option<&Path> {
        self.credentials_file.filter(|path| !path.as_os_str().is_empty())
    }

    fn parse(&self, credentials: Option<Secret>) -> Result<Option<Proxy>, InitError> {
        let invalid = |key, message| Err(InitError::Invalid { key, message });
        if self.credentials.is_some() && self.file().is_some() {
            return invalid("proxy_credentials_file", "does not go with proxy_credentials");
        }
        let Some(url) = self.url.filter(|url| !url.is_empty()) else {
            return match (self.credentials, self.file()) {
                (Some(_), _) => invalid("proxy_credentials", "goes with proxy only"),
                (None, Some(_)) => invalid("proxy_credentials_file", "goes with proxy only"),
                (None, None) => Ok(None),
            };
        };
        let key = |problem: &ProxyError| match (problem, self.file()) {
            (ProxyError::Credentials, Some(_)) => "proxy_credentials_file",
            (ProxyError::Credentials, None) => "proxy_credentials",
            (ProxyError::Form | ProxyError::UserInformation, _) => "proxy",
        };
        Proxy::parse(url, credentials).map(Some).map_err(|problem| InitError::Proxy { key: key(&problem), problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_go_together_is_named() {
        let secret = Secret::new("me:secret".to_owned());
        let bad = Secret::new("nobody".to_owned());
        let (url, file) = (Some("http://proxy.example:3128"), Some(Path::new("credentials")));
        for (url, credentials, credentials_file, key) in [
            (None, Some(&secret), None, "proxy_credentials"),
            (None, None, file, "proxy_credentials_file"),
            (url, Some(&secret), file, "proxy_credentials_file"),
            (url, Some(&bad), None, "proxy_credentials"),
            (Some("proxy"), None, None, "proxy"),
        ] {
            let error = ProxySettings { url, credentials, credentials_file }.check().unwrap_err();
            assert_eq!(error.key(), key);
        }
        for (url, credentials) in [(url, Some(&secret)), (url, None), (None, None), (Some(""), None)] {
            ProxySettings { url, credentials, credentials_file: None }.check().unwrap();
        }
    }

    #[test]
    fn credentials_are_read_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let given = |path| ProxySettings { url: Some("http://proxy.example:3128"), credentials: None, credentials_file: Some(path) };
        assert_eq!(given(file.path()).load().unwrap_err().key(), "proxy_credentials_file", "it is empty");
        std::fs::write(file.path(), "me:secret\n").unwrap();
        assert!(given(file.path()).load().unwrap().is_some());
        assert_eq!(given(Path::new("/nowhere")).load().unwrap_err().key(), "proxy_credentials_file");
    }
}
