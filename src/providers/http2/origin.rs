//! Where a pool connects to.

use std::net::IpAddr;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use rustls_pki_types::ServerName;

/// Scheme, host and port. `https`; plain `http` only to loopback, for tests and proxies on the same machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
    host: String,
    port: u16,
}

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It is no absolute URL.
    #[error("is not an absolute URL")]
    NotAUrl,
    /// A scheme other than https, or http to another machine.
    #[error("must begin with https:// (http:// is for loopback only)")]
    Scheme,
    /// `user@`.
    #[error("must not carry user information")]
    UserInformation,
    /// The host is neither a name nor an address.
    #[error("names no valid host")]
    Host,
    /// Something after the host where nothing may be.
    #[error("must not have a path")]
    Path,
}

impl Origin {
    /// Parses the base URL of an endpoint: no path, no query.
    pub fn parse(url: &str) -> Result<Self, OriginError> {
        let (origin, path) = Self::split(url)?;
        if path == "/" { Ok(origin) } else { Err(OriginError::Path) }
    }

    /// Parses a URL into its origin and the rest.
    pub fn split(url: &str) -> Result<(Self, PathAndQuery), OriginError> {
        let parts = url.parse::<Uri>().map_err(|_| OriginError::NotAUrl)?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { return Err(OriginError::NotAUrl) };
        if authority.as_str().contains('@') {
            return Err(OriginError::UserInformation);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || ServerName::try_from(host.as_str()).is_err() {
            return Err(OriginError::Host);
        }
        let default_port = match scheme.as_str() {
            "https" => 443,
            "http" if is_loopback(&host) => 80,
            _ => return Err(OriginError::Scheme),
        };
        let port = authority.port_u16().unwrap_or(default_port);
        let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok((Self { scheme, authority, host, port }, path))
    }

    /// The URL of `path` here. `None` only for what `http` refuses, which no parsed path is.
    pub fn uri(&self, path: PathAndQuery) -> Option<Uri> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).ok()
    }

    /// The name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_optional() {
        let origin = Origin::parse("https://api.push.apple.com").unwrap();
        assert_eq!((origin.host(), origin.port(), origin.is_tls()), ("api.push.apple.com", 443, true));
        assert_eq!(Origin::parse("https://[::1]:2197").unwrap().host(), "::1");
    }

    #[test]
    fn what_is_no_origin_is_named() {
        for (url, error) in [
            ("api.push.apple.com", OriginError::NotAUrl),
            ("", OriginError::NotAUrl),
            ("http://example.com", OriginError::Scheme),
            ("ftp://example.com", OriginError::Scheme),
            ("https://me@example.com", OriginError::UserInformation),
            ("https://example.com/3/device", OriginError::Path),
        ] {
            assert_eq!(Origin::parse(url), Err(error), "{url}");
        }
        assert!(Origin::parse("http://127.0.0.1:8081").is_ok());
    }

    #[test]
    fn a_token_uri_keeps_its_path() {
        let (origin, path) = Origin::split("https://oauth2.googleapis.com/token").unwrap();
        assert_eq!(path.as_str(), "/token");
        assert_eq!(origin.uri(path).unwrap().to_string(), "https://oauth2.googleapis.com/token");
    }
}
