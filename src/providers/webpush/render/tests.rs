use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::domain::content::Action;
use crate::domain::device::Platform;
use crate::domain::notification::Priority;
use crate::providers::testing::{ID, message};

fn content() -> Content {
    Content { title: Some("Ann".to_owned()), body: Some("Lunch?".to_owned()), ..Content::default() }
}

fn text(rendered: &Rendered) -> Value {
    let Body::Sealed(text) = &rendered.body else { panic!("another provider's") };
    assert_eq!(text.len(), rendered.size);
    serde_json::from_slice(text).unwrap()
}

fn with(overrides: &Value) -> Result<Rendered, RenderError> {
    let content = content();
    render(&Message { overrides: Some(overrides), ..message(&content, Platform::Web) })
}

fn header<'a>(rendered: &'a Rendered, name: &str) -> Option<&'a str> {
    rendered.headers.get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn a_service_worker_gets_everything_that_a_browser_shows() {
    let content = Content {
        image_url: Some("https://example.com/i.png".to_owned()),
        link: Some("https://example.com/chat/9".to_owned()),
        actions: Some(vec![Action { id: "reply".to_owned(), title: "Reply".to_owned() }]),
        data: Some(BTreeMap::from([("chat".to_owned(), "9".to_owned())])),
        // what only phones know
        subtitle: Some("s".to_owned()),
        sound: Some("default".to_owned()),
        badge: Some(3),
        ..content()
    };
    assert_eq!(
        text(&render(&message(&content, Platform::Web)).unwrap()),
        json!({
            "title": "Ann", "body": "Lunch?", "image": "https://example.com/i.png", "tag": "chat-9",
            "actions": [{"action": "reply", "title": "Reply"}],
            "data": {"chat": "9", "herald_id": ID, "herald_link": "https://example.com/chat/9"},
        })
    );
}

#[test]
fn little_is_said_of_little() {
    let content = Content { title: Some("Ann".to_owned()), ..Content::default() };
    let rendered = render(&message(&content, Platform::Web)).unwrap();
    assert_eq!(text(&rendered), json!({"title": "Ann", "tag": "chat-9", "data": {"herald_id": ID}}));
}

#[test]
fn header_fields_say_how_urgent_it_is_and_what_it_replaces() {
    let content = content();
    for (priority, urgency) in [(Priority::Normal, "normal"), (Priority::High, "high"), (Priority::Critical, "high")] {
        let rendered = render(&Message { priority, ..message(&content, Platform::Web) }).unwrap();
        assert_eq!(header(&rendered, "urgency"), Some(urgency));
        assert_eq!(header(&rendered, "content-encoding"), Some("aes128gcm"));
        assert_eq!(header(&rendered, "content-type"), Some("application/octet-stream"));
        // the first 32 characters of the base64url of SHA-256("chat-9")
        assert_eq!(header(&rendered, "topic"), Some(crate::domain::collapse::webpush_topic("chat-9").as_str()));
        assert_eq!(header(&rendered, "topic").map(str::len), Some(32));
        assert!(!text(&rendered).to_string().contains(header(&rendered, "topic").unwrap()));
        assert_eq!(header(&rendered, "ttl"), None, "it is each push's own");
    }
}

#[test]
fn a_silent_push_is_not_for_browsers() {
    let content = Content::default();
    let silent = Message { silent: true, ..message(&content, Platform::Web) };
    assert_eq!(render(&silent).unwrap_err(), RenderError::Unsupported);
}

#[test]
fn a_caller_s_patch_goes_over_it() {
    let rendered = with(&json!({
        "title": "New", "body": null, "requireInteraction": true, "data": {"chat": "9"},
        "headers": {"Urgency": "very-low", "topic": "news", "TTL": 60, "X-Mine": "1"},
    }))
    .unwrap();
    assert_eq!(
        text(&rendered),
        json!({"title": "New", "requireInteraction": true, "tag": "chat-9", "data": {"chat": "9", "herald_id": ID}})
    );
    for (name, value) in [("urgency", "very-low"), ("topic", "news"), ("ttl", "60"), ("x-mine", "1")] {
        assert_eq!(header(&rendered, name), Some(value), "{name}");
    }
    let bare = with(&json!({"headers": {"topic": null, "urgency": null}})).unwrap();
    assert_eq!((header(&bare, "topic"), header(&bare, "urgency")), (None, None));
    for nothing in [json!(null), json!({}), json!({"headers": null}), json!({"headers": {}})] {
        assert_eq!(text(&with(&nothing).unwrap())["title"], "Ann", "{nothing}");
    }
}

#[test]
fn what_a_patch_may_not_say_is_named() {
    let invalid = |field: &str| RenderError::Invalid { field: field.to_owned(), message: String::new() };
    let forbidden = |field: &str| RenderError::Forbidden { field: field.to_owned() };
    for (overrides, expected) in [
        (json!([]), invalid("webpush")),
        (json!({"headers": []}), invalid("webpush.headers")),
        (json!({"headers": {"urgency": "urgent"}}), invalid("webpush.headers.urgency")),
        (json!({"headers": {"urgency": true}}), invalid("webpush.headers.urgency")),
        (json!({"headers": {"topic": "x".repeat(33)}}), invalid("webpush.headers.topic")),
        (json!({"headers": {"topic": "a b"}}), invalid("webpush.headers.topic")),
        (json!({"headers": {"topic": ""}}), invalid("webpush.headers.topic")),
        (json!({"headers": {"ttl": "soon"}}), invalid("webpush.headers.ttl")),
        (json!({"headers": {"ttl": -1}}), invalid("webpush.headers.ttl")),
        (json!({"headers": {"ttl": ""}}), invalid("webpush.headers.ttl")),
        (json!({"headers": {"a b": "x"}}), invalid("webpush.headers.a b")),
        (json!({"headers": {"Authorization": "x"}}), forbidden("webpush.headers.authorization")),
        (json!({"headers": {"Content-Encoding": "aesgcm"}}), forbidden("webpush.headers.content-encoding")),
        (json!({"headers": {"Host": "x"}}), forbidden("webpush.headers.host")),
        (json!({"headers": {":path": "/x"}}), forbidden("webpush.headers.:path")),
        (json!({"data": {"herald_id": "x"}}), forbidden("webpush.data.herald_id")),
        (json!({"data": {"herald_new": "x"}}), forbidden("webpush.data.herald_new")),
        (json!({"data": null}), invalid("webpush.data")),
        (json!({"data": "x"}), invalid("webpush.data")),
        (json!({"data": {"n": 5}}), invalid("webpush.data.n")),
    ] {
        let error = match with(&overrides).unwrap_err() {
            RenderError::Invalid { field, .. } => invalid(&field),
            other => other,
        };
        assert_eq!(error, expected, "{overrides}");
    }
}

#[test]
fn what_is_larger_than_a_push_service_takes_is_refused() {
    let sized = |padding: usize| {
        let content = Content { body: Some("x".repeat(padding)), ..Content::default() };
        render(&message(&content, Platform::Web))
    };
    let frame = sized(0).unwrap().size;
    assert_eq!(sized(3993 - frame).unwrap().size, 3993);
    assert_eq!(sized(3994 - frame).unwrap_err(), RenderError::TooLarge { size: 3994, limit: 3993 });
    // bytes, not characters
    let content = Content { body: Some("é".repeat(2000)), ..Content::default() };
    assert!(matches!(render(&message(&content, Platform::Web)), Err(RenderError::TooLarge { .. })));
}
