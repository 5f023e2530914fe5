//! What APNs checks of a request, beside the provider token and the payload: its path and
//! headers. The real order of checks is not documented; here it is path, method, repeated
//! headers, provider token, headers, topic, device token, payload.

use http::{HeaderMap, Method, request};

use super::reason::Reason;
use super::topic::{PushType, is_allowed, is_well_formed};

/// Real tokens have 64 digits and more; Apple says not to count on it, so this only catches what
/// can be no token at all.
const MIN_TOKEN_DIGITS: usize = 16;
const MAX_TOKEN_DIGITS: usize = 400;
const MAX_COLLAPSE_ID: usize = 64;

/// The device token in a path, whatever it looks like.
pub(super) fn device_token(path: &str) -> Result<&str, Reason> {
    let token = path.strip_prefix("/3/device").ok_or(Reason::BadPath)?;
    match token.strip_prefix('/') {
        None if token.is_empty() => Err(Reason::MissingDeviceToken),
        Some("") => Err(Reason::MissingDeviceToken),
        Some(token) if !token.contains('/') => Ok(token),
        Some(_) | None => Err(Reason::BadPath),
    }
}

/// Method and repeated headers: what is wrong before anything is looked at.
pub(super) fn check_form(parts: &request::Parts) -> Result<(), Reason> {
    if parts.method != Method::POST {
        return Err(Reason::MethodNotAllowed);
    }
    if parts.headers.len() != parts.headers.keys_len() {
        return Err(Reason::DuplicateHeaders);
    }
    Ok(())
}

/// The `apns-…` headers, and the push type they name.
pub(super) fn check_headers(headers: &HeaderMap, bundle_id: &str) -> Result<Option<PushType>, Reason> {
    let get = |name: &str| headers.get(name).map(http::HeaderValue::as_bytes);
    if let Some(id) = get("apns-id")
        && !is_canonical_uuid(id)
    {
        return Err(Reason::BadMessageId);
    }
    if let Some(id) = get("apns-collapse-id")
        && id.len() > MAX_COLLAPSE_ID
    {
        return Err(Reason::BadCollapseId);
    }
    check_expiration(headers)?;
    let push_type = match get("apns-push-type") {
        Some(name) => Some(PushType::from_header(name).ok_or(Reason::InvalidPushType)?),
        None => None,
    };
    check_priority(headers, push_type)?;
    check_topic(get("apns-topic"), bundle_id, push_type)?;
    Ok(push_type)
}

/// When it is over, in seconds; absent is good.
pub(super) fn check_expiration(headers: &HeaderMap) -> Result<(), Reason> {
    match headers.get("apns-expiration") {
        Some(expiration) if number(expiration.as_bytes()).is_none() => Err(Reason::BadExpirationDate),
        Some(_) | None => Ok(()),
    }
}

/// How urgent it is.
pub(super) fn check_priority(headers: &HeaderMap, push_type: Option<PushType>) -> Result<(), Reason> {
    let is_background = push_type == Some(PushType::Background);
    match headers.get("apns-priority").map(http::HeaderValue::as_bytes) {
        Some(b"5" | b"1") => Ok(()),
        // 10 is the default when the header is absent
        Some(b"10") | None if !is_background => Ok(()),
        Some(_) | None => Err(Reason::BadPriority),
    }
}

fn check_topic(topic: Option<&[u8]>, bundle_id: &str, push_type: Option<PushType>) -> Result<(), Reason> {
    let topic = topic.ok_or(Reason::MissingTopic)?;
    let topic = std::str::from_utf8(topic).map_err(|_| Reason::BadTopic)?;
    if !is_well_formed(topic) {
        return Err(Reason::BadTopic);
    }
    if !is_allowed(topic, bundle_id, push_type) {
        return Err(Reason::TopicDisallowed);
    }
    Ok(())
}

/// A device token is an even number of hexadecimal digits.
pub(super) fn check_token(token: &str) -> Result<(), Reason> {
    let is_token = (MIN_TOKEN_DIGITS..=MAX_TOKEN_DIGITS).contains(&token.len())
        && token.len().is_multiple_of(2)
        && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_token.then_some(()).ok_or(Reason::BadDeviceToken)
}

/// 8-4-4-4-12 in lower case.
fn is_canonical_uuid(id: &[u8]) -> bool {
    id.len() == 36
        && id.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// A plain decimal number.
fn number(value: &[u8]) -> Option<i64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    let text = digits.then(|| std::str::from_utf8(value).ok()).flatten()?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, expected) in [
            ("/3/device/ab", Ok("ab")),
            ("/3/device/", Err(Reason::MissingDeviceToken)),
            ("/3/device", Err(Reason::MissingDeviceToken)),
            ("/3/devices/ab", Err(Reason::BadPath)),
            ("/3/device/ab/c", Err(Reason::BadPath)),
            ("/2/device/ab", Err(Reason::BadPath)),
            ("/", Err(Reason::BadPath)),
        ] {
            assert_eq!(device_token(path), expected, "{path}");
        }
    }

    #[test]
    fn tokens() {
        let (good, long) = ("ab".repeat(32), "ab".repeat(201));
        for (token, is_good) in [
            (good.as_str(), true),
            ("ABCDEF0123456789", true),
            ("0123456789abcde", false),
            ("0123456789abcd", false),
            ("0123456789abcdef0", false),
            ("0123456789abcdeg", false),
            (long.as_str(), false),
        ] {
            assert_eq!(check_token(token).is_ok(), is_good, "{token}");
        }
    }

    fn headers(changes: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let sane = [("apns-topic", "com.example.demo"), ("apns-push-type", "alert")];
        for (name, value) in sane.iter().chain(changes) {
            headers.insert(*name, value.parse().unwrap());
        }
        headers.retain_filled();
        headers
    }

    trait RetainFilled {
        fn retain_filled(&mut self);
    }

    impl RetainFilled for HeaderMap {
        /// Takes out what a test has set to nothing.
        fn retain_filled(&mut self) {
            let empty: Vec<_> = self.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| name.clone()).collect();
            for name in empty {
                self.remove(name);
            }
        }
    }

    #[test]
    fn each_header_is_checked() {
        let bytes64 = "é".repeat(32);
        let bytes65 = format!("{bytes64}x");
        for (name, value, expected) in [
            ("apns-id", "6a3a4e5c-1111-4222-8333-944445555666", None),
            ("apns-id", "6A3A4E5C-1111-4222-8333-944445555666", Some(Reason::BadMessageId)),
            ("apns-id", "6a3a4e5c111142228333944445555666", Some(Reason::BadMessageId)),
            ("apns-collapse-id", bytes64.as_str(), None),
            ("apns-collapse-id", bytes65.as_str(), Some(Reason::BadCollapseId)),
            ("apns-expiration", "0", None),
            ("apns-expiration", "1800000000", None),
            ("apns-expiration", "-1", Some(Reason::BadExpirationDate)),
            ("apns-expiration", "1.5", Some(Reason::BadExpirationDate)),
            ("apns-expiration", "99999999999999999999", Some(Reason::BadExpirationDate)),
            ("apns-push-type", "banner", Some(Reason::InvalidPushType)),
            ("apns-push-type", "", None),
            ("apns-push-type", "voip", Some(Reason::TopicDisallowed)),
            ("apns-priority", "10", None),
            ("apns-priority", "5", None),
            ("apns-priority", "1", None),
            ("apns-priority", "7", Some(Reason::BadPriority)),
            ("apns-topic", "", Some(Reason::MissingTopic)),
            ("apns-topic", "com..demo", Some(Reason::BadTopic)),
            ("apns-topic", "com.example.other", Some(Reason::TopicDisallowed)),
            ("apns-topic", "com.example.demo.voip", Some(Reason::TopicDisallowed)),
        ] {
            let checked = check_headers(&headers(&[(name, value)]), "com.example.demo");
            assert_eq!(checked.err(), expected, "{name}: {value}");
        }
    }

    #[test]
    fn a_background_push_has_a_low_priority() {
        for (priority, expected) in [("5", None), ("1", None), ("10", Some(Reason::BadPriority)), ("", Some(Reason::BadPriority))] {
            let headers = headers(&[("apns-push-type", "background"), ("apns-priority", priority)]);
            let checked = check_headers(&headers, "com.example.demo");
            assert_eq!(checked.err(), expected, "{priority}");
        }
    }
}
