//! Apple's form against `a2`'s builder.

use a2::{CollapseId, DefaultNotificationBuilder, NotificationBuilder, PushType};
use herald::domain::content::Interruption;
use herald::domain::notification::Priority;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::ours;
use crate::words::{Words, text, words};

/// Members of `aps` that Apple documents and `a2` does not know.
const UNKNOWN: [&str; 3] = ["interruption-level", "relevance-score", "thread-id"];
/// As loud as the sound of a critical alert is, where the caller does not say.
const LOUD: f64 = 1.0;

/// What only overrides can say: texts that the app has in its own languages, its launch image, and how loud a critical alert is.
#[derive(Clone, Debug)]
struct Extra {
    loc_key: String,
    loc_args: Vec<String>,
    title_loc_key: String,
    title_loc_args: Vec<String>,
    action_loc_key: String,
    launch_image: String,
    volume: f64,
}

fn extra() -> impl Strategy<Value = Extra> {
    let args = || prop::collection::vec(text(), 0..3);
    let volume = prop::sample::select(vec![0.0, 0.25, 0.5, LOUD]);
    (text(), args(), text(), args(), text(), text(), volume).prop_map(
        |(loc_key, loc_args, title_loc_key, title_loc_args, action_loc_key, launch_image, volume)| Extra {
            loc_key,
            loc_args,
            title_loc_key,
            title_loc_args,
            action_loc_key,
            launch_image,
            volume,
        },
    )
}

impl Extra {
    fn overrides(&self, is_critical: bool) -> Value {
        let alert = json!({
            "loc-key": self.loc_key, "loc-args": self.loc_args, "title-loc-key": self.title_loc_key,
            "title-loc-args": self.title_loc_args, "action-loc-key": self.action_loc_key, "launch-image": self.launch_image,
        });
        let mut aps = json!({ "alert": alert });
        if is_critical {
            aps["sound"] = json!({"volume": self.volume});
        }
        json!({"payload": {"aps": aps}})
    }

    fn build<'a>(&'a self, builder: DefaultNotificationBuilder<'a>) -> DefaultNotificationBuilder<'a> {
        builder
            .set_loc_key(&self.loc_key)
            .set_loc_args(&self.loc_args)
            .set_title_loc_key(&self.title_loc_key)
            .set_title_loc_args(&self.title_loc_args)
            .set_action_loc_key(&self.action_loc_key)
            .set_launch_image(&self.launch_image)
    }
}

/// A critical alert has a sound that the mute switch does not stop.
fn is_critical(words: &Words) -> bool {
    !words.silent && words.content.interruption == Some(Interruption::Critical) && words.content.sound.is_some()
}

/// The payload as `a2` builds it.
fn theirs(words: &Words, extra: Option<&Extra>) -> Value {
    let content = &words.content;
    let mut builder = DefaultNotificationBuilder::new();
    if words.silent {
        builder = builder.set_content_available();
    } else {
        builder = shown(words, builder);
        if let Some(extra) = extra {
            builder = extra.build(builder);
        }
        if is_critical(words) {
            builder = builder.set_critical(true, Some(extra.map_or(LOUD, |extra| extra.volume)));
        }
    }
    let mut payload = builder.build(ours::TOKEN, a2::NotificationOptions::default());
    let own = [("herald_id", Some(ours::ID)), ("herald_link", content.link.as_deref()), ("herald_image", content.image_url.as_deref())];
    for (name, text) in own.iter().filter_map(|(name, text)| Some((*name, text.as_ref()?))) {
        payload.add_custom_data(name, text).unwrap();
    }
    for (name, text) in content.data.iter().flatten() {
        payload.add_custom_data(name, text).unwrap();
    }
    canonical(serde_json::to_value(payload).unwrap())
}

fn shown<'a>(words: &'a Words, mut builder: DefaultNotificationBuilder<'a>) -> DefaultNotificationBuilder<'a> {
    type Set<'a> = fn(DefaultNotificationBuilder<'a>, &'a str) -> DefaultNotificationBuilder<'a>;
    let content = &words.content;
    let texts: [(&Option<String>, Set<'a>); 5] = [
        (&content.title, DefaultNotificationBuilder::set_title),
        (&content.subtitle, DefaultNotificationBuilder::set_subtitle),
        (&content.body, DefaultNotificationBuilder::set_body),
        (&content.sound, DefaultNotificationBuilder::set_sound),
        (&content.action_set, DefaultNotificationBuilder::set_category),
    ];
    for (text, set) in texts {
        if let Some(text) = text {
            builder = set(builder, text);
        }
    }
    if let Some(badge) = content.badge {
        builder = builder.set_badge(badge);
    }
    if words.service_extension || content.image_url.is_some() {
        builder = builder.set_mutable_content();
    }
    builder
}

/// The same to Apple, in Herald's spelling: an alert of a body alone is a dictionary, and what is not mutable says nothing of it.
fn canonical(mut payload: Value) -> Value {
    let aps = payload["aps"].as_object_mut().unwrap();
    if aps.get("mutable-content") == Some(&json!(0)) {
        aps.remove("mutable-content");
    }
    if let Some(body @ Value::String(_)) = aps.get("alert").cloned() {
        aps.insert("alert".to_owned(), json!({ "body": body }));
    }
    payload
}

/// Ours without what `a2` does not know.
fn known(mut payload: Value) -> Value {
    let aps: &mut Map<String, Value> = payload["aps"].as_object_mut().unwrap();
    aps.retain(|name, _| !UNKNOWN.contains(&name.as_str()));
    payload
}

proptest! {
    #[test]
    fn a_payload_is_what_a2_builds(words in words(u32::MAX)) {
        let (_, payload) = ours::to_apple(&words, None).unwrap();
        prop_assert_eq!(known(payload), theirs(&words, None));
    }

    /// Every member of `alert` that `a2` knows and Herald has no field for can be said with an override.
    #[test]
    fn an_overridden_payload_is_what_a2_builds(words in words(u32::MAX), extra in extra()) {
        let words = Words { silent: false, ..words };
        let (_, payload) = ours::to_apple(&words, Some(&extra.overrides(is_critical(&words)))).unwrap();
        prop_assert_eq!(known(payload), theirs(&words, Some(&extra)));
    }

    #[test]
    fn the_header_fields_are_what_a2_writes(words in words(9)) {
        let (rendered, _) = ours::to_apple(&words, None).unwrap();
        let field = |name: &str| rendered.headers[name].to_str().unwrap().to_owned();
        let push_type = if words.silent { PushType::Background } else { PushType::Alert };
        prop_assert_eq!(field("apns-push-type"), push_type.to_string());
        let priority = if words.silent || words.priority == Priority::Normal { a2::Priority::Normal } else { a2::Priority::High };
        prop_assert_eq!(field("apns-priority"), priority.to_string());
        let collapse_id = field("apns-collapse-id");
        prop_assert_eq!(CollapseId::new(&collapse_id).unwrap().value, &words.collapse_id);
    }
}

/// `complication`, `controls` and `widgets` are unknown to it.
#[test]
fn every_push_type_that_a2_knows_is_known() {
    let words = Words {
        content: herald::domain::content::Content { title: Some("t".to_owned()), ..Default::default() },
        silent: false,
        priority: Priority::High,
        collapse_id: "c".to_owned(),
        service_extension: false,
    };
    for push_type in [
        PushType::Alert,
        PushType::Background,
        PushType::Location,
        PushType::Voip,
        PushType::FileProvider,
        PushType::Mdm,
        PushType::LiveActivity,
        PushType::PushToTalk,
    ] {
        let overrides = match push_type {
            PushType::Background => {
                json!({"headers": {"apns-push-type": "background"}, "payload": {"aps": {"alert": null, "content-available": 1}}})
            }
            _ => json!({"headers": {"apns-push-type": push_type.to_string()}}),
        };
        let (rendered, _) = ours::to_apple(&words, Some(&overrides)).unwrap();
        assert_eq!(rendered.headers["apns-push-type"], push_type.to_string());
    }
}
