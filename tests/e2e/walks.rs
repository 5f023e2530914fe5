//! Every list, walked to its end by its cursors, and none by another's.

use serde_json::{Value, json};

use crate::daemon::{Dev, apns_token, until};
use crate::lists::walk;

/// What a list shows on one page, in order.
async fn whole(dev: &Dev, path: &str, id: &str) -> Vec<String> {
    dev.items(&format!("{path}?limit=500")).await.iter().map(|item| item[id].as_str().unwrap().to_owned()).collect()
}

/// Walked with any page, a list is what it is on one page.
async fn assert_walked(dev: &Dev, path: &str, id: &str, expected: &[&str]) {
    assert_eq!(whole(dev, path, id).await, expected, "{path}");
    for limit in [1, 2, 3, expected.len(), 500] {
        assert_eq!(walk(dev, path, limit, id).await, expected, "{path} by {limit}");
    }
}

#[tokio::test]
async fn what_is_declared_is_walked() {
    let dev = Dev::start();
    for number in 0..3 {
        dev.put(&format!("/v1/categories/c-{number}"), &json!({})).await.expect(201);
    }
    assert_walked(&dev, "/v1/categories", "id", &["c-2", "c-1", "c-0", "marketing", "messages"]).await;
    // declared anew it keeps its place
    dev.put("/v1/categories/c-1", &json!({"ttl_seconds": 60})).await.expect(200);
    assert_walked(&dev, "/v1/categories", "id", &["c-2", "c-1", "c-0", "marketing", "messages"]).await;
}

#[tokio::test]
async fn keys_are_walked() {
    let dev = Dev::start();
    let names = ["fifth", "fourth", "third", "second", "first"];
    for name in names.iter().rev() {
        dev.post("/v1/keys", &json!({"name": name, "scopes": ["read"]})).await.expect(201);
    }
    let there = whole(&dev, "/v1/keys", "name").await;
    assert_eq!(there[..5], names);
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    assert_walked(&dev, "/v1/keys", "name", &there).await;
}

#[tokio::test]
async fn a_user_s_devices_are_walked() {
    let dev = Dev::start();
    for number in 0..5 {
        dev.android(&format!("d-{number}"), "ann/é", &format!("well-{number}")).await;
        dev.android(&format!("other-{number}"), "ben", &format!("well-ben-{number}")).await;
    }
    assert_walked(&dev, "/v1/users/ann%2F%C3%A9/devices", "device_id", &["d-4", "d-3", "d-2", "d-1", "d-0"]).await;
    assert_walked(&dev, "/v1/users/ben/devices", "device_id", &["other-4", "other-3", "other-2", "other-1", "other-0"]).await;
}

/// Deliveries come in one order, whether they ended or wait, and filters go with the cursor.
#[tokio::test]
async fn deliveries_are_walked() {
    let dev = Dev::start();
    dev.behave(json!([{"provider": "apns", "token_prefix": "ba5", "respond": {"status": 403, "reason": "Forbidden"}}])).await;
    for number in 0..4 {
        dev.android(&format!("tablet-{number}"), "ann", &format!("well-{number}")).await;
    }
    for number in 0..3 {
        dev.ios(&format!("phone-{number}"), "ann", &apns_token("ba5", number)).await;
    }
    let id = dev.notify(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    for number in 0..3 {
        dev.waits(&id, &format!("phone-{number}"), "lane_paused").await;
    }
    until("the others were sent", async || {
        let counts = dev.get(&format!("/v1/notifications/{id}")).await.expect(200)["counts"].clone();
        (counts["sent"] == 4).then_some(())
    })
    .await;
    let path = format!("/v1/notifications/{id}/deliveries");
    let there = whole(&dev, &path, "device_id").await;
    assert_eq!(there.len(), 7, "{there:?}");
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    assert_walked(&dev, &path, "device_id", &there).await;
    for (status, prefix, count) in [("sent", "tablet", 4), ("waiting", "phone", 3)] {
        let found = walk(&dev, &format!("{path}?status={status}"), 2, "device_id").await;
        let expected: Vec<_> = there.iter().filter(|device| device.starts_with(prefix)).copied().collect();
        assert_eq!(found, expected, "{status}");
        assert_eq!(found.len(), count, "{status}");
    }
}

#[tokio::test]
async fn a_user_s_deliveries_are_walked() {
    let dev = Dev::start();
    dev.android("tablet", "ann", "well-1").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let done = dev.send_and_wait(&json!({"to": {"user_ids": ["ann", "ben"]}, "content": {"title": "t"}})).await;
        ids.push(done["id"].as_str().unwrap().to_owned());
    }
    ids.reverse();
    let expected: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_walked(&dev, "/v1/users/ann/deliveries", "notification_id", &expected).await;
    assert_walked(&dev, "/v1/users/ben/deliveries", "notification_id", &expected).await;
}

/// A cursor of each list at each other one, those of the same route but another subject included.
#[tokio::test]
async fn no_list_takes_a_cursor_of_another() {
    let dev = Dev::start();
    let mut sent = Vec::new();
    for user in ["ann", "ben"] {
        for number in 0..2 {
            dev.android(&format!("{user}-{number}"), user, &format!("well-{user}-{number}")).await;
        }
        for _ in 0..2 {
            let done = dev.send_and_wait(&json!({"to": {"user_id": user}, "content": {"title": "t"}})).await;
            sent.push(done["id"].as_str().unwrap().to_owned());
        }
    }
    for name in ["one", "two"] {
        dev.post("/v1/keys", &json!({"name": name, "scopes": ["read"]})).await.expect(201);
    }
    let of = |id: &str| format!("/v1/notifications/{id}/deliveries");
    let lists = [
        "/v1/devices".to_owned(),
        "/v1/users/ann/devices".to_owned(),
        "/v1/users/ben/devices".to_owned(),
        "/v1/users/ann/deliveries".to_owned(),
        "/v1/users/ben/deliveries".to_owned(),
        "/v1/notifications".to_owned(),
        of(&sent[0]),
        of(&sent[3]),
        "/v1/keys".to_owned(),
        "/v1/categories".to_owned(),
    ];
    let mut cursors = Vec::new();
    for list in &lists {
        let page = dev.get(&format!("{list}?limit=1")).await.expect(200);
        cursors.push(page["next_cursor"].as_str().unwrap_or_else(|| panic!("{list}: {page}")).to_owned());
    }
    for (place, cursor) in cursors.iter().enumerate() {
        for (at, list) in lists.iter().enumerate() {
            let answer = dev.get(&format!("{list}?cursor={cursor}")).await;
            if at == place {
                answer.expect(200);
            } else {
                let told: Value = answer.problem(422, "cursor_mismatch");
                assert_eq!(told["errors"][0]["field"], "cursor", "{list}");
            }
        }
        let forged = format!("{}{cursor}", &cursor[..4]);
        dev.get(&format!("{}?cursor={forged}", lists[place])).await.invalid("cursor", "invalid");
    }
}
