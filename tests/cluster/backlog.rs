//! A backlog of far more work than the ready window holds: what Redis and the nodes need does not grow with it.

use std::ops::Range;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::daemon::{Client, Process, until};
use crate::nodes::{Cluster, batch, scaled};

/// Entries that are ready at once.
const WINDOW: u64 = 1000;
/// What the length may be over the window: a batch of the scheduler, and what is being accepted.
const OVER: u64 = 1000;
const USERS: usize = 500;
/// Notifications in one request: with all callers at once less than half a window.
const BATCH: usize = 100;
/// Callers who fill at once.
const CALLERS: usize = 4;
/// What a node may need more by chance, in MiB.
const CHANCE_MIB: u64 = 32;
/// What Redis may need more by chance, for what is under way.
const CHANCE_REDIS_KIB: u64 = 2048;

/// What one backlog needed at most: memory, and entries in a stream.
#[derive(Debug)]
struct Needs {
    redis_kib: u64,
    api_mib: u64,
    workers_mib: Vec<u64>,
    longest: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_backlog() {
    let window = WINDOW.to_string();
    let cluster = Cluster::start(&[("HERALD__QUEUE__WINDOW", &window)]);
    let node = cluster.node("api");
    cluster.client(&node).import_many(0..USERS).await;
    drop(node);
    let small = scaled(4_000, 200_000);
    let few = work_off(&cluster, 0..small).await;
    let many = work_off(&cluster, small..6 * small).await;
    println!("{small} pieces of work: {few:?}");
    println!("{} pieces of work: {many:?}", 5 * small);
    for needs in [&few, &many] {
        assert!((WINDOW / 2..=WINDOW + OVER).contains(&needs.longest), "{needs:?}");
    }
    assert!(many.redis_kib <= few.redis_kib + CHANCE_REDIS_KIB, "{few:?} {many:?}");
    assert!(many.api_mib <= few.api_mib + CHANCE_MIB, "{few:?} {many:?}");
    for (few, many) in few.workers_mib.iter().zip(&many.workers_mib) {
        assert!(*many <= few + CHANCE_MIB, "{few} MiB became {many} MiB");
    }
    assert_eq!(cluster.stats().await.repeats, 0);
}

/// Fills while nobody works, then lets two nodes work, until it is all sent.
async fn work_off(cluster: &Cluster, numbers: Range<usize>) -> Needs {
    let (first, last) = (numbers.start as u64, numbers.end as u64);
    let api = cluster.node("api");
    let client = cluster.client(&api);
    let began = Instant::now();
    fill(&client, numbers).await;
    let filled = began.elapsed();
    let (waiting, ready) = (cluster.waiting(), entries(cluster));
    assert_eq!(waiting, last - first, "all of it waits in the store");
    assert!((WINDOW / 2..=WINDOW).contains(&ready), "{ready} of it are ready");
    let workers = [cluster.node("worker,scheduler"), cluster.node("worker")];
    let began = Instant::now();
    let mut longest = ready;
    let mut accepted = first;
    while accepted < last {
        // progress is what is waited for, whatever the whole takes
        accepted = until("more is sent", async || {
            longest = longest.max(entries(cluster));
            let now = cluster.stats().await.accepted;
            (now > accepted).then_some(now)
        })
        .await;
    }
    println!("{} filled in {filled:?}, sent in {:?}", last - first, began.elapsed());
    until("all of it is recorded", async || (cluster.waiting() == 0).then_some(())).await;
    assert_eq!(cluster.sql("SELECT count(*) FROM delivery WHERE state = 'sent'"), last.to_string());
    let needs = Needs {
        redis_kib: redis_peak_kib(cluster),
        api_mib: api.peak_mib(),
        workers_mib: workers.iter().map(Process::peak_mib).collect(),
        longest,
    };
    for node in workers.into_iter().chain([api]) {
        assert!(node.terminate().await.success());
    }
    needs
}

/// Notifications with these numbers, from several callers at once.
async fn fill(client: &Client, numbers: Range<usize>) {
    let share = numbers.len().div_ceil(CALLERS);
    let callers = numbers.clone().step_by(share).map(|start| {
        let (client, mine) = (client.clone(), start..(start + share).min(numbers.end));
        tokio::spawn(async move {
            for start in mine.clone().step_by(BATCH) {
                let users: Vec<usize> = (start..(start + BATCH).min(mine.end)).map(|n| n % USERS).collect();
                client.post("/v1/notifications/batch", &batch(&users)).await.expect(202);
            }
        })
    });
    join_all(callers).await.into_iter().for_each(Result::unwrap);
}

/// The length of the longest stream.
fn entries(cluster: &Cluster) -> u64 {
    let length = |stream: &str| cluster.redis.run(&["XLEN", &format!("{{herald:0}}:{stream}")]);
    ["high", "normal", "bulk"].map(|stream| length(stream).trim().trim_start_matches(':').parse().unwrap()).into_iter().max().unwrap()
}

/// The most that Redis had in use so far.
fn redis_peak_kib(cluster: &Cluster) -> u64 {
    let info = cluster.redis.run(&["INFO", "memory"]);
    let peak = info.lines().find_map(|line| line.strip_prefix("used_memory_peak:")).unwrap();
    peak.trim().parse::<u64>().unwrap() / 1024
}
