//! What a kill in the middle leaves: nothing lost, no more repeats than permits, and counts that add up.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::daemon::{Client, Simulator, apns_token, until};

const NOTIFICATIONS: usize = 20_000;
const BATCH: usize = 500;
const PERMITS: u64 = 500;

/// 20 000 notifications in; kill -9 in the middle; restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_loses_nothing() {
    let simulator = Simulator::start();
    let key = simulator.key("send,manage,read");
    let permits = PERMITS.to_string();
    let env = [("HERALD__DISPATCH__PERMITS", permits.as_str()), ("HERALD__RETRY__PROVIDER_FLOORS", "false")];
    let daemon = simulator.serve(&env);
    let client = Client::new(&daemon.url, &key);
    client.import_many(0..NOTIFICATIONS).await;

    let mut ids = Vec::with_capacity(NOTIFICATIONS);
    for chunk in (0..NOTIFICATIONS).collect::<Vec<_>>().chunks(BATCH) {
        let notifications: Vec<Value> = chunk
            .iter()
            .map(|n| json!({"to": {"user_id": format!("user-{n}")}, "content": {"title": "t", "body": format!("{n}")}}))
            .collect();
        let answer = client.post("/v1/notifications/batch", &json!({"notifications": notifications})).await.expect(202);
        ids.extend(answer["results"].as_array().unwrap().iter().map(|result| result["id"].as_str().unwrap().to_owned()));
    }
    let stats = async || simulator.client.get("/simulator/stats").await.expect(200);
    let accepted = async || stats().await["accepted"].as_u64().unwrap();
    until("the middle", async || (accepted().await >= 1000).then_some(())).await;
    daemon.kill();
    let at_kill = accepted().await;
    assert!(at_kill < NOTIFICATIONS as u64, "the kill came too late to prove anything");

    let daemon = simulator.serve(&env);
    let client = Client::new(&daemon.url, &key);
    let mut states: HashMap<String, u64> = HashMap::new();
    for id in &ids {
        let done = client.done(id).await;
        let counts = &done["counts"];
        assert_eq!(counts["targeted"], 1, "{done}");
        for state in ["waiting", "sent", "suppressed", "failed", "expired", "cancelled"] {
            *states.entry(state.to_owned()).or_default() += counts[state].as_u64().unwrap();
        }
    }
    assert_eq!(states["sent"], NOTIFICATIONS as u64, "{states:?}");
    let stats = stats().await;
    assert_eq!(stats["devices"], NOTIFICATIONS, "every device got its push: {stats}");
    let repeats = stats["repeats"].as_u64().unwrap();
    assert!(repeats <= PERMITS, "{repeats} repeats, {PERMITS} permits");
    assert_eq!(stats["accepted"].as_u64().unwrap(), NOTIFICATIONS as u64 + repeats);
    assert!(daemon.terminate().await.success());
}

/// SIGTERM finishes what is under way: nothing is repeated.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_repeats_nothing() {
    let simulator = Simulator::start();
    let key = simulator.key("send,manage,read");
    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &key);
    client.import_many(0..5000).await;
    let body = json!({"to": {"all": true}, "content": {"title": "t"}});
    let id = client.notify(&body).await;
    let stats = async || simulator.client.get("/simulator/stats").await.expect(200);
    until("the middle", async || (stats().await["accepted"].as_u64().unwrap() >= 500).then_some(())).await;
    assert!(daemon.terminate().await.success());

    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &key);
    let done = client.done(&id).await;
    assert_eq!(done["counts"]["sent"], 5000, "{done}");
    let stats = stats().await;
    assert_eq!((&stats["devices"], &stats["repeats"]), (&json!(5000), &json!(0)), "{stats}");
}

/// What a provider asked to wait stays asked when the rest of its work is handed back after the grace period.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_goes_on_waiting_over_a_stop() {
    let simulator = Simulator::start();
    let key = simulator.key("send,manage,read");
    let env = [("HERALD__DISPATCH__GRACE_SECONDS", "0"), ("HERALD__RETRY__PROVIDER_FLOORS", "false")];
    let daemon = simulator.serve(&env);
    let client = Client::new(&daemon.url, &key);
    let (throttled, slow) = (apns_token("c0", 1), apns_token("a1", 2));
    client.ios("throttled", "ann", &throttled).await;
    client.ios("slow", "ann", &slow).await;
    let rules = json!([
        {"provider": "apns", "token_prefix": throttled, "respond": {"status": 503, "reason": "ServiceUnavailable", "retry_after": 3000}, "times": 1},
        {"provider": "apns", "token_prefix": slow, "delay_ms": 8000, "times": 1},
    ]);
    simulator.client.behave(rules).await;
    let id = client.notify(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    let received = async || simulator.client.get("/simulator/stats").await.expect(200)["received"].as_u64().unwrap();
    until("both are under way", async || (received().await >= 2).then_some(())).await;
    assert!(daemon.terminate().await.success());

    let daemon = simulator.serve(&env);
    let client = Client::new(&daemon.url, &key);
    until("the slow one is sent", async || (client.delivery(&id, "slow").await["status"] == "sent").then_some(())).await;
    let waiting = client.delivery(&id, "throttled").await;
    assert_eq!(
        (&waiting["status"], &waiting["reason"], &waiting["attempts"]),
        (&json!("waiting"), &json!("unavailable"), &json!(1)),
        "{waiting}"
    );
    let next = waiting["next_attempt_at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert!(next > crate::clock::now() + chrono::TimeDelta::minutes(40), "{waiting}");
}

/// A second daemon on the same file is refused.
#[tokio::test]
async fn one_store_has_one_daemon() {
    let simulator = Simulator::start();
    let daemon = simulator.serve(&[]);
    let mut second = simulator.serve_command(&[]);
    let output = tokio::task::spawn_blocking(move || second.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another"), "{}", String::from_utf8_lossy(&output.stderr));
    drop(daemon);
}
