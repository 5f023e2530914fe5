//! What only a queue in Redis has to do: to share its entries among nodes, and to leave no litter.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use herald::domain::work::Stream;
use herald::queue::redis::{Options, RedisQueue};
use herald::queue::{Entry, Queue, RedisUrl, Taken};
use uuid::Uuid;

use crate::queue::{LONG, entry, fill, take};
use crate::services::redis::Redis;
use crate::services::shared;

/// A queue of its own in the shared server.
pub async fn open(window: usize) -> RedisQueue {
    RedisQueue::open(&options(window)).await.unwrap()
}

fn options(window: usize) -> Options {
    let url = RedisUrl::parse(&shared("HERALD_TEST_REDIS")).unwrap();
    Options { prefix: format!("test-{}", Uuid::new_v4().simple()), ..Options::new(url, window) }
}

/// Two nodes at one queue.
async fn nodes() -> (RedisQueue, RedisQueue) {
    let options = options(100);
    (RedisQueue::open(&options).await.unwrap(), RedisQueue::open(&options).await.unwrap())
}

fn entries(taken: &[Taken]) -> Vec<Entry> {
    taken.iter().map(|taken| taken.entry).collect()
}

#[tokio::test]
async fn what_a_dead_node_held_is_reclaimed_once() {
    let (dead, alive) = nodes().await;
    for stream in Stream::ALL {
        fill(&dead, *stream, 0..2).await;
    }
    let held = dead.take(100, Duration::ZERO).await.unwrap();
    assert_eq!(held.len(), 6);
    assert_eq!(alive.take(100, Duration::ZERO).await.unwrap(), []);
    assert_eq!(alive.reclaim(100, LONG).await.unwrap(), [], "it may live yet");
    let few = alive.reclaim(4, Duration::ZERO).await.unwrap();
    assert_eq!(few, held[..4]);
    alive.ack(&few).await.unwrap();
    let rest = alive.reclaim(100, Duration::ZERO).await.unwrap();
    assert_eq!(rest, held[4..]);
    assert_eq!(dead.reclaim(100, LONG).await.unwrap(), [], "whoever has it has just taken it");
    alive.ack(&rest).await.unwrap();
    assert_eq!(alive.reclaim(100, Duration::ZERO).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_taken_takes_up_room_until_it_is_ended() {
    let (one, other) = nodes().await;
    let limit = one.limit();
    fill(&one, Stream::Bulk, 0..u64::try_from(limit).unwrap()).await;
    let taken = other.take(limit, Duration::ZERO).await.unwrap();
    assert_eq!((taken.len(), one.len(Stream::Bulk).await.unwrap()), (limit, limit));
    fill(&one, Stream::Bulk, 1_000..1_010).await;
    assert_eq!(take(&one, limit).await, [], "there was no room");
    other.ack(&taken[..60]).await.unwrap();
    assert_eq!(one.len(Stream::Bulk).await.unwrap(), limit - 60);
    fill(&one, Stream::Bulk, 2_000..2_090).await;
    assert_eq!((take(&one, 1_000).await.len(), one.len(Stream::Bulk).await.unwrap()), (60, limit - 60));
}

#[tokio::test]
async fn two_nodes_never_share_an_entry() {
    let (one, other) = nodes().await;
    fill(&one, Stream::Normal, 0..100).await;
    let takes = join_all((0..20).map(|n| take(if n % 2 == 0 { &one } else { &other }, 5))).await.concat();
    assert_eq!((takes.len(), takes.iter().collect::<HashSet<_>>().len()), (100, 100));
}

#[tokio::test]
async fn weights_are_kept_over_nodes() {
    let (one, other) = nodes().await;
    for stream in Stream::ALL {
        fill(&one, *stream, 0..90).await;
    }
    let mut taken = Vec::new();
    for _ in 0..13 {
        taken.extend(take(&one, 1).await);
        taken.extend(take(&other, 2).await);
    }
    let shares = [Stream::High, Stream::Normal, Stream::Bulk].map(|stream| taken.iter().filter(|entry| entry.stream == stream).count());
    assert_eq!(shares, [24, 12, 3]);
}

#[tokio::test]
async fn a_node_that_waits_hears_of_another() {
    let (one, other) = nodes().await;
    let (taken, ()) = tokio::join!(one.take(10, LONG), fill(&other, Stream::High, 0..3));
    let mut taken = taken.unwrap();
    while taken.len() < 3 {
        taken.extend(one.take(10, LONG).await.unwrap());
    }
    assert_eq!(entries(&taken), [0, 1, 2].map(|n| entry(Stream::High, n)));
}

/// A node in a server of the test's own, so that its keys are known.
async fn alone(redis: &Redis) -> RedisQueue {
    let options = Options { forget_after: Duration::ZERO, ..Options::new(RedisUrl::parse(&redis.url()).unwrap(), 100) };
    RedisQueue::open(&options).await.unwrap()
}

#[tokio::test]
async fn entries_that_nobody_holds_are_cleared_away() {
    let redis = Redis::start();
    let queue = alone(&redis).await;
    fill(&queue, Stream::High, 0..5).await;
    let taken = queue.take(4, Duration::ZERO).await.unwrap();
    let lose = |taken: &Taken| assert_eq!(redis.run(&["XACK", "{herald:0}:high", "herald", &taken.receipt]), ":1\r\n");
    lose(&taken[0]);
    queue.tidy().await.unwrap();
    assert_eq!(queue.len(Stream::High).await.unwrap(), 4, "before what is pending");
    queue.ack(&taken[1..3]).await.unwrap();
    lose(&taken[3]);
    queue.tidy().await.unwrap();
    assert_eq!(queue.len(Stream::High).await.unwrap(), 1, "the last that was read too");
    assert_eq!(take(&queue, 5).await, [entry(Stream::High, 4)]);
    queue.tidy().await.unwrap();
    fill(&queue, Stream::High, 5..6).await;
    assert_eq!(take(&queue, 5).await, [entry(Stream::High, 5)]);
}

#[tokio::test]
async fn only_a_consumer_with_nothing_pending_is_forgotten() {
    let redis = Redis::start();
    let (gone, dead, alive) = (alone(&redis).await, alone(&redis).await, alone(&redis).await);
    fill(&gone, Stream::High, 0..2).await;
    assert_eq!(take(&gone, 1).await.len(), 1);
    let held = dead.take(1, Duration::ZERO).await.unwrap();
    let consumers = || redis.run(&["XINFO", "CONSUMERS", "{herald:0}:high", "herald"]).matches("pending").count();
    assert_eq!(consumers(), 2);
    while consumers() > 1 {
        // until it has been idle for a millisecond
        alive.tidy().await.unwrap();
    }
    assert_eq!(alive.reclaim(5, Duration::ZERO).await.unwrap(), held);
    fill(&gone, Stream::High, 2..3).await;
    assert_eq!(take(&gone, 1).await.len(), 1, "who is forgotten comes back by itself");
}

#[tokio::test]
async fn what_cannot_be_read_is_ended() {
    let redis = Redis::start();
    let queue = alone(&redis).await;
    let key = "{herald:0}:bulk";
    for fields in [&["targets", "1", "work", "later/version"][..], &["more", "1"], &["targets", "many", "work", "1/2/3"]] {
        redis.run(&[&["XADD", key, "*"][..], fields].concat());
    }
    fill(&queue, Stream::Bulk, 0..1).await;
    assert_eq!(take(&queue, 10).await, [entry(Stream::Bulk, 0)]);
    let heard = async {
        tokio::task::yield_now().await;
        redis.run(&["XADD", key, "*", "more", "1"]);
        fill(&queue, Stream::Bulk, 1..2).await;
    };
    let (taken, ()) = tokio::join!(queue.take(10, LONG), heard);
    queue.ack(&taken.unwrap()).await.unwrap();
    assert_eq!(queue.len(Stream::Bulk).await.unwrap(), 0);
}
