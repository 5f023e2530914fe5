//! Retention on the embedded store: what is older than its setting goes, and nothing else. What is old was made while the daemon's clock was
//! behind.

use serde_json::json;

use crate::daemon::{Client, DEV_KEY, Dev, PATIENCE, Process, apns_token, until, until_within};
use crate::system_clock::Clock;

const DAY: i64 = 86_400;

/// Starts a daemon by this clock.
fn start(dir: &std::path::Path, clock: &Clock, settings: &[(&str, &str)]) -> (Process, Client) {
    let clock = clock.environment();
    let env: Vec<_> = clock.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(settings.iter().copied()).collect();
    let daemon = Dev::spawn(dir, &env);
    let client = Client::new(&daemon.url, DEV_KEY);
    (daemon, client)
}

/// Sends something that is opened, and makes a category of this name; the id of what was sent.
async fn live_a_day(client: &Client, category: &str) -> String {
    client.ios("phone", "ann", &apns_token("c0", 1)).await;
    client.put(&format!("/v1/categories/{category}"), &json!({})).await.expect(201);
    let sent = client.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    assert_eq!(sent["counts"]["sent"], 1, "{sent}");
    let receipt = json!({"notification_id": sent["id"], "device_id": "phone", "type": "opened"});
    client.post("/v1/receipts", &json!({"receipts": [receipt]})).await;
    sent["id"].as_str().unwrap().to_owned()
}

/// Which categories of these somebody is known to have made.
async fn made(client: &Client) -> Vec<String> {
    let acts = client.items("/v1/audit?act=put_category").await;
    acts.iter().filter_map(|act| act["object"].as_str()).filter(|name| name.starts_with("of_")).map(str::to_owned).collect()
}

#[tokio::test]
async fn what_is_older_than_its_setting_goes() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let mut sent = Vec::new();
    for days in [400, 100, 10] {
        clock.step_to(-days * DAY);
        let (daemon, client) = start(dir.path(), &clock, &[]);
        sent.push(live_a_day(&client, &format!("of_{days}")).await);
        assert!(daemon.terminate().await.success());
    }
    clock.step_to(0);
    let (daemon, client) = start(dir.path(), &clock, &[("HERALD__DATABASE__RETENTION_DAYS", "29")]);
    let path = |id: &String| format!("/v1/notifications/{id}");
    for id in &sent {
        client.get(&path(id)).await.expect(200);
    }
    assert_eq!(made(&client).await, ["of_10", "of_100", "of_400"]);

    for id in &sent[..2] {
        // it is looked for when the first minute is over
        until_within(2 * PATIENCE, "what is old is gone", async || (client.get(&path(id)).await.status == 404).then_some(())).await;
    }
    until("acts of more than a year ago are gone", async || (made(&client).await == ["of_10", "of_100"]).then_some(())).await;
    let kept = client.get(&path(&sent[2])).await.expect(200);
    assert_eq!(kept["counts"]["sent"], 1, "{kept}");
    let deliveries = client.items("/v1/users/ann/deliveries").await;
    assert_eq!(deliveries.iter().map(|delivery| &delivery["notification_id"]).collect::<Vec<_>>(), [&json!(sent[2])]);
    client.get("/v1/devices/phone").await.expect(200);
    assert!(daemon.terminate().await.success());
}
