//! What APNs checks of a push to a channel. Channels are not kept: any that looks like one is there.

use http::HeaderMap;

use super::checks::{check_expiration, check_priority};
use super::payload;
use super::reason::Reason;
use super::topic::PushType;

/// The bundle id in a path of broadcasts; `None`: another path.
pub(super) fn app(path: &str) -> Option<&str> {
    path.strip_prefix("/4/broadcasts/apps/").filter(|app| !app.is_empty() && !app.contains('/'))
}

/// The channel that the headers name, whatever it looks like.
pub(super) fn channel(headers: &HeaderMap) -> Option<&str> {
    headers.get("apns-channel-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty())
}

/// The headers, and whether the app is the credential's.
pub(super) fn check_headers(headers: &HeaderMap, (app, bundle_id): (&str, &str)) -> Result<(), Reason> {
    if app != bundle_id {
        return Err(Reason::TopicMismatch);
    }
    if !is_base64(channel(headers).ok_or(Reason::MissingChannelId)?) {
        return Err(Reason::BadChannelId);
    }
    let push_type = headers.get("apns-push-type").ok_or(Reason::MissingPushType)?;
    if PushType::from_header(push_type.as_bytes()) != Some(PushType::LiveActivity) {
        return Err(Reason::InvalidPushType);
    }
    check_expiration(headers)?;
    check_priority(headers, Some(PushType::LiveActivity))
}

/// The payload; answers its `herald_id`. An activity is not started by broadcast.
pub(super) fn check_payload(body: &[u8]) -> Result<&str, Reason> {
    let herald_id = payload::check(body, Some(PushType::LiveActivity))?;
    if payload::starts_activity(body) { Err(Reason::BadRequestPayload) } else { Ok(herald_id) }
}

fn is_base64(id: &str) -> bool {
    let digits = id.trim_end_matches('=');
    let padding = id.len() - digits.len();
    padding <= 2 && id.len().is_multiple_of(4) && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: &str = "dHN0LXNyY2gtY2hubA==";

    fn headers(changes: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [("apns-channel-id", CHANNEL), ("apns-push-type", "liveactivity")].iter().chain(changes) {
            headers.insert(*name, value.parse().unwrap());
        }
        let empty: Vec<_> = headers.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| name.clone()).collect();
        for name in empty {
            headers.remove(name);
        }
        headers
    }

    #[test]
    fn paths() {
        assert_eq!(app("/4/broadcasts/apps/com.example.demo"), Some("com.example.demo"));
        for path in ["/4/broadcasts/apps/", "/4/broadcasts/apps/a/b", "/3/device/ab", "/4/broadcasts"] {
            assert_eq!(app(path), None, "{path}");
        }
    }

    #[test]
    fn each_header_is_checked() {
        let sound = check_headers(&headers(&[]), ("com.example.other", "com.example.demo"));
        assert_eq!(sound, Err(Reason::TopicMismatch));
        for (name, value, expected) in [
            ("apns-priority", "5", None),
            ("apns-priority", "7", Some(Reason::BadPriority)),
            ("apns-expiration", "0", None),
            ("apns-expiration", "soon", Some(Reason::BadExpirationDate)),
            ("apns-channel-id", "", Some(Reason::MissingChannelId)),
            ("apns-channel-id", "no channel", Some(Reason::BadChannelId)),
            ("apns-channel-id", "AAA", Some(Reason::BadChannelId)),
            ("apns-push-type", "", Some(Reason::MissingPushType)),
            ("apns-push-type", "alert", Some(Reason::InvalidPushType)),
        ] {
            let checked = check_headers(&headers(&[(name, value)]), ("com.example.demo", "com.example.demo"));
            assert_eq!(checked.err(), expected, "{name}: {value}");
        }
    }

    #[test]
    fn an_activity_is_updated_and_ended_but_not_started() {
        let body = |event: &str| format!(r#"{{"aps":{{"event":"{event}","timestamp":1,"content-state":{{}}}},"herald_id":"7"}}"#);
        assert_eq!(check_payload(body("update").as_bytes()), Ok("7"));
        assert_eq!(check_payload(body("end").as_bytes()), Ok("7"));
        let start = r#"{"aps":{"event":"start","timestamp":1,"content-state":{},"attributes-type":"A","attributes":{},"alert":{"title":"t","body":"b"}},"herald_id":"7"}"#;
        assert_eq!(check_payload(start.as_bytes()), Err(Reason::BadRequestPayload));
        assert_eq!(check_payload(br#"{"aps":{"alert":"x"}}"#), Err(Reason::InvalidPushType));
    }
}
