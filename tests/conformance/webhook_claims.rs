//! Webhooks: who is slow, broken or late holds up nobody else.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use herald::dispatch::webhook::{EACH, LEASE, OF_APP};
use herald::domain::id::AppId;
use herald::domain::webhook::{Disabled, EventType, LINGER, LINGER_BEHIND, MAX_WEBHOOKS, TRIED_FOR};
use herald::store::webhook::{ClaimBounds, DueMessage, MessageStatus, Next, WebhookChange};
use uuid::Uuid;

use crate::kit::{SECOND, iphone};
use crate::webhooks::{items, keys, messages, secret};
use crate::world::World;

async fn claim(world: &World, limit: usize) -> Vec<DueMessage> {
    world.store().claim_webhook_messages(ClaimBounds { limit, of_webhook: EACH, of_app: OF_APP }, LEASE).await.unwrap()
}

async fn gather(world: &World) -> usize {
    world.store().gather_webhook_items(1_000, EACH).await.unwrap()
}

/// One of another app's, with one message due.
async fn stranger(world: &World) -> (AppId, Uuid) {
    let app = world.other_app().await;
    let webhook = world.webhook(app, &[EventType::PreferencesChanged]);
    assert!(world.store().create_webhook(&webhook, &secret(1)).await.unwrap());
    world.store().test_webhook(app, webhook.id).await.unwrap().unwrap();
    (app, webhook.id)
}

async fn status(world: &World, message: &DueMessage) -> MessageStatus {
    let attempts = world.attempts(message.webhook).await;
    attempts.iter().find(|listed| listed.attempt.message == message.id).unwrap().message_status
}

fn elsewhere() -> WebhookChange {
    WebhookChange { url: Some("https://elsewhere.example/".to_owned()), ..WebhookChange::default() }
}

pub async fn an_app_has_so_many_under_way_whoever_holds_them(world: &mut World) {
    for _ in 0..MAX_WEBHOOKS {
        world.listener().await;
    }
    messages(world, EACH).await;
    let (other, _) = stranger(world).await;
    let claims = join_all((0..4).map(|_| claim(world, 64))).await;
    let mut held: Vec<DueMessage> = claims.into_iter().flatten().collect();
    held.extend(claim(world, 64).await);
    let (theirs, others): (Vec<_>, Vec<_>) = held.iter().partition(|message| message.app == world.app);
    assert_eq!(theirs.len(), OF_APP, "all of its receivers may hang: no more");
    assert_eq!(others.iter().map(|message| message.app).collect::<Vec<_>>(), [other]);
    world.deliver(theirs[0]).await;
    let next = claim(world, 64).await;
    assert_eq!(next.iter().map(|message| message.app).collect::<Vec<_>>(), [world.app], "one has made room");
    world.pass(LEASE);
    assert_eq!(claim(world, 64).await.len(), OF_APP + 1, "leases that ran out are nobody's");
}

/// With room for one message, the list of who is to get it has nobody who may not have it.
pub async fn who_has_enough_under_way_keeps_nobody_from_their_turn(world: &mut World) {
    let full = world.listener().await.id;
    messages(world, EACH + 1).await;
    assert_eq!(claim(world, 64).await.iter().filter(|message| message.webhook == full).count(), EACH);
    world.pass(SECOND);
    let free = world.add_webhook(&[EventType::DeviceRegistered]).await.id;
    for _ in 0..2 {
        world.store().test_webhook(world.app, free).await.unwrap().unwrap();
    }
    for _ in 0..2 {
        assert_eq!(claim(world, 1).await.iter().map(|message| message.webhook).collect::<Vec<_>>(), [free]);
    }
    for _ in 3..MAX_WEBHOOKS {
        let id = world.add_webhook(&[EventType::DeviceRegistered]).await.id;
        world.store().test_webhook(world.app, id).await.unwrap().unwrap();
    }
    assert_eq!(claim(world, 64).await.len(), OF_APP - EACH - 2);
    let (other, _) = stranger(world).await;
    assert_eq!(claim(world, 1).await.iter().map(|message| message.app).collect::<Vec<_>>(), [other], "the app has enough as well");
}

/// Its items wait until they fill a message, or it has caught up, or a minute is over.
pub async fn who_is_behind_gets_fewer_and_fuller_messages(world: &mut World) {
    let events = [EventType::PreferencesChanged, EventType::DeviceRegistered];
    let slow = world.add_webhook(&events).await.id;
    messages(world, EACH - 1).await;
    assert_eq!(claim(world, 64).await.len(), EACH - 1);
    world.message().await;
    let quick = world.listener().await.id;
    for _ in 0..3 {
        world.prefer("ann").await;
        world.pass(LINGER);
        assert_eq!(gather(world).await, 1, "only of the other");
        let due = claim(world, 64).await;
        world.deliver(due.iter().find(|message| message.webhook == quick).unwrap()).await;
    }
    let changes = (0..500).map(|n| (format!("d{n}"), iphone(None, &format!("{n:04x}")))).collect();
    world.store().put_devices(world.app, changes).await.unwrap();
    assert_eq!(gather(world).await, 1, "one that is full is made");
    world.prefer("ann").await;
    world.pass(LINGER_BEHIND.saturating_sub(LINGER * 3));
    // what was held is due again: it makes no difference
    assert_eq!(gather(world).await, 2, "the other's, and what has waited for a minute");
    let due: BTreeMap<usize, usize> = claim_all(world, slow).await.iter().fold(BTreeMap::new(), |mut lengths, message| {
        *lengths.entry(items(message).len()).or_default() += 1;
        lengths
    });
    assert_eq!(due, BTreeMap::from([(1, EACH), (4, 1), (500, 1)]));
    world.prefer("ann").await;
    world.pass(LINGER);
    assert_eq!(gather(world).await, 2, "it has caught up");
}

/// All that is due to one, taken by it.
async fn claim_all(world: &World, webhook: Uuid) -> Vec<DueMessage> {
    let mut all = Vec::new();
    loop {
        let due = claim(world, 64).await;
        if due.is_empty() {
            return all;
        }
        for message in due {
            world.deliver(&message).await;
            if message.webhook == webhook {
                all.push(message);
            }
        }
    }
}

/// Those that wait for their next attempt keep no place: a receiver that refuses at once is not slow.
pub async fn what_waits_for_its_next_attempt_is_not_behind(world: &mut World) {
    world.listener().await;
    messages(world, EACH).await;
    for message in claim(world, 64).await {
        world.fail(&message, Next::Again(world.later(LEASE * 10))).await;
    }
    world.prefer("ann").await;
    world.pass(LINGER);
    assert_eq!(gather(world).await, 1);
}

/// Two webhooks with a message each; what the first's holds cannot be read.
pub async fn a_message_that_cannot_be_read_ends_and_the_others_go_on(world: &mut World) {
    let id = world.listener().await.id;
    messages(world, 2).await;
    world
        .run("UPDATE webhook_message SET event = 'nonsense' WHERE id IN (SELECT id FROM webhook_message ORDER BY created_at LIMIT 1)")
        .await;
    let other = world.only_due().await;
    world.deliver(&other).await;
    let attempts = world.attempts(id).await;
    let ended = attempts.iter().find(|listed| listed.attempt.message != other.id).unwrap();
    assert_eq!((ended.message_status, ended.attempt.error.as_deref()), (MessageStatus::Failed, Some("message unreadable")));
    assert_eq!((attempts.len(), ended.event, ended.attempt.status), (2, None, None));
    world.pass(LEASE);
    assert!(world.due_messages().await.is_empty());
    assert_eq!(world.hook(id).await.failing_since, None, "the receiver has nothing to do with it");
}

pub async fn a_webhook_whose_secret_cannot_be_read_keeps_nobody_from_their_turn(world: &mut World) {
    let (broken, other) = (world.listener().await.id, world.listener().await.id);
    messages(world, 1).await;
    world.run("UPDATE webhook SET secret = '?' WHERE id IN (SELECT id FROM webhook ORDER BY created_at, id LIMIT 1)").await;
    // it was served longer ago than the other
    world.run("UPDATE webhook SET served_at = created_at WHERE secret <> '?'").await;
    let mut seen = BTreeSet::new();
    for _ in 0..2 {
        for message in claim(world, 1).await {
            assert_eq!(message.secrets.is_empty(), message.webhook == broken, "so that the attempt says so");
            seen.insert(message.webhook);
        }
    }
    assert_eq!(seen, BTreeSet::from([broken, other]));
    assert!(world.store().rotate_webhook_secret(world.app, broken, &secret(2)).await.unwrap());
    world.pass(LEASE);
    let mended = claim(world, 64).await.into_iter().find(|message| message.webhook == broken).unwrap();
    assert_eq!(keys(&mended), [[2; 32]], "the one before cannot sign beside it");
}

/// One item of three webhooks' cannot be read.
pub async fn an_item_that_cannot_be_read_is_left_out_and_the_others_go_on(world: &mut World) {
    for _ in 0..3 {
        world.listener().await;
    }
    world.prefer("ann").await;
    world.run("UPDATE webhook_item SET data = '[' WHERE id IN (SELECT min(id) FROM webhook_item)").await;
    world.pass(LINGER);
    assert_eq!(world.gather().await, 2);
    world.prefer("ann").await;
    world.pass(LINGER);
    assert_eq!(world.gather().await, 3);
    assert_eq!(world.due_messages().await.iter().map(|message| items(message).len()).collect::<Vec<_>>(), [1; 5]);
}

/// A thousand items of one that is behind are older than the first of another.
pub async fn many_items_of_one_keep_nobody_from_their_turn(world: &mut World) {
    world.listener().await;
    world.prefer("ann").await;
    world
        .run(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
             INSERT INTO webhook_item (webhook, event, n, at, data) SELECT webhook, event, n, at, data FROM webhook_item CROSS JOIN n",
        )
        .await;
    world.pass(LINGER);
    let other = world.listener().await.id;
    world.prefer("ann").await;
    world.pass(LINGER);
    assert_eq!(world.store().gather_webhook_items(2, EACH).await.unwrap(), 2);
    let due = world.due_messages().await;
    assert_eq!(due.iter().filter(|message| message.webhook == other).count(), 1, "each has its turn before any has two");
}

pub async fn what_the_old_place_answered_is_not_the_new_ones(world: &mut World) {
    let id = world.listener().await.id;
    messages(world, 3).await;
    let due = world.due_messages().await;
    world.change(id, elsewhere()).await;
    world.fail(&due[0], Next::Disable(Disabled::Gone)).await;
    world.fail(&due[1], Next::Again(world.now())).await;
    assert_eq!((world.hook(id).await.disabled, world.hook(id).await.failing_since), (None, None));
    let again = world.due_messages().await;
    assert_eq!(again.iter().map(|message| message.id).collect::<BTreeSet<_>>(), BTreeSet::from([due[0].id, due[1].id]));
    assert!(again.iter().all(|message| message.url == "https://elsewhere.example/"));
    world.fail(&again[0], Next::Disable(Disabled::Gone)).await;
    assert_eq!(world.hook(id).await.disabled, Some(Disabled::Gone), "it said so itself");
}

pub async fn failures_of_the_old_place_are_not_the_new_ones(world: &mut World) {
    let id = world.listener().await.id;
    world.message().await;
    let message = world.only_due().await;
    world.fail(&message, Next::Again(world.now())).await;
    assert_eq!(world.hook(id).await.failing_since, Some(world.now()));
    let same = WebhookChange { url: Some(message.url.clone()), ..WebhookChange::default() };
    assert_eq!(world.change(id, same).await.failing_since, Some(world.now()));
    assert_eq!(world.change(id, elsewhere()).await.failing_since, None);
}

pub async fn a_webhook_is_disabled_that_fails_still(world: &mut World) {
    let id = world.listener().await.id;
    messages(world, 1).await;
    let first = world.only_due().await;
    world.fail(&first, Next::Again(world.now())).await;
    messages(world, 2).await;
    world.pass(TRIED_FOR);
    let due = world.due_messages().await;
    let late: Vec<_> = due.iter().filter(|message| message.id != first.id).collect();
    world.deliver(due.iter().find(|message| message.id == first.id).unwrap()).await;
    world.fail(late[0], Next::Disable(Disabled::Failing)).await;
    assert_eq!(world.hook(id).await.disabled, None, "it took one meanwhile");
    assert_eq!(status(world, late[0]).await, MessageStatus::Failed);
    messages(world, 1).await;
    world.pass(TRIED_FOR);
    let due = world.due_messages().await;
    let next = due.iter().find(|message| message.id != late[1].id).unwrap();
    world.fail(next, Next::Disable(Disabled::Failing)).await;
    assert_eq!(world.hook(id).await.disabled, Some(Disabled::Failing));
}

pub async fn what_is_replayed_while_it_is_under_way_is_not_given_up(world: &mut World) {
    let id = world.listener().await.id;
    messages(world, 2).await;
    let due = world.due_messages().await;
    world.pass(SECOND);
    assert_eq!(world.store().replay_webhook(world.app, id, World::start(), world.now()).await.unwrap(), Some(2));
    assert!(world.due_messages().await.is_empty());
    world.fail(&due[0], Next::GivenUp).await;
    world.fail(&due[1], Next::Disable(Disabled::Gone)).await;
    assert_eq!(world.hook(id).await.disabled, None);
    let again = world.due_messages().await;
    assert_eq!(again.len(), 2, "due again, since it failed");
    assert!(again.iter().all(|message| message.until == world.later(TRIED_FOR)));
    world.fail(&again[0], Next::GivenUp).await;
    assert_eq!(status(world, &again[0]).await, MessageStatus::Failed);
}

pub async fn who_is_too_late_settles_nothing_of_the_next(world: &mut World) {
    let id = world.listener().await.id;
    world.message().await;
    let first = world.only_due().await;
    world.pass(LEASE);
    let second = world.only_due().await;
    for next in [Next::Again(world.now()), Next::GivenUp, Next::Disable(Disabled::Gone)] {
        world.fail(&first, next).await;
        assert!(world.due_messages().await.is_empty(), "it is the second's");
        assert_eq!((world.hook(id).await.disabled, world.hook(id).await.failing_since), (None, None));
        assert_eq!(status(world, &first).await, MessageStatus::Waiting);
    }
    world.fail(&second, Next::Again(world.now())).await;
    let third = world.only_due().await;
    assert_eq!((third.attempts, world.attempts(id).await.len()), (1, 4));
    world.deliver(&first).await;
    assert_eq!(status(world, &first).await, MessageStatus::Delivered, "what was taken was taken");
    world.fail(&third, Next::GivenUp).await;
    assert_eq!(status(world, &first).await, MessageStatus::Delivered);
    world.pass(LEASE);
    assert!(world.due_messages().await.is_empty());
}

pub async fn what_was_replayed_since_is_sent_again_although_it_arrived(world: &mut World) {
    let id = world.listener().await.id;
    world.message().await;
    let late = world.only_due().await;
    world.pass(LEASE);
    assert_eq!(world.store().replay_webhook(world.app, id, World::start(), world.now()).await.unwrap(), Some(1));
    world.deliver(&late).await;
    let again = world.only_due().await;
    world.deliver(&again).await;
    assert_eq!(status(world, &again).await, MessageStatus::Delivered);
}
