//! What the provider fans out, on a node that stops, is told to cancel, or panics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::world::{Hand, LEASE, World, until};
use crate::dispatch::directory::Directory;
use crate::dispatch::draft::To;
use crate::dispatch::{hand_back, stop};
use crate::domain::broadcast::Broadcast;
use crate::domain::device::ProviderKind;
use crate::domain::id::NotificationId;
use crate::providers::Provider;
use crate::store::{DeadLetters, Engine};

const MOMENT: Duration = Duration::from_millis(1);

/// A node whose app has FCM.
fn node_with_fcm(world: &World) -> Hand {
    let mut parts = world.parts();
    let provider: Arc<dyn Provider> = Arc::clone(&world.provider) as _;
    let providers = BTreeMap::from([(ProviderKind::Fcm, provider)]);
    let app = world.app_with(providers);
    parts.directory = Arc::new(Directory::new(vec![app], Arc::clone(&parts.store), Arc::clone(&parts.clock)));
    World::hand_of(parts)
}

/// A broadcast, written; its work is due.
async fn accepted(world: &World) -> NotificationId {
    let to = To::Broadcast(Broadcast::FcmTopic("news".to_owned().try_into().unwrap()));
    let (id, submission) = world.submission_at(&node_with_fcm(world).node, to).await;
    world.store.accept(vec![submission]).await.unwrap();
    id
}

#[tokio::test]
async fn what_is_under_way_at_the_end_goes_back_and_is_repeated_with_its_id() {
    let world = World::new().await;
    let node = node_with_fcm(&world).recording();
    let id = accepted(&world).await;
    world.provider.answers(false);
    let taken = world.ready(&node).await;
    world.work_on(&node, taken).await;
    until("it is under way", async || (world.provider.started().len() == 1).then_some(())).await;
    assert_eq!(hand_back::hand_back(&node).await.unwrap(), 1);
    assert_eq!(world.counts(id).await.waiting, 1);

    let next = node_with_fcm(&world).recording();
    world.provider.answers(true);
    let taken = world.ready(&next).await;
    assert_eq!(taken.len(), 1, "at once");
    world.work_on(&next, taken).await;
    until("it is sent", async || world.is_done(id).await.then_some(())).await;
    let started = world.provider.started();
    assert_eq!((world.counts(id).await.sent, started.len(), started[0]), (1, 2, started[1]));
}

#[tokio::test]
async fn one_that_was_cancelled_is_not_sent() {
    let world = World::new().await;
    let node = node_with_fcm(&world).recording();
    let id = accepted(&world).await;
    assert!(world.store.cancel(world.app, id).await.unwrap());
    stop::look(&node, &mut node.now(), stop::LONGEST_COMMIT).await.unwrap();
    let taken = world.ready(&node).await;
    world.work_on(&node, taken).await;
    until("it is cancelled", async || (world.counts(id).await.cancelled == 1).then_some(())).await;
    assert!(world.provider.started().is_empty());
}

/// There is nothing to set apart from it: it spends its takes, and is left to people.
#[tokio::test]
async fn rendering_that_panics_makes_it_a_dead_letter() {
    let world = World::new().await;
    let id = accepted(&world).await;
    let node = node_with_fcm(&world);
    world.clock.pass(LEASE);
    assert!(node.node.may_take_lapsed().await.unwrap());
    let node = node.recording();
    world.provider.panics.store(true, Ordering::SeqCst);
    for round in 1.. {
        let taken = world.ready(&node).await;
        world.work_on(&node, taken).await;
        until("it is given up for now", async || node.held.all().is_empty().then_some(())).await;
        if !world.dead().await.is_empty() {
            break;
        }
        assert!(round < 12);
        world.clock.pass(LEASE + MOMENT);
    }
    let [(_, work)] = *world.dead().await else { panic!("one row") };
    let letter = world.store.dead_letter(world.app, id, work).await.unwrap().unwrap();
    assert_eq!((letter.device, letter.user), (None, None));
    world.provider.panics.store(false, Ordering::SeqCst);
    assert!(world.store.retry_dead_letter(world.app, id, work).await.unwrap());
    let taken = world.ready(&node).await;
    world.work_on(&node, taken).await;
    until("it is sent", async || world.is_done(id).await.then_some(())).await;
    assert_eq!(world.counts(id).await.sent, 1);
}
