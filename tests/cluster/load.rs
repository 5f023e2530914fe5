//! A steady load from a caller who repeats what was refused, and what must be true of it in the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::daemon::Client;
use crate::nodes::{Cluster, accepted_ids, batch};

/// Sends under way or not yet recorded, per node.
pub(crate) const PERMITS: u64 = 100;
/// Notifications in one request of the steady load.
const AT_ONCE: usize = 20;

/// A caller who posts batch after batch until told to stop, and tells what was answered.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    caller: JoinHandle<Answered>,
}

/// What a caller was answered.
#[derive(Default)]
pub(crate) struct Answered {
    pub(crate) ids: Vec<String>,
    pub(crate) refused: usize,
}

impl Load {
    /// Posts to these users in turn, by their numbers.
    pub(crate) fn start(client: Client, users: usize) -> Self {
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

    /// Lets it end its last batch.
    pub(crate) async fn stop(self) -> Answered {
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

/// Nodes of which many sends are not under way at once, and whose leases are short.
pub(crate) fn settings() -> [(&'static str, &'static str); 3] {
    [("HERALD__DISPATCH__PERMITS", "100"), ("HERALD__DISPATCH__LEASE_SECONDS", "5"), ("HERALD__DISPATCH__SEND_TIMEOUT_SECONDS", "2")]
}

/// Everything that was answered 202 is sent, each once, but for what an interruption explains.
pub(crate) async fn settle(cluster: &Cluster, client: &Client, answered: Answered, interruptions: u64) {
    let count = answered.ids.len() as u64;
    let states = cluster.tally(client, &answered.ids).await;
    assert_eq!((states["sent"], states.values().sum::<u64>()), (count, count), "{states:?}");
    let stats = cluster.stats().await;
    let repeats = stats.accepted - count;
    assert!(repeats <= interruptions * 2 * PERMITS, "{repeats} repeats");
    println!("{count} notifications, {} answers 503 or 409, {repeats} repeats", answered.refused);
}
