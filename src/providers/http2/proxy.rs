//! An HTTP proxy that opens tunnels: `CONNECT` (RFC 9110, 9.3.6) over HTTP/1.1, with TLS to the origin inside.

use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::error::ConnectError;
use super::origin::Origin;
use crate::providers::Secret;

/// The head of a proxy's answer, at most, in bytes.
const HEAD_BYTES: usize = 8 * 1024;

/// Where a proxy is, and who asks it.
#[derive(Clone)]
pub struct Proxy {
    host: String,
    port: u16,
    /// `user:password` (RFC 7617).
    credentials: Option<Secret>,
}

/// Why a text is no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// It is something else.
    #[error("must be http://HOST:PORT")]
    Form,
    /// `user:password@` in the URL, which is shown.
    #[error("must not carry a user and password: they are proxy_credentials")]
    UserInformation,
    /// Credentials without a colon, or that fit no header field.
    #[error("must be USER:PASSWORD")]
    Credentials,
}

impl Proxy {
    /// Parses `http://HOST:PORT`. `credentials`: `user:password`.
    pub fn parse(url: &str, credentials: Option<Secret>) -> Result<Self, ProxyError> {
        let parts = url.parse::<Uri>().map_err(|_| ProxyError::Form)?.into_parts();
        let authority = parts.authority.ok_or(ProxyError::Form)?;
        if authority.as_str().contains('@') {
            return Err(ProxyError::UserInformation);
        }
        let is_bare = parts.path_and_query.is_none_or(|path| path == "/");
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_http = parts.scheme.is_some_and(|scheme| scheme == http::uri::Scheme::HTTP);
        let (Some(port), true, true, Ok(_)) = (authority.port_u16(), is_bare, is_http, ServerName::try_from(host.as_str())) else {
            return Err(ProxyError::Form);
        };
        let is_good = |secret: &Secret| secret.expose().contains(':') && !secret.expose().chars().any(char::is_control);
        if credentials.as_ref().is_some_and(|secret| !is_good(secret)) {
            return Err(ProxyError::Credentials);
        }
        Ok(Self { host, port, credentials })
    }

    /// Its name or address, and port.
    pub(super) fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Makes a connection to the proxy one to the origin.
    pub(super) async fn tunnel(&self, mut tcp: TcpStream, origin: &Origin) -> Result<TcpStream, ConnectError> {
        let asked = self.question(origin);
        tcp.write_all(asked.as_bytes()).await.map_err(ConnectError::Proxy)?;
        let head = read_head(&mut tcp).await.map_err(ConnectError::Proxy)?;
        match status(&head) {
            Some(200..=299) => Ok(tcp),
            Some(status) => Err(ConnectError::ProxyRefused(status)),
            None => Err(ConnectError::Proxy(io::Error::new(io::ErrorKind::InvalidData, "it does not speak HTTP/1.1"))),
        }
    }

    fn question(&self, origin: &Origin) -> Zeroizing<String> {
        let target = if origin.host().contains(':') { format!("[{}]", origin.host()) } else { origin.host().to_owned() };
        let target = format!("{target}:{}", origin.port());
        let mut text = Zeroizing::new(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"));
        if let Some(credentials) = &self.credentials {
            text.push_str("Proxy-Authorization: Basic ");
            text.push_str(&Zeroizing::new(STANDARD.encode(credentials.expose())));
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        text
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

/// Byte by byte, since what follows the head is the origin's.
async fn read_head(tcp: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its answer is too long"));
        }
        head.push(tcp.read_u8().await?);
    }
    Ok(head)
}

fn status(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let (version, rest) = line.split_once(' ')?;
    version.starts_with("HTTP/1.").then(|| rest.get(..3)?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_proxy_is_named() {
        for (url, error) in [
            ("proxy.example:3128", ProxyError::Form),
            ("http://proxy.example", ProxyError::Form),
            ("https://proxy.example:3128", ProxyError::Form),
            ("socks5://proxy.example:1080", ProxyError::Form),
            ("http://proxy.example:3128/path", ProxyError::Form),
            ("http://me:secret@proxy.example:3128", ProxyError::UserInformation),
        ] {
            assert_eq!(Proxy::parse(url, None).unwrap_err(), error, "{url}");
        }
        for url in ["http://proxy.example:3128", "http://10.0.0.1:8080/", "http://[::1]:3128"] {
            Proxy::parse(url, None).unwrap();
        }
        for text in ["nobody", "a:b\r\nHost: x"] {
            let credentials = Some(Secret::new(text.to_owned()));
            assert_eq!(Proxy::parse("http://proxy.example:3128", credentials).unwrap_err(), ProxyError::Credentials);
        }
    }

    #[test]
    fn the_question_is_as_the_rfc_has_it() {
        let origin = Origin::parse("https://api.push.apple.com").unwrap();
        let proxy = Proxy::parse("http://proxy.example:3128", Some(Secret::new("Aladdin:open sesame".to_owned()))).unwrap();
        let asked = "CONNECT api.push.apple.com:443 HTTP/1.1\r\nHost: api.push.apple.com:443\r\n\
                     Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
        assert_eq!(proxy.question(&origin).as_str(), asked);
        assert!(!format!("{proxy:?}").contains("sesame"));
        let bare = Proxy::parse("http://proxy.example:3128", None).unwrap();
        let asked = bare.question(&Origin::parse("https://[::1]:2197").unwrap());
        assert_eq!(asked.as_str(), "CONNECT [::1]:2197 HTTP/1.1\r\nHost: [::1]:2197\r\n\r\n");
    }

    #[test]
    fn a_status_is_read_from_the_first_line() {
        for (head, expected) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", Some(200)),
            ("HTTP/1.0 407 Proxy Authentication Required\r\nX: y\r\n\r\n", Some(407)),
            ("HTTP/1.1 200\r\n\r\n", Some(200)),
            ("SSH-2.0-OpenSSH\r\n\r\n", None),
            ("HTTP/1.1 2\r\n\r\n", None),
            ("\r\n\r\n", None),
        ] {
            assert_eq!(status(head.as_bytes()), expected, "{head:?}");
        }
    }
}
