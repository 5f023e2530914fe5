//! Webhooks of several nodes, of which one is killed: every item arrives, and is in one message.

use std::collections::BTreeMap;

use serde_json::json;

use crate::daemon::{Client, until};
use crate::nodes::{Cluster, notifying};
use crate::receiver::{Got, Receiver, Reply};

const USERS: usize = 2_000;

fn start(receiver: &Receiver) -> Cluster {
    let trust = receiver.settings();
    let quick = [("HERALD__DISPATCH__LEASE_SECONDS", "5"), ("HERALD__DISPATCH__SEND_TIMEOUT_SECONDS", "2")];
    let settings: Vec<_> = trust.iter().map(|(name, value)| (*name, value.as_str())).chain(quick).collect();
    Cluster::start(&settings)
}

/// Makes a webhook; its secret.
async fn hook(client: &Client, url: &str, event: &str) -> String {
    let made = client.post("/v1/webhooks", &json!({"url": url, "events": [event]})).await.expect(201);
    made["secret"].as_str().unwrap().to_owned()
}

/// In how many messages each user is. A message that came again is one.
fn told(receiver: &Receiver, path: &str) -> BTreeMap<String, usize> {
    let messages: BTreeMap<_, _> = receiver.got(path).into_iter().map(|got| (got.id().to_owned(), got)).collect();
    let mut users = BTreeMap::new();
    for item in messages.values().flat_map(Got::items) {
        *users.entry(item["user_id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    users
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_leaves_its_messages_to_others() {
    let receiver = Receiver::start(&[]).await;
    let cluster = start(&receiver);
    let apis = ["api,scheduler"; 2].map(|roles| cluster.node(roles));
    let [first, second] = apis.each_ref().map(|node| cluster.client(node));
    let killed = cluster.node("worker");
    first.import_many(0..USERS).await;
    let all = hook(&first, &receiver.url("/all"), "delivery.sent").await;
    let held = hook(&second, &receiver.url("/held"), "preferences.changed").await;
    receiver.always("/held", Reply::Never);
    second.prefer("ann", &json!({"channels": {"push": false}})).await;
    let unanswered = receiver.wait("/held", 1).await.remove(0);

    let sending = notifying(&first, 0..USERS);
    until("some are told of", async || Some(told(&receiver, "/all").len()).filter(|told| *told > USERS / 10)).await;
    killed.kill();
    receiver.always("/held", Reply::Status(200));
    let workers = [cluster.node("worker"), cluster.node("worker")];
    let states = cluster.tally(&second, &sending.await.unwrap()).await;
    assert_eq!(states, BTreeMap::from([("sent".to_owned(), USERS as u64)]));

    let told = until("all are told of", async || Some(told(&receiver, "/all")).filter(|told| told.len() == USERS)).await;
    assert!(told.values().all(|messages| *messages == 1), "{told:?}");
    assert!(receiver.got("/all").iter().all(|got| got.is_signed_by(&all)));
    let again = receiver.wait("/held", 2).await.remove(1);
    assert_eq!((again.id(), &again.bytes), (unanswered.id(), &unanswered.bytes));
    assert!(again.is_signed_by(&held));
    for node in apis.into_iter().chain(workers) {
        assert!(node.terminate().await.success());
    }
}
