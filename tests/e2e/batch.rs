//! Many notifications in one request.

use serde_json::{Value, json};

use crate::daemon::{Dev, apns_token};

fn to(user: &str) -> Value {
    json!({"to": {"user_id": user}, "content": {"title": "t"}})
}

#[tokio::test]
async fn good_items_are_accepted_though_others_are_bad() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    let mut missing = to("ann");
    missing["category"] = json!("undeclared");
    let mut large = to("ann");
    large["content"]["body"] = json!("x".repeat(5000));
    let items = json!([to("ann"), {"content": {"title": "t"}}, missing, large, 7, to("nobody")]);
    let answer = dev.post("/v1/notifications/batch", &json!({ "notifications": items })).await.expect(202);
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 6, "{answer}");
    for (index, status, code, field) in [
        (1, 422, "invalid", Some("to")),
        (2, 422, "invalid", Some("category")),
        (3, 413, "payload_too_large", None),
        (4, 422, "invalid", None),
    ] {
        let error = &results[index]["error"];
        assert_eq!((&error["status"], &error["code"]), (&json!(status), &json!(code)), "{index}: {answer}");
        assert!(results[index].get("id").is_none());
        if let Some(field) = field {
            assert_eq!(error["errors"][0]["field"], field, "{index}: {answer}");
        }
    }
    assert_eq!(results[2]["error"]["errors"][0]["code"], "unknown_category");
    assert_eq!(dev.done(results[0]["id"].as_str().unwrap()).await["counts"]["sent"], 1);
    assert_eq!(dev.done(results[5]["id"].as_str().unwrap()).await["reasons"]["suppressed"], json!({"no_active_device": 1}));
    assert_eq!(dev.items("/v1/notifications").await.len(), 2);
}

/// What is wrong within an item is that item's fault, whatever it is.
#[tokio::test]
async fn a_nul_or_a_repeated_member_refuses_its_item_only() {
    let dev = Dev::start();
    let items = r#"{"notifications": [{"to": {"user_id": "ann"}, "content": {"title": "t"}}, {"to": {"user_id": "ann"}, "content": {"title": "a\u0000"}},
            {"to": {"user_id": "ann", "user_id": "ben"}, "content": {"title": "t"}}]}"#;
    let answer = dev.post_text("/v1/notifications/batch", items).await.expect(202);
    assert!(answer["results"][0]["id"].is_string(), "{answer}");
    let nul = &answer["results"][1]["error"];
    assert_eq!((&nul["code"], &nul["errors"][0]["field"]), (&json!("invalid"), &json!("content.title")), "{answer}");
    assert_eq!(answer["results"][2]["error"]["code"], "bad_json", "{answer}");
    assert_eq!(dev.items("/v1/notifications").await.len(), 1);
}

#[tokio::test]
async fn a_batch_has_its_limits() {
    let dev = Dev::start();
    let path = "/v1/notifications/batch";
    let many = vec![to("ann"); 1001];
    dev.post(path, &json!({ "notifications": many })).await.invalid("notifications", "invalid");
    let full = dev.post(path, &json!({ "notifications": many[..1000] })).await.expect(202);
    assert_eq!(full["results"].as_array().unwrap().len(), 1000);
    dev.post(path, &json!({})).await.invalid("notifications", "required");
    dev.post(path, &json!({"notifications": [], "note": "x"})).await.invalid("note", "unknown_field");
    dev.post(path, &json!({"notifications": {}})).await.invalid("notifications", "invalid");
}

/// A batch may be eight times as large as most bodies; what is repeated outside of the items spoils all of it.
#[tokio::test]
async fn a_batch_may_be_large_and_not_larger() {
    let dev = Dev::start();
    let path = "/v1/notifications/batch";
    let padded = |length: usize| {
        let text = json!({ "notifications": [to("nobody")] }).to_string();
        format!("{text}{}", " ".repeat(length - text.len()))
    };
    let full = dev.post_text(path, padded(8 << 20)).await.expect(202);
    assert!(full["results"][0]["id"].is_string(), "{full}");
    dev.post_text(path, padded((8 << 20) + 1)).await.problem(413, "body_too_large");
    dev.put("/v1/users/ann/preferences", &json!({"timezone": "x".repeat(1 << 20)})).await.problem(413, "body_too_large");
    let twice = r#"{"notifications": [], "notifications": [{"to": {"user_id": "nobody"}, "content": {"title": "t"}}]}"#;
    dev.post_text(path, twice).await.problem(400, "bad_json");
    assert_eq!(dev.items("/v1/notifications").await.len(), 1);
}

/// However deep it lies, a repeated member refuses its item and none beside it.
#[tokio::test]
async fn a_repeated_member_deep_within_refuses_its_item_only() {
    let dev = Dev::start();
    let items = [
        r#"{"to": {"user_id": "ann"}, "content": {"title": "t", "data": {"k": "1", "k": "2"}}}"#,
        r#"{"to": {"user_id": "ann"}, "content": {"title": "t"}, "apns": {"payload": {"x": [{"y": 1, "y": 1}]}}}"#,
        r#"{"to": {"user_id": "ann"}, "content": {"title": "t"}, "idempotency_key": "a", "idempotency_key": "b"}"#,
        r#"{"to": {"user_id": "ann"}, "content": {"title": "t"}}"#,
    ];
    let answer = dev.post_text("/v1/notifications/batch", format!(r#"{{"notifications": [{}]}}"#, items.join(","))).await.expect(202);
    for index in 0..3 {
        let error = &answer["results"][index]["error"];
        assert_eq!((&error["status"], &error["code"]), (&json!(400), &json!("bad_json")), "{index}: {answer}");
    }
    assert!(answer["results"][3]["id"].is_string(), "{answer}");
    assert_eq!(dev.items("/v1/notifications").await.len(), 1);
}

#[tokio::test]
async fn items_may_carry_keys_of_their_own() {
    let dev = Dev::start();
    let path = "/v1/notifications/batch";
    let keyed = |key: &str, title: &str| {
        let mut item = to("ann");
        item["idempotency_key"] = json!(key);
        item["content"]["title"] = json!(title);
        item
    };
    let first = dev.post(path, &json!({"notifications": [keyed("a", "1"), keyed("b", "1")]})).await.expect(202);
    let second = dev
        .post(path, &json!({"notifications": [keyed("b", "1"), keyed("c", "1"), keyed("a", "other"), keyed("d d", "1")]}))
        .await
        .expect(202);
    assert_eq!(second["results"][0]["id"], first["results"][1]["id"], "{second}");
    assert!(second["results"][1]["id"].is_string());
    let reused = &second["results"][2]["error"];
    assert_eq!((&reused["status"], &reused["code"]), (&json!(422), &json!("idempotency_key_reused")), "{second}");
    assert_eq!(second["results"][3]["error"]["errors"][0]["field"], "idempotency_key", "{second}");
    assert_eq!(dev.items("/v1/notifications").await.len(), 3);
}
