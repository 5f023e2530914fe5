//! Campaigns that may have so many targets and no more: nothing of one is released before all of its audience is taken.

use std::time::Duration;

use futures_util::future::join_all;
use herald::domain::campaign::CampaignStatus::{Cancelled, Paused, Running};
use herald::domain::id::{CampaignId, NotificationId};
use herald::domain::pace::Pace;
use herald::domain::work::{NewWork, Pair, Stream, TakenWork, Targets, WorkKey, WorkKind};
use herald::store::campaign::{MAX_TARGETS, Turned};
use herald::store::engine::{NewNotification, Terms};
use herald::store::notification::NotificationStatus;

use crate::kit::{DAY, LEASE, SECOND, record, users};
use crate::world::World;

/// A fan-out to all devices that may have so many targets.
fn bounded(world: &World, most: u64) -> NewNotification {
    NewNotification { terms: Terms { pace: Pace::new(1), max_targets: Some(most) }, ..world.fan_out() }
}

/// A campaign with a run that may have so many targets, of an app with five devices; and its expansion, which is taken.
pub async fn begun(world: &World, most: u64) -> (CampaignId, NotificationId, TakenWork) {
    for n in 0..5 {
        world.device(&format!("d{n}"), Some("ann")).await;
    }
    let campaign = world.due("bounded").await.id;
    let (_, id) = world.fire(campaign, bounded(world, most), None).await;
    let keys = world.released().await;
    let work = world.claimed(&keys).await.pop().unwrap();
    assert_eq!((work.key.notification, work.kind), (id, WorkKind::Expand));
    (campaign, id, work)
}

/// Takes the next page, in rows of one target each; how many, and whether it is the last.
pub async fn page(world: &World, work: &TakenWork, limit: usize) -> (usize, bool) {
    let page = world.store().read_page(work.key, limit, &world.everyone()).await.unwrap().unwrap();
    let chunk = |pair: Pair| NewWork { fan_out: true, stream: Stream::Bulk, ..world.work(Targets::Pairs(vec![pair])) };
    let chunks: Vec<NewWork> = page.devices.iter().map(|member| chunk(member.pair)).collect();
    assert!(world.store().commit_page(work.key, work.epoch, &page, &chunks).await.unwrap());
    (chunks.len(), page.last)
}

/// What can be released of a notification, whatever its pace.
async fn released(world: &World, id: NotificationId) -> Vec<WorkKey> {
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.extend(world.released().await.into_iter().filter(|key| key.notification == id));
        world.pass(SECOND);
    }
    keys
}

pub async fn an_audience_within_its_bound_is_released_once_it_is_all_there(world: &mut World) {
    let (campaign, id, work) = begun(world, 5).await;
    assert_eq!(page(world, &work, 3).await, (3, false));
    assert!(released(world, id).await.is_empty());
    assert_eq!(page(world, &work, 3).await, (2, true));
    assert_eq!((world.campaign(campaign).await.status, world.view(id).await.counts.waiting), (Running, 5));
    assert_eq!(released(world, id).await.len(), 5);
}

/// A node that died while it took the audience is followed by another.
pub async fn the_expansion_of_what_is_held_is_released_again(world: &mut World) {
    let (_, id, work) = begun(world, 5).await;
    page(world, &work, 3).await;
    world.pass(LEASE);
    assert_eq!(world.released().await, [work.key]);
    let again = world.claimed(&[work.key]).await.pop().unwrap();
    assert_eq!(page(world, &again, 3).await, (2, true));
    assert_eq!(released(world, id).await.len(), 5);
}

/// Held with its campaign, of which nothing is sent any more; only to be given up.
async fn is_too_large(world: &World, campaign: CampaignId, id: NotificationId) {
    let (store, app) = (world.shared(), world.app);
    let held = world.campaign(campaign).await;
    assert_eq!((held.status, held.reason.as_deref()), (Paused, Some(MAX_TARGETS)));
    let view = world.view(id).await;
    assert_eq!((view.status, view.counts.sent), (NotificationStatus::Paused, 0));
    assert!(released(world, id).await.is_empty());
    assert!(matches!(store.resume_campaign(app, campaign).await.unwrap(), Turned::Refused(_)));
    assert_eq!(world.campaign(campaign).await, held);

    assert!(matches!(store.cancel_campaign(app, campaign).await.unwrap(), Turned::Done(_)));
    let waiting = usize::try_from(world.view(id).await.counts.waiting).unwrap();
    assert_eq!(released(world, id).await.len(), waiting);
    assert_eq!(world.campaign(campaign).await.status, Cancelled);
}

pub async fn an_audience_that_is_too_large_at_once_is_held(world: &mut World) {
    let (campaign, id, work) = begun(world, 2).await;
    assert_eq!(page(world, &work, 3).await, (3, false));
    // it is taken no further
    world.pass(LEASE);
    assert!(world.claimed(&[work.key]).await.is_empty());
    is_too_large(world, campaign, id).await;
}

pub async fn an_audience_that_is_too_large_at_last_is_held(world: &mut World) {
    let (campaign, id, work) = begun(world, 4).await;
    assert_eq!(page(world, &work, 3).await, (3, false));
    assert_eq!(world.campaign(campaign).await.status, Running);
    assert_eq!(page(world, &work, 3).await, (2, true));
    is_too_large(world, campaign, id).await;
}

pub async fn an_audience_that_is_too_large_holds_a_campaign_that_somebody_holds(world: &mut World) {
    let (campaign, id, work) = begun(world, 4).await;
    world.store().pause_campaign(world.app, campaign).await.unwrap();
    page(world, &work, 9).await;
    is_too_large(world, campaign, id).await;
}

pub async fn an_audience_that_is_too_large_is_held_whoever_turns_its_campaign(world: &mut World) {
    let (campaign, id, work) = begun(world, 4).await;
    let turn = |n: usize| {
        let (store, app) = (world.shared(), world.app);
        async move {
            let turned =
                if n.is_multiple_of(2) { store.pause_campaign(app, campaign).await } else { store.resume_campaign(app, campaign).await };
            turned.unwrap();
        }
    };
    tokio::join!(join_all((0..20).map(turn)), page(world, &work, 9));
    is_too_large(world, campaign, id).await;
}

pub async fn a_run_that_is_too_large_holds_the_others(world: &mut World) {
    let campaign = world.due("daily").await.id;
    world.device("d", None).await;
    let (_, other) = world.fire(campaign, world.named_fan_out(vec![users(&["ann"])]), Some(Duration::ZERO)).await;
    let (_, id) = world.fire(campaign, bounded(world, 0), Some(DAY)).await;
    let mut keys = world.released().await;
    keys.extend(world.released().await);
    let work = world.claimed(&keys).await.into_iter().find(|work| work.key.notification == id).unwrap();
    page(world, &work, 9).await;
    assert_eq!(world.view(other).await.status, NotificationStatus::Paused);
    is_too_large(world, campaign, id).await;
    assert_eq!(world.view(other).await.status, NotificationStatus::Cancelled);
}

pub async fn a_run_that_is_held_can_be_cancelled(world: &mut World) {
    let (campaign, id, work) = begun(world, 5).await;
    page(world, &work, 3).await;
    assert!(world.store().cancel(world.app, id).await.unwrap());
    assert_eq!(released(world, id).await.len(), 3);
    assert_eq!(world.campaign(campaign).await.status, Running);
}

/// Its audience was never all taken: what is over is only recorded.
pub async fn a_run_that_is_held_ends_with_its_time(world: &mut World) {
    let (_, id, work) = begun(world, 5).await;
    page(world, &work, 3).await;
    world.store().record(&record(&work, Vec::new(), Vec::new())).await.unwrap();
    assert!(released(world, id).await.is_empty());
    world.pass(DAY);
    assert_eq!(released(world, id).await.len(), 3);
}

/// Runs without a bound, and named audiences, are never held.
pub async fn what_has_no_bound_is_released_as_it_is_taken(world: &mut World) {
    for n in 0..2 {
        world.device(&format!("d{n}"), None).await;
    }
    let named =
        NewNotification { terms: Terms { max_targets: Some(1), ..Terms::default() }, ..world.named_fan_out(vec![users(&["ann", "bob"])]) };
    let named = world.accept(named).await;
    assert_eq!(released(world, named).await.len(), 1);
    world.accept(world.fan_out()).await;
    let keys = world.released().await;
    let work = world.claimed(&keys).await.pop().unwrap();
    assert_eq!(page(world, &work, 1).await, (1, false));
    assert_eq!(released(world, work.key.notification).await.len(), 1);
}
