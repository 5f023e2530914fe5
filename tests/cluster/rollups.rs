//! Analytics of nodes that share a database, some of which are killed: they are a recount of the deliveries, at every instant.

use serde_json::Value;

use crate::cast;
use crate::nodes::Cluster;

/// How many rollups and counts are no recount, in one snapshot each.
pub(crate) fn wrong(cluster: &Cluster) -> (String, String) {
    let rollups = cast::wrong_rollups(
        "to_timestamp(floor(extract(epoch FROM d.at) / k.length) * k.length)",
        "'00000000-0000-0000-0000-000000000000'::uuid",
    );
    (cluster.sql(&rollups), cluster.sql(cast::WRONG_COUNTS))
}

/// The same where all are.
pub(crate) fn right() -> (String, String) {
    ("0".to_owned(), "0".to_owned())
}

/// Known ends on three workers, each of which is killed; receipts early, late, doubled, of other devices and of another app, at both API nodes.
#[tokio::test(flavor = "multi_thread")]
async fn rollups_are_a_recount_whoever_is_killed() {
    let cluster = Cluster::start(&[
        ("HERALD__DISPATCH__PERMITS", "200"),
        ("HERALD__DISPATCH__LEASE_SECONDS", "5"),
        ("HERALD__DISPATCH__SEND_TIMEOUT_SECONDS", "2"),
    ]);
    cluster.simulator.add_app("other");
    let nodes = [cluster.node("api,scheduler"), cluster.node("api,scheduler")];
    let [first, second] = [cluster.client(&nodes[0]), cluster.client(&nodes[1])];
    let (count, fans) = (cast::size(), 2_000);
    cast::enrol(&first, 0..count).await;
    cast::enrol(&first, count..count + fans).await;
    let mut workers: Vec<_> = (0..3).map(|_| cluster.node("worker")).collect();

    let mut accepted = cast::notify_all(&second, count..count + fans).await;
    for third in 0..3 {
        let before = cluster.stats().await.accepted;
        let new = cast::notify(&first, third * count / 3..(third + 1) * count / 3).await;
        // some before their send was booked, at both nodes at once
        let early = &new[..new.len() / 2];
        tokio::join!(cast::report(&first, early, true), cast::report(&second, early, true));
        accepted.extend(new);
        cluster.until_accepted(before + 200).await;
        assert_eq!(wrong(&cluster), right(), "while they work");
        workers.remove(0).kill();
        workers.push(cluster.node("worker"));
    }
    cast::cancel_some(&first).await;
    let ids: Vec<String> = accepted.iter().map(|(id, _)| id.clone()).collect();
    cluster.tally(&second, &ids).await;
    let (direct, fan_out): (Vec<_>, Vec<_>) = accepted.into_iter().partition(|(_, n)| *n < count);
    tokio::join!(cast::report(&first, &direct, true), cast::report(&second, &direct, false), cast::report(&first, &fan_out, false));
    let other = first.with_key(&key_of_other(&cluster));
    cast::report(&other, &direct, false).await;
    cast::until_told(&second, &cast::expected(0..count, count..count + fans)).await;
    assert_eq!(wrong(&cluster), right());
    assert_eq!(cast::told(&other, "day").await.into_values().sum::<u64>(), 0);
    println!(
        "{} rows of rollups, in {} shards",
        cluster.sql("SELECT count(*) FROM rollup"),
        cluster.sql("SELECT count(DISTINCT shard) FROM rollup")
    );
}

fn key_of_other(cluster: &Cluster) -> String {
    let arguments = ["key", "create", "--app", "other", "--name", "test", "--scopes", "send,read", "--output", "json"];
    let output = cluster.command(&arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["key"].as_str().unwrap().to_owned()
}
