//! A queue in a Redis Cluster: a stream is in order only within a shard, all else is as in one server.

use std::time::Duration;

use herald::domain::work::{Stream, WorkKey};
use herald::queue::redis::{OpenError, Options, RedisQueue};
use herald::queue::{Entry, Error, Queue, RedisUrl};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::queue::{LONG, entry, fill, take};
use crate::queue_model::{self, Model};
use crate::services::redis::{Cluster, Redis};

/// A queue of its own there.
async fn open(cluster: &Cluster, window: usize) -> RedisQueue {
    RedisQueue::open(&options(cluster, window)).await.unwrap()
}

fn options(cluster: &Cluster, window: usize) -> Options {
    let prefix = format!("test-{}", Uuid::new_v4().simple());
    Options { prefix, ..Options::new(RedisUrl::parse(&cluster.url()).unwrap(), window) }
}

macro_rules! each_case {
    ($cluster:expr; $($case:ident),+ $(,)?) => {
        $( Box::pin(crate::queue::$case(&open($cluster, 100).await)).await; )+
    };
}

#[tokio::test]
async fn a_cluster_is_a_queue() {
    let cluster = Cluster::start();
    each_case! { &cluster;
        publishers_that_look_at_the_same_time_both_fit,
        what_does_not_fit_is_dropped,
        every_entry_goes_to_one_taker,
        a_take_waits_for_the_first,
        every_waiting_taker_is_served,
        a_take_ends_without_entries,
        what_was_ended_is_not_found_again,
        an_entry_that_is_published_twice_is_harmless,
        many_are_published_and_taken_at_once,
        a_queue_that_is_well_says_so,
    }
    the_load_is_spread(&cluster).await;
    chunks_come_alone_where_there_is_little_room(&open(&cluster, 100).await).await;
    who_goes_away_takes_nothing_with_it(&open(&cluster, 100).await).await;
    what_a_dead_node_held_is_reclaimed(&cluster).await;
    it_works_again_after_a_flush(&cluster).await;
    one_of_its_nodes_alone_is_refused(&cluster).await;
}

async fn the_load_is_spread(cluster: &Cluster) {
    let queue = open(cluster, 1_000).await;
    let campaign = entry(Stream::Bulk, 0).key.notification;
    let chunk = |n| Entry { key: WorkKey { notification: campaign, ..entry(Stream::Bulk, n).key }, targets: 500, ..entry(Stream::Bulk, n) };
    let before: Vec<String> = cluster.nodes.iter().map(|node| node.run(&["DBSIZE"])).collect();
    queue.publish(&(0..300).map(chunk).collect::<Vec<_>>()).await.unwrap();
    for (node, before) in cluster.nodes.iter().zip(before) {
        assert_ne!(node.run(&["DBSIZE"]), before, "each node has its share of a campaign");
    }
    assert_eq!(queue.len(Stream::Bulk).await.unwrap(), 300);
    assert_eq!(take(&queue, 200_000).await.len(), 300);
}

async fn chunks_come_alone_where_there_is_little_room(queue: &RedisQueue) {
    let chunks: Vec<Entry> = (0..20).map(|n| Entry { targets: 300, ..entry(Stream::Bulk, n) }).collect();
    queue.publish(&chunks).await.unwrap();
    for room in [1, 100, 299] {
        assert_eq!(take(queue, room).await.len(), 1, "room for {room}");
    }
    assert_eq!(take(queue, 700).await.len(), 2);
    assert_eq!(take(queue, 300 * 15).await.len(), 15);
}

async fn who_goes_away_takes_nothing_with_it(queue: &RedisQueue) {
    assert!(tokio::time::timeout(Duration::from_millis(20), queue.take(5, LONG)).await.is_err());
    fill(queue, Stream::Normal, 0..50).await;
    let mut taken = Vec::new();
    while taken.len() < 50 {
        taken.extend(queue.take(7, LONG).await.unwrap());
    }
    queue.ack(&taken).await.unwrap();
    assert_eq!(queue.len(Stream::Normal).await.unwrap(), 0);
}

async fn what_a_dead_node_held_is_reclaimed(cluster: &Cluster) {
    let options = options(cluster, 100);
    let (dead, alive) = (RedisQueue::open(&options).await.unwrap(), RedisQueue::open(&options).await.unwrap());
    fill(&dead, Stream::High, 0..40).await;
    assert_eq!(dead.take(40, Duration::ZERO).await.unwrap().len(), 40);
    assert_eq!(alive.reclaim(100, LONG).await.unwrap().len(), 0);
    assert_eq!(alive.reclaim(25, Duration::ZERO).await.unwrap().len(), 25);
    let reclaimed = alive.reclaim(100, Duration::ZERO).await.unwrap();
    alive.ack(&reclaimed).await.unwrap();
    assert_eq!((reclaimed.len(), alive.len(Stream::High).await.unwrap()), (40, 0));
}

async fn it_works_again_after_a_flush(cluster: &Cluster) {
    let queue = open(cluster, 100).await;
    fill(&queue, Stream::High, 0..40).await;
    assert_eq!(queue.take(20, Duration::ZERO).await.unwrap().len(), 20);
    for node in &cluster.nodes {
        node.run(&["FLUSHALL"]);
    }
    assert_eq!(queue.len(Stream::High).await.unwrap(), 0);
    fill(&queue, Stream::High, 40..80).await;
    assert_eq!(take(&queue, 100).await.len(), 40);
}

async fn one_of_its_nodes_alone_is_refused(cluster: &Cluster) {
    let one = Options::new(RedisUrl::parse(&cluster.nodes[0].url()).unwrap(), 100);
    let Err(error) = RedisQueue::open(&one).await else { panic!("it was opened") };
    assert!(matches!(error, OpenError::OneOfMany { .. }), "{error}");
}

#[test]
fn a_queue_in_a_cluster_is_its_model() {
    let cluster = Cluster::start();
    let config = Config { cases: 16, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let played = TestRunner::new(config).run(&queue_model::steps(), |steps| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let queue = open(&cluster, queue_model::WINDOW).await;
            queue_model::play(&queue, Model::of_a_cluster(), steps).await;
        });
        Ok::<_, TestCaseError>(())
    });
    played.unwrap();
}

#[tokio::test]
async fn a_cluster_that_lost_a_node_is_used_again_when_it_is_whole() {
    let mut cluster = Cluster::start();
    let queue = open(&cluster, 100).await;
    fill(&queue, Stream::High, 0..40).await;
    assert_eq!(take(&queue, 100).await.len(), 40);
    cluster.nodes[1].kill();
    let entries: Vec<Entry> = (0..40).map(|n| entry(Stream::High, n)).collect();
    let published = tokio::time::timeout(Duration::from_secs(10), queue.publish(&entries)).await.unwrap();
    assert!(matches!(published, Err(Error::Unavailable(_))));
    cluster.nodes[1].start_again();
    cluster.until_whole();
    let deadline = Instant::now() + Duration::from_mins(1);
    while let Err(error) = queue.publish(&entries).await {
        assert!(Instant::now() < deadline, "{error}");
        sleep(Duration::from_millis(20)).await;
    }
    let mut taken = std::collections::HashSet::new();
    while taken.len() < 40 {
        assert!(Instant::now() < deadline, "{} of 40 were taken", taken.len());
        if let Ok(more) = queue.take(100, Duration::from_secs(1)).await {
            taken.extend(more.iter().map(|taken| taken.entry));
        }
    }
}

#[tokio::test]
async fn servers_that_are_no_cluster_are_refused() {
    let servers = [Redis::start(), Redis::start()];
    let url = servers.each_ref().map(Redis::url).join(",");
    let Err(error) = RedisQueue::open(&Options::new(RedisUrl::parse(&url).unwrap(), 100)).await else { panic!("it was opened") };
    assert!(error.to_string().contains("cluster support disabled"), "{error}");
}
