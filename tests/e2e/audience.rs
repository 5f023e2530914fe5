//! One notification to everyone.

use serde_json::json;

use crate::daemon::{Client, Process, Simulator};

const FEW: usize = 20_000;
const MANY: usize = 150_000;
/// What the store's page caches still gain between the two, in MiB. An audience that is held whole takes 100 MiB more.
const CACHES: u64 = 120;

/// Sends to all of so many devices; the daemon's highest memory meanwhile, in MiB.
async fn peak_of_sending(client: &Client, daemon: &Process, devices: usize) -> u64 {
    daemon.forget_peak();
    let done = client.send_and_wait(&json!({"to": {"all": true}, "content": {"title": "t"}})).await;
    assert_eq!((&done["counts"]["targeted"], &done["counts"]["sent"]), (&json!(devices), &json!(devices)), "{done}");
    daemon.peak_mib()
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_audience() {
    let simulator = Simulator::start();
    let key = simulator.key("send,manage,read");
    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &key);
    client.import_many(0..FEW).await;
    peak_of_sending(&client, &daemon, FEW).await;
    let few = peak_of_sending(&client, &daemon, FEW).await;
    client.import_many(FEW..MANY).await;
    let many = peak_of_sending(&client, &daemon, MANY).await;
    assert!(many < few + CACHES, "{few} MiB for {FEW} devices, {many} MiB for {MANY}");
    let stats = simulator.client.get("/simulator/stats").await.expect(200);
    assert_eq!((&stats["devices"], &stats["repeats"]), (&json!(MANY), &json!(0)), "{stats}");
}
