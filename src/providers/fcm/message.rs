//! A message in Google's form, per platform ("REST resource: projects.messages").

use serde_json::{Map, Value, json};

use super::settings::Display;
use super::splice::HOLE;
use crate::domain::content::{Content, Interruption};
use crate::domain::device::Platform;
use crate::domain::notification::Priority;
use crate::providers::{Message, RenderError};
use crate::providers::{apns, webpush};

/// Everything of `message` but the address. `service_extension`: every alert to Apple is mutable.
pub(super) fn message(message: &Message<'_>, display: Display, service_extension: bool) -> Result<Map<String, Value>, RenderError> {
    let mut form = Map::new();
    form.insert("data".to_owned(), Value::Object(data(message, display)));
    match message.platform {
        Platform::Android => form.insert("android".to_owned(), android(message, display)),
        Platform::Ios => form.insert("apns".to_owned(), apple(message, service_extension)),
        // browsers take back the permission of who shows nothing
        Platform::Web if message.silent => return Err(RenderError::Unsupported),
        Platform::Web => form.insert("webpush".to_owned(), web(message)),
    };
    Ok(form)
}

fn data(message: &Message<'_>, display: Display) -> Map<String, Value> {
    let content = message.content;
    let mut data: Map<String, Value> =
        content.data.iter().flatten().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect();
    data.insert("herald_id".to_owned(), Value::from(message.notification.to_string()));
    put(&mut data, "herald_link", content.link.as_deref());
    put(&mut data, "herald_image", content.image_url.as_deref());
    if message.platform == Platform::Android {
        put(&mut data, "herald_actions", content.action_set.as_deref());
    }
    if shown_by_app(message, display) {
        put(&mut data, "herald_title", content.title.as_deref());
        put(&mut data, "herald_body", content.body.as_deref());
    }
    data
}

/// The setting speaks of Android: Apple's system and browsers show what they get.
fn shown_by_app(message: &Message<'_>, display: Display) -> bool {
    display == Display::App && message.platform == Platform::Android && !message.silent
}

fn android(message: &Message<'_>, display: Display) -> Value {
    let priority = match message.priority {
        Priority::Normal => "NORMAL",
        Priority::High | Priority::Critical => "HIGH",
    };
    let mut android = Map::from_iter([("priority".to_owned(), json!(priority)), ("ttl".to_owned(), json!(HOLE))]);
    if !message.silent && !shown_by_app(message, display) {
        android.insert("notification".to_owned(), Value::Object(android_notification(message)));
    }
    Value::Object(android)
}

fn android_notification(message: &Message<'_>) -> Map<String, Value> {
    let Content { title, body, image_url, sound, android_channel, badge, interruption, .. } = message.content;
    let mut form = Map::new();
    put(&mut form, "title", title.as_deref());
    put(&mut form, "body", body.as_deref());
    put(&mut form, "image", image_url.as_deref());
    put(&mut form, "sound", sound.as_deref());
    put(&mut form, "channel_id", android_channel.as_deref());
    put(&mut form, "tag", Some(message.collapse_id));
    put(&mut form, "notification_priority", interruption.map(notification_priority));
    if let Some(badge) = badge {
        form.insert("notification_count".to_owned(), json!(badge));
    }
    form
}

fn notification_priority(interruption: Interruption) -> &'static str {
    match interruption {
        Interruption::Passive => "PRIORITY_LOW",
        Interruption::Active => "PRIORITY_DEFAULT",
        Interruption::TimeSensitive => "PRIORITY_HIGH",
        Interruption::Critical => "PRIORITY_MAX",
    }
}

/// FCM adds `data` beside `aps` by itself.
fn apple(message: &Message<'_>, service_extension: bool) -> Value {
    // the priority goes by the push type, which may be the caller's
    let given = message.overrides.and_then(|overrides| overrides.pointer("/apns/headers/apns-push-type")?.as_str());
    let push_type = given.unwrap_or(if message.silent { "background" } else { "alert" });
    json!({
        "headers": {
            "apns-push-type": push_type,
            "apns-priority": apns::priority(message.priority, push_type == "background"),
            "apns-collapse-id": message.collapse_id,
            "apns-expiration": HOLE,
        },
        "payload": {"aps": apns::aps(message.content, message.silent, service_extension)},
    })
}

fn web(message: &Message<'_>) -> Value {
    let headers = json!({"TTL": HOLE, "Urgency": webpush::urgency(message.priority)});
    let mut form = json!({"headers": headers, "notification": webpush::notification(message)});
    // Google takes no other link, and refuses the message for one
    if let (Some(link), Some(form)) = (message.content.link.as_deref().filter(|link| link.starts_with("https://")), form.as_object_mut()) {
        form.insert("fcm_options".to_owned(), json!({"link": link}));
    }
    form
}

fn put(form: &mut Map<String, Value>, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        form.insert(name.to_owned(), Value::from(text));
    }
}
