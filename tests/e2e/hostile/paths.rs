//! Paths that would lead somewhere else, and methods that nobody has.

use super::Target;
use super::raw::say;
use crate::daemon::DEV_KEY;

fn rows() -> Vec<(&'static str, &'static str)> {
    vec![
        ("GET /v1/devices", "200"),
        // a name, not a folder
        ("GET /v1/devices/..", "404 not_found"),
        ("GET /v1/devices/../keys", "404 not_found"),
        ("GET /v1/devices/%2e%2e/keys", "404 not_found"),
        ("GET /v1/devices/%2e%2e%2fkeys", "422 invalid"),
        ("GET /v1/devices/..%2f..%2fetc%2fpasswd", "422 invalid"),
        ("GET /v1/devices/a%00b", "422 invalid"),
        ("GET /v1/users/a%00b/devices", "422 invalid"),
        ("GET /v1/users/%0d%0aset-cookie:%20a/devices", "422 invalid"),
        ("GET /v1/devices/%ff", "422 invalid"),
        ("GET /v1/devices/%c0%ae%c0%ae", "422 invalid"),
        ("GET /v1/devices/%ed%a0%80", "422 invalid"),
        ("GET /v1/devices/%", "422 invalid"),
        ("GET /v1/devices/%zz", "422 invalid"),
        ("GET //v1/devices", "404 not_found"),
        ("GET /v1//devices", "404 not_found"),
        ("GET /v1/devices/", "404 not_found"),
        ("GET /v1/devices;a=b", "404 not_found"),
        ("GET /V1/DEVICES", "404 not_found"),
        ("GET /v1/devices%20", "404 not_found"),
        ("GET /v1\\devices", "404 not_found"),
        ("GET /v1/devices?limit=1&limit=2", "422 invalid"),
        ("GET /v1/devices?limit=99999999999999999999", "422 invalid"),
        ("GET /v1/devices?cursor=%00", "422 invalid"),
        ("GET /v1/devices?%ff=%ff", "422 invalid"),
        ("GET /docs/../v1/devices", "404"),
        ("GET /docs/..%2f..%2fetc%2fpasswd", "404"),
        ("GET http://evil.example/v1/devices", "200"),
        ("GET http://evil.example", "404 not_found"),
        ("GET *", "404 not_found"),
        ("OPTIONS *", "404 not_found"),
        ("GET v1/devices", "400"),
        // what is behind it is for browsers, and ignored
        ("GET /v1/devices#fragment", "200"),
        ("TRACE /v1/devices", "405 method_not_allowed"),
        ("CONNECT evil.example:443", "404 not_found"),
        ("BREW /v1/devices", "405 method_not_allowed"),
        ("get /v1/devices", "405 method_not_allowed"),
        ("POST /health", "405 method_not_allowed"),
        ("PRI /health", "405 method_not_allowed"),
    ]
}

#[tokio::test]
async fn paths_that_are_hostile() {
    let target = Target::start();
    let address = target.address();
    let long = format!("GET /v1/devices/{}", "x".repeat(12_000));
    let mut wrong = Vec::new();
    for (line, expected) in rows().into_iter().chain([(long.as_str(), "422 invalid")]) {
        let request = format!("{line} HTTP/1.1\r\nhost: herald\r\nauthorization: Bearer {DEV_KEY}\r\nconnection: close\r\n\r\n");
        let told = say(&address, request.as_bytes()).await;
        if told != expected {
            wrong.push(format!("{line:.60}: {told}, not {expected}"));
        }
    }
    // what is not ASCII stands in no request line
    for line in [&b"GET /v1/devices/\xc3\xa9 HTTP/1.1\r\n"[..], b"GET /v1/dev\0ices HTTP/1.1\r\n", b"GET /v1/dev\x7fices HTTP/1.1\r\n"] {
        let told = say(&address, &[line, b"host: herald\r\nconnection: close\r\n\r\n"].concat()).await;
        if !told.starts_with("400") && !told.starts_with("401") {
            wrong.push(format!("{line:?}: {told}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    target.unharmed().await;
}
