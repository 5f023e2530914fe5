//! Webhooks: who is slow, broken or late holds up nobody else.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use herald::dispatch::webhook::{EACH, LEASE, OF_APP};
use herald::domain::id::AppId;
use herald::domain::webhook::{EventType, MAX_WEBHOOKS};
use herald::store::webhook::{ClaimBounds, DueMessage, MessageStatus};
use uuid::Uuid;

use crate::kit::SECOND;
use crate::webhooks::{keys, messages, secret};
use crate::world::World;

async fn claim(world: &World, limit: usize) -> Vec<DueMessage> {
    world.store().claim_webhook_messages(ClaimBounds { limit, of_webhook: EACH, of_app: OF_APP }, LEASE).await.unwrap()
}

/// One of another app's, with one message due.
async fn stranger(world: &World) -> (AppId, Uuid) {
    let app = world.other_app().await;
    let webhook = world.webhook(app, &[EventType::PreferencesChanged]);
    assert!(world.store().create_webhook(&webhook, &secret(1)).await.unwrap());
    world.store().test_webhook(app, webhook.id).await.unwrap().unwrap();
    (app, webhook.id)
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
