//! A queue whose server forgets, ends, freezes or has no memory left.

use std::time::Duration;

use herald::domain::work::Stream;
use herald::queue::redis::{Options, RedisQueue};
use herald::queue::{Error, Queue, RedisUrl};
use tokio::time::{Instant, sleep};

use crate::queue::{LONG, entry, fill, take};
use crate::services::redis::Redis;

/// Every call answers within it, whatever the server does.
const PATIENCE: Duration = Duration::from_secs(10);

async fn open(redis: &Redis) -> RedisQueue {
    RedisQueue::open(&Options::new(RedisUrl::parse(&redis.url()).unwrap(), 100)).await.unwrap()
}

/// What it answers, in time.
async fn in_time<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, call).await.unwrap()
}

/// Every call says that it cannot be reached.
async fn is_away(queue: &RedisQueue) {
    let entries = [entry(Stream::High, 9)];
    let faults = [
        in_time(queue.publish(&entries)).await.err(),
        in_time(queue.take(5, LONG)).await.err(),
        in_time(queue.len(Stream::High)).await.err(),
        in_time(queue.reclaim(5, Duration::ZERO)).await.err(),
        in_time(queue.ping()).await.err(),
        in_time(queue.tidy()).await.err(),
    ];
    for (number, fault) in faults.iter().enumerate() {
        assert!(matches!(fault, Some(Error::Unavailable(_))), "call {number}: {fault:?}");
    }
}

/// Waits until it can be reached again, of itself.
async fn is_back(queue: &RedisQueue) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while queue.ping().await.is_err() {
        assert!(Instant::now() < deadline, "it does not come back");
        sleep(Duration::from_millis(20)).await;
    }
}

/// What is published is taken, by one who waits and by one who does not.
async fn works(queue: &RedisQueue) {
    fill(queue, Stream::High, 0..2).await;
    assert_eq!(take(queue, 10).await, [entry(Stream::High, 0), entry(Stream::High, 1)]);
    let publish = async {
        tokio::task::yield_now().await;
        fill(queue, Stream::Bulk, 2..3).await;
    };
    let (taken, ()) = tokio::join!(in_time(queue.take(5, LONG)), publish);
    let taken = taken.unwrap();
    assert_eq!(taken.len(), 1);
    queue.ack(&taken).await.unwrap();
    assert_eq!((queue.len(Stream::High).await.unwrap(), queue.len(Stream::Bulk).await.unwrap()), (0, 0));
}

#[tokio::test]
async fn a_queue_that_was_flushed_works_again() {
    let redis = Redis::start();
    let queue = open(&redis).await;
    fill(&queue, Stream::High, 0..3).await;
    let taken = queue.take(1, Duration::ZERO).await.unwrap();
    redis.run(&["FLUSHALL"]);
    queue.ack(&taken).await.unwrap();
    assert_eq!(queue.len(Stream::High).await.unwrap(), 0);
    assert_eq!(queue.reclaim(10, Duration::ZERO).await.unwrap(), []);
    queue.tidy().await.unwrap();
    works(&queue).await;
    redis.run(&["FLUSHALL"]);
    redis.run(&["SCRIPT", "FLUSH"]);
    works(&queue).await;
}

#[tokio::test]
async fn who_waits_while_it_is_flushed_hears_what_comes_next() {
    let redis = Redis::start();
    let queue = open(&redis).await;
    let next = async {
        while !redis.run(&["INFO", "clients"]).contains("blocked_clients:1") {
            tokio::task::yield_now().await;
        }
        redis.run(&["FLUSHALL"]);
        fill(&queue, Stream::Normal, 0..1).await;
    };
    let (taken, ()) = tokio::join!(in_time(queue.take(5, LONG)), next);
    assert_eq!(taken.unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_that_starts_again_is_used_again() {
    let mut redis = Redis::start();
    let queue = open(&redis).await;
    works(&queue).await;
    redis.stop();
    is_away(&queue).await;
    redis.start_again();
    is_back(&queue).await;
    works(&queue).await;
}

#[tokio::test]
async fn what_the_server_kept_is_there_after_its_death() {
    let mut redis = Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let queue = open(&redis).await;
    fill(&queue, Stream::High, 0..4).await;
    let held = queue.take(2, Duration::ZERO).await.unwrap();
    redis.kill();
    redis.start_again();
    is_back(&queue).await;
    assert_eq!(queue.len(Stream::High).await.unwrap(), 4);
    assert_eq!(queue.reclaim(10, Duration::ZERO).await.unwrap(), held);
    queue.ack(&held).await.unwrap();
    assert_eq!(take(&queue, 10).await, [entry(Stream::High, 2), entry(Stream::High, 3)]);
}

#[tokio::test]
async fn who_waits_when_the_server_dies_is_told_at_once() {
    let mut redis = Redis::start();
    let queue = open(&redis).await;
    let die = async {
        while !redis.run(&["INFO", "clients"]).contains("blocked_clients:1") {
            tokio::task::yield_now().await;
        }
        redis.kill();
    };
    let (taken, ()) = tokio::join!(in_time(queue.take(5, LONG)), die);
    assert!(matches!(taken, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn a_server_that_freezes_is_away_and_comes_back() {
    let redis = Redis::start();
    let queue = open(&redis).await;
    works(&queue).await;
    redis.pause();
    is_away(&queue).await;
    let url = RedisUrl::parse(&redis.url()).unwrap();
    let opened = Box::pin(in_time(RedisQueue::open(&Options::new(url, 100)))).await;
    assert!(opened.is_err_and(|error| error.to_string().contains(&redis.url())));
    redis.resume();
    is_back(&queue).await;
    // what was asked while it was frozen may have been done since
    redis.run(&["FLUSHALL"]);
    works(&queue).await;
}

#[tokio::test]
async fn without_memory_nothing_is_published_and_taking_goes_on() {
    let redis = Redis::start();
    let queue = open(&redis).await;
    fill(&queue, Stream::High, 0..5).await;
    assert_eq!(take(&queue, 1).await.len(), 1);
    redis.run(&["CONFIG", "SET", "maxmemory", "1mb"]);
    let fault = queue.publish(&[entry(Stream::High, 9)]).await.unwrap_err();
    assert!(fault.to_string().contains("OOM"), "{fault}");
    assert_eq!(take(&queue, 10).await.len(), 4);
    redis.run(&["CONFIG", "SET", "maxmemory", "0"]);
    works(&queue).await;
}
