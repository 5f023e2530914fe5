//! Lists: limits, cursors, chosen fields, filters.

use serde_json::{Value, json};

use crate::clock::{in_seconds, text};
use crate::daemon::{Dev, apns_token};

/// Walks a list to its end; the ids in order.
pub(crate) async fn walk(dev: &Dev, path: &str, limit: usize, id: &str) -> Vec<String> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let mut next = format!("{path}{separator}limit={limit}");
    let mut ids = Vec::new();
    loop {
        let page = dev.get(&next).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        ids.extend(items.iter().map(|item| item[id].as_str().unwrap().to_owned()));
        assert_eq!(page["has_more"], page["next_cursor"].is_string(), "{page}");
        let Some(cursor) = page["next_cursor"].as_str() else { return ids };
        let bare = path.split('?').next().unwrap();
        next = format!("{bare}?limit={limit}&cursor={cursor}");
    }
}

#[tokio::test]
async fn a_list_is_walked_by_its_cursors() {
    let dev = Dev::start();
    let mut ids = Vec::new();
    for number in 0..7 {
        let category = if number % 2 == 0 { "messages" } else { "marketing" };
        let body = json!({"to": {"user_id": "nobody"}, "category": category, "content": {"title": "t"}, "labels": {"team": "chat", "n": number.to_string()}});
        ids.push(dev.notify(&body).await);
    }
    ids.reverse();
    for limit in [1, 2, 3, 7, 50] {
        assert_eq!(walk(&dev, "/v1/notifications", limit, "id").await, ids, "{limit}");
    }
    let of_messages: Vec<_> = ids.iter().step_by(2).cloned().collect();
    assert_eq!(walk(&dev, "/v1/notifications?category=messages", 2, "id").await, of_messages, "a cursor carries the filters");
    let by_label: Vec<_> = dev.items("/v1/notifications?label.team=chat&label.n=3").await.iter().map(|item| item["id"].clone()).collect();
    assert_eq!(by_label, [json!(ids[3])]);
    assert!(dev.items("/v1/notifications?label.team=other").await.is_empty());
    assert_eq!(dev.items("/v1/notifications").await[0]["labels"], json!({"team": "chat", "n": "6"}));
}

#[tokio::test]
async fn notifications_are_found_by_status_and_time() {
    let dev = Dev::start();
    let (before, after) = (text(in_seconds(-60)), text(in_seconds(60)));
    let done = dev.notify(&json!({"to": {"user_id": "nobody"}, "content": {"title": "t"}})).await;
    dev.done(&done).await;
    let scheduled = dev.notify(&json!({"to": {"user_id": "nobody"}, "content": {"title": "t"}, "send_at": text(in_seconds(600))})).await;
    let cancelled = dev.notify(&json!({"to": {"user_id": "nobody"}, "content": {"title": "t"}, "send_at": text(in_seconds(600))})).await;
    dev.delete(&format!("/v1/notifications/{cancelled}")).await.expect(200);
    dev.done(&cancelled).await;
    let ids = async |query: &str| {
        let items = dev.items(&format!("/v1/notifications?{query}")).await;
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("status=done").await, std::slice::from_ref(&done));
    assert_eq!(ids("status=scheduled").await, std::slice::from_ref(&scheduled));
    assert_eq!(ids("status=cancelled").await, std::slice::from_ref(&cancelled));
    assert_eq!(ids(&format!("from={before}&to={after}")).await, [cancelled, scheduled, done]);
    assert!(ids(&format!("from={after}")).await.is_empty());
    assert!(ids(&format!("to={before}")).await.is_empty());
    dev.get("/v1/notifications?status=lost").await.invalid("status", "invalid");
    dev.get("/v1/notifications?from=yesterday").await.invalid("from", "invalid");
    dev.get("/v1/notifications?campaign=x").await.invalid("campaign", "unknown_field");
}

#[tokio::test]
async fn deliveries_are_found_by_status_reason_and_user() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    dev.ios("dead", "ann", &apns_token("dead0", 1)).await;
    let done = dev.send_and_wait(&json!({"to": {"user_ids": ["ann", "nobody"]}, "content": {"title": "t"}})).await;
    let path = format!("/v1/notifications/{}/deliveries", done["id"].as_str().unwrap());
    let devices = async |query: &str| {
        let items = dev.items(&format!("{path}?{query}")).await;
        items.iter().map(|item| item["device_id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(devices("status=sent").await, [json!("phone")]);
    assert_eq!(devices("status=failed").await, [json!("dead")]);
    assert_eq!(devices("reason=token_dead").await, [json!("dead")]);
    assert_eq!(devices("reason=no_active_device").await, [Value::Null]);
    assert_eq!(devices("user_id=nobody").await, [Value::Null]);
    assert_eq!(devices("user_id=ann&status=sent").await, [json!("phone")]);
    assert_eq!(devices("user_id=stranger").await, [Value::Null; 0]);
    dev.get(&format!("{path}?status=lost")).await.invalid("status", "invalid");

    let sent = dev.delivery(done["id"].as_str().unwrap(), "phone").await;
    for name in ["sent_at", "updated_at"] {
        assert!(sent[name].is_string(), "{name}: {sent}");
    }
    for name in ["next_attempt_at", "delivered_at", "opened_at", "variant", "reason"] {
        assert_eq!(sent[name], Value::Null, "{name}: {sent}");
    }
    assert!(dev.items(&format!("{path}?fields=variant")).await.iter().all(|one| *one == json!({"variant": null})));
    let none = json!({"sent": 0, "failed": 0});
    assert_eq!(done["fallback"], json!({"email": none, "sms": none}), "{done}");
    assert_eq!((&sent["channel"], &sent["platform"], &sent["attempts"]), (&json!("push"), &json!("ios"), &json!(1)));
}

/// What became of a user's pushes, whichever notification they were of.
#[tokio::test]
async fn the_deliveries_of_a_user_are_listed_newest_first() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    dev.ios("dead", "ann", &apns_token("dead0", 1)).await;
    let body = json!({"to": {"user_ids": ["ann", "nobody"]}, "content": {"title": "t"}});
    let first = dev.send_and_wait(&body).await;
    let second = dev.send_and_wait(&body).await;
    let path = "/v1/users/ann/deliveries";
    let page = dev.get(&format!("{path}?limit=1&fields=notification_id,status")).await.expect(200);
    assert_eq!(page["items"], json!([{"notification_id": second["id"], "status": "sent"}]));
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(dev.items(&format!("{path}?cursor={cursor}")).await.len(), 2);
    dev.get(&format!("/v1/users/nobody/deliveries?cursor={cursor}")).await.problem(422, "cursor_mismatch");
    dev.get(&format!("{path}?status=sent")).await.invalid("status", "unknown_field");
    let of_ann = dev.items("/v1/users/ann/deliveries").await;
    let told: Vec<_> = of_ann.iter().map(|delivery| (&delivery["notification_id"], &delivery["device_id"])).collect();
    assert_eq!(told[0], (&second["id"], &json!("phone")));
    assert_eq!(told.len(), 3);
    assert!(told[1..].iter().all(|(id, _)| **id == first["id"]), "{told:?}");
    assert!(of_ann.iter().all(|delivery| delivery["user_id"] == "ann"), "{of_ann:?}");
    assert_eq!(dev.items("/v1/users/nobody/deliveries").await.len(), 2);
    assert!(dev.items("/v1/users/stranger/deliveries").await.is_empty());
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list() {
    let dev = Dev::start();
    for number in 0..3 {
        dev.android(&format!("tablet-{number}"), "ann", &format!("well-{number}")).await;
    }
    let page = dev.get("/v1/devices?platform=android&limit=1").await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    dev.get(&format!("/v1/devices?limit=1&cursor={cursor}&platform=android")).await.expect(200);
    dev.get(&format!("/v1/devices?limit=1&cursor={cursor}&platform=ios")).await.problem(422, "cursor_mismatch");
    dev.get(&format!("/v1/devices?limit=1&cursor={cursor}&status=active")).await.problem(422, "cursor_mismatch");
    dev.get(&format!("/v1/users/ann/devices?cursor={cursor}")).await.problem(422, "cursor_mismatch");
    dev.get(&format!("/v1/notifications?cursor={cursor}")).await.problem(422, "cursor_mismatch");
    dev.get("/v1/devices?cursor=nonsense").await.invalid("cursor", "invalid");
}

#[tokio::test]
async fn limits_and_fields_are_checked() {
    let dev = Dev::start();
    for limit in ["0", "501", "-1", "x", "1.5", ""] {
        dev.get(&format!("/v1/devices?limit={limit}")).await.invalid("limit", "invalid");
    }
    dev.get("/v1/devices?limit=500").await.expect(200);
    dev.get("/v1/devices?limit=5&limit=6").await.invalid("limit", "invalid");
    let items = dev.items("/v1/devices?fields=device_id,status&user_id=demo-ann").await;
    assert_eq!(items.len(), 2);
    for item in items {
        let names: Vec<_> = item.as_object().unwrap().keys().collect();
        assert_eq!(names, ["device_id", "status"]);
    }
    dev.get("/v1/devices?fields=device_id,token").await.invalid("fields", "invalid");
    dev.get("/v1/notifications?fields=colour").await.invalid("fields", "invalid");
    // the default is 50
    let lines: String = (0..60)
        .map(|n| {
            format!(
                "{}\n",
                json!({"device_id": format!("d-{n}"), "user_id": format!("u-{n}"), "platform": "android", "token": format!("well-{n}")})
            )
        })
        .collect();
    dev.import("", &lines).await.expect(200);
    let page = dev.get("/v1/devices").await.expect(200);
    assert_eq!((page["items"].as_array().unwrap().len(), &page["has_more"]), (50, &json!(true)));
}
