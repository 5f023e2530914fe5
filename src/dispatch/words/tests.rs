use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::domain::Timestamp;
use crate::domain::device::ProviderKind;
use crate::domain::id::{AppId, NotificationId};
use crate::store::engine::StoredNotification;
use crate::system::SystemClock;

fn notification(json: &Value) -> Notification {
    let mut whole = json!({
        "audience": "named", "category": null, "priority": "high", "when": {"at": "2026-01-01T00:00:00Z"},
        "lifetime": {"seconds": 60}, "accepted_at": "2026-01-01T00:00:00Z",
    });
    whole.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

fn variant(name: &str, content: &Value, localized: &Value) -> Value {
    json!({"name": name, "weight": 1, "content": content, "localized": localized})
}

fn form(notification: &Notification, platform: Platform, variant: Option<usize>, locale: &str) -> Form {
    Form::of(notification, (ProviderKind::Fcm, platform), variant, Some(locale))
}

#[test]
fn the_nearest_locale_serves() {
    let notification = notification(&json!({
        "localized": {"fr": {"title": "A"}, "fr-CA": {"title": "B"}, "pt_BR": {"title": "C"}},
        "variants": [variant("plain", &json!({}), &json!({})), variant("own", &json!({}), &json!({"fr_ch": {}, "zh": {}, "PT-br": {}}))],
    }));
    for (locale, key, of_own) in [
        ("fr-CA", Some("fr-CA"), Some("fr-CA")),
        ("fr_ca", Some("fr-CA"), Some("fr-CA")),
        ("fr-FR", Some("fr"), Some("fr")),
        ("fr", Some("fr"), Some("fr")),
        ("pt-BR", Some("pt_BR"), Some("pt_BR")),
        ("pt", None, None),
        ("fr-CH", Some("fr"), Some("fr_ch")),
        ("zh-Hant-TW", None, Some("zh")),
        ("", None, None),
    ] {
        assert_eq!(serving(&notification, None, locale), key, "{locale}");
        assert_eq!(serving(&notification, Some(0), locale), key, "{locale}");
        assert_eq!(serving(&notification, Some(1), locale), of_own, "{locale}");
    }
}

#[test]
fn every_wording_is_told_once() {
    let plain = notification(&json!({"localized": {"fr": {}}}));
    assert_eq!(wordings(&plain).collect::<Vec<_>>(), [(None, None), (None, Some("fr"))]);
    let varied = notification(&json!({
        "localized": {"pt_BR": {}},
        "variants": [variant("a", &json!({}), &json!({})), variant("b", &json!({}), &json!({"pt-br": {}, "de": {}}))],
    }));
    let expected = [(Some(0), None), (Some(0), Some("pt_BR")), (Some(1), None), (Some(1), Some("pt_BR")), (Some(1), Some("de"))];
    assert_eq!(wordings(&varied).collect::<Vec<_>>(), expected);
}

#[test]
fn words_are_found_field_by_field() {
    let notification = notification(&json!({
        "content": {"title": "t", "body": "b", "sound": "default"},
        "localized": {"fr": {"title": "t-fr"}},
        "platforms": {"android": {"body": "b-android"}},
    }));
    let words = own_words(&notification, &form(&notification, Platform::Android, None, "fr-FR"));
    assert_eq!(words.title.as_deref(), Some("t-fr"));
    assert_eq!(words.body.as_deref(), Some("b-android"));
    assert_eq!(words.sound.as_deref(), Some("default"));
}

#[test]
fn a_locale_without_a_word_takes_the_shorter_one_s() {
    let notification = notification(&json!({
        "content": {"title": "t", "body": "b", "subtitle": "s"},
        "localized": {"fr": {"title": "t-fr", "body": "b-fr"}, "fr-CA": {"body": "b-ca"}},
    }));
    let form = form(&notification, Platform::Ios, None, "fr_ca");
    assert_eq!(form.locale.as_deref(), Some("fr-CA"));
    let words = own_words(&notification, &form);
    assert_eq!((words.title.as_deref(), words.body.as_deref(), words.subtitle.as_deref()), (Some("t-fr"), Some("b-ca"), Some("s")));
}

/// What a variant says goes over all else, in its own locales first.
#[test]
fn a_variants_words_go_over_all_others() {
    let notification = notification(&json!({
        "content": {"title": "t", "body": "b", "subtitle": "s", "link": "l"},
        "localized": {"fr": {"title": "t-fr", "body": "b-fr", "subtitle": "s-fr"}},
        "platforms": {"android": {"body": "b-android", "sound": "ding"}},
        "variants": [
            variant("bare", &json!({}), &json!({})),
            variant("short", &json!({"title": "v"}), &json!({})),
            variant("own", &json!({"title": "v", "sound": "dong"}), &json!({"fr-CA": {"title": "v-ca"}, "fr": {"body": "v-fr"}, "ja": {"title": "v-ja"}})),
        ],
    }));
    for (place, platform, locale, expected) in [
        (0, Platform::Ios, "fr-CA", ["t-fr", "b-fr", "s-fr", "l", "-"]),
        (1, Platform::Ios, "fr-CA", ["v", "b-fr", "s-fr", "l", "-"]),
        (1, Platform::Android, "en", ["v", "b-android", "s", "l", "ding"]),
        (2, Platform::Ios, "en", ["v", "b", "s", "l", "dong"]),
        (2, Platform::Ios, "fr-FR", ["v", "v-fr", "s-fr", "l", "dong"]),
        (2, Platform::Android, "fr-CA", ["v-ca", "v-fr", "s-fr", "l", "dong"]),
        (2, Platform::Ios, "ja-JP", ["v-ja", "b", "s", "l", "dong"]),
        // where only another variant speaks it, nobody does
        (1, Platform::Ios, "ja-JP", ["v", "b", "s", "l", "-"]),
    ] {
        let words = own_words(&notification, &form(&notification, platform, Some(place), locale));
        let told = [&words.title, &words.body, &words.subtitle, &words.link, &words.sound].map(|text| text.as_deref().unwrap_or("-"));
        assert_eq!(told, expected, "{place} {platform:?} {locale}");
    }
}

/// Templates fill what the variant leaves open; what it says is no template.
#[test]
fn a_variant_beside_a_template_says_what_it_says() {
    let notification = notification(&json!({
        "platforms": {"android": {"sound": "ding"}},
        "template": {
            "id": "t", "variables": {"x": 1},
            "words": {
                "content": {"title": "t {{ x }}", "body": "b {{ x }}", "subtitle": "s {{ x }}", "sound": "{{ x }}"},
                "localized": {"fr": {"body": "b-fr {{ x }}", "subtitle": "s-fr {{ x }}"}},
            },
        },
        "variants": [variant("a", &json!({"title": "v {{ x }}"}), &json!({"fr-CA": {"body": "v-ca {{ x }}"}})), variant("b", &json!({}), &json!({}))],
    }));
    let (id, now) = (NotificationId(Uuid::nil()), Timestamp::default());
    let content = Bytes::from(serde_json::to_vec(&notification).unwrap());
    let stored =
        StoredNotification { app: AppId(1), id, content, accepted_at: now, start_at: now, expires_at: now, day: 0, campaign: None };
    let message = Message::of_stored(&stored).unwrap();
    for (place, platform, locale, expected) in [
        (0, Platform::Ios, "fr-CA", ["v {{ x }}", "v-ca {{ x }}", "s-fr 1", "1"]),
        (0, Platform::Android, "fr", ["v {{ x }}", "b-fr 1", "s-fr 1", "ding"]),
        (0, Platform::Ios, "en", ["v {{ x }}", "b 1", "s 1", "1"]),
        (1, Platform::Ios, "fr-CA", ["t 1", "b-fr 1", "s-fr 1", "1"]),
    ] {
        let form = form(&notification, platform, Some(place), locale);
        let words = words(&message, &form, (Addressee::default(), &SystemClock)).unwrap();
        let told = [&words.title, &words.body, &words.subtitle, &words.sound].map(|text| text.as_deref().unwrap_or("-"));
        assert_eq!(told, expected, "{place} {platform:?} {locale}");
    }
}
