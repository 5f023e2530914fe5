//! A device's other addresses.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::kit::World;

const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OTHER: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";
const VOIP: &str = "/v1/devices/d1/tokens/voip";

/// With an iPhone in Apple's sandbox.
async fn world() -> World {
    let world = World::new().await;
    let ios = json!({"user_id": "u1", "platform": "ios", "token": HEX, "environment": "sandbox"});
    assert_eq!(world.put("/v1/devices/d1", ios).await.status, StatusCode::CREATED);
    world
}

#[tokio::test]
async fn an_address_is_registered_listed_and_forgotten() {
    let world = world().await;
    let made = world.put(VOIP, json!({ "token": OTHER.to_uppercase() })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let body = made.json();
    assert_eq!((&body["kind"], &body["environment"]), (&json!("voip"), &json!("sandbox")), "the device's, where none is given");
    assert_eq!(body["token_hint"].as_str().unwrap().len(), 8);
    let again = world.put(VOIP, json!({"token": OTHER, "environment": "production"})).await;
    assert_eq!((again.status, &again.json()["environment"]), (StatusCode::OK, &json!("production")));
    assert_eq!(again.json()["token_hint"], body["token_hint"], "digits are digits in either case");
    world.put("/v1/devices/d1/tokens/live_activity.a%3A1", json!({ "token": HEX })).await;
    let device = world.get("/v1/devices/d1").await;
    let body = device.json();
    let kinds: Vec<&str> = body["tokens"].as_array().unwrap().iter().map(|token| token["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["live_activity.a:1", "voip"]);
    for reply in [&made, &again, &device] {
        let text = String::from_utf8_lossy(&reply.bytes).to_lowercase();
        assert!(!text.contains(OTHER) && !text.contains(HEX), "{text}");
    }
    assert_eq!(world.get("/v1/devices").await.json()["items"][0].get("tokens"), None, "a list is without them");
    assert_eq!(world.delete(VOIP).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.delete(VOIP).await.problem(), (404, "not_found".to_owned()));
    assert_eq!(world.get("/v1/devices/d1").await.json()["tokens"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_an_address_is_named() {
    let world = world().await;
    for (path, body, field, code) in [
        (VOIP, json!({}), "token", "required"),
        (VOIP, json!({"token": null}), "token", "required"),
        (VOIP, json!({"token": "s3cret"}), "token", "invalid"),
        (VOIP, json!({"token": {"fid": "s3cret"}}), "token", "invalid"),
        (VOIP, json!({"token": 5}), "token", "invalid"),
        (VOIP, json!({"token": HEX, "environment": "staging"}), "environment", "invalid"),
        (VOIP, json!({"token": HEX, "kind": "voip"}), "kind", "unknown_field"),
        ("/v1/devices/d1/tokens/alert", json!({ "token": HEX }), "kind", "invalid"),
        ("/v1/devices/d1/tokens/live_activity.", json!({ "token": HEX }), "kind", "invalid"),
        ("/v1/devices/d%201/tokens/voip", json!({ "token": HEX }), "device_id", "invalid"),
    ] {
        let refused = world.put(path, &body).await;
        assert_eq!((refused.problem().0, refused.field()), (422, (field.to_owned(), code.to_owned())), "{path} {body}");
        assert!(!String::from_utf8_lossy(&refused.bytes).contains("s3cret"), "{refused:?}");
    }
    assert_eq!(world.put("/v1/devices/other/tokens/voip", json!({ "token": HEX })).await.problem(), (404, "not_found".to_owned()));
    world.put("/v1/devices/d2", json!({"user_id": "u1", "platform": "android", "token": "abc"})).await;
    let android = world.put("/v1/devices/d2/tokens/voip", json!({ "token": HEX })).await;
    assert_eq!((android.problem().0, android.field()), (422, ("kind".to_owned(), "unsupported".to_owned())));
}

#[tokio::test]
async fn versions_guard_addresses() {
    let world = world().await;
    let tag = world.get("/v1/devices/d1").await.header("etag").to_owned();
    let guarded = async |tag: &str| {
        let headers = [("content-type", "application/json"), ("if-match", tag)];
        world.ask(Method::PUT, VOIP, &headers, json!({ "token": OTHER }).to_string()).await
    };
    let made = guarded(&tag).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_ne!(made.header("etag"), tag);
    assert_eq!(world.get("/v1/devices/d1").await.header("etag"), made.header("etag"));
    assert_eq!(guarded(&tag).await.problem(), (412, "stale".to_owned()));
    assert_eq!(guarded("*").await.status, StatusCode::OK);
    let read = world.ask(Method::GET, "/v1/devices/d1", &[("if-none-match", &tag)], "").await;
    assert_eq!(read.json()["tokens"][0]["kind"], Value::from("voip"), "who knew the device before reads it again");
}
