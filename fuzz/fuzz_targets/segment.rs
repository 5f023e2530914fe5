//! A segment is refused, or means the same when it is written and read again, and can be asked of any device.
#![no_main]

use chrono::DateTime;
use herald::domain::device::Platform;
use herald::domain::profile::Tags;
use herald::domain::segment::{Facts, Segment};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice(bytes) else { return };
    let Ok(segment) = Segment::parse(&value, "segment") else { return };
    assert!(segment.leaves() <= 1000);
    let again = Segment::parse(&segment.to_json(), "segment").unwrap();
    assert_eq!(again, segment);
    let tags: Tags = serde_json::from_str(r#"{"plan": "pro", "age": 41, "beta": true}"#).unwrap();
    let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let facts = Facts {
        platform: Platform::Ios,
        locale: Some("fr-CA"),
        timezone: Some("Europe/Paris"),
        app_version: Some("3.10.1-beta.2"),
        os_version: Some("18.1"),
        model: None,
        last_seen_at: at,
        created_at: at,
        tags: &tags,
        user_tags: None,
    };
    assert_eq!(segment.matches(&facts, at), again.matches(&facts, at));
});
