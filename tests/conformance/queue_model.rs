//! Random steps of publishers and takers, checked against a plain list per stream after each.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use herald::domain::work::{Stream, WorkKey};
use herald::queue::in_process::InProcessQueue;
use herald::queue::{Entry, Queue, Taken};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::queue::entry;

pub const WINDOW: usize = 20;

/// A step; numbers choose among what there is.
#[derive(Clone, Debug)]
pub enum Step {
    Publish { stream: usize, targets: Vec<usize> },
    Take { max: usize },
    Ack { from: usize, count: usize },
    Reclaim { max: usize },
    Tidy,
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 10..60)
}

fn step() -> impl Strategy<Value = Step> {
    let targets = prop_oneof![4 => Just(1_usize), 1 => Just(0), 2 => 2..500_usize];
    prop_oneof![
        4 => (0..3_usize, proptest::collection::vec(targets, 1..15)).prop_map(|(stream, targets)| Step::Publish { stream, targets }),
        5 => prop_oneof![Just(0_usize), 1..20_usize, 100..1_000_usize].prop_map(|max| Step::Take { max }),
        4 => (0..100_usize, 1..20_usize).prop_map(|(from, count)| Step::Ack { from, count }),
        1 => (1..30_usize).prop_map(|max| Step::Reclaim { max }),
        1 => Just(Step::Tidy),
    ]
}

/// What a queue should hold.
#[derive(Default)]
pub struct Model {
    /// Whether what is taken still takes up room, and can be reclaimed: an embedded queue forgets it.
    keeps_taken: bool,
    /// Whether a stream is several, which are in order each.
    is_sharded: bool,
    next: u64,
    unread: BTreeMap<Stream, VecDeque<Entry>>,
    held: Vec<Taken>,
}

impl Model {
    /// Of one server.
    fn of_redis() -> Self {
        Self { keeps_taken: true, ..Self::default() }
    }

    /// Of several.
    pub fn of_a_cluster() -> Self {
        Self { is_sharded: true, ..Self::of_redis() }
    }

    fn len(&self, stream: Stream) -> usize {
        let pending = self.held.iter().filter(|held| self.keeps_taken && held.entry.stream == stream).count();
        self.unread.get(&stream).map_or(0, VecDeque::len) + pending
    }

    fn publish(&mut self, stream: Stream, targets: Vec<usize>) -> Vec<Entry> {
        let new = |targets| {
            self.next += 1;
            Entry { targets, ..entry(stream, self.next) }
        };
        let entries: Vec<Entry> = targets.into_iter().map(new).collect();
        // twice what it should hold, for publishers that look at the same time
        let room = (2 * WINDOW).saturating_sub(self.len(stream));
        self.unread.entry(stream).or_default().extend(entries.iter().take(room));
        entries
    }

    fn took(&mut self, max: usize, taken: &[Taken]) {
        let targets: usize = taken.iter().map(|taken| taken.entry.targets.max(1)).sum();
        assert!(targets <= max || (taken.len() == 1 && max > 0), "{max} targets of room: {taken:?}");
        assert!(!taken.is_empty() || max == 0 || self.unread.values().all(VecDeque::is_empty), "something was there");
        for one in taken {
            let unread = self.unread.entry(one.entry.stream).or_default();
            let place = unread.iter().position(|entry| *entry == one.entry);
            assert!(place.is_some_and(|place| place == 0 || self.is_sharded), "a stream is in order: {one:?} of {unread:?}");
            unread.retain(|entry| *entry != one.entry);
            assert!(!self.keeps_taken || self.held.iter().all(|held| name(held) != name(one)), "a receipt is one entry's");
        }
        self.held.extend_from_slice(taken);
    }

    fn reclaimed(&self, max: usize, reclaimed: &[Taken]) {
        let held: HashMap<_, Entry> = self.held.iter().map(|held| (name(held), held.entry)).collect();
        let expected = if self.keeps_taken { max.min(self.held.len()) } else { 0 };
        assert_eq!(reclaimed.len(), expected);
        for one in reclaimed {
            assert_eq!(held.get(&name(one)), Some(&one.entry), "what is reclaimed was taken and not ended");
        }
    }
}

/// What the queue calls an entry; receipts are told apart within their stream and shard.
fn name(taken: &Taken) -> (Stream, WorkKey, &str) {
    (taken.entry.stream, taken.entry.key, &taken.receipt)
}

async fn run(queue: &dyn Queue, model: &mut Model, step: Step) {
    match step {
        Step::Publish { stream, targets } => queue.publish(&model.publish(Stream::ALL[stream], targets)).await.unwrap(),
        Step::Take { max } => model.took(max, &queue.take(max, Duration::ZERO).await.unwrap()),
        Step::Ack { from, count } => {
            let from = from.checked_rem(model.held.len()).unwrap_or_default();
            let ended: Vec<Taken> = model.held.drain(from..(from + count).min(model.held.len())).collect();
            queue.ack(&ended).await.unwrap();
        }
        Step::Reclaim { max } => model.reclaimed(max, &queue.reclaim(max, Duration::ZERO).await.unwrap()),
        Step::Tidy => queue.tidy().await.unwrap(),
    }
    for stream in Stream::ALL {
        assert_eq!(queue.len(*stream).await.unwrap(), model.len(*stream), "{stream}");
    }
}

pub async fn play(queue: &dyn Queue, mut model: Model, steps: Vec<Step>) {
    for step in steps {
        run(queue, &mut model, step).await;
    }
    run(queue, &mut model, Step::Take { max: 1_000_000 }).await;
    run(queue, &mut model, Step::Ack { from: 0, count: usize::MAX / 2 }).await;
    assert!(model.unread.values().all(VecDeque::is_empty), "something is never taken");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(Config { cases: 48, failure_persistence: None, max_shrink_iters: 400, ..Config::default() })]

    #[test]
    fn an_embedded_queue_is_its_model(steps in steps()) {
        runtime().block_on(play(&InProcessQueue::new(WINDOW), Model::default(), steps));
    }

    #[test]
    fn a_queue_in_redis_is_its_model(steps in steps()) {
        runtime().block_on(async {
            let queue = crate::queue_redis::open(WINDOW).await;
            play(&queue, Model::of_redis(), steps).await;
        });
    }
}
