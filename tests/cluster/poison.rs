//! Work that nobody can handle.

use serde_json::json;

use crate::daemon::until;
use crate::nodes::Cluster;

/// A notification that cannot be read any more is tried as often as is allowed, harms nobody, and then waits for people.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_handled_becomes_a_dead_letter() {
    let settings = [("HERALD__DISPATCH__LEASE_SECONDS", "5"), ("HERALD__DISPATCH__SEND_TIMEOUT_SECONDS", "2")];
    let cluster = Cluster::start(&settings);
    let api = cluster.node("api");
    let client = cluster.client(&api);
    client.import_many(0..3).await;
    let id = client.notify(&json!({"to": {"user_id": "user-0"}, "content": {"title": "t"}})).await;
    let good = client.notify(&json!({"to": {"user_id": "user-1"}, "content": {"title": "t"}})).await;
    let spoil = format!("UPDATE notification SET content = 'spoiled' WHERE id = '{id}'");
    cluster.sql(&spoil);
    let workers = [cluster.node("worker,scheduler"), cluster.node("worker,scheduler")];
    assert_eq!(client.done(&good).await["counts"]["sent"], 1);
    let letter = until("it is dead", async || client.items("/v1/dead-letters").await.into_iter().next()).await;
    assert_eq!(letter["notification_id"], id.as_str(), "{letter}");
    assert_eq!(letter["takes"], 5, "{letter}");
    let waiting = client.get(&format!("/v1/notifications/{id}")).await.expect(200);
    assert_eq!(waiting["reasons"]["waiting"]["dead_letter"], 1, "{waiting}");

    let mend = format!("UPDATE notification SET content = (SELECT content FROM notification WHERE id = '{good}') WHERE id = '{id}'");
    cluster.sql(&mend);
    let retry = format!("/v1/dead-letters/{}/retry", letter["id"].as_str().unwrap());
    client.post(&retry, &json!({})).await.expect(200);
    assert_eq!(client.done(&id).await["counts"]["sent"], 1);
    assert!(client.items("/v1/dead-letters").await.is_empty());
    for worker in workers {
        assert!(worker.terminate().await.success(), "it killed nobody");
    }
}
