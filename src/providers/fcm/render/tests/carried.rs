//! What Apple would refuse of a push that FCM carries.

use serde_json::json;

use super::*;

fn background() -> Value {
    json!({"aps": {"alert": null, "badge": null, "sound": null, "content-available": 1}})
}

/// What Apple refuses is refused whoever carries it.
#[test]
fn a_push_type_or_priority_that_apple_refuses_is_refused() {
    let content = full();
    let at = |name: &str| Some(format!("fcm.apns.headers.{name}"));
    for (headers, payload, field) in [
        (json!({"apns-push-type": "background"}), json!({}), at("apns-push-type")),
        (json!({"apns-push-type": "shout"}), json!({}), at("apns-push-type")),
        (json!({"apns-push-type": "background"}), json!({"aps": {"alert": null, "badge": null, "sound": null}}), at("apns-push-type")),
        (json!({"apns-push-type": "background", "apns-priority": "10"}), background(), at("apns-priority")),
        (json!({"apns-push-type": "background"}), json!({"aps": null}), at("apns-push-type")),
        (json!({"apns-priority": "7"}), json!({}), at("apns-priority")),
        (json!({"apns-priority": 5}), json!({}), at("apns-priority")),
        (json!({"Apns-Priority": "5"}), json!({}), at("apns-priority")), // beside our own
        (json!({"Apns-Expiration": "1700000000"}), json!({}), at("apns-expiration")),
        (json!({"apns-expiration": "soon"}), json!({}), at("apns-expiration")),
        (json!({"apns-collapse-id": "x".repeat(65)}), json!({}), at("apns-collapse-id")),
        (json!("x"), json!({}), Some("fcm.apns.headers".to_owned())),
        (json!({}), json!("x"), Some("fcm.apns.payload".to_owned())),
        (json!({"apns-priority": "5", "apns-expiration": "1700000000", "x": "y"}), json!({"aps": {"badge": 9}}), None),
        (json!({"apns-push-type": "background"}), background(), None),
        (json!({"apns-push-type": null, "apns-priority": null}), json!({}), None),
        (json!(null), json!({}), None),
    ] {
        let overrides = json!({"apns": {"headers": headers, "payload": payload}});
        let patched = |platform| render(&Message { overrides: Some(&overrides), ..message(&content, platform) }, Display::System);
        let named = match patched(Platform::Ios) {
            Err(RenderError::Invalid { field, .. }) => Some(field),
            Err(other) => panic!("{overrides} gave {other}"),
            Ok(_) => None,
        };
        assert_eq!(named, field, "{overrides}");
        assert!(patched(Platform::Android).is_ok(), "Android gets no form of Apple's: {overrides}");
    }
}

/// The extension runs for a mutable push only, and it is what reports `delivered`.
#[test]
fn every_alert_is_mutable_where_the_app_has_a_service_extension() {
    let content = Content { title: Some("t".to_owned()), ..Content::default() };
    let mutable = |silent, extension| {
        let message = Message { silent, ..message(&content, Platform::Ios) };
        let ios = sent(super::super::render(&message, Display::System, extension).unwrap(), PushToken::Fcm("t".to_owned()), None);
        ios["message"]["apns"]["payload"]["aps"].get("mutable-content").is_some()
    };
    assert!(mutable(false, true));
    assert!(!mutable(false, false));
    assert!(!mutable(true, true), "nothing is shown");
}

/// As under `apns`: background pushes are 5, whatever the notification's priority.
#[test]
fn the_priority_goes_by_the_callers_push_type() {
    let content = full();
    let overrides = json!({"apns": {"headers": {"apns-push-type": "background"}, "payload": background()}});
    let ios = whole(&Message { overrides: Some(&overrides), ..message(&content, Platform::Ios) }, Display::System);
    let headers = &ios["message"]["apns"]["headers"];
    assert_eq!((&headers["apns-push-type"], &headers["apns-priority"]), (&json!("background"), &json!("5")));
}
