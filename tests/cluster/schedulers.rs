//! Several schedulers, and what is due once.

use serde_json::json;

use crate::nodes::Cluster;

/// Rows that become due while several nodes schedule are each sent once.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_once_is_sent_once() {
    let cluster = Cluster::start(&[]);
    let nodes = [cluster.node("api,scheduler"), cluster.node("worker,scheduler"), cluster.node("worker,scheduler")];
    let client = cluster.client(&nodes[0]);
    client.import_many(0..200).await;
    let soon = (chrono::Utc::now() + chrono::TimeDelta::seconds(2)).to_rfc3339();
    let mut ids = Vec::new();
    for n in 0..200 {
        let body = json!({"to": {"user_id": format!("user-{n}")}, "content": {"title": "t"}, "send_at": soon});
        ids.push(client.notify(&body).await);
    }
    for id in &ids {
        assert_eq!(client.done(id).await["counts"]["sent"], 1);
    }
    let everyone = client.notify(&json!({"to": {"all": true}, "content": {"title": "t"}, "send_at": (chrono::Utc::now() + chrono::TimeDelta::seconds(1)).to_rfc3339()})).await;
    assert_eq!(client.done(&everyone).await["counts"]["sent"], 200);
    let stats = cluster.stats().await;
    assert_eq!((stats.accepted, stats.received, stats.repeats), (400, 400, 0), "{stats:?}");
}
