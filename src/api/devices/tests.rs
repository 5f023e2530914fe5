//! Every field and limit of a device, by table.

use serde_json::{Value, json};

use super::change::change;
use super::dto::DeviceRequest;
use crate::api::json::read;
use crate::api::problem::Problem;
use crate::api::tags::Tags;
use crate::domain::device::{Change, DeviceChange, Environment, Permission, Platform, ProviderKind, PushToken, TagChange};
use crate::domain::endpoint::Endpoint;
use crate::domain::principal::Principal;

const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const P256DH: &str = "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM";
const AUTH: &str = "tBHItJI5svbpez7KI4CCXg";

fn check(body: &Value, tags: Tags) -> Result<DeviceChange, Problem> {
    change(read::<DeviceRequest>(body.to_string().as_bytes())?, Principal::Backend, tags, None, &Endpoint::is_ordinary)
}

fn errors(body: &Value) -> Vec<(String, &'static str)> {
    let problem = check(body, Tags::Replace).map(|taken| panic!("{body} was taken: {taken:?}")).unwrap_err();
    assert!(!format!("{problem:?}").contains("s3cret"), "{problem:?}");
    problem.errors().iter().map(|error| (error.field.clone(), error.code)).collect()
}

fn subscription(endpoint: &str) -> Value {
    json!({"platform": "web", "token": {"endpoint": endpoint, "keys": {"p256dh": P256DH, "auth": AUTH}}})
}

#[test]
fn what_is_wrong_is_named() {
    for (body, field, code) in [
        (json!({"user_id": ""}), "user_id", "invalid"),
        (json!({"user_id": "a\u{7}"}), "user_id", "invalid"),
        (json!({"user_id": 5}), "user_id", "invalid"),
        (json!({"platform": "windows"}), "platform", "invalid"),
        (json!({"platform": null}), "platform", "invalid"),
        (json!({"provider": "gcm"}), "provider", "invalid"),
        (json!({"platform": "android", "provider": "apns"}), "provider", "invalid"),
        (json!({"platform": "web", "provider": "apns"}), "provider", "invalid"),
        (json!({"platform": "ios", "provider": "webpush"}), "provider", "invalid"),
        (json!({"platform": "ios", "environment": "staging"}), "environment", "invalid"),
        (json!({"platform": "android", "environment": "sandbox"}), "environment", "invalid"),
        (json!({"permission": "yes"}), "permission", "invalid"),
        (json!({"timezone": "Mars/Olympus"}), "timezone", "unknown_timezone"),
        (json!({"locale": "français"}), "locale", "invalid"),
        (json!({"app_version": ""}), "app_version", "invalid"),
        (json!({"os_version": "x".repeat(65)}), "os_version", "invalid"),
        (json!({"model": "a\nb"}), "model", "invalid"),
        (json!({"token": null}), "token", "invalid"),
        (json!({"token": "s3cret"}), "platform", "required"),
        (json!({"platform": "ios", "token": "s3cret"}), "token", "invalid"),
        (json!({"platform": "ios", "token": ""}), "token", "invalid"),
        (json!({"platform": "ios", "token": {"fid": "s3cret"}}), "token", "invalid"),
        (json!({"platform": "ios", "token": 5}), "token", "invalid"),
        (json!({"platform": "ios", "token": ["s3cret"]}), "token", "invalid"),
        (json!({"platform": "android", "token": "s3cret \""}), "token", "invalid"),
        (json!({"platform": "android", "token": {"fid": "s3cret!"}}), "token.fid", "invalid"),
        (json!({"platform": "android", "token": {"fid": 5}}), "token.fid", "invalid"),
        (json!({"platform": "android", "token": {"id": "s3cret"}}), "token.id", "unknown_field"),
        (json!({"platform": "android", "token": {}}), "token", "invalid"),
        (json!({"platform": "web", "token": "s3cret"}), "token", "invalid"),
        (json!({"platform": "web", "token": {"endpoint": "https://a.b/c"}}), "token", "invalid"),
        (json!({"platform": "web", "token": {"endpoint": "https://a.b/c", "keys": {"auth": AUTH}}}), "token.keys.p256dh", "required"),
        (
            json!({"platform": "web", "token": {"endpoint": "https://a.b/c", "keys": {"p256dh": "s3cret", "auth": AUTH}}}),
            "token.keys.p256dh",
            "invalid",
        ),
        (
            json!({"platform": "web", "token": {"endpoint": "https://a.b/c", "keys": {"p256dh": P256DH, "auth": "s3cret"}}}),
            "token.keys.auth",
            "invalid",
        ),
        (subscription("http://push.example.com/s3cret"), "token.endpoint", "invalid"),
        (subscription("https://127.0.0.1/s3cret"), "token.endpoint", "address_forbidden"),
        (subscription("https://[::1]/s3cret"), "token.endpoint", "address_forbidden"),
        (subscription("https://2130706433/s3cret"), "token.endpoint", "address_forbidden"),
        (subscription("https://0x7f.1/s3cret"), "token.endpoint", "address_forbidden"),
        (subscription("https://LOCALHOST./s3cret"), "token.endpoint", "address_forbidden"),
        (subscription("https://ann@push.example.com/s3cret"), "token.endpoint", "address_forbidden"),
        (subscription("https://push.example.com:8443/s3cret"), "token.endpoint", "address_forbidden"),
        (json!({"tags": []}), "tags", "invalid"),
        (json!({"tags": {"a": []}}), "tags.a", "invalid"),
        (json!({"tags": {"a": {"b": 1}}}), "tags.a", "invalid"),
        (json!({"tags": {"a": "x".repeat(513)}}), "tags.a", "invalid"),
        (json!({"tags": {"": 1}}), "tags.", "invalid"),
        (json!({"tags": (0..101).map(|n| (format!("t{n}"), json!(1))).collect::<serde_json::Map<_, _>>()}), "tags", "invalid"),
        (json!({"receipt_token": "x"}), "receipt_token", "unknown_field"),
        (json!({"device_id": "d1"}), "device_id", "unknown_field"),
        (json!({"status": "inactive"}), "status", "unknown_field"),
    ] {
        assert_eq!(errors(&body), [(field.to_owned(), code)], "{body}");
    }
}

#[test]
fn a_registration_is_taken_over() {
    let body = json!({
        "user_id": "u1", "platform": "ios", "token": HEX.to_uppercase(), "environment": "sandbox", "permission": "granted",
        "timezone": "Europe/Paris", "locale": "fr-FR", "app_version": "3.2.1", "os_version": null, "tags": {"a": 1, "b": null},
    });
    let change = check(&body, Tags::Replace).unwrap();
    assert_eq!(change.user, Change::Set("u1".into()));
    assert_eq!((change.platform, change.provider), (Some(Platform::Ios), None));
    assert_eq!(change.token, Some(PushToken::Apns(HEX.into())));
    assert_eq!((change.environment, change.permission), (Change::Set(Environment::Sandbox), Change::Set(Permission::Granted)));
    assert_eq!((change.os_version, change.model), (Change::Clear, Change::Keep));
    let TagChange::Replace(tags) = change.tags else { panic!("{:?}", change.tags) };
    assert_eq!(tags.into_keys().collect::<Vec<_>>(), ["a"]);
    let merged = check(&json!({"tags": {"a": 1, "b": null}}), Tags::Merge).unwrap().tags;
    let TagChange::Merge(tags) = merged else { panic!("{merged:?}") };
    assert_eq!(tags["b"], json!(null));
    assert_eq!(check(&json!({}), Tags::Replace).unwrap(), DeviceChange::default());
}

#[test]
fn each_provider_has_its_form_of_token() {
    let token = |body: Value| check(&body, Tags::Replace).unwrap().token.unwrap();
    assert_eq!(token(json!({"platform": "android", "token": "abc:def"})), PushToken::Fcm("abc:def".into()));
    assert_eq!(token(json!({"platform": "ios", "provider": "fcm", "token": "abc:def"})), PushToken::Fcm("abc:def".into()));
    assert_eq!(token(json!({"platform": "android", "token": {"fid": "fid-1"}})), PushToken::FcmFid("fid-1".into()));
    let mut browser = subscription("https://push.example.com:443/x");
    browser["token"]["expirationTime"] = json!(null);
    assert_eq!(token(browser).provider(), ProviderKind::Webpush);
    let change = check(&json!({"platform": "ios", "provider": null}), Tags::Replace).unwrap();
    assert_eq!(change.provider, Some(ProviderKind::Apns));
}
