//! What every queue must do. An entry may be lost, doubled or late; the cases here are about a queue that is well.

use std::collections::HashSet;
use std::time::Duration;

use herald::domain::id::{AppId, NotificationId, WorkId};
use herald::domain::work::{Stream, WorkKey};
use herald::queue::{Entry, Queue, Taken};
use uuid::Uuid;

/// Long enough for any queue, and never waited for in full.
pub const LONG: Duration = Duration::from_hours(1);

pub fn entry(stream: Stream, n: u64) -> Entry {
    let notification = NotificationId(Uuid::from_u64_pair(stream as u64, n));
    Entry { key: WorkKey { app: AppId(1), notification, work: WorkId(i64::try_from(n).unwrap()) }, stream, targets: 1 }
}

pub async fn fill(queue: &dyn Queue, stream: Stream, numbers: std::ops::Range<u64>) {
    let entries: Vec<Entry> = numbers.map(|n| entry(stream, n)).collect();
    queue.publish(&entries).await.unwrap();
}

pub async fn take(queue: &dyn Queue, max: usize) -> Vec<Entry> {
    let taken: Vec<Taken> = queue.take(max, Duration::ZERO).await.unwrap();
    queue.ack(&taken).await.unwrap();
    taken.into_iter().map(|taken| taken.entry).collect()
}

fn of(entries: &[Entry], stream: Stream) -> usize {
    entries.iter().filter(|entry| entry.stream == stream).count()
}

pub async fn entries_come_in_the_order_of_their_stream(queue: &dyn Queue) {
    fill(queue, Stream::High, 0..5).await;
    fill(queue, Stream::High, 5..9).await;
    assert_eq!(queue.len(Stream::High).await.unwrap(), 9);
    let first = take(queue, 4).await;
    assert_eq!(first, (0..4).map(|n| entry(Stream::High, n)).collect::<Vec<_>>());
    assert_eq!(take(queue, 100).await.len(), 5);
    assert_eq!((queue.len(Stream::High).await.unwrap(), take(queue, 100).await.len()), (0, 0));
}

pub async fn streams_are_served_by_weight(queue: &dyn Queue) {
    for stream in Stream::ALL.iter().copied() {
        fill(queue, stream, 0..90).await;
    }
    let taken = take(queue, 13).await;
    assert_eq!((of(&taken, Stream::High), of(&taken, Stream::Normal), of(&taken, Stream::Bulk)), (8, 4, 1));
    let mut many = Vec::new();
    for _ in 0..26 {
        many.extend(take(queue, 1).await);
    }
    assert_eq!((of(&many, Stream::High), of(&many, Stream::Normal), of(&many, Stream::Bulk)), (16, 8, 2));
}

pub async fn an_unused_share_is_passed_on(queue: &dyn Queue) {
    fill(queue, Stream::Bulk, 0..40).await;
    assert_eq!(take(queue, 30).await.len(), 30);
    fill(queue, Stream::Normal, 0..2).await;
    let taken = take(queue, 10).await;
    assert_eq!((of(&taken, Stream::Normal), of(&taken, Stream::Bulk)), (2, 8));
}

pub async fn chunks_count_by_their_targets(queue: &dyn Queue) {
    let chunk = |n| Entry { targets: 500, ..entry(Stream::Bulk, n) };
    queue.publish(&[chunk(0), chunk(1), chunk(2)]).await.unwrap();
    assert_eq!(take(queue, 100).await, [chunk(0)], "one may be larger than the room");
    fill(queue, Stream::High, 0..80).await;
    let first = take(queue, 60).await;
    assert_eq!((of(&first, Stream::High), of(&first, Stream::Bulk)), (60, 0), "a chunk was a large share of its stream");
    assert_eq!(take(queue, 500).await.len(), 20, "what does not fit beside others waits for the next take");
    assert_eq!(take(queue, 2000).await, [chunk(1), chunk(2)]);
}

pub async fn publishers_that_look_at_the_same_time_both_fit(queue: &dyn Queue) {
    let window = u64::try_from(queue.window()).unwrap();
    fill(queue, Stream::Normal, 0..window).await;
    fill(queue, Stream::Normal, window..2 * window).await;
    assert_eq!(take(queue, queue.window() * 3).await.len(), 2 * queue.window());
}

pub async fn what_does_not_fit_is_dropped(queue: &dyn Queue) {
    let limit = u64::try_from(queue.limit()).unwrap();
    fill(queue, Stream::Normal, 0..limit + 50).await;
    fill(queue, Stream::High, 0..1).await;
    assert_eq!(queue.len(Stream::Normal).await.unwrap(), queue.limit());
    let taken = take(queue, queue.limit() * 2).await;
    let highest = taken.iter().map(|entry| entry.key.work.0).max().unwrap();
    assert_eq!((taken.len(), u64::try_from(highest).unwrap()), (queue.limit() + 1, limit - 1));
}

pub async fn every_entry_goes_to_one_taker(queue: &dyn Queue) {
    fill(queue, Stream::High, 0..90).await;
    let takers = (0..10).map(|_| take(queue, 10));
    let taken: Vec<Entry> = futures_util::future::join_all(takers).await.concat();
    assert_eq!((taken.len(), taken.iter().collect::<HashSet<_>>().len()), (90, 90));
}

pub async fn a_take_waits_for_the_first(queue: &dyn Queue) {
    let publish = async {
        tokio::task::yield_now().await;
        fill(queue, Stream::Bulk, 0..1).await;
    };
    let (taken, ()) = tokio::join!(queue.take(5, LONG), publish);
    assert_eq!(taken.unwrap().len(), 1);
}

pub async fn every_waiting_taker_is_served(queue: &dyn Queue) {
    let publish = async {
        tokio::task::yield_now().await;
        fill(queue, Stream::High, 0..3).await;
    };
    let (one, two, three, ()) = tokio::join!(queue.take(1, LONG), queue.take(1, LONG), queue.take(1, LONG), publish);
    for taken in [one, two, three] {
        assert_eq!(taken.unwrap().len(), 1);
    }
}

pub async fn a_take_ends_without_entries(queue: &dyn Queue) {
    assert!(queue.take(5, Duration::from_millis(5)).await.unwrap().is_empty());
    fill(queue, Stream::High, 0..1).await;
    assert!(queue.take(0, LONG).await.unwrap().is_empty());
    assert_eq!(queue.len(Stream::High).await.unwrap(), 1);
}

pub async fn what_was_ended_is_not_found_again(queue: &dyn Queue) {
    fill(queue, Stream::High, 0..3).await;
    assert_eq!(take(queue, 3).await.len(), 3);
    assert!(queue.reclaim(10, Duration::ZERO).await.unwrap().is_empty());
    fill(queue, Stream::High, 0..3).await;
    assert_eq!(take(queue, 3).await.len(), 3);
}

pub async fn an_entry_can_be_ended_twice(queue: &dyn Queue) {
    fill(queue, Stream::Bulk, 0..2).await;
    let taken = queue.take(1, Duration::ZERO).await.unwrap();
    queue.ack(&taken).await.unwrap();
    queue.ack(&taken).await.unwrap();
    queue.ack(&[]).await.unwrap();
    assert_eq!(queue.len(Stream::Bulk).await.unwrap(), 1);
    assert_eq!(take(queue, 5).await, [entry(Stream::Bulk, 1)]);
}

pub async fn an_entry_that_is_published_twice_is_harmless(queue: &dyn Queue) {
    fill(queue, Stream::High, 0..2).await;
    fill(queue, Stream::High, 0..2).await;
    let taken = take(queue, 10).await;
    assert_eq!(taken.iter().collect::<HashSet<_>>(), [entry(Stream::High, 0), entry(Stream::High, 1)].iter().collect());
    assert_eq!((queue.len(Stream::High).await.unwrap(), take(queue, 10).await.len()), (0, 0));
}

pub async fn a_taker_that_goes_away_takes_nothing_with_it(queue: &dyn Queue) {
    let gone = tokio::time::timeout(Duration::from_millis(20), queue.take(5, LONG)).await;
    assert!(gone.is_err());
    fill(queue, Stream::Normal, 0..3).await;
    let mut taken = Vec::new();
    while taken.len() < 3 {
        taken.extend(queue.take(5, LONG).await.unwrap());
    }
    queue.ack(&taken).await.unwrap();
    assert_eq!(taken.iter().map(|taken| taken.entry).collect::<Vec<_>>(), [0, 1, 2].map(|n| entry(Stream::Normal, n)));
    assert_eq!(queue.len(Stream::Normal).await.unwrap(), 0);
}

pub async fn an_idle_stream_saves_nothing_up(queue: &dyn Queue) {
    fill(queue, Stream::Bulk, 0..90).await;
    assert_eq!(take(queue, 80).await.len(), 80);
    fill(queue, Stream::Normal, 0..40).await;
    assert_eq!(take(queue, 20).await.len(), 20);
    fill(queue, Stream::High, 0..40).await;
    let taken = take(queue, 13).await;
    let shares = [Stream::High, Stream::Normal, Stream::Bulk].map(|stream| of(&taken, stream));
    assert!((8..=9).contains(&shares[0]) && (3..=4).contains(&shares[1]), "whose turn it is may make one more or less: {shares:?}");
}

pub async fn many_are_published_and_taken_at_once(queue: &dyn Queue) {
    let publish = (0..10).map(|part| fill(queue, Stream::Normal, part * 10..part * 10 + 10));
    let publish = async { futures_util::future::join_all(publish).await.len() };
    let takers = (0..4).map(|_| async {
        let mut taken = Vec::new();
        while taken.len() < 25 {
            let more = queue.take(25 - taken.len(), LONG).await.unwrap();
            queue.ack(&more).await.unwrap();
            taken.extend(more);
        }
        taken
    });
    let (_, taken) = tokio::join!(publish, futures_util::future::join_all(takers));
    let taken: HashSet<Entry> = taken.concat().iter().map(|taken| taken.entry).collect();
    assert_eq!((taken.len(), queue.len(Stream::Normal).await.unwrap()), (100, 0));
}

pub async fn a_queue_that_is_well_says_so(queue: &dyn Queue) {
    queue.ping().await.unwrap();
    queue.tidy().await.unwrap();
    fill(queue, Stream::High, 0..3).await;
    let taken = queue.take(1, Duration::ZERO).await.unwrap();
    queue.tidy().await.unwrap();
    queue.ack(&taken).await.unwrap();
    assert_eq!(take(queue, 5).await.len(), 2, "what is unread is no litter");
}
