//! Devices that nobody has seen for long.

use serde_json::json;

use crate::clock::{in_seconds, text};
use crate::daemon::{Client, Simulator, apns_token, until};

/// Imports an iPhone that was last seen so many days ago.
async fn import(client: &Client, device: &str, number: usize, days: i64) {
    let seen_at = text(in_seconds(-days * 86_400));
    let line = json!({
        "device_id": device, "user_id": "ann", "platform": "ios", "token": apns_token("a1", number), "created_at": seen_at, "last_seen_at": seen_at,
    });
    assert_eq!(client.import("", &format!("{line}\n")).await.expect(200)["created"], 1);
}

const LIMITS: [(&str, &str); 2] = [("HERALD__APPS__DEMO__STALE_AFTER_DAYS", "30"), ("HERALD__APPS__DEMO__DEACTIVATE_AFTER_DAYS", "270")];

#[tokio::test]
async fn the_long_unseen_are_left_out_and_later_deactivated() {
    let simulator = Simulator::start();
    let key = simulator.key("send,manage,read");
    let daemon = simulator.serve(&LIMITS);
    let client = Client::new(&daemon.url, &key);
    import(&client, "young", 1, 29).await;
    import(&client, "stale", 2, 31).await;
    import(&client, "ancient", 3, 271).await;

    let to_all = json!({"to": {"all": true}, "content": {"title": "t"}});
    let preview = client.post("/v1/notifications/preview", &to_all).await.expect(200);
    assert_eq!((&preview["targeted"], &preview["left_out"]), (&json!(1), &json!({"stale": 2})), "{preview}");
    let done = client.send_and_wait(&to_all).await;
    assert_eq!((&done["counts"]["targeted"], &done["counts"]["sent"]), (&json!(1), &json!(1)), "{done}");
    assert_eq!(done["left_out"], json!({"stale": 2}));
    // who is named is meant, whatever their phone
    let named = client.send_and_wait(&json!({"to": {"device_ids": ["stale"]}, "content": {"title": "t"}})).await;
    assert_eq!((&named["counts"]["sent"], &named["left_out"]), (&json!(1), &json!({"stale": 0})), "{named}");

    // it is looked for when a node starts
    drop(daemon);
    let daemon = simulator.serve(&LIMITS);
    let client = Client::new(&daemon.url, &key);
    let inactive = until("the oldest is inactive", async || {
        let device = client.get("/v1/devices/ancient").await.expect(200);
        (device["status"] == "inactive").then_some(device)
    })
    .await;
    assert_eq!(inactive["inactive_reason"], "stale", "{inactive}");
    assert_eq!(client.get("/v1/devices/stale").await.expect(200)["status"], "active");
    let metrics = client.get("/metrics").await.expect(200);
    assert!(metrics.as_str().unwrap().contains("herald_devices_deactivated_total{reason=\"stale\"} 1"), "{metrics}");
    // an import is no sign of life, a registration is
    let line = json!({"device_id": "ancient", "user_id": "ann", "platform": "ios", "token": apns_token("a1", 3)});
    client.import("", &format!("{line}\n")).await.expect(200);
    assert_eq!(client.get("/v1/devices/ancient").await.expect(200)["status"], "inactive");
    assert_eq!(client.ios("ancient", "ann", &apns_token("a1", 3)).await["status"], "active");
    assert_eq!(client.send_and_wait(&to_all).await["counts"]["sent"], 2);
}
