//! A provider's bad day: every fault at once, over many pushes.

use serde_json::{Value, json};

use crate::daemon::{Client, Simulator};

const DEVICES: usize = 100_000;
/// One stalled request in so many.
const STALLED: u64 = 100;

/// GOAWAY each 1 000 requests, 2 % resets, 1 % stalls and 5 % 503, all together.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the figures are worth knowing")]
async fn all_faults_at_once_lose_nothing_and_repeat_what_was_never_answered() {
    let simulator = Simulator::start();
    let key = simulator.key("send,manage,read");
    let env = [("HERALD__DISPATCH__SEND_TIMEOUT_SECONDS", "10"), ("HERALD__RETRY__PROVIDER_FLOORS", "false")];
    let daemon = simulator.serve(&env);
    let client = Client::new(&daemon.url, &key);
    client.import_many(0..DEVICES).await;
    let rules = json!([
        {"fault": "goaway", "every": 1000},
        {"fault": "reset", "every": 50},
        {"fault": "stall", "every": STALLED},
        {"respond": {"status": 503, "reason": "ServiceUnavailable"}, "every": 20},
    ]);
    simulator.client.behave(rules).await;
    let id = client.notify(&json!({"to": {"all": true}, "content": {"title": "t"}})).await;

    let done = client.done(&id).await;
    assert_eq!((&done["counts"]["targeted"], &done["counts"]["sent"]), (&json!(DEVICES), &json!(DEVICES)), "{done}");
    let stats = simulator.client.get("/simulator/stats").await.expect(200);
    let number = |name: &str| stats[name].as_u64().unwrap();
    assert_eq!(number("devices"), DEVICES as u64, "every device got its push: {stats}");
    // only what stalled was taken by the provider without an answer
    let stalled = number("received") / STALLED + 1;
    assert!(number("repeats") <= stalled, "at most {stalled} repeats are explained: {stats}");
    assert!(number("repeats") > 0, "nothing stalled: {stats}");
    assert!(number("connections") > 10, "no connection was drained: {stats}");
    let failed = stats["by_status"].get("503").and_then(Value::as_u64).unwrap_or_default();
    assert!(failed > DEVICES as u64 / 25, "too few failed: {stats}");
    println!("{} requests, {} repeats, {} connections, {failed} answers 503", number("received"), number("repeats"), number("connections"));
}
