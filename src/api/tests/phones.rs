//! Phones with client tokens, and what time does to them.

use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::kit::{Reply, World};
use crate::domain::principal::Principal;

const DAY: Duration = Duration::from_hours(24);

/// What a phone has.
pub(super) struct Phone {
    pub(super) access: String,
    refresh: String,
}

impl Phone {
    fn of(pair: &Value) -> Self {
        let text = |name: &str| pair[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }

    pub(super) async fn signed_in(world: &World, body: Value) -> Self {
        let made = world.post("/v1/client-tokens", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        Self::of(&made.json())
    }

    pub(super) async fn ask(&self, world: &World, method: Method, path: &str, body: Value) -> Reply {
        with(world, &self.access, method, path, body).await
    }

    pub(super) async fn get(&self, world: &World, path: &str) -> Reply {
        self.ask(world, Method::GET, path, Value::Null).await
    }

    pub(super) async fn register(&self, world: &World, name: &str, token: &str) -> Reply {
        self.ask(world, Method::PUT, &format!("/v1/devices/{name}"), json!({"platform": "android", "token": token})).await
    }
}

async fn with(world: &World, credential: &str, method: Method, path: &str, body: Value) -> Reply {
    let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {credential}"));
    world.send(request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()).await
}

async fn refresh(world: &World, token: &str) -> Reply {
    let request = Request::builder().method(Method::POST).uri("/v1/client-tokens/refresh").header("content-type", "application/json");
    world.send(request.body(Body::from(json!({ "refresh_token": token }).to_string())).unwrap()).await
}

async fn key_ids(world: &World) -> Vec<String> {
    let set = world.get("/.well-known/jwks.json").await.json();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn part(token: &str, place: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(place).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_pair_says_what_it_is() {
    let world = World::new().await;
    let made = world.post("/v1/client-tokens", json!({"user_id": "ann", "device_id": "phone"})).await;
    assert_eq!((made.status, made.header("cache-control")), (StatusCode::CREATED, "no-store"));
    let pair = made.json();
    assert_eq!((pair["expires_in"].as_u64(), pair["refresh_expires_in"].as_u64()), (Some(1800), Some(60 * 24 * 3600)));
    let phone = Phone::of(&pair);
    let claims = part(&phone.access, 1);
    for (name, expected) in [
        ("sub", json!("ann")),
        ("device_id", json!("phone")),
        ("aud", json!("demo")),
        ("iss", json!("herald")),
        ("typ", json!("access")),
        ("gen", json!(1)),
    ] {
        assert_eq!(claims[name], expected, "{name}");
    }
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 1800);
    assert_eq!(part(&phone.access, 0)["alg"], "EdDSA");
    assert_eq!(key_ids(&world).await, [part(&phone.access, 0)["kid"].as_str().unwrap()]);
    let next = refresh(&world, &phone.refresh).await;
    assert_eq!((next.status, next.header("cache-control")), (StatusCode::OK, "no-store"));
    assert_eq!(part(&Phone::of(&next.json()).access, 1)["gen"], 2);
}

#[tokio::test]
async fn an_access_token_ends_and_the_refresh_token_goes_on() {
    let world = World::new().await;
    let phone = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    world.clock.pass(Duration::from_secs(1799));
    assert_eq!(phone.get(&world, "/v1/me/devices").await.status, StatusCode::OK);
    world.clock.pass(Duration::from_secs(1));
    let reply = phone.get(&world, "/v1/me/devices").await;
    assert_eq!(reply.problem(), (401, "token_expired".to_owned()));
    assert!(reply.header("www-authenticate").contains("invalid_token"), "{reply:?}");
    // also where a key is needed, so that the app refreshes and is told the truth
    assert_eq!(phone.get(&world, "/v1/devices").await.problem(), (401, "token_expired".to_owned()));
    // each refresh counts anew
    let mut phone = phone;
    for _ in 0..3 {
        world.clock.pass(DAY * 59);
        let next = refresh(&world, &phone.refresh).await;
        assert_eq!(next.status, StatusCode::OK, "{next:?}");
        phone = Phone::of(&next.json());
        assert_eq!(phone.get(&world, "/v1/me/devices").await.status, StatusCode::OK);
    }
    world.clock.pass(DAY * 60);
    assert_eq!(refresh(&world, &phone.refresh).await.problem(), (401, "token_revoked".to_owned()));
}

/// Keys are rotated without logging anyone out: the new one is known before it signs, the old one while what it signed holds.
#[tokio::test]
async fn keys_change_and_nobody_notices() {
    let world = World::new().await;
    let first = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    let device = first.register(&world, "phone", "token-1").await.json();
    let receipt_token = device["receipt_token"].as_str().unwrap().to_owned();
    let old = key_ids(&world).await;
    world.clock.pass(DAY * 50);
    let before = Phone::of(&refresh(&world, &first.refresh).await.json());
    world.clock.pass(DAY * 40);
    let both = key_ids(&world).await;
    assert_eq!((both.len(), &both[..1]), (2, &old[..]), "the new one is published");
    let signer = |phone: &Phone| part(&phone.access, 0)["kid"].as_str().unwrap().to_owned();
    let during = Phone::of(&refresh(&world, &before.refresh).await.json());
    assert_eq!(signer(&during), both[0], "and does not sign yet");
    world.clock.pass(Duration::from_mins(11));
    let after = Phone::of(&refresh(&world, &during.refresh).await.json());
    assert_eq!(signer(&after), both[1]);
    for phone in [&during, &after] {
        assert_eq!(phone.get(&world, "/v1/me/devices").await.status, StatusCode::OK);
    }
    let report = with(&world, &receipt_token, Method::POST, "/v1/receipts", json!({"receipts": []})).await;
    assert_eq!(report.status, StatusCode::ACCEPTED, "a receipt token of the first key, {report:?}");
    // a year after it signed last it is forgotten
    world.clock.pass(DAY * 366);
    world.get("/.well-known/jwks.json").await;
    assert!(!key_ids(&world).await.contains(&both[0]));
    let report = with(&world, &receipt_token, Method::POST, "/v1/receipts", json!({"receipts": []})).await;
    assert_eq!(report.problem(), (401, "token_invalid".to_owned()));
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let world = World::new().await;
    let phone = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    let parts: Vec<&str> = phone.access.split('.').collect();
    let none = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "kid": part(&phone.access, 0)["kid"]}).to_string());
    let other_user = {
        let mut claims = part(&phone.access, 1);
        claims["sub"] = json!("bob");
        format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2])
    };
    for token in ["..", "a.b.c", &format!("{none}.{}.", parts[1]), &other_user, &format!("{}.{}.", parts[0], parts[1])] {
        for path in ["/v1/me/devices", "/v1/devices", "/v1/devices/phone"] {
            assert_eq!(
                with(&world, token, Method::GET, path, Value::Null).await.problem(),
                (401, "token_invalid".to_owned()),
                "{token} {path}"
            );
        }
    }
    for token in ["", "x", &phone.access, &phone.refresh[1..]] {
        assert_eq!(refresh(&world, token).await.problem(), (401, "token_invalid".to_owned()), "{token}");
    }
    assert_eq!(refresh(&world, &phone.refresh).await.status, StatusCode::OK, "and nobody was logged out by it");
    let bare = Request::builder().uri("/v1/me/devices").body(Body::empty()).unwrap();
    assert_eq!(world.send(bare).await.problem(), (401, "token_invalid".to_owned()));
    assert_eq!(world.get("/v1/me/devices").await.problem(), (403, "scope_missing".to_owned()), "a key is not for phones' routes");
    assert_eq!(with(&world, "wrong", Method::GET, "/v1/me/devices", Value::Null).await.problem(), (401, "token_invalid".to_owned()));
}

#[tokio::test]
async fn what_is_revoked_is_refused_at_once() {
    let world = World::new().await;
    let [one, two, three] = [
        Phone::signed_in(&world, json!({"user_id": "ann"})).await,
        Phone::signed_in(&world, json!({"user_id": "ann"})).await,
        Phone::signed_in(&world, json!({"user_id": "bob"})).await,
    ];
    for phone in [&one, &two, &three] {
        assert_eq!(phone.get(&world, "/v1/me/devices").await.status, StatusCode::OK);
    }
    let revoke = |token: String| {
        let request = Request::builder().method(Method::POST).uri("/v1/client-tokens/revoke").header("content-type", "application/json");
        world.send(request.body(Body::from(json!({ "refresh_token": token }).to_string())).unwrap())
    };
    for token in [one.refresh.clone(), one.refresh.clone(), "nonsense".to_owned(), two.access.clone()] {
        assert_eq!(revoke(token).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(one.get(&world, "/v1/me/devices").await.problem(), (401, "token_revoked".to_owned()));
    assert_eq!(refresh(&world, &one.refresh).await.problem(), (401, "token_revoked".to_owned()));
    assert_eq!(two.get(&world, "/v1/me/devices").await.status, StatusCode::OK);
    assert_eq!(world.delete("/v1/users/ann/client-tokens").await.status, StatusCode::NO_CONTENT);
    assert_eq!(two.get(&world, "/v1/me/devices").await.problem(), (401, "token_revoked".to_owned()));
    assert_eq!(three.get(&world, "/v1/me/devices").await.status, StatusCode::OK);
    assert_eq!(world.delete("/v1/users/nobody/client-tokens").await.status, StatusCode::NO_CONTENT);
}

/// What was revoked at another node works here for a second at most.
#[tokio::test]
async fn what_is_revoked_elsewhere_is_refused_a_second_later() {
    let world = World::new().await;
    let phone = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    assert_eq!(phone.get(&world, "/v1/me/devices").await.status, StatusCode::OK);
    world.shared.store.revoke_user(world.app, "ann").await.unwrap();
    world.clock.pass(Duration::from_secs(1));
    assert_eq!(phone.get(&world, "/v1/me/devices").await.problem(), (401, "token_revoked".to_owned()));
}

/// Nobody who was erased at another node, and no device that was deleted there, comes back by a write within that second.
#[tokio::test]
async fn nothing_is_written_for_what_was_revoked_elsewhere() {
    let world = World::new().await;
    let erased = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    let deleted = Phone::signed_in(&world, json!({"user_id": "bob", "device_id": "phone"})).await;
    assert_eq!(erased.ask(&world, Method::PUT, "/v1/me/preferences", json!({})).await.status, StatusCode::OK);
    assert_eq!(deleted.register(&world, "phone", "token").await.status, StatusCode::CREATED);
    world.shared.store.erase_user(world.app, "ann").await.unwrap();
    assert!(world.shared.store.delete_device(world.app, "phone", &Principal::Backend).await.unwrap());
    let written = erased.ask(&world, Method::PUT, "/v1/me/preferences", json!({})).await;
    assert_eq!(written.problem(), (401, "token_revoked".to_owned()));
    assert_eq!(deleted.register(&world, "phone", "token").await.problem(), (401, "token_revoked".to_owned()));
}

#[tokio::test]
async fn a_token_is_for_its_own_app() {
    let world = World::new().await;
    let made = with(&world, "other-key", Method::POST, "/v1/client-tokens", json!({"user_id": "ann"})).await;
    let theirs = Phone::of(&made.json());
    let ours = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    assert_eq!(ours.register(&world, "phone", "token-1").await.status, StatusCode::CREATED);
    assert_eq!(theirs.get(&world, "/v1/devices/phone").await.problem(), (404, "not_found".to_owned()));
    assert_eq!(theirs.get(&world, "/v1/me/devices").await.json()["items"], json!([]));
    assert_eq!(theirs.register(&world, "phone", "token-1").await.status, StatusCode::CREATED, "their own of the same name");
    assert_eq!(ours.get(&world, "/v1/devices/phone").await.json()["status"], "active");
    // revoking the users of one app leaves those of another alone
    world.delete("/v1/users/ann/client-tokens").await;
    assert_eq!(theirs.get(&world, "/v1/me/devices").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_phone_registers_for_its_own_user() {
    let world = World::new().await;
    let phone = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    for user in [json!("bob"), Value::Null] {
        let body = json!({"user_id": user, "platform": "android", "token": "token-1"});
        let reply = phone.ask(&world, Method::PUT, "/v1/devices/phone", body.clone()).await;
        assert_eq!(reply.problem(), (403, "user_mismatch".to_owned()), "{body}");
    }
    let body = json!({
        "user_id": "ann", "platform": "android", "token": "token-1", "timezone": "Mars/Olympus",
        "locale": "fr", "newer_than_herald": {"a": 1}, "tags": {"plan": "pro"},
    });
    let device = phone.ask(&world, Method::PUT, "/v1/devices/phone", body).await;
    assert_eq!(device.status, StatusCode::CREATED, "{device:?}");
    let device = device.json();
    assert_eq!((&device["user_id"], &device["timezone"]), (&json!("ann"), &json!("Mars/Olympus")));
    assert_eq!(device["timezone_effective"], "America/Lima", "the app's");
    assert!(device["receipt_token"].is_string());
    world.put("/v1/users/ann/preferences", json!({"timezone": "Asia/Tokyo"})).await;
    let read = phone.get(&world, "/v1/devices/phone").await.json();
    assert_eq!((&read["timezone_effective"], read.get("receipt_token")), (&json!("Asia/Tokyo"), None));
    let patched = phone.ask(&world, Method::PATCH, "/v1/devices/phone", json!({"timezone": "Europe/Paris", "later": 1})).await.json();
    assert_eq!(patched["timezone_effective"], "Europe/Paris");
    assert_eq!(phone.get(&world, "/v1/me/devices").await.json()["items"][0]["timezone_effective"], "Europe/Paris");
    let mismatch = phone.ask(&world, Method::PATCH, "/v1/devices/phone", json!({"user_id": "bob"})).await;
    assert_eq!(mismatch.problem(), (403, "user_mismatch".to_owned()));
    // of a backend both are still errors
    assert_eq!(world.patch("/v1/devices/phone", json!({"later": 1})).await.field().1, "unknown_field");
    assert_eq!(world.patch("/v1/devices/phone", json!({"timezone": "Mars/Olympus"})).await.field().1, "unknown_timezone");
    assert_eq!(world.get("/v1/devices/phone").await.json().get("timezone_effective"), None);
}

#[tokio::test]
async fn a_token_that_is_bound_knows_one_device() {
    let world = World::new().await;
    let free = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    let bound = Phone::signed_in(&world, json!({"user_id": "ann", "device_id": "phone"})).await;
    for name in ["phone", "tablet"] {
        assert_eq!(free.register(&world, name, &format!("token-{name}")).await.status, StatusCode::CREATED);
    }
    let names = async |phone: &Phone| {
        let list = phone.get(&world, "/v1/me/devices").await.json();
        list["items"].as_array().unwrap().iter().map(|item| item["device_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((names(&free).await, names(&bound).await), (vec!["tablet".to_owned(), "phone".into()], vec!["phone".to_owned()]));
    let body = json!({"platform": "android", "token": "token-9"});
    for (method, path) in [
        (Method::GET, "/v1/devices/tablet"),
        (Method::PUT, "/v1/devices/tablet"),
        (Method::PUT, "/v1/devices/new"),
        (Method::PATCH, "/v1/devices/tablet"),
        (Method::DELETE, "/v1/devices/tablet"),
        (Method::PUT, "/v1/devices/tablet/tokens/voip"),
        (Method::DELETE, "/v1/devices/tablet/tokens/voip"),
    ] {
        let reply = bound.ask(&world, method.clone(), path, body.clone()).await;
        let expected = if path.ends_with("voip") && method == Method::PUT { (422, "invalid") } else { (404, "not_found") };
        assert_eq!(reply.problem(), (expected.0, expected.1.to_owned()), "{method} {path}");
    }
    assert_eq!(names(&free).await.len(), 2);
    assert_eq!(bound.get(&world, "/v1/devices/phone").await.status, StatusCode::OK);
}

#[tokio::test]
async fn preferences_are_those_of_whoever_is_signed_in() {
    let world = World::new().await;
    world.put("/v1/categories/news", json!({})).await;
    let phone = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    let path = "/v1/me/preferences";
    let body = json!({"timezone": "Mars/Olympus", "categories": {"news": {"push": false, "haptics": true}}, "theme": "dark"});
    let put = phone.ask(&world, Method::PUT, path, body).await;
    assert_eq!(put.status, StatusCode::OK, "{put:?}");
    assert_eq!((put.json()["timezone"].clone(), put.json()["timezone_effective"].clone()), (json!("Mars/Olympus"), json!("America/Lima")));
    let theirs = world.get("/v1/users/ann/preferences").await;
    assert_eq!(theirs.json()["categories"]["news"]["push"], false);
    assert_eq!(theirs.header("etag"), put.header("etag"));
    phone.ask(&world, Method::PATCH, path, json!({"channels": {"push": false}})).await;
    let read = phone.get(&world, path).await;
    assert_eq!((&read.json()["channels"]["push"], &read.json()["categories"]["news"]["push"]), (&json!(false), &json!(false)));
    // an app in the field may know categories that are not there any more
    for method in [Method::PATCH, Method::PUT] {
        let body = json!({"categories": {"weather": {"push": false}, "no name": {"push": true}, "news": {"push": method == Method::PUT}}});
        let taken = phone.ask(&world, method.clone(), path, body).await;
        assert_eq!(taken.status, StatusCode::OK, "{taken:?}");
        assert_eq!(taken.json()["categories"].as_object().unwrap().len(), 1, "{taken:?}");
        assert_eq!(taken.json()["categories"]["news"]["push"], method == Method::PUT);
    }
    let by_key = world.patch("/v1/users/ann/preferences", json!({"categories": {"weather": {"push": false}}})).await;
    assert_eq!((by_key.problem().0, by_key.field().1.as_str()), (422, "unknown_category"));
    let other = Phone::signed_in(&world, json!({"user_id": "bob"})).await;
    assert_eq!(other.get(&world, path).await.json()["channels"]["push"], true);
}

#[tokio::test]
async fn a_device_has_preferences_until_somebody_signs_in() {
    let world = World::new().await;
    world.put("/v1/categories/news", json!({})).await;
    let path = "/v1/me/preferences";
    let nobody = Phone::signed_in(&world, json!({"device_id": "phone"})).await;
    let unwritten = nobody.get(&world, path).await.header("etag").to_owned();
    let put = nobody.ask(&world, Method::PUT, path, json!({"timezone": "Mars/Olympus", "categories": {"news": {"push": false}}})).await;
    assert_eq!(put.status, StatusCode::OK, "{put:?}");
    assert_ne!(put.header("etag"), unwritten);
    assert_eq!(put.json()["timezone_effective"], "America/Lima");
    let patched = nobody.ask(&world, Method::PATCH, path, json!({"channels": {"push": true}})).await.json();
    assert_eq!((&patched["categories"]["news"]["push"], &patched["channels"]["push"]), (&json!(false), &json!(true)));
    assert_eq!(nobody.get(&world, path).await.json(), patched);
    assert_eq!(nobody.get(&world, "/v1/me/config").await.json()["categories"][0]["push"], false);
    let unknown = nobody.ask(&world, Method::PATCH, path, json!({"categories": {"weather": {"push": false}}})).await;
    assert_eq!((unknown.status, unknown.json()["categories"].get("weather")), (StatusCode::OK, None));
    let elsewhere = Phone::signed_in(&world, json!({"device_id": "pad"})).await;
    assert_eq!(elsewhere.get(&world, path).await.json()["categories"], json!({}));
    // they are neither whoever signs in's, nor shown to the installation then
    let ann = Phone::signed_in(&world, json!({"user_id": "ann", "device_id": "phone"})).await;
    assert_eq!(ann.register(&world, "phone", "token").await.status, StatusCode::CREATED);
    assert_eq!(ann.get(&world, path).await.json()["categories"], json!({}));
    for method in [Method::GET, Method::PUT, Method::PATCH] {
        assert_eq!(nobody.ask(&world, method, path, json!({})).await.problem(), (409, "device_of_another_user".to_owned()));
    }
    assert_eq!(nobody.get(&world, "/v1/me/config").await.json()["categories"][0]["push"], true);
    assert_eq!(nobody.register(&world, "phone", "token").await.status, StatusCode::OK);
    assert_eq!(nobody.get(&world, path).await.json()["categories"], json!({}), "they went");
}

/// What one user's phone keeps is not taken for the next one's, though both have their first version.
#[tokio::test]
async fn a_tag_is_of_one_user() {
    let world = World::new().await;
    let path = "/v1/me/preferences";
    let conditional = async |phone: &Phone, method: Method, field: &str, tag: &str| {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {}", phone.access));
        let request = request.header("content-type", "application/json").header(field, tag);
        world.send(request.body(Body::from("{}")).unwrap()).await.status
    };
    let (ann, bob) = (Phone::signed_in(&world, json!({"user_id": "ann"})).await, Phone::signed_in(&world, json!({"user_id": "bob"})).await);
    let mut tags = Vec::new();
    for phone in [&ann, &bob] {
        tags.push(phone.ask(&world, Method::PUT, path, json!({"channels": {"push": false}})).await.header("etag").to_owned());
    }
    assert_ne!(tags[0], tags[1]);
    assert_eq!(conditional(&bob, Method::GET, "if-none-match", &tags[0]).await, StatusCode::OK);
    assert_eq!(conditional(&bob, Method::PATCH, "if-match", &tags[0]).await, StatusCode::PRECONDITION_FAILED);
    assert_eq!(conditional(&ann, Method::GET, "if-none-match", &tags[0]).await, StatusCode::NOT_MODIFIED);
    assert_eq!(conditional(&ann, Method::PATCH, "if-match", &tags[0]).await, StatusCode::OK);
    let bare = ["\"0\"", "\"1\"", "\"2\"", "\"3\""].join(", ");
    assert_eq!(conditional(&ann, Method::GET, "if-none-match", &bare).await, StatusCode::OK, "another user's could be such a one");
}

/// A receipt token is good for one thing, of one device, while it keeps its user.
#[tokio::test]
async fn a_receipt_token_only_reports() {
    let world = World::new().await;
    let phone = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    let token = phone.register(&world, "phone", "token-1").await.json()["receipt_token"].as_str().unwrap().to_owned();
    let receipt = |device: &str| json!({"notification_id": "019aa0c4-0000-7000-8000-000000000000", "device_id": device, "type": "opened"});
    let body = json!({"receipts": [receipt("phone"), receipt("tablet")], "later": true});
    let report = with(&world, &token, Method::POST, "/v1/receipts", body.clone()).await;
    assert_eq!(report.status, StatusCode::ACCEPTED, "{report:?}");
    assert_eq!(report.json()["rejected"].as_array().unwrap().len(), 2, "both are unknown: one was never sent, one is another's");
    for (method, path) in [
        (Method::GET, "/v1/devices/phone"),
        (Method::GET, "/v1/me/devices"),
        (Method::GET, "/v1/devices"),
        (Method::DELETE, "/v1/devices/phone"),
    ] {
        assert_eq!(with(&world, &token, method, path, json!({})).await.problem(), (403, "scope_missing".to_owned()), "{path}");
    }
    world.put("/v1/devices/phone", json!({"user_id": "bob"})).await;
    let report = with(&world, &token, Method::POST, "/v1/receipts", body.clone()).await;
    assert_eq!(report.problem(), (401, "token_revoked".to_owned()));
    world.put("/v1/devices/phone", json!({"user_id": null})).await;
    assert_eq!(with(&world, &token, Method::POST, "/v1/receipts", body.clone()).await.problem().0, 401);
    world.delete("/v1/devices/phone").await;
    assert_eq!(with(&world, &token, Method::POST, "/v1/receipts", body).await.problem().0, 401);
}

/// Made-up key ids do not have the vault read each time.
#[tokio::test]
async fn garbage_does_not_reach_the_store() {
    let world = World::new().await;
    let phone = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    world.clock.pass(Duration::from_secs(11));
    let before = world.store.calls("secrets");
    let parts: Vec<&str> = phone.access.split('.').collect();
    for n in 0..20 {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": "EdDSA", "kid": format!("k{n}")}).to_string());
        let token = format!("{header}.{}.{}", parts[1], parts[2]);
        assert_eq!(with(&world, &token, Method::GET, "/v1/me/devices", Value::Null).await.problem(), (401, "token_invalid".to_owned()));
    }
    assert_eq!(world.store.calls("secrets"), before + 1);
}

/// What a phone needs is in memory for a while; what is not is an outage like any other.
#[tokio::test]
async fn keys_outlive_an_outage_of_the_store() {
    let world = World::new().await;
    world.store.goes(true);
    assert_eq!(world.get("/.well-known/jwks.json").await.problem(), (503, "store_unavailable".to_owned()));
    world.store.goes(false);
    let keys = key_ids(&world).await;
    world.store.goes(true);
    world.clock.pass(Duration::from_mins(5));
    assert_eq!(key_ids(&world).await, keys);
}

/// Any call of the phone for its device says that it is alive, within an hour.
#[tokio::test]
async fn a_phone_that_calls_is_seen() {
    let world = World::new().await;
    let free = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    let first = free.register(&world, "phone", "token-1").await.json();
    let seen = async || world.get("/v1/devices/phone").await.json();
    world.clock.pass(DAY);
    assert_eq!(seen().await["last_seen_at"], first["last_seen_at"], "a backend that reads it says nothing of the phone");
    let free = Phone::of(&refresh(&world, &free.refresh).await.json());
    free.get(&world, "/v1/devices/phone").await;
    let second = seen().await;
    assert_ne!(second["last_seen_at"], first["last_seen_at"]);
    assert_eq!(second["updated_at"], first["updated_at"], "that is no change of the device");
    // with a token that is bound to the device any call is
    let bound = Phone::signed_in(&world, json!({"user_id": "ann", "device_id": "phone"})).await;
    world.clock.pass(DAY);
    let bound = Phone::of(&refresh(&world, &bound.refresh).await.json());
    bound.get(&world, "/v1/me/preferences").await;
    let third = seen().await;
    assert_ne!(third["last_seen_at"], second["last_seen_at"]);
    // one that is bound to a device of another user's says nothing of it
    let stranger = Phone::signed_in(&world, json!({"user_id": "bob", "device_id": "phone"})).await;
    world.clock.pass(DAY);
    let stranger = Phone::of(&refresh(&world, &stranger.refresh).await.json());
    assert_eq!(stranger.get(&world, "/v1/me/preferences").await.status, StatusCode::OK);
    assert_eq!(seen().await["last_seen_at"], third["last_seen_at"]);
}

/// What is there of one's devices is not told again while it stays.
#[tokio::test]
async fn a_list_of_own_devices_has_a_version() {
    let world = World::new().await;
    let path = "/v1/me/devices";
    let free = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    free.register(&world, "phone", "token-1").await;
    let bound = Phone::signed_in(&world, json!({"user_id": "ann", "device_id": "phone"})).await;
    let bob = Phone::signed_in(&world, json!({"user_id": "bob"})).await;
    for phone in [&free, &bound, &bob] {
        let tag = phone.get(&world, path).await.header("etag").to_owned();
        assert!(tag.starts_with('"'), "{tag}");
        assert_eq!(conditional(&world, phone, path, &tag).await.status, StatusCode::NOT_MODIFIED);
    }
    let tag = free.get(&world, path).await.header("etag").to_owned();
    assert_eq!(conditional(&world, &bob, path, &tag).await.status, StatusCode::OK, "what is another's");
    free.ask(&world, Method::PATCH, "/v1/devices/phone", json!({"model": "Pixel"})).await;
    let changed = conditional(&world, &free, path, &tag).await;
    assert_eq!((changed.status, &changed.json()["items"][0]["model"]), (StatusCode::OK, &json!("Pixel")));
    assert_eq!(conditional(&world, &free, &format!("{path}?fields=model"), changed.header("etag")).await.status, StatusCode::OK);
}

async fn conditional(world: &World, phone: &Phone, path: &str, tag: &str) -> Reply {
    let request = Request::builder().uri(path).header("authorization", format!("Bearer {}", phone.access));
    world.send(request.header("if-none-match", tag).body(Body::empty()).unwrap()).await
}

/// A phone that knows its device knows which zone counts and when it was last seen, though neither is a change of the device.
#[tokio::test]
async fn a_device_is_told_again_when_its_answer_differs() {
    let world = World::new().await;
    let path = "/v1/devices/phone";
    let phone = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    let tag = phone.register(&world, "phone", "token-1").await.header("etag").to_owned();
    assert_eq!(conditional(&world, &phone, path, &tag).await.status, StatusCode::NOT_MODIFIED);
    phone.ask(&world, Method::PUT, "/v1/me/preferences", json!({"timezone": "Asia/Tokyo"})).await;
    let zone = conditional(&world, &phone, path, &tag).await;
    assert_eq!((zone.status, &zone.json()["timezone_effective"]), (StatusCode::OK, &json!("Asia/Tokyo")));
    assert_ne!(zone.header("etag"), tag);
    world.clock.pass(Duration::from_mins(100));
    let phone = Phone::of(&refresh(&world, &phone.refresh).await.json());
    phone.get(&world, path).await;
    let seen = conditional(&world, &phone, path, zone.header("etag")).await;
    assert_eq!(seen.status, StatusCode::OK, "it was seen meanwhile");
    assert_ne!(seen.json()["last_seen_at"], zone.json()["last_seen_at"]);
    // any tag that was answered for what is there still lets it be changed
    let write = async |method: Method, path: &str, tag: &str, body: Value| {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {}", phone.access));
        world
            .send(request.header("content-type", "application/json").header("if-match", tag).body(Body::from(body.to_string())).unwrap())
            .await
    };
    let taken = write(Method::PATCH, path, &tag, json!({"model": "Nexus"})).await;
    assert_eq!(taken.status, StatusCode::OK, "{taken:?}");
    let by_key = world.get(path).await.header("etag").to_owned();
    let taken = write(Method::PATCH, path, &by_key, json!({"model": "Galaxy"})).await;
    assert_eq!(taken.status, StatusCode::OK, "{taken:?}");
    let changed = phone.ask(&world, Method::PATCH, path, json!({"model": "Pixel"})).await;
    for tag in [tag.as_str(), zone.header("etag"), seen.header("etag"), &by_key] {
        assert_eq!(write(Method::PATCH, path, tag, json!({"model": "other"})).await.problem(), (412, "stale".to_owned()), "{tag}");
    }
    assert_eq!(write(Method::PUT, path, changed.header("etag"), json!({"platform": "android"})).await.status, StatusCode::OK);
}

/// One report that an app's version makes wrongly does not take the others with it.
#[tokio::test]
async fn a_bad_receipt_of_a_phone_is_passed_over() {
    let world = World::new().await;
    let phone = Phone::signed_in(&world, json!({"user_id": "ann"})).await;
    let token = phone.register(&world, "phone", "token-1").await.json()["receipt_token"].as_str().unwrap().to_owned();
    let made = world.post("/v1/notifications", json!({"to": {"user_id": "ann"}, "content": {"title": "x"}})).await.json();
    let receipt = |kind: Value, at: Value| json!({"notification_id": made["id"], "device_id": "phone", "type": kind, "at": at, "later": 1});
    let good = receipt(json!("opened"), Value::Null);
    let body = json!({"receipts": [
        receipt(json!("glanced"), Value::Null), good, receipt(json!("opened"), json!("yesterday")), receipt(json!("delivered"), json!(5)),
        {"device_id": "phone", "type": "opened"}, 7,
        {"notification_id": made["id"], "device_id": "phone", "type": "opened", "action": "a\u{0}"},
    ]});
    let invalid = |index: usize| json!({"index": index, "code": "invalid"});
    for credential in [&phone.access, &token] {
        let reply = with(&world, credential, Method::POST, "/v1/receipts", body.clone()).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
        let expected = json!({"accepted": 1, "rejected": [invalid(0), invalid(2), invalid(3), invalid(4), invalid(5), invalid(6)]});
        assert_eq!(reply.json(), expected);
        for whole in [json!({}), json!({"receipts": 5}), json!({"receipts": vec![7; 501]})] {
            let refused = with(&world, credential, Method::POST, "/v1/receipts", whole).await;
            assert_eq!((refused.problem().0, refused.field().0.as_str()), (422, "receipts"));
        }
    }
    let report = json!({"notification_id": made["id"], "device_id": "phone", "type": "glanced"});
    let refused = world.post("/v1/receipts", json!({"receipts": [report]})).await;
    assert_eq!((refused.problem().0, refused.field().0.as_str()), (422, "receipts[0].type"), "a backend can be mended");
}

/// What the former user's phone may, ends with the registration, at this node at once.
#[tokio::test]
async fn tokens_end_when_their_device_is_anothers() {
    let world = World::new().await;
    let import = json!({"device_id": "phone", "user_id": "dora", "platform": "android", "token": "token-1"}).to_string();
    let (ann, bob) = (json!({"user_id": "ann"}), json!({"user_id": "bob"}));
    for how in 0..4 {
        let first = Phone::signed_in(&world, ann.clone()).await;
        assert!(first.register(&world, "phone", "token-1").await.status.is_success());
        let bound = Phone::signed_in(&world, json!({"user_id": "ann", "device_id": "phone"})).await;
        let elsewhere = Phone::signed_in(&world, json!({"user_id": "ann", "device_id": "pad"})).await;
        for phone in [&bound, &elsewhere, &first] {
            assert_eq!(phone.get(&world, "/v1/me/preferences").await.status, StatusCode::OK);
        }
        let taken = match how {
            0 => Phone::signed_in(&world, bob.clone()).await.register(&world, "phone", "token-1").await,
            1 => world.put("/v1/devices/phone", json!({"user_id": "cem"})).await,
            2 => world.patch("/v1/devices/phone", json!({"user_id": null})).await,
            _ => world.ask(Method::POST, "/v1/devices/import", &[("content-type", "application/x-ndjson")], import.clone()).await,
        };
        assert_eq!(taken.status, StatusCode::OK, "{how}: {taken:?}");
        assert_eq!(bound.get(&world, "/v1/me/preferences").await.problem(), (401, "token_revoked".to_owned()), "{how}");
        for phone in [&elsewhere, &first] {
            assert_eq!(phone.get(&world, "/v1/me/preferences").await.status, StatusCode::OK, "{how}");
        }
    }
}
