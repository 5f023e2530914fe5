//! Clocks that jump an hour, ahead and back, in the middle of a load: nothing is lost, and nothing is sent twice.

use std::process::Stdio;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::daemon::{Client, Process, apns_token};
use crate::load::{Load, settings, settle};
use crate::nodes::{Cluster, is_long, scaled};
use crate::services::clock::Clock;
use crate::services::postgres::Postgres;
use crate::services::redis::Redis;

const HOUR: i64 = 3600;
/// Where the clocks are set, in seconds from the right time. By the last, which is ahead of all others, everything is due.
const STEPS: [i64; 4] = [HOUR, 0, -HOUR, HOUR];
/// Users whose pushes are answered at once, and those whose are not: a step always meets some under way.
const QUICK: usize = 500;
const SLOW: usize = 30;
const SLOWNESS_MS: u64 = 1000;

/// By how much the store's clock is ahead of the right time.
fn store_ahead(cluster: &Cluster) -> i64 {
    cluster.sql("SELECT extract(epoch FROM now())::bigint").parse::<i64>().unwrap() - Utc::now().timestamp()
}

/// A step may be met late by so many seconds and still be that step.
fn is_about(ahead: i64, expected: i64) -> bool {
    (ahead - expected).abs() < 60
}

async fn register(cluster: &Cluster, client: &Client) {
    client.import_many(0..QUICK).await;
    for n in QUICK..QUICK + SLOW {
        client.ios(&format!("phone-{n}"), &format!("user-{n}"), &apns_token("d0", n)).await;
    }
    let rule = json!({"provider": "apns", "token_prefix": "d0", "delay_ms": SLOWNESS_MS});
    cluster.simulator.client.behave(json!([rule])).await;
}

/// Registers everybody, and steps a clock under load, and waits at each step ahead long enough for whatever lapsed by it to be taken by others.
async fn step(cluster: &Cluster, client: &Client, clock: &Clock) {
    register(cluster, client).await;
    let load = Load::start(client.clone(), QUICK + SLOW);
    cluster.until_accepted(500).await;
    for seconds in STEPS {
        let accepted = cluster.stats().await.accepted;
        clock.step_to(seconds);
        let until = Instant::now() + Duration::from_secs(scaled(6, 45) as u64);
        cluster.until_accepted(accepted + 300).await;
        if seconds == HOUR || is_long() {
            // a clock that was set back lets nothing lapse
            sleep_until(until).await;
        }
    }
    let answered = load.stop().await;
    settle(cluster, client, answered, 0).await;
}

async fn stop(nodes: impl IntoIterator<Item = Process>) {
    for node in nodes {
        assert!(node.terminate().await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_of_the_store_jumps() {
    let clock = Clock::new();
    let mut cluster = Cluster::start_on(Postgres::start_in(clock.environment_of_one_thread()), Redis::start(), &settings());
    let nodes = [cluster.node("api,scheduler"), cluster.node("worker"), cluster.node("worker,scheduler")];
    let client = cluster.client(&nodes[0]);
    step(&cluster, &client, &clock).await;
    assert!(is_about(store_ahead(&cluster), HOUR));
    stop(nodes).await;
    cluster.postgres.stop();
}

/// Two nodes whose clocks jump, between others that are right.
#[tokio::test(flavor = "multi_thread")]
async fn the_clock_of_a_node_jumps() {
    let clock = Clock::new();
    let cluster = Cluster::start(&settings());
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut environment = clock.environment();
    environment.push(("RUST_LOG".to_owned(), "info".to_owned()));
    let right = [cluster.node("api,scheduler"), cluster.node("worker,scheduler")];
    let api = cluster.node_in("api,scheduler", environment.clone(), Stdio::null());
    let worker = cluster.node_in("worker,scheduler", environment, std::fs::File::create(&log).unwrap().into());
    let client = cluster.client(&api);
    step(&cluster, &client, &clock).await;
    stop(right.into_iter().chain([api, worker])).await;
    let log = std::fs::read_to_string(log).unwrap();
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    let last: DateTime<Utc> = last["timestamp"].as_str().unwrap().parse().unwrap();
    assert!(is_about((last - Utc::now()).num_seconds(), HOUR), "its clock is the one that was stepped: {log}");
}

/// One machine has everything, and somebody sets its clock.
#[tokio::test(flavor = "multi_thread")]
async fn the_clock_of_everything_jumps() {
    let clock = Clock::new();
    let servers = (Postgres::start_in(clock.environment_of_one_thread()), Redis::start_in(&[], clock.environment_without_allocator()));
    let mut cluster = Cluster::start_on(servers.0, servers.1, &settings());
    let nodes = ["api,scheduler", "worker", "worker,scheduler"].map(|roles| cluster.node_in(roles, clock.environment(), Stdio::inherit()));
    let client = cluster.client(&nodes[0]);
    step(&cluster, &client, &clock).await;
    assert!(is_about(store_ahead(&cluster), HOUR));
    stop(nodes).await;
    cluster.postgres.stop();
    cluster.redis.stop();
}
