//! Redis and PostgreSQL that forget, restart and stay away, under load: honest answers meanwhile, nothing lost, and no hand needed.

use std::time::Duration;

use crate::daemon::{Client, until};
use crate::load::{Load, settings, settle};
use crate::nodes::{Cluster, accepted_ids, batch, scaled};

async fn readiness(client: &Client) -> (u16, String) {
    let answer = client.get("/ready").await;
    (answer.status.as_u16(), answer.body.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_forgets_and_restarts_loses_nothing() {
    let mut cluster = Cluster::start(&settings());
    let nodes = [cluster.node("api,scheduler"), cluster.node("worker"), cluster.node("worker,scheduler")];
    let client = cluster.client(&nodes[0]);
    client.import_many(0..500).await;
    let load = Load::start(client.clone(), 500);
    cluster.until_accepted(500).await;
    for _ in 0..scaled(3, 20) {
        assert_eq!(cluster.redis.run(&["FLUSHALL"]), "+OK\r\n");
        let accepted = cluster.stats().await.accepted;
        cluster.until_accepted(accepted + 300).await;
    }
    cluster.redis.kill();
    until("the queue is named", async || {
        let (status, body) = readiness(&client).await;
        (status == 503 && body.contains("queue") && !body.contains("store")).then_some(())
    })
    .await;
    // what comes in meanwhile is accepted: the store has it
    let before = client.post("/v1/notifications/batch", &batch(&[1, 2, 3])).await.expect(202);
    tokio::time::sleep(Duration::from_secs(scaled(3, 30) as u64)).await;
    cluster.redis.start_again();
    until("it is ready again", async || (readiness(&client).await.0 == 200).then_some(())).await;
    let accepted = cluster.stats().await.accepted;
    cluster.until_accepted(accepted + 300).await;
    let mut answered = load.stop().await;
    assert_eq!(answered.refused, 0, "without the queue it goes on accepting");
    answered.ids.extend(accepted_ids(&before));
    settle(&cluster, &client, answered, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_restarts_loses_nothing() {
    let mut cluster = Cluster::start(&settings());
    let nodes = [cluster.node("api,scheduler"), cluster.node("worker"), cluster.node("worker,scheduler")];
    let client = cluster.client(&nodes[0]);
    client.import_many(0..500).await;
    let load = Load::start(client.clone(), 500);
    cluster.until_accepted(500).await;
    cluster.postgres.stop();
    cluster.postgres.start_again();
    let accepted = cluster.stats().await.accepted;
    cluster.until_accepted(accepted + 300).await;
    cluster.postgres.kill();
    until("the store is named", async || {
        let (status, body) = readiness(&client).await;
        (status == 503 && body.contains("store") && !body.contains("queue")).then_some(())
    })
    .await;
    let answer = client.post("/v1/notifications/batch", &batch(&[1])).await;
    assert!(!answer.header("retry-after").is_empty(), "{}", answer.body);
    answer.problem(503, "store_unavailable");
    tokio::time::sleep(Duration::from_secs(scaled(3, 30) as u64)).await;
    cluster.postgres.start_again();
    until("it is ready again", async || (readiness(&client).await.0 == 200).then_some(())).await;
    let accepted = cluster.stats().await.accepted;
    cluster.until_accepted(accepted + 300).await;
    let answered = load.stop().await;
    assert!(answered.refused > 0, "somebody was told that the store is away");
    settle(&cluster, &client, answered, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_either_for_a_while_nothing_is_lost() {
    let mut cluster = Cluster::start(&settings());
    let nodes = [cluster.node("api,scheduler"), cluster.node("worker"), cluster.node("worker,scheduler")];
    let client = cluster.client(&nodes[0]);
    client.import_many(0..500).await;
    let load = Load::start(client.clone(), 500);
    cluster.until_accepted(500).await;
    cluster.redis.kill();
    cluster.postgres.kill();
    until("both are named", async || {
        let (status, body) = readiness(&client).await;
        (status == 503 && body.contains("store") && body.contains("queue")).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(scaled(5, 30) as u64)).await;
    cluster.redis.start_again();
    cluster.postgres.start_again();
    until("it is ready again", async || (readiness(&client).await.0 == 200).then_some(())).await;
    let accepted = cluster.stats().await.accepted;
    cluster.until_accepted(accepted + 300).await;
    settle(&cluster, &client, load.stop().await, 1).await;
}
