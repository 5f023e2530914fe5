//! What an app tells its phones, and what becomes of versions that are too old.

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::kit::{Reply, World};
use super::phones::Phone;
use crate::api::deprecation::Departure;
use crate::api::{assemble, document, openapi};
use crate::domain::phone_settings::{ByPlatform, PhoneSettings, Poll};

const CONFIG: &str = "/v1/me/config";

impl World {
    fn tells(&self, settings: PhoneSettings) {
        *self.path.phones.lock().unwrap() = Arc::new(settings);
    }

    /// With the version of the app that calls.
    async fn call(&self, phone: &Phone, version: &str, method: Method, path: &str) -> Reply {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {}", phone.access));
        let request = request.header("content-type", "application/json").header("x-app-version", version);
        self.send(request.body(Body::from("{}")).unwrap()).await
    }
}

/// iOS from 3.10, Android from 2.0; where to get them.
fn strict() -> PhoneSettings {
    let both = |ios: &str, android: &str| ByPlatform { ios: Some(ios.to_owned()), android: Some(android.to_owned()), web: None };
    PhoneSettings {
        min_app_version: both("3.10", "2.0"),
        upgrade_url: both("https://apple.example/app", "https://google.example/app"),
        poll: Poll { inbox_seconds: 20, preferences_seconds: 30 },
    }
}

async fn bound(world: &World, name: &str, platform: &str) -> Phone {
    let phone = Phone::signed_in(world, json!({"user_id": "ann", "device_id": name})).await;
    let token = if platform == "ios" { "ab".repeat(32) } else { format!("token-{name}") };
    let body = json!({"platform": platform, "token": token});
    assert_eq!(phone.ask(world, Method::PUT, &format!("/v1/devices/{name}"), body).await.status, StatusCode::CREATED);
    phone
}

#[tokio::test]
async fn what_is_too_old_is_told_by_platform() {
    let world = World::new().await;
    let (iphone, android) = (bound(&world, "iphone", "ios").await, bound(&world, "android", "android").await);
    let free = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    assert_eq!(world.call(&iphone, "0.1", Method::GET, CONFIG).await.status, StatusCode::OK, "no minimum");
    world.tells(strict());
    for (phone, version, minimum) in [
        (&iphone, "3.9", Some("3.10")),
        (&iphone, "3.10.0", None),
        (&android, "3.9", None),
        (&android, "1.9", Some("2.0")),
        (&free, "3.9", None),
        (&free, "1.9", Some("2.0")),
        (&iphone, "debug", None),
        (&iphone, "", None),
        (&iphone, "\u{fc}", None),
    ] {
        let reply = world.call(phone, version, Method::GET, "/v1/me/devices").await;
        match minimum {
            None => assert_eq!(reply.status, StatusCode::OK, "{version} {reply:?}"),
            Some(minimum) => {
                assert_eq!(reply.problem(), (426, "client_too_old".to_owned()), "{version}");
                assert_eq!(reply.json()["minimum_app_version"], minimum);
            }
        }
    }
    assert_eq!(iphone.get(&world, "/v1/me/devices").await.status, StatusCode::OK, "who says nothing is not judged");
    let link = async |phone: &Phone| world.call(phone, "0.1", Method::GET, CONFIG).await.json()["upgrade_url"].clone();
    assert_eq!(link(&iphone).await, "https://apple.example/app");
    assert_eq!(link(&free).await, Value::Null, "which one is not known");
    let told = world.get(CONFIG).await;
    assert_eq!(told.problem(), (403, "scope_missing".to_owned()));
    assert_eq!(told.json().get("upgrade_url"), None, "no other problem speaks of it");
}

/// A device that registers is known from then on, whatever was asked before.
#[tokio::test]
async fn a_platform_is_known_once_the_device_is() {
    let world = World::new().await;
    world.tells(strict());
    let phone = Phone::signed_in(&world, json!({"user_id": "ann", "device_id": "iphone"})).await;
    assert_eq!(world.call(&phone, "3.9", Method::GET, CONFIG).await.status, StatusCode::OK);
    let body = json!({"platform": "ios", "token": "ab".repeat(32)});
    assert_eq!(phone.ask(&world, Method::PUT, "/v1/devices/iphone", body).await.status, StatusCode::CREATED);
    assert_eq!(world.call(&phone, "3.9", Method::GET, CONFIG).await.problem().0, 426);
    // it is remembered: the store is not asked each time
    world.store.goes(true);
    assert_eq!(world.call(&phone, "3.9", Method::GET, CONFIG).await.problem().0, 426);
    world.store.goes(false);
    // another's token for the same installation says nothing of it
    let stranger = Phone::signed_in(&world, json!({"user_id": "bob", "device_id": "iphone"})).await;
    assert_eq!(world.call(&stranger, "3.9", Method::GET, CONFIG).await.status, StatusCode::OK);
}

/// Every route that is for phones alone, and no other.
#[tokio::test]
async fn what_is_too_old_still_registers_and_signs_out() {
    let world = World::new().await;
    world.tells(strict());
    let phone = bound(&world, "phone", "ios").await;
    let (mut refused, mut served) = (0, 0);
    for (path, method) in openapi::of_phones(&document()) {
        let filled = path.replace("{device_id}", "elsewhere").replace("{kind}", "voip").replace("{id}", "x");
        let reply = world.call(&phone, "0.1", method.clone(), &filled).await;
        let is_refused = reply.status == StatusCode::UPGRADE_REQUIRED;
        assert_eq!(is_refused, path.starts_with("/v1/me/"), "{method} {path} {reply:?}");
        if is_refused { refused += 1 } else { served += 1 }
    }
    assert!(refused >= 5 && served >= 8, "{refused} {served}");
    assert_eq!(world.call(&phone, "0.1", Method::DELETE, "/v1/devices/phone").await.status, StatusCode::NO_CONTENT);
    let nobody = Request::builder().uri(CONFIG).header("x-app-version", "0.1").body(Body::empty()).unwrap();
    assert_eq!(world.send(nobody).await.problem(), (401, "token_invalid".to_owned()), "only who is known is told");
}

#[tokio::test]
async fn a_phone_reads_what_its_app_tells() {
    let world = World::new().await;
    world.put("/v1/categories/news", json!({"default_on": false})).await;
    world.put("/v1/categories/security", json!({"required": true, "bypass_quiet_hours": true})).await;
    let phone = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    let news = |push: bool| {
        json!({"id": "news", "default_on": false, "required": false, "push": push, "email": false, "sms": false, "inbox": false,
            "in_quiet_hours": false})
    };
    let security = json!({"id": "security", "default_on": true, "required": true, "push": true, "email": true, "sms": true, "inbox": true,
        "in_quiet_hours": true});
    let expected = json!({
        "categories": [news(false), security],
        "minimum_app_version": null, "upgrade_url": null,
        "poll": {"inbox_seconds": 60, "preferences_seconds": 3600},
        "vapid_public_key": "key-of-demo",
    });
    let first = phone.get(&world, CONFIG).await;
    assert_eq!((first.status, first.json()), (StatusCode::OK, expected.clone()));
    let tag = first.header("etag").to_owned();
    let again = async |tag: &str| {
        let request = Request::builder().uri(CONFIG).header("authorization", format!("Bearer {}", phone.access));
        world.send(request.header("if-none-match", tag).body(Body::empty()).unwrap()).await
    };
    assert_eq!(again(&tag).await.status, StatusCode::NOT_MODIFIED);
    phone.ask(&world, Method::PATCH, "/v1/me/preferences", json!({"categories": {"news": {"push": true}}})).await;
    let second = again(&tag).await;
    assert_eq!((second.status, &second.json()["categories"][0]), (StatusCode::OK, &news(true)));
    assert_ne!(second.header("etag"), tag);
    // nobody else's choices, and none where nobody is signed in
    for body in [json!({"user_id": "bob"}), json!({"device_id": "phone"})] {
        let other = Phone::signed_in(&world, body).await;
        assert_eq!(other.get(&world, CONFIG).await.json(), expected);
    }
    world.tells(strict());
    let told = phone.get(&world, CONFIG).await.json();
    assert_eq!((&told["minimum_app_version"], &told["poll"]["inbox_seconds"]), (&json!("2.0"), &json!(20)));
    assert_eq!(phone.get(&world, "/v1/me/config?x=1").await.field().1, "unknown_field");
}

/// What is on its way out is told with every answer of it, and with no other.
#[tokio::test]
async fn what_is_on_its_way_out_says_so() {
    let mut world = World::new().await;
    let departures = [
        Departure {
            operation: "get_device",
            deprecated_at: 1_790_000_000,
            sunset_at: Some(1_800_000_000),
            page: Some("https://example.com/devices"),
        },
        Departure { operation: "list_devices", deprecated_at: 1_790_000_000, sunset_at: None, page: None },
    ];
    world.router = assemble(Arc::clone(&world.shared), &departures);
    let fields = |reply: &Reply| ["deprecation", "sunset", "link"].map(|name| reply.header(name).to_owned());
    let whole = ["@1790000000", "Fri, 15 Jan 2027 08:00:00 GMT", "<https://example.com/devices>; rel=\"deprecation\"; type=\"text/html\""];
    for method in [Method::GET, Method::HEAD] {
        let gone = world.ask(method, "/v1/devices/phone", &[], "").await;
        assert_eq!((gone.status, fields(&gone)), (StatusCode::NOT_FOUND, whole.map(str::to_owned)));
    }
    assert_eq!(fields(&world.get("/v1/devices").await), ["@1790000000", "", ""]);
    for (method, path) in [(Method::DELETE, "/v1/devices/phone"), (Method::GET, "/v1/categories"), (Method::GET, "/nowhere")] {
        let other = world.ask(method, path, &[], "").await;
        assert_eq!(fields(&other), ["", "", ""], "{path}");
    }
    let document = world.get("/openapi.json").await.json();
    assert_eq!(document["paths"]["/v1/devices/{device_id}"]["get"]["deprecated"], true);
    assert_eq!(document["paths"]["/v1/devices/{device_id}"]["delete"].get("deprecated"), None);
}
