//! Header fields of every answer that tell browsers what not to do with it.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Answers are data: nothing in them is to be run, and no page may frame them.
const DATA: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// The page under `/docs`: what comes with it, and no more. Its styles are partly in its elements, its pictures partly in its styles.
const PAGE: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);
const ALWAYS: [(HeaderName, HeaderValue); 3] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];
/// A year: only said over TLS, since it is not believed otherwise (RFC 6797, 7.2).
const ONLY_TLS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds them to the answer of a route.
pub(super) fn write(headers: &mut HeaderMap, route: &str, is_secure: bool) {
    for (name, value) in ALWAYS {
        headers.insert(name, value);
    }
    let is_page = route == "/docs" || route.starts_with("/docs/");
    headers.insert(CONTENT_SECURITY_POLICY, if is_page { PAGE } else { DATA });
    if is_secure {
        headers.insert(STRICT_TRANSPORT_SECURITY, ONLY_TLS);
    }
    let is_public = is_page || route == "/openapi.json";
    if !is_public && !headers.contains_key(CACHE_CONTROL) {
        // what has a tag may be kept by the one who asked, and asked for again with it
        let value = if headers.contains_key(ETAG) { "private, no-cache" } else { "no-store" };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
    }
    if !is_public && headers.contains_key(ETAG) {
        // what one user's phone keeps is not the next one's, though path and tag be the same
        headers.append(VARY, HeaderValue::from_static("authorization"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(route: &str, tag: Option<&'static str>, is_secure: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(tag) = tag {
            headers.insert(ETAG, HeaderValue::from_static(tag));
        }
        write(&mut headers, route, is_secure);
        headers
    }

    #[test]
    fn what_is_personal_is_not_stored() {
        for (route, tag, expected) in [
            ("/v1/devices", None, "no-store"),
            ("/v1/devices/{device_id}", Some("\"1\""), "private, no-cache"),
            ("unmatched", None, "no-store"),
            ("/health", None, "no-store"),
            ("/openapi.json", None, ""),
            ("/docs/{*rest}", None, ""),
        ] {
            let headers = written(route, tag, false);
            assert_eq!(headers.get(CACHE_CONTROL).map_or("", |value| value.to_str().unwrap()), expected, "{route}");
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }

    #[test]
    fn what_is_kept_is_for_who_asked() {
        for (route, tag, expected) in [
            ("/v1/me/preferences", Some("\"1\""), Some("authorization")),
            ("/v1/devices", None, None),
            ("/openapi.json", Some("\"1\""), None),
        ] {
            let headers = written(route, tag, false);
            assert_eq!(headers.get(VARY).map(|value| value.to_str().unwrap()), expected, "{route}");
        }
    }

    #[test]
    fn pages_run_what_is_theirs_and_nothing_else_runs() {
        assert_eq!(written("/docs", None, false)[CONTENT_SECURITY_POLICY], PAGE);
        assert_eq!(written("/docs/{*rest}", None, false)[CONTENT_SECURITY_POLICY], PAGE);
        assert_eq!(written("/docsx", None, false)[CONTENT_SECURITY_POLICY], DATA);
        assert_eq!(written("unmatched", None, false)[CONTENT_SECURITY_POLICY], DATA);
    }

    #[test]
    fn only_tls_asks_for_tls() {
        assert!(written("/health", None, false).get(STRICT_TRANSPORT_SECURITY).is_none());
        assert!(written("/health", None, true).get(STRICT_TRANSPORT_SECURITY).is_some());
    }
}
