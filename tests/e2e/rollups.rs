//! Analytics of the embedded store, whose daemon is killed in the middle: they are a recount of the deliveries, at every instant.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};

use crate::cast;
use crate::daemon::{Client, Simulator, until};

/// A number that the file has just now.
async fn number(simulator: &Simulator, statement: &str) -> i64 {
    let options = SqliteConnectOptions::new().filename(simulator.dir.path().join("herald.db")).read_only(true);
    let mut conn = options.connect().await.unwrap();
    sqlx::query_scalar(AssertSqlSafe(statement.to_owned())).fetch_one(&mut conn).await.unwrap()
}

/// How many rollups and counts are no recount.
async fn wrong(simulator: &Simulator) -> (i64, i64) {
    let rollups = cast::wrong_rollups("d.at - d.at % (k.length * 1000000)", "zeroblob(16)");
    (number(simulator, &rollups).await, number(simulator, cast::WRONG_COUNTS).await)
}

/// Waits until no work is left, however much there is: there is less and less.
async fn until_over(simulator: &Simulator) {
    let mut waiting = i64::MAX;
    while waiting > 0 {
        let before = waiting;
        let look = async || Some(number(simulator, "SELECT count(*) FROM work").await).filter(|now| *now < before);
        waiting = until("less work waits", look).await;
    }
}

/// Known ends; kill -9 and a restart, twice; receipts early, late, doubled, of other devices and of another app.
#[tokio::test(flavor = "multi_thread")]
async fn rollups_are_a_recount_whatever_is_killed() {
    let simulator = Simulator::start();
    simulator.add_app("other");
    let (key, other) = (simulator.key("send,manage,read"), simulator.key_of("other", "send,manage,read"));
    let env = [("HERALD__DISPATCH__PERMITS", "500"), ("HERALD__RETRY__PROVIDER_FLOORS", "false")];
    let mut daemon = simulator.serve(&env);
    let mut client = Client::new(&daemon.url, &key);
    let (count, fans) = (cast::size(), 2_000);
    cast::enrol(&client, 0..count).await;
    cast::enrol(&client, count..count + fans).await;

    let mut accepted = Vec::new();
    for half in [0..count / 2, count / 2..count] {
        let before = simulator.client.get("/simulator/stats").await.expect(200)["accepted"].as_u64().unwrap();
        let new = cast::notify(&client, half).await;
        if accepted.is_empty() {
            accepted.extend(cast::notify_all(&client, count..count + fans).await);
        }
        // some before their send was booked
        cast::report(&client, &new[..new.len() / 2], true).await;
        accepted.extend(new);
        until("the middle", async || {
            let stats = simulator.client.get("/simulator/stats").await.expect(200);
            (stats["accepted"].as_u64().unwrap() >= before + 200).then_some(())
        })
        .await;
        assert_eq!(wrong(&simulator).await, (0, 0), "while it works");
        daemon.kill();
        assert_eq!(wrong(&simulator).await, (0, 0), "as the killed one left it");
        daemon = simulator.serve(&env);
        client = Client::new(&daemon.url, &key);
    }
    cast::cancel_some(&client).await;
    until_over(&simulator).await;
    let (direct, fan_out): (Vec<_>, Vec<_>) = accepted.into_iter().partition(|(_, n)| *n < count);
    cast::report(&client, &direct, true).await;
    cast::report(&client, &fan_out, false).await;
    cast::report(&client.with_key(&other), &direct, false).await;
    cast::until_told(&client, &cast::expected(0..count, count..count + fans)).await;
    assert_eq!(wrong(&simulator).await, (0, 0));
    assert_eq!(cast::told(&client.with_key(&other), "day").await.into_values().sum::<u64>(), 0);
    assert!(daemon.terminate().await.success());
}
