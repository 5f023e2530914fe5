//! A frequency cap that several nodes count together.

use futures_util::future::join_all;
use serde_json::json;

use crate::daemon::apns_token;
use crate::nodes::Cluster;

/// One user with two devices, fifty sends at once through three nodes: exactly two notifications get through, each to both.
#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_at_once_over_three_nodes_two_get_through() {
    let cluster = Cluster::start(&[]);
    let nodes = [cluster.node("api,worker,scheduler"), cluster.node("api,worker"), cluster.node("api,worker")];
    let clients: Vec<_> = nodes.iter().map(|node| cluster.client(node)).collect();
    let cap = json!({"frequency_cap": {"count": 2, "per_seconds": 86_400}});
    clients[0].put("/v1/categories/news", &cap).await.expect(201);
    let tokens = [apns_token("a1", 1), apns_token("a1", 2)];
    clients[0].ios("phone", "ann", &tokens[0]).await;
    clients[0].ios("tablet", "ann", &tokens[1]).await;

    let body = json!({"to": {"user_id": "ann"}, "category": "news", "content": {"title": "t"}});
    // every node knows the category by then, since it was declared before it was asked
    let ids = join_all((0..50).map(|n| clients[n % 3].notify(&body))).await;
    let mut ended = Vec::new();
    for id in &ids {
        let done = clients[0].done(id).await;
        ended.push((done["counts"]["sent"].clone(), done["reasons"]["suppressed"].clone()));
    }
    let sent = ended.iter().filter(|(sent, suppressed)| *sent == 2 && *suppressed == json!({})).count();
    let capped = ended.iter().filter(|(sent, suppressed)| *sent == 0 && *suppressed == json!({"frequency_cap": 2})).count();
    assert_eq!((sent, capped), (2, 48), "{ended:?}");
    let stats = cluster.stats().await;
    assert_eq!((stats.accepted, stats.devices, stats.repeats), (4, 2, 0), "{stats:?}");
}
