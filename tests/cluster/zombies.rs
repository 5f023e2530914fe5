//! A node that is frozen for longer than its leases, and does not know it when it goes on.

use serde_json::json;

use crate::load::{PERMITS, settings};
use crate::nodes::{Cluster, notify_each, notifying, scaled};

/// How long a push takes, so that the node has its permits in use when it is frozen.
const SLOWNESS_MS: u64 = 200;
/// Sent after it goes on, by nobody else.
const AFTERWARDS: usize = 200;

/// Others do what it held. It repeats none of it but what it had under way, and works on.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_node_repeats_only_what_it_had_under_way() {
    let cluster = Cluster::start(&settings());
    let (api, frozen, other) = (cluster.node("api,scheduler"), cluster.node("worker"), cluster.node("worker"));
    let client = cluster.client(&api);
    let count = scaled(4_000, 40_000);
    client.import_many(0..count).await;
    cluster.simulator.client.behave(json!([{"provider": "apns", "delay_ms": SLOWNESS_MS}])).await;
    let caller = notifying(&client, 0..count);
    cluster.until_accepted(count as u64 / 4).await;
    frozen.signal("STOP");
    let before = cluster.stats().await;
    assert!(before.accepted < count as u64, "it was frozen too late to prove anything: {before:?}");
    let mut ids = caller.await.unwrap();
    // what it holds is over only when its leases have lapsed and another has done it
    let states = cluster.tally(&client, &ids).await;
    assert_eq!((states["sent"], states.values().sum::<u64>()), (count as u64, count as u64), "{states:?}");
    frozen.signal("CONT");
    assert!(other.terminate().await.success());
    ids.extend(notify_each(&client, 0..AFTERWARDS).await);
    let states = cluster.tally(&client, &ids).await;
    let all = (count + AFTERWARDS) as u64;
    assert_eq!((states["sent"], states.values().sum::<u64>()), (all, all), "{states:?}");
    // nothing of it is under way any more
    assert!(frozen.terminate().await.success());
    let stats = cluster.stats().await;
    assert_eq!((stats.devices, stats.accepted), (count as u64, all + stats.repeats), "{stats:?}");
    assert!(stats.repeats <= PERMITS, "{stats:?}");
    println!("{count} notifications, a node frozen: {} repeats, at most {PERMITS} explained", stats.repeats);
}
