//! What falls: a task of the path, and claims that a node forgot it had.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::world::{LEASE, World, until};
use crate::dispatch::directory::{App, Directory};
use crate::dispatch::handle::Dispatch;
use crate::dispatch::job::Job;
use crate::dispatch::node::Node;
use crate::dispatch::plan::Sending;
use crate::dispatch::receiver::Receiver;
use crate::dispatch::recorder::{self, Event, What};
use crate::dispatch::role::Roles;
use crate::dispatch::{audience, claim, hand_out};
use crate::domain::delivery::{Delivery, Ending};
use crate::domain::device::{Change, DeviceChange, Platform, PushToken, TokenHash};
use crate::domain::id::{NotificationId, Target};
use crate::domain::reason::FailReason;
use crate::domain::work::Pair;
use crate::store::Devices;
use crate::store::engine::Death;

const MOMENT: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// Without its recorder it would go on sending, and never write what it sent.
#[tokio::test]
async fn a_node_that_loses_a_task_stops() {
    let world = World::new().await;
    world.iphones(&["ann"]).await;
    let parts = world.parts();
    let (stopping, stopped) = (parts.stopping.clone(), parts.stopped.clone());
    world.store.before("record", || panic!("the test wants it"));
    let dispatch = Dispatch::start(parts, Roles::ALL);
    world.accept(&["ann"]).await;
    until("it has stopped", async || stopped.is_cancelled().then_some(())).await;
    assert!(stopping.is_cancelled() && dispatch.has_failed());
}

/// Two claims of one row in one node: what follows a verdict stays with the one that it is of.
#[tokio::test]
async fn what_follows_a_verdict_stays_with_its_own_claim() {
    let world = World::new().await;
    let hand = world.settled().await;
    let node = Arc::clone(&hand.node);
    world.iphones(&["ann"]).await;
    let id = world.accept(&["ann"]).await;
    let first = claim::claim(&node, world.ready(&node).await).await.remove(0);
    world.clock.pass(LEASE + MOMENT);
    let second = claim::claim(&node, world.ready(&node).await).await.remove(0);
    let device = world.store.device(world.app, "phone-of-ann").await.unwrap().unwrap();
    let change = DeviceChange {
        user: Change::Keep,
        platform: Some(Platform::Ios),
        token: Some(PushToken::Apns(format!("{:064x}", 99))),
        ..DeviceChange::default()
    };
    world.store.put_device(world.app, "phone-of-ann", change, None).await.unwrap();
    let judged = |job: &Arc<Job>| {
        let delivery = Delivery {
            notification: id,
            cohort: Arc::clone(&job.message.cohort),
            day: job.message.day,
            target: Target::device(device.pk),
            person: device.person,
            ending: Ending::Failed(FailReason::TokenDead),
            attempts: 1,
            platform: None,
            provider: None,
            variant: None,
            latency: None,
            message_id: None,
            detail: None,
            at: node.now(),
        };
        Death { delivery, token_hash: TokenHash([7; 32]), token_kind: None, since: node.now(), deactivate: None }
    };
    // the lapsed one is not over yet, the present one is
    for (job, targets) in [(&first, 2), (&second, 1)] {
        job.open(targets);
        job.name(vec![Pair { device: device.pk, person: device.person }], Vec::new());
        let what = What::Dead(Box::new(judged(job)));
        node.events.send(Event { job: Some(Arc::clone(job)), what, permit: None }).await.ok();
    }
    node.events.send(Event { job: Some(Arc::clone(&second)), what: What::Nothing, permit: None }).await.ok();
    node.tasks.spawn(Box::pin(recorder::run(Arc::clone(&node), hand.events)));
    until("the present one is over", async || node.held.jobs().iter().all(|job| job.work.epoch == 1).then_some(())).await;
    assert_eq!(world.counts(id).await.waiting, 1);
}

/// A target that a node has read and has not yet handed out when its configuration changes; whose apps are `apps` from then on.
async fn hand_out_to(world: &World, node: &Arc<Node>, apps: Vec<App>) -> NotificationId {
    world.iphones(&["ann"]).await;
    let id = world.accept(&["ann"]).await;
    let job = claim::claim(node, world.ready(node).await).await.remove(0);
    let answered = audience::read(node, vec![Arc::clone(&job)]).await.unwrap().remove(0);
    let recipient = answered.answer.candidates[0].recipient.clone().unwrap();
    let ends_at = job.work.expires_at;
    let receiver = Receiver::Device(recipient);
    let sending =
        Sending { receiver, until: None, expires_at: ends_at, ends_at, earliest: None, read_at: answered.read_at, starts_at: None };
    let mut parts = world.parts();
    parts.directory = Arc::new(Directory::new(apps, Arc::clone(&world.store) as _, Arc::clone(&world.clock) as _));
    let changed = Arc::new(Node::new(parts, node.events.clone(), node.accepted.clone()));
    job.open(1);
    hand_out::hand_out(&changed, &job, vec![sending], Duration::MAX).await;
    node.events.send(Event { job: Some(job), what: What::Nothing, permit: None }).await.ok();
    id
}

/// Nobody gets so far without a provider; who did would not vanish.
#[tokio::test]
async fn a_target_whose_provider_is_gone_ends_all_the_same() {
    let world = World::new().await;
    let node = world.hand().recording();
    let app = world.app_with(BTreeMap::new());
    let id = hand_out_to(&world, &node, vec![app]).await;
    until("it is over", async || (world.counts(id).await.suppressed == 1).then_some(())).await;
}

/// A configuration that lost an app may get it back: what was under way waits as what comes after it does.
#[tokio::test]
async fn a_target_whose_app_is_gone_waits_until_it_is_back() {
    let world = World::new().await;
    let node = world.hand().recording();
    let id = hand_out_to(&world, &node, Vec::new()).await;
    until("its row is written anew", async || node.held.jobs().is_empty().then_some(())).await;
    let counts = world.counts(id).await;
    assert_eq!((counts.waiting, counts.suppressed), (1, 0));
    world.clock.pass(MINUTE);
    let taken = world.ready(&node).await;
    world.work_on(&node, taken).await;
    until("it is sent", async || (world.counts(id).await.sent == 1).then_some(())).await;
}

/// What has expired is due for ever: put back at once it would be taken at once, again and again.
#[tokio::test]
async fn expired_work_of_an_app_that_is_gone_rests_for_a_lease() {
    let world = World::new().await;
    let mut parts = world.parts();
    parts.directory = Arc::new(Directory::new(Vec::new(), Arc::clone(&world.store) as _, Arc::clone(&world.clock) as _));
    let without = World::hand_of(parts).recording();
    world.iphones(&["ann"]).await;
    let id = world.accept(&["ann"]).await;
    world.clock.pass(DAY * 2);
    let taken = world.ready(&without).await;
    assert_eq!(taken.len(), 1);
    world.work_on(&without, taken).await;
    assert!(world.ready(&without).await.is_empty());

    let node = world.settled().await.recording();
    let taken = world.ready(&node).await;
    world.work_on(&node, taken).await;
    until("it is over", async || (world.counts(id).await.expired == 1).then_some(())).await;
}
