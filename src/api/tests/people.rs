//! Devices, preferences, contacts, categories.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::kit::{Reply, World};

const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn ios() -> Value {
    json!({"user_id": "u1", "platform": "ios", "token": HEX, "environment": "sandbox", "timezone": "Europe/Paris", "tags": {"plan": "pro", "age": 5}})
}

async fn conditional(world: &World, method: Method, path: &str, header: (&str, &str), body: Value) -> Reply {
    world.ask(method, path, &[("content-type", "application/json"), header], body.to_string()).await
}

#[tokio::test]
async fn a_device_is_registered_and_changed() {
    let world = World::new().await;
    let made = world.put("/v1/devices/d1", ios()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert!(!String::from_utf8_lossy(&made.bytes).contains(HEX));
    let body = made.json();
    assert_eq!((&body["provider"], &body["environment"], &body["status"]), (&json!("apns"), &json!("sandbox"), &json!("active")));
    assert_eq!((&body["permission"], &body["locale"], body["token_hint"].as_str().unwrap().len()), (&json!("unknown"), &json!(null), 8));

    let again = world.put("/v1/devices/d1", json!({"locale": "fr-FR", "timezone": null, "tags": {"plan": "free"}})).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    let body = again.json();
    assert_eq!((&body["locale"], &body["timezone"], &body["user_id"]), (&json!("fr-FR"), &json!(null), &json!("u1")));
    assert_eq!(body["tags"], json!({"plan": "free"}));

    let patched = world.patch("/v1/devices/d1", json!({"tags": {"plan": null, "beta": true}})).await;
    assert_eq!(patched.json()["tags"], json!({"beta": true}), "{patched:?}");
    assert_eq!(world.patch("/v1/devices/other", json!({})).await.problem().0, 404);
    assert_eq!(world.put("/v1/devices/d1", json!({"tags": null})).await.json()["tags"], json!({}));
    assert_eq!(world.delete("/v1/devices/d1").await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.delete("/v1/devices/d1").await.problem().0, 404);
}

#[tokio::test]
async fn a_new_device_needs_user_platform_and_token() {
    let world = World::new().await;
    for (body, field) in [
        (json!({"platform": "ios", "token": HEX}), "user_id"),
        (json!({"user_id": "u1", "token": HEX}), "platform"),
        (json!({"user_id": "u1", "platform": "ios"}), "token"),
    ] {
        let refused = world.put("/v1/devices/d1", &body).await;
        assert_eq!((refused.problem().0, refused.field()), (422, (field.to_owned(), "required".to_owned())), "{body}");
    }
    assert_eq!(world.put("/v1/devices/d1", json!({"user_id": null, "platform": "ios", "token": HEX})).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_phone_with_another_provider_need_not_repeat_it() {
    let world = World::new().await;
    let fcm = json!({"user_id": "u1", "platform": "ios", "provider": "fcm", "token": "abc:def-ghi"});
    assert_eq!(world.put("/v1/devices/d1", fcm).await.status, StatusCode::CREATED);
    let again = world.put("/v1/devices/d1", json!({"platform": "ios", "token": "abc:new"})).await;
    assert_eq!((again.status, &again.json()["provider"]), (StatusCode::OK, &json!("fcm")), "{again:?}");
    let by_token = world.put("/v1/devices/d1", json!({"token": {"fid": "cIdOfTheInstallation01"}})).await;
    assert_eq!(by_token.status, StatusCode::OK, "{by_token:?}");
    let back = world.put("/v1/devices/d1", json!({"provider": null, "token": HEX})).await;
    assert_eq!(back.json()["provider"], "apns", "{back:?}");
    let torn = world.put("/v1/devices/d1", json!({"provider": "fcm"})).await;
    assert_eq!(torn.field().0, "token", "{torn:?}");
}

#[tokio::test]
async fn versions_guard_devices() {
    let world = World::new().await;
    let made = world.put("/v1/devices/d1", ios()).await;
    let tag = made.header("etag").to_owned();
    let read = world.ask(Method::GET, "/v1/devices/d1", &[("if-none-match", &tag)], "").await;
    assert_eq!((read.status, read.bytes.len(), read.header("etag")), (StatusCode::NOT_MODIFIED, 0, tag.as_str()));
    let changed = conditional(&world, Method::PUT, "/v1/devices/d1", ("if-match", &tag), json!({"locale": "de"})).await;
    assert_eq!(changed.status, StatusCode::OK);
    for method in [Method::PUT, Method::PATCH] {
        let stale = conditional(&world, method, "/v1/devices/d1", ("if-match", &tag), json!({"locale": "it"})).await;
        assert_eq!(stale.problem(), (412, "stale".to_owned()));
    }
    assert_eq!(conditional(&world, Method::PUT, "/v1/devices/new", ("if-match", "*"), ios()).await.problem().0, 412);
    assert_eq!(world.ask(Method::GET, "/v1/devices/d1", &[("if-none-match", &tag)], "").await.json()["locale"], "de");
}

#[tokio::test]
async fn preferences_are_replaced_and_merged() {
    let world = World::new().await;
    let path = "/v1/users/ann%40example.com/preferences";
    let default = world.get(path).await;
    assert_eq!(default.json()["channels"], json!({"push": true, "email": true, "sms": true, "inbox": true}));
    assert_eq!((&default.json()["quiet_hours"], &default.json()["categories"]), (&json!(null), &json!({})));
    world.put("/v1/categories/marketing", json!({})).await;
    world.put("/v1/categories/legal", json!({"required": true})).await;
    let put = json!({
        "timezone": "Europe/Paris", "channels": {"sms": false}, "categories": {"marketing": {"push": false}},
        "quiet_hours": [{"start": "22:00", "end": "07:00", "days": ["mon"]}], "muted_until": "2026-12-01T09:00:00+01:00",
    });
    let written = world.put(path, put).await;
    assert_eq!(written.status, StatusCode::OK, "{written:?}");
    assert_eq!((&written.json()["channels"]["sms"], &written.json()["muted_until"]), (&json!(false), &json!("2026-12-01T08:00:00Z")));
    assert_eq!(world.get(path).await.json(), written.json());

    let patch = json!({"timezone": null, "channels": {"sms": null, "email": false}, "categories": {"marketing": null}, "quiet_hours": []});
    let patched = conditional(&world, Method::PATCH, path, ("if-match", written.header("etag")), patch.clone()).await;
    let body = patched.json();
    assert_eq!((&body["timezone"], &body["quiet_hours"], &body["categories"]), (&json!(null), &json!([]), &json!({})));
    assert_eq!(body["channels"], json!({"push": true, "email": false, "sms": true, "inbox": true}));
    assert_eq!(body["muted_until"], "2026-12-01T08:00:00Z");
    for method in [Method::PATCH, Method::PUT] {
        let stale = conditional(&world, method, path, ("if-match", written.header("etag")), patch.clone()).await;
        assert_eq!(stale.problem(), (412, "stale".to_owned()));
    }
    let fresh = world.ask(Method::GET, path, &[("if-none-match", patched.header("etag"))], "").await;
    assert_eq!(fresh.status, StatusCode::NOT_MODIFIED);
    let first = conditional(
        &world,
        Method::PUT,
        "/v1/users/new/preferences",
        ("if-match", world.get("/v1/users/new/preferences").await.header("etag")),
        json!({}),
    )
    .await;
    assert_eq!(first.status, StatusCode::OK);
}

#[tokio::test]
async fn categories_are_declared_and_taken_back() {
    let world = World::new().await;
    let made = world.put("/v1/categories/messages", json!({"priority": "high", "ttl_seconds": 60})).await;
    assert_eq!((made.status, &made.json()["id"]), (StatusCode::CREATED, &json!("messages")));
    assert_eq!(made.json()["default_on"], true);
    let tag = made.header("etag").to_owned();
    assert_eq!(world.ask(Method::GET, "/v1/categories/messages", &[("if-none-match", &tag)], "").await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(world.put("/v1/categories/messages", json!({})).await.status, StatusCode::OK);
    let stale = conditional(&world, Method::PUT, "/v1/categories/messages", ("if-match", &tag), json!({})).await;
    assert_eq!(stale.problem(), (412, "stale".to_owned()));
    for name in ["c", "a", "b"] {
        world.clock.pass(Duration::from_secs(1));
        world.put(&format!("/v1/categories/{name}"), json!({})).await;
    }
    let first = world.get("/v1/categories?limit=2&fields=id").await.json();
    assert_eq!(first["items"], json!([{"id": "b"}, {"id": "a"}]));
    world.delete("/v1/categories/a").await;
    let rest = world.get(&format!("/v1/categories?fields=id&cursor={}", first["next_cursor"].as_str().unwrap())).await.json();
    assert_eq!(rest["items"], json!([{"id": "c"}, {"id": "messages"}]));
    assert_eq!(world.delete("/v1/categories/a").await.problem().0, 404);
    assert_eq!(world.get("/v1/categories/a").await.problem().0, 404);
}

#[tokio::test]
async fn contacts_are_kept_and_forgotten() {
    let world = World::new().await;
    let path = "/v1/users/u1/contacts";
    assert_eq!(world.get(path).await.json(), json!({"email": null, "phone": null}));
    let put = world.put(path, json!({"email": "ann@example.com", "phone": "+33612345678"})).await;
    assert_eq!(put.status, StatusCode::OK);
    assert_eq!(world.put(path, json!({"email": "ann@example.com"})).await.json()["phone"], json!(null));
    let stale = conditional(&world, Method::PUT, path, ("if-match", put.header("etag")), json!({})).await;
    assert_eq!(stale.problem().0, 412);
    let refused = world.put(path, json!({"email": "ann", "phone": "0612", "fax": "1"})).await;
    assert_eq!(refused.json()["errors"].as_array().unwrap().len(), 3, "{refused:?}");
    for _ in 0..2 {
        assert_eq!(world.delete(path).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(world.get(path).await.json(), json!({"email": null, "phone": null}));
}

/// A user with something of each kind.
async fn settle(world: &World) {
    for (path, body) in [
        ("/v1/devices/d1", ios()),
        ("/v1/devices/d1/tokens/voip", json!({"token": HEX})),
        ("/v1/devices/d2", json!({"user_id": "u1", "platform": "android", "token": "fcm-token"})),
        ("/v1/users/u1/preferences", json!({"timezone": "Europe/Paris", "categories": {}})),
        ("/v1/users/u1/contacts", json!({"email": "ann@example.com"})),
    ] {
        let made = world.put(path, &body).await;
        assert!(made.status.is_success(), "{path} {made:?}");
    }
    assert_eq!(world.patch("/v1/users/u1", json!({"tags": {"plan": "pro"}, "locale": "fr"})).await.status, StatusCode::OK);
    assert!(world.put("/v1/topics/news/users/u1", "").await.status.is_success());
    assert!(world.put("/v1/topics/beta/devices/d1", "").await.status.is_success());
}

#[tokio::test]
async fn all_that_is_held_of_a_user_is_exported_without_tokens() {
    let world = World::new().await;
    settle(&world).await;
    let export = world.get("/v1/users/u1/export").await;
    assert_eq!((export.status, export.header("content-type")), (StatusCode::OK, "application/json"), "{export:?}");
    assert!(!String::from_utf8_lossy(&export.bytes).contains(HEX));
    let body = export.json();
    assert_eq!((&body["user_id"], &body["topics"], &body["deliveries"]), (&json!("u1"), &json!(["news"]), &json!([])));
    assert_eq!((&body["profile"]["tags"], &body["profile"]["locale"]), (&json!({"plan": "pro"}), &json!("fr")));
    assert_eq!((&body["preferences"]["timezone"], &body["contacts"]["email"]), (&json!("Europe/Paris"), &json!("ann@example.com")));
    let devices = body["devices"].as_array().unwrap();
    assert_eq!(devices.iter().map(|device| &device["device_id"]).collect::<Vec<_>>(), [&json!("d2"), &json!("d1")]);
    assert_eq!((&devices[1]["topics"], &devices[1]["tokens"][0]["kind"]), (&json!(["beta"]), &json!("voip")));
    assert_eq!(devices[0]["topics"], json!([]));

    let nobody = world.get("/v1/users/nobody/export").await.json();
    assert_eq!((&nobody["devices"], &nobody["topics"], &nobody["contacts"]["email"]), (&json!([]), &json!([]), &json!(null)));
    assert_eq!(world.get("/v1/users/u1/export?limit=1").await.problem().0, 422);
}

#[tokio::test]
async fn more_than_a_page_of_devices_is_one_list() {
    let world = World::new().await;
    for n in 0..203 {
        let body = json!({"user_id": "u1", "platform": "android", "token": format!("token-{n}")});
        assert_eq!(world.put(&format!("/v1/devices/d{n}"), &body).await.status, StatusCode::CREATED);
    }
    assert_eq!(world.get("/v1/users/u1/export").await.json()["devices"].as_array().unwrap().len(), 203);
}

#[tokio::test]
async fn a_user_is_erased_and_erasing_again_changes_nothing() {
    let world = World::new().await;
    settle(&world).await;
    for _ in 0..2 {
        assert_eq!(world.delete("/v1/users/u1").await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(world.get("/v1/devices/d1").await.problem().0, 404);
    let body = world.get("/v1/users/u1/export").await.json();
    let is_empty = |field: &str| body[field] == json!([]);
    assert!(is_empty("devices") && is_empty("topics") && is_empty("deliveries"), "{body}");
    assert_eq!((&body["profile"]["tags"], &body["contacts"]["email"]), (&json!({}), &json!(null)));
    assert_eq!(world.get("/v1/topics/news").await.json()["users"], json!(0));
}
