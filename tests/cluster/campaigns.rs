//! Campaigns that several nodes send together.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::arrivals::Arrivals;
use crate::clock::now;
use crate::daemon::{Client, Process, apns_token, until};
use crate::handovers::{Handovers, most_in_a_second};
use crate::nodes::Cluster;
use crate::pressure::Pressure;
use crate::rollups;

/// In percent of the time, for how long something may wait for a processor where nodes are to be on time.
///
/// It is about 27 where nothing else runs. How much of its pace a run has whatever the machine does is shown in simulated time (see
/// `simulation/paced.rs`).
const OVERLOADED: u64 = 40;
/// The roles of a node that does everything.
const ALL: &str = "api,worker,scheduler";

/// A category for campaigns, and so many devices, each of a user of its own.
async fn enrol(client: &Client, devices: usize) {
    client.put("/v1/categories/news", &json!({})).await.expect(201);
    client.import_many(0..devices).await;
}

/// A campaign to everybody at a pace, started; its id.
async fn start(client: &Client, per_second: u32, variants: Option<Value>) -> String {
    let mut body = json!({
        "name": "Autumn",
        "notification": {"category": "news", "content": {"title": "Sale", "body": "Today"}},
        "segment": {"everyone": true},
        "per_second": per_second,
    });
    if let Some(variants) = variants {
        body["variants"] = variants;
    }
    let id = client.post("/v1/campaigns", &body).await.expect(201)["id"].as_str().unwrap().to_owned();
    step(client, &id, "start").await;
    id
}

async fn step(client: &Client, id: &str, step: &str) {
    client.post(&format!("/v1/campaigns/{id}/{step}"), &Value::Null).await.expect(200);
}

async fn done(client: &Client, id: &str) {
    until("the campaign is done", async || {
        let shown = client.get(&format!("/v1/campaigns/{id}")).await.expect(200);
        (shown["status"] == "done").then_some(())
    })
    .await;
}

async fn stats(client: &Client, id: &str) -> Value {
    client.get(&format!("/v1/campaigns/{id}/stats")).await.expect(200)
}

/// Three nodes that send, one of which serves the API.
fn three_nodes(cluster: &Cluster) -> ([Process; 3], Handovers) {
    let mut handovers = Handovers::new();
    ([ALL, "worker,scheduler", "worker,scheduler"].map(|roles| handovers.node(cluster, roles)), handovers)
}

/// In no second more requests were started than the pace allows; the pushes that arrived in each second.
async fn assert_within(pace: u32, cluster: &Cluster, handovers: &Handovers) -> Vec<u64> {
    let (arrivals, instants) = (Arrivals::of(cluster).await, handovers.instants());
    let (started, arrived) = (most_in_a_second(&instants), arrivals.most());
    println!(
        "at {pace} a second: {:?}, at most {started} started and {arrived} arrived in a second, wherever it begins",
        arrivals.seconds()
    );
    assert!(instants.len() as u64 >= arrivals.sum(), "{} started, {} arrived", instants.len(), arrivals.sum());
    assert!(started <= pace as usize, "{started} in a second");
    arrivals.seconds()
}

/// Nothing fails: no second has more than the pace, and each after the first 95 % of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_pace_holds_over_three_nodes() {
    const DEVICES: usize = 6_000;
    const PACE: u32 = 500;
    let cluster = Cluster::start(&[]);
    let (nodes, handovers) = three_nodes(&cluster);
    let client = cluster.client(&nodes[0]);
    enrol(&client, DEVICES).await;
    let before = Pressure::now();
    let id = start(&client, PACE, None).await;
    done(&client, &id).await;
    let pressure = Pressure::since(&before);

    assert_eq!(cluster.stats().await.accepted, DEVICES as u64);
    let mut seconds = assert_within(PACE, &cluster, &handovers).await;
    // the machine is shared: a second may be another's, and all of them where many wait for its processors
    seconds.remove(0);
    seconds.sort_unstable();
    let median = seconds[seconds.len() / 2];
    println!("{median} in most seconds; in {pressure} % of the time something waited for a processor");
    assert!(median >= u64::from(PACE) * 95 / 100 || pressure > OVERLOADED, "{median} in most seconds");
}

/// The provider refuses one push in ten.
#[tokio::test(flavor = "multi_thread")]
async fn retries_are_within_the_pace() {
    const DEVICES: usize = 3_000;
    const PACE: u32 = 300;
    let cluster = Cluster::start(&[]);
    let (nodes, handovers) = three_nodes(&cluster);
    let client = cluster.client(&nodes[0]);
    enrol(&client, DEVICES).await;
    let busy = json!([{"every": 20, "respond": {"status": 503}}, {"every": 20, "respond": {"status": 429, "reason": "TooManyRequests"}}]);
    cluster.simulator.client.behave(busy).await;
    let id = start(&client, PACE, None).await;
    done(&client, &id).await;

    let stats = stats(&client, &id).await;
    assert_eq!(stats["counts"]["sent"], DEVICES, "{stats}");
    let got = cluster.stats().await;
    println!("{} requests for {DEVICES} devices", got.received);
    assert_eq!((got.accepted, got.devices), (DEVICES as u64, DEVICES as u64), "{got:?}");
    // one in twenty of all, and then of the rest, retries included
    assert!(got.received > DEVICES as u64 * 21 / 20, "{got:?}");
    assert_within(PACE, &cluster, &handovers).await;
}

/// A campaign is started at one node, which is killed; it is paused at another, and resumed at the third.
#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_outlives_its_nodes() {
    const USERS: usize = 1_500;
    const DEVICES: u64 = 2 * USERS as u64;
    const PACE: u32 = 300;
    /// Sends under way or not yet recorded, of a node.
    const PERMITS: u64 = 200;
    let permits = PERMITS.to_string();
    let cluster = Cluster::start(&[
        ("HERALD__DISPATCH__PERMITS", &permits),
        ("HERALD__DISPATCH__LEASE_SECONDS", "5"),
        ("HERALD__DISPATCH__SEND_TIMEOUT_SECONDS", "2"),
    ]);
    let mut handovers = Handovers::new();
    let mut nodes: Vec<_> = (0..3).map(|_| handovers.node(&cluster, ALL)).collect();
    let [first, second, third] = [0, 1, 2].map(|n: usize| cluster.client(&nodes[n]));
    enrol(&first, 0).await;
    import_pairs(&first, USERS).await;
    let variants = json!([{"name": "a", "weight": 1, "content": {"title": "A"}}, {"name": "b", "weight": 2, "content": {"title": "B"}}]);
    let id = start(&first, PACE, Some(variants)).await;

    cluster.until_accepted(DEVICES / 4).await;
    nodes.remove(0).kill();
    let killed_after = cluster.stats().await.accepted;
    cluster.until_accepted(killed_after + DEVICES / 8).await;
    step(&second, &id, "pause").await;
    // within a second it stops
    pass(TimeDelta::seconds(1)).await;
    let held = cluster.stats().await.accepted;
    assert!(held < DEVICES, "the pause came too late to prove anything: {held}");
    // until what the killed one had taken is nobody's
    pass(TimeDelta::seconds(2)).await;
    until("no lease lives", async || (cluster.sql("SELECT count(*) FROM work WHERE lease_until > now()") == "0").then_some(())).await;
    assert_eq!(cluster.stats().await.accepted, held, "nothing is sent while it is paused");
    step(&third, &id, "resume").await;
    done(&second, &id).await;

    assert_eq!(cluster.sql("SELECT state, count(*) FROM delivery GROUP BY state"), format!("sent|{DEVICES}"));
    let got = cluster.stats().await;
    println!("{DEVICES} devices, killed after {killed_after}, paused after {held}: {} repeats, at most {PERMITS} explained", got.repeats);
    assert_eq!((got.devices, got.accepted), (DEVICES, DEVICES + got.repeats), "{got:?}");
    assert!(got.repeats <= PERMITS, "{got:?}");
    assert_within(PACE, &cluster, &handovers).await;

    let told = titles(&cluster).await;
    assert_eq!(told.len(), USERS);
    assert!(told.values().all(|titles| titles.len() == 1), "one variant each, on both devices and also where it was repeated: {told:?}");
    assert_stats_are_a_recount(&cluster, &stats(&third, &id).await);
}

/// An Apple and an Android device each of so many users.
async fn import_pairs(client: &Client, users: usize) {
    let mut lines = String::new();
    for n in 0..users {
        let phone = json!({"device_id": format!("p{n}"), "user_id": format!("u{n}"), "platform": "ios", "token": apns_token("c0", n)});
        let tablet =
            json!({"device_id": format!("t{n}"), "user_id": format!("u{n}"), "platform": "android", "token": format!("tablet-{n}")});
        lines.extend([phone, tablet].map(|device| format!("{device}\n")));
    }
    let answer = client.import("", &lines).await.expect(200);
    assert_eq!(answer["created"], 2 * users, "{answer}");
}

/// Waits until so much time has passed.
async fn pass(time: TimeDelta) {
    let then = now() + time;
    until("time has passed", async || (now() >= then).then_some(())).await;
}

/// What each user was shown, on whichever device, by the user's number.
async fn titles(cluster: &Cluster) -> BTreeMap<usize, BTreeSet<String>> {
    let pushes = cluster.simulator.client.get("/simulator/pushes").await.expect(200);
    let mut titles: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for push in pushes["items"].as_array().unwrap() {
        let token = push["device_token"].as_str().unwrap();
        let (user, title) = match token.strip_prefix("tablet-") {
            Some(number) => (number.parse().unwrap(), &push["body"]["message"]["android"]["notification"]["title"]),
            None => (usize::from_str_radix(&token[2..], 16).unwrap(), &push["body"]["aps"]["alert"]["title"]),
        };
        titles.entry(user).or_default().insert(title.as_str().unwrap_or_else(|| panic!("no title in {push}")).to_owned());
    }
    titles
}

/// What the API tells of a campaign, the only one, is what its deliveries say, all of which were sent.
fn assert_stats_are_a_recount(cluster: &Cluster, stats: &Value) {
    for (by, column) in [("by_platform", "platform"), ("by_variant", "variant")] {
        let recount = cluster.sql(&format!("SELECT {column}, count(*) FROM delivery GROUP BY 1 ORDER BY 1"));
        let told = stats[by].as_object().unwrap().iter().map(|(name, counts)| format!("{name}|{}", counts["sent"])).collect::<Vec<_>>();
        assert_eq!((told.len(), told.join("\n")), (2, recount), "{stats}");
    }
    let sent = cluster.sql("SELECT count(*) FROM delivery");
    assert_eq!((stats["counts"]["targeted"].to_string(), stats["counts"]["sent"].to_string()), (sent.clone(), sent.clone()), "{stats}");
    assert_eq!(cluster.sql("SELECT sum(n) FROM latency"), sent, "each has its latency, once");
    assert_eq!(rollups::wrong(cluster), rollups::right());
}
