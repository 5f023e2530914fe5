//! Who is at the other end, in fuzzing.

use std::net::IpAddr;

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{caller, is_in};

const USUAL: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Each line is a field, `Forwarded` where it begins so. Whatever they say, nobody but a trusted proxy is believed, and what a caller claims
/// before its proxy adds its address changes nothing.
pub fn forwarded(bytes: &[u8]) {
    let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    let [proxy, stranger, real]: [IpAddr; 3] = ["10.0.0.1", "192.0.2.1", "198.51.100.7"].map(|text| text.parse().unwrap());
    let mut fields = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let (name, value) = line.strip_prefix(b"Forwarded:").map_or((USUAL, line), |value| (FORWARDED, value));
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        fields.append(name, value);
    }
    assert_eq!(caller(stranger, &fields, &trusted), stranger);
    let found = caller(proxy, &fields, &trusted);
    let has_usual = fields.contains_key(USUAL);
    for (name, value) in [(USUAL, "198.51.100.7"), (FORWARDED, "for=198.51.100.7")] {
        let mut added = fields.clone();
        added.append(name.clone(), HeaderValue::from_static(value));
        let seen = caller(proxy, &added, &trusted);
        assert!(seen == real || seen == proxy, "{seen} after {found}");
        let is_alone = if name == USUAL { !fields.contains_key(FORWARDED) } else { !has_usual };
        assert!(!is_alone || seen == real, "{seen}");
    }
    assert!(found == proxy || fields.values().any(|value| !value.is_empty()), "{found}");
    assert!(is_in(&trusted, proxy) && !is_in(&trusted, real));
}
