//! What nodes share in Redis beside the queue.

use std::time::Duration;

use futures_util::future::join_all;
use herald::queue::RedisUrl;
use herald::queue::redis::{Change, Options, RedisQueue, SharedValues};
use uuid::Uuid;

use crate::queue::LONG;
use crate::services::redis::{Cluster, Redis};
use crate::services::shared;

async fn values(url: &str, prefix: &str) -> SharedValues {
    let options = Options { prefix: prefix.to_owned(), ..Options::new(RedisUrl::parse(url).unwrap(), 100) };
    RedisQueue::open(&options).await.unwrap().shared_values()
}

async fn two_nodes() -> (SharedValues, SharedValues) {
    let (url, prefix) = (shared("HERALD_TEST_REDIS"), format!("test-{}", Uuid::new_v4().simple()));
    (values(&url, &prefix).await, values(&url, &prefix).await)
}

fn change<'a>(expected: Option<&'a [u8]>, value: &'a [u8]) -> Change<'a> {
    Change { expected, value, rest: Duration::ZERO, lives: LONG }
}

#[tokio::test]
async fn of_all_who_put_a_value_at_once_one_does() {
    let (one, other) = two_nodes().await;
    let puts = (0..20_u8).map(|n| {
        let node = if n % 2 == 0 { &one } else { &other };
        async move { node.replace("token", change(None, &[n, 0, 255])).await.unwrap().then_some(n) }
    });
    let winners: Vec<u8> = join_all(puts).await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    let (value, _) = other.look("token").await.unwrap().unwrap();
    assert_eq!(value, [winners[0], 0, 255], "any bytes");
    assert_eq!(other.look("another").await.unwrap(), None);
}

#[tokio::test]
async fn only_what_was_expected_is_replaced() {
    let (one, other) = two_nodes().await;
    assert!(one.replace("token", change(Some(b"gone meanwhile"), b"a")).await.unwrap(), "nothing is as good as what was expected");
    assert!(!other.replace("token", change(None, b"b")).await.unwrap());
    assert!(!other.replace("token", change(Some(b"b"), b"c")).await.unwrap());
    assert!(other.replace("token", change(Some(b"a"), b"d")).await.unwrap());
    assert_eq!(one.look("token").await.unwrap().unwrap().0, b"d");
}

#[tokio::test]
async fn a_value_rests_whoever_expects_it() {
    let (one, other) = two_nodes().await;
    assert!(one.replace("token", change(None, b"a")).await.unwrap());
    let rested = |rest| Change { rest, ..change(Some(b"a"), b"b") };
    assert!(!other.replace("token", rested(LONG)).await.unwrap());
    let (_, age) = one.look("token").await.unwrap().unwrap();
    assert!(age < LONG);
    assert!(other.replace("token", rested(Duration::ZERO)).await.unwrap());
}

#[tokio::test]
async fn a_value_is_forgotten_when_it_has_lived() {
    let redis = Redis::start();
    let values = values(&redis.url(), "herald").await;
    values.replace("token", Change { lives: Duration::from_millis(1), ..change(None, b"a") }).await.unwrap();
    let forgotten = async {
        while values.look("token").await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), forgotten).await.unwrap();
    assert_eq!(redis.run(&["EXISTS", "{herald:shared:token}"]), ":0\r\n");
}

#[tokio::test]
async fn a_cluster_keeps_values_too() {
    let cluster = Cluster::start();
    let values = values(&cluster.url(), "herald").await;
    for name in ["a", "b", "c", "d"] {
        assert!(values.replace(name, change(None, name.as_bytes())).await.unwrap());
        assert_eq!(values.look(name).await.unwrap().unwrap().0, name.as_bytes());
    }
}
