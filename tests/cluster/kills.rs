//! Workers that are killed one after another.

use crate::daemon::until;
use crate::nodes::{Cluster, notifying, scaled};

/// Sends under way or not yet recorded, per worker.
const PERMITS: u64 = 200;

/// Three workers and two API nodes; every worker is killed once, in the middle, and started again.
#[tokio::test(flavor = "multi_thread")]
async fn every_worker_is_killed_and_nothing_is_lost() {
    let permits = PERMITS.to_string();
    let cluster = Cluster::start(&[
        ("HERALD__DISPATCH__PERMITS", &permits),
        ("HERALD__DISPATCH__LEASE_SECONDS", "5"),
        ("HERALD__DISPATCH__SEND_TIMEOUT_SECONDS", "2"),
    ]);
    let [first, second] = [cluster.node("api,scheduler"), cluster.node("api,scheduler")];
    let (first, second) = (cluster.client(&first), cluster.client(&second));
    let count = scaled(9_000, 100_000);
    first.import_many(0..count).await;
    let mut workers: Vec<_> = (0..3).map(|_| cluster.node("worker")).collect();

    let callers = [notifying(&first, 0..count / 2), notifying(&second, count / 2..count)];
    let mut in_flight = 0;
    for quarter in 1..=3 {
        // a quarter of what is left each time
        cluster.until_accepted(quarter * count as u64 / 4).await;
        let before = cluster.stats().await;
        workers.remove(0).kill();
        in_flight += PERMITS;
        assert!(before.accepted < count as u64, "the kill came too late to prove anything: {before:?}");
        workers.push(cluster.node("worker"));
    }
    let mut ids = Vec::with_capacity(count);
    for caller in callers {
        ids.extend(caller.await.unwrap());
    }
    let states = cluster.tally(&second, &ids).await;
    assert_eq!((states["sent"], states.values().sum::<u64>()), (count as u64, count as u64), "{states:?}");
    let stats = cluster.stats().await;
    assert_eq!(stats.devices, count as u64, "every device got its push: {stats:?}");
    assert!(stats.repeats <= in_flight, "{} repeats, {in_flight} permits were killed", stats.repeats);
    assert_eq!(stats.accepted, count as u64 + stats.repeats, "{stats:?}");
    println!("{count} notifications, 3 kills: {} repeats, at most {in_flight} explained", stats.repeats);
    // what the killed had taken is reclaimed by those that live
    until("the queue is empty", async || (cluster.redis.run(&["XLEN", "{herald:0}:high"]) == ":0\r\n").then_some(())).await;
    for worker in workers {
        assert!(worker.terminate().await.success());
    }
}
