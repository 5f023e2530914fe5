//! Where a webhook may be. Its URL is a stranger's of which we make requests: it must name a host of the public Internet, and every address that
//! the name has is judged once more when it is connected to.

use http::Uri;

use crate::domain::endpoint::Endpoint;

/// A URL, at most, in bytes.
pub const MAX_URL: usize = 2048;

/// Who plain http may go to, where private addresses are allowed at all.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Why a webhook cannot be at a URL. The text is fit for callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is too long.
    #[error("must have at most {MAX_URL} characters")]
    TooLong,
    /// It is none that could be posted to.
    #[error("must be an absolute https URL in ASCII, without a fragment")]
    Form,
    /// It is one that must not be.
    #[error("must name a public host: no IP address, no localhost, no user information")]
    Forbidden,
}

/// Checks the URL of a webhook. `private`: `[webhooks] allow_private_addresses`, which also allows plain http to this machine.
pub fn check_url(url: &str, private: bool) -> Result<(), AddressError> {
    if url.len() > MAX_URL {
        return Err(AddressError::TooLong);
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(AddressError::Form);
    }
    if private && is_http_to_loopback(url) {
        return Ok(());
    }
    let endpoint = Endpoint::parse(url).ok_or(AddressError::Form)?;
    let is_allowed = endpoint.is_by_name() || private && !endpoint.has_user();
    if is_allowed { Ok(()) } else { Err(AddressError::Forbidden) }
}

fn is_http_to_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let Some(authority) = uri.authority() else { return false };
    // the port is told apart by the same rules as with https
    let as_https = url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:")).then(|| url.get(5..)).flatten();
    let is_sound = as_https.and_then(|rest| Endpoint::parse(&format!("https:{rest}"))).is_some_and(|endpoint| !endpoint.has_user());
    is_sound && LOOPBACK.iter().any(|host| authority.host().eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_name_is_taken() {
        for url in [
            "https://example.com",
            "https://example.com/hooks/herald?key=1",
            "https://hooks.example.com:8443/x",
            "HTTPS://EXAMPLE.com/x",
            "https://xn--bcher-kva.example/x",
        ] {
            assert_eq!(check_url(url, false), Ok(()), "{url}");
            assert_eq!(check_url(url, true), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_is_not_public_is_forbidden() {
        for url in [
            "https://127.0.0.1/x",
            "https://127.1/x",
            "https://2130706433/x",
            "https://0x7f000001/x",
            "https://0177.0.0.1/x",
            "https://[::1]/x",
            "https://[::ffff:10.0.0.1]:8443/x",
            "https://169.254.169.254/latest/meta-data",
            "https://8.8.8.8/x",
            "https://localhost/x",
            "https://localhost:8443/x",
            "https://api.LocalHost/x",
            "https://localhost./x",
        ] {
            assert_eq!(check_url(url, false), Err(AddressError::Forbidden), "{url}");
            assert_eq!(check_url(url, true), Ok(()), "{url}");
        }
        for url in
            ["https://ann@example.com/x", "https://ann:secret@example.com/x", "https://example.com@127.0.0.1/x", "https://@example.com/"]
        {
            assert_eq!(check_url(url, false), Err(AddressError::Forbidden), "{url}");
            assert_eq!(check_url(url, true), Err(AddressError::Forbidden), "{url}");
        }
    }

    #[test]
    fn what_is_no_https_url_is_malformed() {
        for url in [
            "",
            "/x",
            "example.com",
            "//example.com/x",
            "ftp://example.com/x",
            "http://example.com/x",
            "https://",
            "https:///x",
            "https://example.com:99999/x",
            "https://example.com:/x",
            "https://example.com/x#part",
            "https://example.com#@evil.example/",
            "https://bücher.example/x",
            "https://example.com/é",
            "https://example.com/a b",
            " https://example.com/",
            "https://example.com/\r\nHost: x",
            "https://example.com/\0",
        ] {
            assert_eq!(check_url(url, false), Err(AddressError::Form), "{url:?}");
            assert_eq!(check_url(url, true), Err(AddressError::Form), "{url:?}");
        }
        let long = format!("https://example.com/{}", "x".repeat(MAX_URL - 20));
        assert_eq!((long.len(), check_url(&long, false)), (MAX_URL, Ok(())));
        assert_eq!(check_url(&format!("{long}x"), false), Err(AddressError::TooLong));
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for url in ["http://127.0.0.1:9000/x", "http://localhost/x", "HTTP://LOCALHOST:80", "http://[::1]:9000/x"] {
            assert_eq!(check_url(url, false), Err(AddressError::Form), "{url}");
            assert_eq!(check_url(url, true), Ok(()), "{url}");
        }
        for url in ["http://10.0.0.1/x", "http://localhost.example/x", "http://ann@localhost/x", "http://localhost:99999/x"] {
            assert_eq!(check_url(url, true), Err(AddressError::Form), "{url}");
        }
    }
}
