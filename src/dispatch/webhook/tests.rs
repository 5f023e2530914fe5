//! The sender over a store and a receiver that do as they are told.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::TimeDelta;
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::*;
use crate::dispatch::tests::clock::TestClock;
use crate::domain::Timestamp;
use crate::domain::id::AppId;
use crate::domain::webhook::{Disabled, EventType, Webhook};
use crate::providers::webhook::{Answer, Request, Unanswered};
use crate::store::webhook::{Attempt, ClaimBounds, DueMessage, ListedAttempt, Next, WebhookChange, WebhookChanged, WebhookSecret};
use crate::store::{Error, Page, PageRequest, Result};

const HOOK: Uuid = Uuid::from_u128(1);

#[derive(Default)]
struct Store {
    due: Mutex<VecDeque<DueMessage>>,
    noted: Mutex<Vec<(Attempt, Next)>>,
    /// What `claim` was asked for.
    asked: Mutex<Vec<ClaimBounds>>,
    failing_since: Mutex<Option<Timestamp>>,
    pruned: Mutex<Vec<Timestamp>>,
    /// Parts that are left to be pruned after the next.
    left: AtomicUsize,
    /// Notes that are refused before one is taken.
    away: AtomicUsize,
}

#[async_trait]
impl Webhooks for Store {
    async fn create_webhook(&self, _: &Webhook, _: &WebhookSecret) -> Result<bool> {
        unreachable!()
    }

    async fn webhook(&self, app: AppId, id: Uuid) -> Result<Option<Webhook>> {
        let (made, events) = (Timestamp::UNIX_EPOCH, BTreeSet::from([EventType::LanePaused]));
        let failing_since = *self.failing_since.lock();
        Ok(Some(Webhook { id, app, url: String::new(), events, disabled: None, failing_since, created_at: made, updated_at: made }))
    }

    async fn webhooks(&self, _: AppId) -> Result<Vec<Webhook>> {
        unreachable!()
    }

    async fn change_webhook(&self, _: AppId, _: Uuid, _: &WebhookChange, _: Option<&Webhook>) -> Result<WebhookChanged> {
        unreachable!()
    }

    async fn delete_webhook(&self, _: AppId, _: Uuid) -> Result<bool> {
        unreachable!()
    }

    async fn rotate_webhook_secret(&self, _: AppId, _: Uuid, _: &WebhookSecret) -> Result<bool> {
        unreachable!()
    }

    async fn test_webhook(&self, _: AppId, _: Uuid) -> Result<Option<Uuid>> {
        unreachable!()
    }

    async fn gather_webhook_items(&self, _: usize, each: usize) -> Result<usize> {
        assert_eq!(each, EACH);
        Ok(0)
    }

    async fn claim_webhook_messages(&self, bounds: ClaimBounds, lease: Duration) -> Result<Vec<DueMessage>> {
        assert_eq!(lease, LEASE);
        self.asked.lock().push(bounds);
        let mut due = self.due.lock();
        let count = bounds.limit.min(due.len());
        Ok(due.drain(..count).collect())
    }

    async fn attempted(&self, message: &DueMessage, attempt: &Attempt, next: Next) -> Result<()> {
        assert_eq!((message.id, message.webhook), (attempt.message, attempt.webhook));
        if self.away.load(Ordering::Relaxed) > 0 {
            self.away.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::Unavailable("away".into()));
        }
        self.noted.lock().push((attempt.clone(), next));
        Ok(())
    }

    async fn webhook_attempts(&self, _: AppId, _: Uuid, _: &PageRequest) -> Result<Option<Page<ListedAttempt>>> {
        unreachable!()
    }

    async fn replay_webhook(&self, _: AppId, _: Uuid, _: Timestamp, _: Timestamp) -> Result<Option<u64>> {
        unreachable!()
    }

    async fn prune_webhooks(&self, before: Timestamp) -> Result<bool> {
        self.pruned.lock().push(before);
        let is_over = self.left.load(Ordering::Relaxed) == 0;
        if !is_over {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(is_over)
    }
}

/// Answers the same to all, or nothing ever.
struct Receiver {
    answer: Option<std::result::Result<Answer, Unanswered>>,
    got: Mutex<Vec<Request>>,
}

#[async_trait]
impl WebhookClient for Receiver {
    async fn post(&self, request: Request) -> std::result::Result<Answer, Unanswered> {
        self.got.lock().push(request);
        match self.answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

struct Middling;

impl Rng for Middling {
    fn fraction(&self) -> f64 {
        0.5
    }
}

struct World {
    store: Arc<Store>,
    receiver: Arc<Receiver>,
    clock: Arc<TestClock>,
    tasks: TaskTracker,
    stopping: CancellationToken,
    stopped: CancellationToken,
    sender: Arc<Sender>,
}

fn world(answer: Option<std::result::Result<Answer, Unanswered>>) -> World {
    let (store, clock, tasks) = (Arc::new(Store::default()), Arc::new(TestClock::default()), TaskTracker::new());
    let receiver = Arc::new(Receiver { answer, got: Mutex::default() });
    let (stopping, stopped) = (CancellationToken::new(), CancellationToken::new());
    let sender = Sender::new(Parts {
        store: Arc::clone(&store) as _,
        client: Arc::clone(&receiver) as _,
        clock: Arc::clone(&clock) as _,
        rng: Arc::new(Middling),
        tasks: Arc::new(tasks.clone()),
        stopping: stopping.clone(),
        stopped: stopped.clone(),
        kept: Duration::from_hours(72),
    });
    World { store, receiver, clock, tasks, stopping, stopped, sender }
}

impl World {
    fn message(&self, id: u128, left: TimeDelta) -> DueMessage {
        let now = self.clock.now();
        DueMessage {
            id: Uuid::from_u128(id),
            webhook: HOOK,
            app: AppId(1),
            url: "https://example.com/x".to_owned(),
            secrets: vec![Zeroizing::new(vec![7; 32])],
            event: Some(EventType::DeliverySent),
            created_at: now,
            data: r#"[{"device_id":"d1"}]"#.to_owned(),
            attempts: 0,
            until: now + left,
            lease_until: now + LEASE,
        }
    }

    async fn tried(&self, message: DueMessage) -> (Attempt, Next) {
        self.sender.attempt(message).await;
        self.store.noted.lock().pop().unwrap()
    }
}

fn answer(status: u16) -> Answer {
    Answer { status, retry_after: None }
}

#[tokio::test]
async fn the_body_is_the_same_each_time_and_the_signature_is_of_the_attempt() {
    let world = world(Some(Ok(answer(200))));
    for _ in 0..2 {
        world.tried(world.message(9, TimeDelta::hours(72))).await;
    }
    let mut test = world.message(9, TimeDelta::hours(72));
    (test.event, test.data) = (None, "[]".to_owned());
    test.secrets.push(Zeroizing::new(vec![8; 32]));
    world.tried(test).await;
    let got = world.receiver.got.lock();
    assert_eq!(&*got[0].body, br#"{"type":"delivery.sent","timestamp":"2026-11-02T09:00:00Z","data":[{"device_id":"d1"}]}"#);
    assert_eq!((&got[0].body, &got[0].signatures), (&got[1].body, &got[1].signatures));
    let at = world.clock.now().timestamp();
    let id = Uuid::from_u128(9).to_string();
    let signed = crate::domain::webhook::signature::signatures([&[7; 32][..]], &id, at, &got[0].body);
    assert_eq!((got[0].timestamp, &got[0].signatures, got[0].id), (at, &signed, Uuid::from_u128(9)));
    assert_eq!(&*got[2].body, br#"{"type":"webhook.test","timestamp":"2026-11-02T09:00:00Z","data":[]}"#);
    assert_eq!(got[2].signatures.split(' ').count(), 2);
}

#[tokio::test]
async fn what_was_heard_decides_what_follows() {
    let three_days = TimeDelta::hours(72);
    for (answer, expected, error) in [
        (Some(Ok(answer(204))), Next::Delivered, None),
        (Some(Ok(answer(410))), Next::Disable(Disabled::Gone), None),
        (Some(Ok(answer(500))), Next::Again(TestClock::default().now() + TimeDelta::seconds(5)), None),
        (Some(Ok(answer(302))), Next::Again(TestClock::default().now() + TimeDelta::seconds(5)), Some("redirect not followed")),
        (Some(Err(Unanswered("timeout"))), Next::Again(TestClock::default().now() + TimeDelta::seconds(5)), Some("timeout")),
    ] {
        let world = world(answer);
        let (attempt, next) = world.tried(world.message(1, three_days)).await;
        assert_eq!((next, attempt.error.as_deref()), (expected, error), "{answer:?}");
        assert_eq!(attempt.status, answer.unwrap().ok().map(|answer| answer.status));
        assert_eq!((attempt.message, attempt.webhook, attempt.at), (Uuid::from_u128(1), HOOK, world.clock.now()));
    }
}

#[tokio::test]
async fn a_webhook_that_failed_all_along_is_disabled_with_the_message_that_runs_out() {
    let world = world(Some(Ok(answer(503))));
    let over = || DueMessage { attempts: 9, ..world.message(1, TimeDelta::zero()) };
    assert_eq!(world.tried(over()).await.1, Next::GivenUp);
    *world.store.failing_since.lock() = Some(world.clock.now() - TimeDelta::hours(71));
    assert_eq!(world.tried(over()).await.1, Next::GivenUp);
    *world.store.failing_since.lock() = Some(world.clock.now() - TimeDelta::hours(72));
    assert_eq!(world.tried(over()).await.1, Next::Disable(Disabled::Failing));
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_not_posted() {
    let world = world(Some(Ok(answer(200))));
    let mut message = world.message(1, TimeDelta::hours(72));
    message.data = "[".to_owned();
    let (attempt, next) = world.tried(message).await;
    assert_eq!(attempt.error.as_deref(), Some("message unreadable"));
    assert!(matches!(next, Next::Again(_)));
    assert!(world.receiver.got.lock().is_empty());
}

#[tokio::test]
async fn a_message_that_cannot_be_signed_is_not_posted() {
    let world = world(Some(Ok(answer(200))));
    let (attempt, next) = world.tried(DueMessage { secrets: Vec::new(), ..world.message(1, TimeDelta::hours(72)) }).await;
    assert_eq!(attempt.error.as_deref(), Some("secret unreadable"));
    assert!(matches!(next, Next::Again(_)));
    assert!(world.receiver.got.lock().is_empty());
}

#[tokio::test]
async fn what_never_had_its_turn_is_given_up_unposted() {
    let world = world(Some(Ok(answer(200))));
    for (attempts, left, posted) in [(0, 0, false), (0, 1, true), (1, 0, true)] {
        let message = DueMessage { attempts, ..world.message(1, TimeDelta::microseconds(left)) };
        let (attempt, next) = world.tried(message).await;
        let expected = if posted { (Next::Delivered, None) } else { (Next::Missed, Some("not tried in time")) };
        assert_eq!((next, attempt.error.as_deref()), expected, "{attempts} {left}");
        assert_eq!(!std::mem::take(&mut *world.receiver.got.lock()).is_empty(), posted);
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_noted_once_the_store_is_there() {
    let world = world(Some(Ok(answer(200))));
    world.store.away.store(3, Ordering::Relaxed);
    assert_eq!(world.tried(world.message(1, TimeDelta::hours(72))).await.1, Next::Delivered);
}

/// Looks until it is so.
async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_is_under_way_than_may_be() {
    let world = world(None);
    let messages = (0..100).map(|id| world.message(id, TimeDelta::hours(72)));
    world.store.due.lock().extend(messages);
    world.sender.start();
    until(|| world.receiver.got.lock().len() == AT_ONCE).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(world.receiver.got.lock().len(), AT_ONCE);
    let asked = ClaimBounds { limit: AT_ONCE, of_webhook: EACH, of_app: OF_APP };
    assert_eq!(*world.store.asked.lock(), [asked], "without room nothing is asked for");
    assert!(!world.sender.is_idle());
}

#[tokio::test(start_paused = true)]
async fn an_end_makes_room_for_the_next() {
    let world = world(Some(Ok(answer(200))));
    let messages = (0..200).map(|id| world.message(id, TimeDelta::hours(72)));
    world.store.due.lock().extend(messages);
    world.sender.start();
    until(|| world.store.noted.lock().len() == 200).await;
    until(|| world.sender.is_idle()).await;
    assert!(world.store.due.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn with_nothing_to_do_it_looks_once_a_second() {
    let world = world(None);
    world.sender.start();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let looked = world.store.asked.lock().len();
    assert!((55..=61).contains(&looked), "{looked}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_leaves_what_is_under_way_to_its_lease() {
    let world = world(None);
    world.store.due.lock().push_back(world.message(1, TimeDelta::hours(72)));
    world.sender.start();
    until(|| world.receiver.got.lock().len() == 1).await;
    world.stopping.cancel();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!world.sender.is_idle(), "it may still end well");
    let looked = world.store.asked.lock().len();
    world.store.due.lock().push_back(world.message(2, TimeDelta::hours(72)));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.store.asked.lock().len(), looked, "nothing more is claimed");
    world.stopped.cancel();
    world.tasks.close();
    world.tasks.wait().await;
    assert!(world.sender.is_idle());
    assert!(world.store.noted.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_old_is_forgotten_now_and_then() {
    let world = world(None);
    world.sender.start();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(world.store.pruned.lock().is_empty());
    world.clock.pass(Duration::from_mins(10));
    until(|| !world.store.pruned.lock().is_empty()).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(*world.store.pruned.lock(), [world.clock.now() - TimeDelta::hours(72)]);
}

#[tokio::test(start_paused = true)]
async fn much_is_forgotten_part_by_part_beside_what_is_sent() {
    let world = world(Some(Ok(answer(200))));
    world.sender.start();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let looked = world.store.asked.lock().len();
    world.store.left.store(200, Ordering::Relaxed);
    world.clock.pass(Duration::from_mins(10));
    until(|| world.store.pruned.lock().len() == 100).await;
    assert!(world.store.asked.lock().len() >= looked + 99, "messages are claimed between two parts");
    world.stopping.cancel();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(world.store.pruned.lock().len() <= 101, "a stop waits for one part at most");
    world.tasks.close();
    world.tasks.wait().await;
    assert_eq!(world.store.pruned.lock().iter().collect::<BTreeSet<_>>().len(), 1, "what became old meanwhile is for the next time");
}
