//! What a node of each role does and does not do.

use serde_json::json;

use crate::nodes::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_does_what_its_roles_say() {
    let cluster = Cluster::start(&[]);
    let api = cluster.node("api");
    let client = cluster.client(&api);
    client.ios("phone", "ann", &crate::daemon::apns_token("c0", 1)).await;
    let later = client.notify(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}, "send_at": (chrono::Utc::now() + chrono::TimeDelta::seconds(1)).to_rfc3339()})).await;
    let worker = cluster.node("worker");
    let now = client.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    assert_eq!(now["counts"]["sent"], 1, "what is due now needs no scheduler");
    for node in [&api, &worker] {
        let probe = cluster.client(node);
        probe.get("/health").await.expect(200);
        probe.get("/ready").await.expect(200);
        probe.get("/metrics").await.expect(200);
    }
    cluster.client(&worker).get("/v1/devices").await.problem(404, "not_found");
    assert_eq!(client.get(&format!("/v1/notifications/{later}")).await.expect(200)["counts"]["waiting"], 1, "nobody schedules");
    let _scheduler = cluster.node("scheduler");
    assert_eq!(client.done(&later).await["counts"]["sent"], 1);
}

/// A command without the queue of the others would be a node apart.
#[tokio::test(flavor = "multi_thread")]
async fn roles_need_a_queue_that_is_shared() {
    let cluster = Cluster::start(&[]);
    let mut command = cluster.command(&["serve"]);
    let output = command.args(["--role", "worker"]).env("HERALD__QUEUE__URL", "embedded").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let mut command = cluster.command(&["serve"]);
    let output = command.env("HERALD__DATABASE__URL", "sqlite://herald.db").output().unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("queue.url"), "{told}");
}
