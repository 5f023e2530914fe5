//! Nodes that are asked to stop under load.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::nodes::{Cluster, notifying, scaled};

/// SIGTERM under load, again and again: nothing is repeated, and the next node takes over at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_repeats_nothing() {
    let cluster = Cluster::start(&[("HERALD__DISPATCH__GRACE_SECONDS", "10")]);
    let api = cluster.node("api,scheduler");
    let client = cluster.client(&api);
    let count = scaled(6_000, 60_000);
    client.import_many(0..count).await;
    let mut worker = cluster.node("worker");
    let caller = notifying(&client, 0..count);
    for part in 1..=3 {
        cluster.until_accepted(part * count as u64 / 5).await;
        let next = cluster.node("worker");
        let asked = Instant::now();
        assert!(worker.terminate().await.success());
        assert!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
        worker = next;
    }
    let ids = caller.await.unwrap();
    let states = cluster.tally(&client, &ids).await;
    assert_eq!((states["sent"], states.values().sum::<u64>()), (count as u64, count as u64), "{states:?}");
    let stats = cluster.stats().await;
    assert_eq!((stats.devices, stats.repeats), (count as u64, 0), "{stats:?}");
    assert!(worker.terminate().await.success());
}

/// What a node could not finish within its grace period is with the next at once, not when its lease lapses.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_back_goes_on_at_once() {
    let cluster = Cluster::start(&[("HERALD__DISPATCH__GRACE_SECONDS", "1"), ("HERALD__DISPATCH__LEASE_SECONDS", "120")]);
    let api = cluster.node("api,scheduler");
    let client = cluster.client(&api);
    let token = crate::daemon::apns_token("a1", 1);
    client.ios("slow", "ann", &token).await;
    let rule = json!({"provider": "apns", "token_prefix": token, "delay_ms": 8000, "times": 1});
    cluster.simulator.client.behave(json!([rule])).await;
    let worker = cluster.node("worker");
    let id = client.notify(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    crate::daemon::until("it is under way", async || (cluster.stats().await.received >= 1).then_some(())).await;
    assert!(worker.terminate().await.success());
    let stopped = Instant::now();
    let _next = cluster.node("worker");
    assert_eq!(client.done(&id).await["counts"]["sent"], 1);
    assert!(stopped.elapsed() < Duration::from_mins(1), "its lease would have lapsed later");
}
