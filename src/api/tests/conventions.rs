//! What holds for every route.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde_json::json;

use super::kit::{KEY, World};
use crate::api::page::Listed;
use crate::domain::clock::Clock;

#[tokio::test]
async fn every_answer_has_the_request_id() {
    let world = World::new().await;
    let given = world.ask(Method::GET, "/health", &[("x-request-id", "abc-1")], "").await;
    assert_eq!((given.status, given.header("x-request-id")), (StatusCode::OK, "abc-1"));
    let made = world.get("/v1/devices/none").await;
    assert_eq!(made.header("x-request-id").len(), 36);
    for bad in ["has a space", &"x".repeat(129)] {
        let replaced = world.ask(Method::GET, "/health", &[("x-request-id", bad)], "").await;
        assert_eq!(replaced.header("x-request-id").len(), 36, "{bad}");
    }
    assert_eq!(world.get("/nowhere").await.header("x-request-id").len(), 36);
}

#[tokio::test]
async fn a_traceparent_is_taken_or_made() {
    let world = World::new().await;
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(world.ask(Method::GET, "/health", &[("traceparent", good)], "").await.header("traceparent"), good);
    for bad in [&[("traceparent", "00-1-2-3")][..], &[]] {
        let (first, second) = (world.ask(Method::GET, "/health", bad, "").await, world.ask(Method::GET, "/health", bad, "").await);
        let (first, second) = (first.header("traceparent"), second.header("traceparent"));
        assert_eq!((first.len(), &first[..3], &first[52..]), (good.len(), "00-", "-01"), "{bad:?}");
        assert_ne!(first, second);
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems() {
    let world = World::new().await;
    assert_eq!(world.get("/v1/nothing").await.problem(), (404, "not_found".to_owned()));
    assert_eq!(world.get("/").await.problem(), (404, "not_found".to_owned()));
    let refused = world.delete("/v1/notifications").await;
    assert_eq!(refused.problem(), (405, "method_not_allowed".to_owned()));
    let allowed = refused.header("allow");
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    assert_eq!(world.post("/health", "{}").await.problem().0, 405);
}

#[tokio::test]
async fn a_key_is_needed_before_anything_else_is_looked_at() {
    let world = World::new().await;
    let ask = |authorization: Option<&str>| {
        let mut request = Request::builder().method(Method::POST).uri("/v1/notifications");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        request.body(Body::from("not json")).unwrap()
    };
    for authorization in [None, Some("Bearer wrong"), Some("Basic a2V5"), Some("Bearer")] {
        let refused = world.send(ask(authorization)).await;
        assert_eq!(refused.problem(), (401, "key_invalid".to_owned()), "{authorization:?}");
        assert!(refused.header("www-authenticate").starts_with("Bearer"));
    }
    assert_eq!(world.send(ask(Some(&format!("bearer {KEY}")))).await.problem(), (415, "unsupported_media_type".to_owned()));
}

#[tokio::test]
async fn bodies_are_of_one_type_and_size() {
    let world = World::new().await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"] {
        let refused = world.ask(Method::POST, "/v1/notifications", &[("content-type", content_type)], "{}").await;
        assert_eq!(refused.problem(), (415, "unsupported_media_type".to_owned()), "{content_type}");
    }
    let large = "x".repeat(1024 * 1024 + 1);
    assert_eq!(world.post("/v1/receipts", &large).await.problem(), (413, "body_too_large".to_owned()));
    for path in ["/v1/notifications", "/v1/notifications/batch", "/v1/notifications/preview"] {
        assert_eq!(world.post(path, &large).await.problem(), (400, "bad_json".to_owned()), "{path}");
    }
    for body in ["", "{", "[1", "{\"a\":1}{", r#"{"to": {}, "to": {}}"#, r#"{"content": {"title": "\ud800"}}"#] {
        assert_eq!(world.post("/v1/notifications", body).await.problem(), (400, "bad_json".to_owned()), "{body}");
    }
    let latin = world.ask(Method::POST, "/v1/receipts", &[("content-type", "application/json")], &b"{\"receipts\": \"\xe9\"}"[..]).await;
    assert_eq!(latin.problem(), (400, "bad_json".to_owned()));
    for body in ["[]", "5", "null", "\"x\""] {
        assert_eq!(world.post("/v1/notifications", body).await.problem(), (422, "invalid".to_owned()), "{body}");
    }
}

#[tokio::test]
async fn compressed_bodies_are_bounded_by_what_is_in_them() {
    let world = World::new().await;
    let json = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let sent = world.ask(Method::POST, "/v1/receipts", &json, gzip(br#"{"receipts": []}"#)).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{sent:?}");
    assert_eq!(
        world.ask(Method::POST, "/v1/receipts", &json, gzip(&vec![b' '; 1_500_000])).await.problem(),
        (413, "body_too_large".to_owned())
    );
    assert_eq!(world.ask(Method::POST, "/v1/receipts", &json, "not gzip").await.problem(), (400, "bad_request".to_owned()));
    let unknown = [("content-type", "application/json"), ("content-encoding", "zstd")];
    assert_eq!(world.ask(Method::POST, "/v1/receipts", &unknown, "{}").await.problem(), (415, "unsupported_media_type".to_owned()));
}

/// Gzip in Deflate's stored blocks: not small, but what a decoder takes.
fn gzip(bytes: &[u8]) -> Bytes {
    let mut out = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff".to_vec();
    for block in bytes.chunks(60_000) {
        let length = u16::try_from(block.len()).unwrap();
        out.push(0);
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    out.extend([1, 0, 0, 0xff, 0xff]);
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    });
    out.extend((!crc).to_le_bytes());
    out.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    out.into()
}

#[tokio::test]
async fn answers_are_compressed_where_it_is_asked() {
    let world = World::new().await;
    for encoding in ["gzip", "br"] {
        let reply = world.ask(Method::GET, "/openapi.json", &[("accept-encoding", encoding)], "").await;
        assert_eq!(reply.header("content-encoding"), encoding);
    }
    assert_eq!(world.ask(Method::GET, "/health", &[("accept-encoding", "gzip")], "").await.header("content-encoding"), "");
}

#[tokio::test]
async fn unknown_query_parameters_are_refused_everywhere() {
    let world = World::new().await;
    for path in
        ["/v1/devices/d1", "/v1/devices", "/v1/categories", "/v1/lanes", "/v1/users/u1/preferences", "/v1/keys", "/v1/notifications"]
    {
        let refused = world.get(&format!("{path}?colour=red")).await;
        assert_eq!(refused.problem(), (422, "invalid".to_owned()), "{path}");
        assert_eq!(refused.field(), ("colour".to_owned(), "unknown_field".to_owned()), "{path}");
    }
    assert_eq!(world.post("/v1/notifications?validate=true", "{}").await.field().0, "validate");
}

#[tokio::test]
async fn names_in_paths_are_checked() {
    let world = World::new().await;
    for (path, field) in [
        ("/v1/devices/a%20b", "device_id"),
        ("/v1/devices/a%00", "device_id"),
        ("/v1/devices/%ff", "device_id"),
        ("/v1/users/a%00b/preferences", "user_id"),
        ("/v1/users/a%0ab/devices", "user_id"),
        ("/v1/categories/a%2fb", "id"),
    ] {
        let refused = world.get(path).await;
        assert_eq!((refused.problem().0, refused.field().0.as_str()), (422, field), "{path}");
    }
    assert_eq!(world.get(&format!("/v1/devices/{}", "x".repeat(129))).await.problem().0, 422);
    assert_eq!(world.get("/v1/users/a%2Fb%20c/preferences").await.status, StatusCode::OK);
    for path in ["/v1/notifications/x", "/v1/notifications/%7B01890a5d-ac96-774b-bcce-b302099a8057%7D", "/v1/notifications/x/deliveries"] {
        assert_eq!(world.get(path).await.problem(), (404, "not_found".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn probes_need_no_key() {
    let world = World::new().await;
    for (path, expected) in [("/health", "{\"status\":\"ok\"}"), ("/ready", "{\"status\":\"ready\"}"), ("/metrics", "herald_up 1\n")] {
        let reply = world.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!((reply.status, &*reply.bytes), (StatusCode::OK, expected.as_bytes()), "{path}");
    }
    let page = world.send(Request::get("/docs/").body(Body::empty()).unwrap()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!String::from_utf8_lossy(&page.bytes).contains("https://"), "the page loads nothing from elsewhere");
}

#[tokio::test]
async fn metrics_need_a_key_where_others_can_ask() {
    for (address, status) in [("127.0.0.1:80", 200), ("[::1]:80", 200), ("0.0.0.0:80", 401), ("[::]:80", 401), ("10.1.2.3:80", 401)] {
        let world = World::listening(address).await;
        assert_eq!(world.send(Request::get("/metrics").body(Body::empty()).unwrap()).await.status, status, "{address}");
        assert_eq!(world.get("/metrics").await.status, StatusCode::OK, "{address}");
        assert_eq!(world.send(Request::get("/health").body(Body::empty()).unwrap()).await.status, StatusCode::OK, "{address}");
    }
}

#[tokio::test]
async fn lists_are_cut_into_pages() {
    let world = World::new().await;
    for number in 0..5 {
        let reply = world
            .put(&format!("/v1/devices/d{number}"), json!({"user_id": "u1", "platform": "android", "token": format!("t{number}")}))
            .await;
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
        world.clock.pass(Duration::from_secs(1));
    }
    let first = world.get("/v1/devices?limit=2&user_id=u1&fields=device_id").await.json();
    assert_eq!(first["items"], json!([{"device_id": "d4"}, {"device_id": "d3"}]));
    assert_eq!(first["has_more"], true);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = world.get(&format!("/v1/devices?limit=3&fields=device_id&cursor={cursor}")).await.json();
    assert_eq!(second["items"], json!([{"device_id": "d2"}, {"device_id": "d1"}, {"device_id": "d0"}]));
    assert_eq!((&second["has_more"], &second["next_cursor"]), (&json!(false), &json!(null)));
    for (path, code) in [
        (format!("/v1/devices?user_id=u2&cursor={cursor}"), "cursor_mismatch"),
        (format!("/v1/users/u1/devices?cursor={cursor}"), "cursor_mismatch"),
        ("/v1/devices?cursor=nonsense".to_owned(), "invalid"),
        ("/v1/devices?limit=501".to_owned(), "invalid"),
        ("/v1/devices?fields=device_id,token".to_owned(), "invalid"),
        ("/v1/devices?status=gone".to_owned(), "invalid"),
        ("/v1/devices?status=active&status=active".to_owned(), "invalid"),
    ] {
        assert_eq!(world.get(&path).await.problem(), (422, code.to_owned()), "{path}");
    }
    for route in ["devices", "notifications"] {
        let list = Listed { app: world.app, route, subject: "", now: world.clock.now() };
        for inner in ["", "nonsense", "IngiXQ", "e30"] {
            let forged = list.seal(&[], inner);
            assert_eq!(
                world.get(&format!("/v1/{route}?cursor={forged}")).await.field(),
                ("cursor".to_owned(), "invalid".to_owned()),
                "{inner}"
            );
        }
    }
    world.clock.pass(Duration::from_hours(25));
    assert_eq!(world.get(&format!("/v1/devices?cursor={cursor}")).await.problem(), (422, "cursor_expired".to_owned()));
}
