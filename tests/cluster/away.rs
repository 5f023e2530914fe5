//! Redis and PostgreSQL that forget, restart and stay away, under load: honest answers meanwhile, nothing lost, and no hand needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::daemon::{Client, until};
use crate::nodes::{Cluster, accepted_ids, batch, scaled, tally};

const PERMITS: u64 = 100;
/// Notifications in one request of the steady load.
const AT_ONCE: usize = 20;

/// A caller who posts batch after batch until told to stop, and tells what was answered.
struct Load {
    over: Arc<AtomicBool>,
    caller: JoinHandle<Answered>,
}

/// What a caller was answered.
#[derive(Default)]
struct Answered {
    ids: Vec<String>,
    refused: usize,
}

impl Load {
    fn start(client: Client, users: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let caller = tokio::spawn(async move {
            let mut answered = Answered::default();
            let mut number = 0;
            while !told.load(Ordering::SeqCst) {
                let users: Vec<usize> = (number..number + AT_ONCE).map(|n| n % users).collect();
                // sent again under the same key until it is accepted, as a backend does
                let key = format!("batch-{number}");
                match post(&client, &key, &batch(&users)).await {
                    Some(ids) => {
                        answered.ids.extend(ids);
                        number += AT_ONCE;
                    }
                    None => answered.refused += 1,
                }
            }
            answered
        });
        Self { over, caller }
    }

    async fn stop(self) -> Answered {
        self.over.store(true, Ordering::SeqCst);
        self.caller.await.unwrap()
    }
}

/// The ids, if it was accepted. Whatever else is answered must say that it can be tried again, and when.
async fn post(client: &Client, key: &str, body: &Value) -> Option<Vec<String>> {
    let request = client.request(Method::POST, "/v1/notifications/batch").header("idempotency-key", key).json(body);
    let answer = client.send(request).await;
    match answer.status.as_u16() {
        202 => Some(accepted_ids(&answer.body)),
        409 => {
            answer.problem(409, "idempotency_in_progress");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
        _ => {
            assert!(!answer.header("retry-after").is_empty(), "{}", answer.body);
            answer.problem(503, "store_unavailable");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn readiness(client: &Client) -> (u16, String) {
    let answer = client.get("/ready").await;
    (answer.status.as_u16(), answer.body.to_string())
}

fn settings() -> [(&'static str, &'static str); 3] {
    [("HERALD__DISPATCH__PERMITS", "100"), ("HERALD__DISPATCH__LEASE_SECONDS", "5"), ("HERALD__DISPATCH__SEND_TIMEOUT_SECONDS", "2")]
}

/// Everything that was answered 202 is sent, each once, but for what an interruption explains.
async fn settle(cluster: &Cluster, client: &Client, answered: Answered, interruptions: u64) {
    let count = answered.ids.len() as u64;
    let states = tally(client, &answered.ids).await;
    assert_eq!((states["sent"], states.values().sum::<u64>()), (count, count), "{states:?}");
    let stats = cluster.stats().await;
    let repeats = stats.accepted - count;
    assert!(repeats <= interruptions * 2 * PERMITS, "{repeats} repeats");
    println!("{count} notifications, {} answers 503 or 409, {repeats} repeats", answered.refused);
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
