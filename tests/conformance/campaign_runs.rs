//! Runs of campaigns: how they begin, and what is done to a campaign is done to those that are open.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use herald::domain::campaign::CampaignStatus::{Cancelled, Done, Paused, Running, Scheduled};
use herald::domain::delivery::Ending;
use herald::domain::id::{CampaignId, NotificationId, Target};
use herald::domain::work::TakenWork;
use herald::store::PageRequest;
use herald::store::campaign::CampaignRun;
use herald::store::engine::{NewNotification, RunStatus};
use herald::store::notification::{NotificationFilter, NotificationStatus};

use crate::campaigns::{ALL, definition, done};
use crate::kit::{DAY, GUARD, LEASE, SECOND, record, sweep, users};
use crate::world::World;

/// What is released of a campaign's runs.
async fn released(world: &World) -> Vec<NotificationId> {
    let mut of = Vec::new();
    loop {
        let keys = world.released().await;
        if keys.is_empty() {
            of.sort_unstable();
            return of;
        }
        of.extend(keys.into_iter().map(|key| key.notification));
    }
}

pub async fn an_instant_has_one_run_whoever_sees_it(world: &mut World) {
    let (store, app) = (world.shared(), world.app);
    let campaign = world.due("due").await;
    let next = world.later(DAY);
    let fire = |_| {
        let (store, version) = (Arc::clone(&store), campaign.version);
        let run = world.run_of(campaign.id, Some(world.fan_out()));
        async move { (run.run.clone(), store.fire_campaign(app, campaign.id, version, vec![run], Some(next)).await.unwrap()) }
    };
    let fired: Vec<CampaignRun> = join_all((0..8).map(fire)).await.into_iter().filter(|(_, fired)| *fired).map(|(run, _)| run).collect();
    assert_eq!(fired.len(), 1);
    assert_eq!(store.campaign_runs(app, campaign.id, &ALL).await.unwrap().unwrap().items, fired);
    let after = world.campaign(campaign.id).await;
    assert_eq!((after.status, after.next_fire, after.version), (Running, Some(next), campaign.version + 1));
    assert_eq!(released(world).await, [fired[0].notification.unwrap()]);
    let listed = store.notifications(app, &NotificationFilter::default(), &ALL).await.unwrap().items;
    assert_eq!(listed.len(), 1);
    // nor does a late call begin one
    assert!(!store.fire_campaign(app, campaign.id, campaign.version, vec![world.run_of(campaign.id, None)], None).await.unwrap());
}

/// Who saw it due before it was edited would send what it said before.
pub async fn what_was_edited_since_is_not_begun(world: &mut World) {
    let (store, app) = (world.shared(), world.app);
    let seen = world.due("due").await;
    let edited = done(store.put_campaign(app, seen.id, &definition("edited"), seen.next_fire, Some(seen.version)).await.unwrap());
    assert!(!store.fire_campaign(app, seen.id, seen.version, vec![world.run_of(seen.id, None)], None).await.unwrap());
    assert!(!store.stop_campaign(app, seen.id, seen.version, "unknown_category").await.unwrap());
    assert_eq!(world.campaign(seen.id).await, edited);
    assert!(store.fire_campaign(app, seen.id, edited.version, vec![world.run_of(seen.id, None)], None).await.unwrap());
}

pub async fn runs_are_listed_newest_first(world: &mut World) {
    let (store, app) = (world.shared(), world.app);
    let campaign = world.due("due").await.id;
    let mut fired = Vec::new();
    for n in 0..4 {
        let new = (n % 2 == 0).then(|| world.fan_out());
        let runs = vec![world.run_of(campaign, None), world.run_of(campaign, new)];
        fired.extend(runs.iter().map(|new| new.run.clone()));
        let version = world.campaign(campaign).await.version;
        assert!(store.fire_campaign(app, campaign, version, runs, Some(world.later(SECOND))).await.unwrap());
        world.pass(SECOND);
    }
    fired.reverse();
    for limit in [1, 3, 8, 50] {
        let (mut listed, mut page) = (Vec::new(), PageRequest { limit, after: None });
        loop {
            let part = store.campaign_runs(app, campaign, &page).await.unwrap().unwrap();
            assert!(part.items.len() <= limit);
            listed.extend(part.items);
            page.after = part.next;
            if page.after.is_none() {
                break;
            }
        }
        assert_eq!(listed, fired);
    }
    assert_eq!(store.campaign_runs(app, world.campaign_id(), &ALL).await.unwrap(), None);
}

/// A recurring campaign whose second run began before its first was over.
async fn with_two_runs(world: &World) -> (CampaignId, [NotificationId; 2]) {
    let campaign = world.due("daily").await.id;
    let (_, first) = world.fire(campaign, world.named_fan_out(vec![users(&["ann"]), users(&["bob"])]), Some(Duration::ZERO)).await;
    let (_, second) = world.fire(campaign, world.named_fan_out(vec![users(&["ann"])]), Some(DAY)).await;
    (campaign, [first, second])
}

pub async fn a_campaign_is_held_with_all_of_its_runs(world: &mut World) {
    let (store, app) = (world.shared(), world.app);
    let (campaign, [first, second]) = with_two_runs(world).await;
    let published = world.released().await;
    let next = world.campaign(campaign).await.next_fire;
    let held = done(store.pause_campaign(app, campaign).await.unwrap());
    assert_eq!((held.status, held.next_fire), (Paused, next));
    for run in [first, second] {
        assert_eq!(world.view(run).await.status, NotificationStatus::Paused);
    }
    let changes = store.run_changes(world.now()).await.unwrap();
    assert_eq!(
        changes.iter().map(|change| (change.notification, change.status)).collect::<Vec<_>>(),
        [first, second].map(|run| (run, RunStatus::Paused))
    );
    assert!(released(world).await.is_empty());
    assert!(world.claimed(&published).await.is_empty());
    world.pass(DAY);
    assert!(store.due_campaigns(&[world.app], 10).await.unwrap().is_empty());

    let on = done(store.resume_campaign(app, campaign).await.unwrap());
    assert_eq!((on.status, on.next_fire), (Running, next));
    assert_eq!(store.due_campaigns(&[world.app], 10).await.unwrap().len(), 1);
    // what was published is due at once
    assert_eq!(released(world).await, [first, first, second]);
}

/// The clock of the node that began it was ahead of the store's.
pub async fn a_campaign_is_held_with_a_run_that_lies_ahead(world: &mut World) {
    let (store, app) = (world.shared(), world.app);
    let campaign = world.due("due").await.id;
    let mut ahead = world.fan_out();
    ahead.start_at = world.later(SECOND);
    ahead.work[0].due_at = ahead.start_at;
    let (_, run) = world.fire(campaign, ahead, None).await;
    assert_eq!(world.view(run).await.status, NotificationStatus::Scheduled);
    done(store.pause_campaign(app, campaign).await.unwrap());
    world.pass(DAY);
    assert!(released(world).await.is_empty());
    assert_eq!(world.view(run).await.status, NotificationStatus::Paused);
    done(store.resume_campaign(app, campaign).await.unwrap());
    assert_eq!(released(world).await, [run]);
}

pub async fn a_campaign_and_its_runs_agree_whoever_turns_them(world: &mut World) {
    let (store, app) = (world.shared(), world.app);
    let (campaign, runs) = with_two_runs(world).await;
    for round in 0..6 {
        let turn = |n: usize| {
            let store = Arc::clone(&store);
            async move {
                match (n + round) % 4 {
                    0 | 1 => drop(store.pause_campaign(app, campaign).await.unwrap()),
                    2 => drop(store.resume_campaign(app, campaign).await.unwrap()),
                    _ => drop(store.release(&sweep()).await.unwrap()),
                }
            }
        };
        join_all((0..16).map(turn)).await;
        let is_held = world.campaign(campaign).await.status == Paused;
        for run in runs {
            assert_eq!(world.view(run).await.status == NotificationStatus::Paused, is_held);
        }
        world.pass(GUARD);
    }
}

pub async fn a_campaign_that_is_given_up_takes_its_runs_along(world: &mut World) {
    let (store, app) = (world.shared(), world.app);
    let (campaign, [first, second]) = with_two_runs(world).await;
    let over = world.delivery(first, Target::from_raw(1), Ending::Sent);
    let work = world.taken().await.into_iter().find(|work| work.key.notification == first).unwrap();
    store.record(&record(&work, vec![over], Vec::new())).await.unwrap();
    store.pause_campaign(app, campaign).await.unwrap();
    let ended = done(store.cancel_campaign(app, campaign).await.unwrap());
    assert_eq!((ended.status, ended.next_fire, ended.reason), (Cancelled, None, None));
    for run in [first, second] {
        assert_eq!(world.view(run).await.status, NotificationStatus::Cancelled);
    }
    assert_eq!(world.view(first).await.counts.sent, 1);
    world.pass(LEASE);
    assert!(released(world).await.contains(&second));
    assert_eq!(store.settle_campaigns().await.unwrap(), 0);
}

pub async fn a_campaign_that_never_ran_goes_back_to_waiting(world: &mut World) {
    let campaign = world.due("due").await;
    let (store, app) = (world.shared(), world.app);
    store.pause_campaign(app, campaign.id).await.unwrap();
    let back = done(store.resume_campaign(app, campaign.id).await.unwrap());
    assert_eq!((back.status, back.next_fire), (Scheduled, campaign.next_fire));
}

pub async fn a_campaign_that_cannot_begin_is_held_for_a_reason(world: &mut World) {
    let (store, app) = (world.shared(), world.app);
    let (campaign, [first, _]) = with_two_runs(world).await;
    world.pass(DAY);
    let at = world.now();
    let version = world.campaign(campaign).await.version;
    assert!(!store.stop_campaign(app, campaign, version - 1, "unknown_category").await.unwrap());
    assert!(store.stop_campaign(app, campaign, version, "unknown_category").await.unwrap());
    assert!(!store.stop_campaign(app, campaign, version, "another").await.unwrap());
    let held = world.campaign(campaign).await;
    assert_eq!((held.status, held.reason.as_deref(), held.next_fire), (Paused, Some("unknown_category"), Some(at)));
    assert_eq!(world.view(first).await.status, NotificationStatus::Paused);
    let on = done(store.resume_campaign(app, campaign).await.unwrap());
    assert_eq!((on.status, on.reason), (Running, None));
    assert_eq!(world.view(first).await.counts.waiting, 2);
    assert!(store.due_campaigns(&[world.app], 10).await.unwrap().len() == 1);
}

async fn finish(world: &World, work: &TakenWork) {
    world.store().record(&record(work, Vec::new(), Vec::new())).await.unwrap();
}

pub async fn a_campaign_is_done_with_its_last_run(world: &mut World) {
    let store = world.shared();
    let campaign = world.due("once").await.id;
    world.fire(campaign, world.named_fan_out(vec![users(&["ann"])]), None).await;
    let recurring = world.due("daily").await.id;
    world.fire(recurring, world.named_fan_out(vec![users(&["ann"])]), Some(DAY)).await;
    assert_eq!(store.settle_campaigns().await.unwrap(), 0);
    let mut taken = world.taken().await;
    taken.extend(world.taken().await);
    for work in &taken {
        finish(world, work).await;
    }
    // the end of a run is noticed by the next look at what is due
    assert!(world.released().await.is_empty());
    let before = world.campaign(campaign).await;
    assert_eq!((store.settle_campaigns().await.unwrap(), store.settle_campaigns().await.unwrap()), (1, 0));
    let after = world.campaign(campaign).await;
    assert_eq!((after.status, after.version), (Done, before.version + 1));
    assert_eq!(world.campaign(recurring).await.status, Running);
}

pub async fn notifications_are_listed_by_campaign(world: &mut World) {
    let campaign = world.due("daily").await.id;
    let mut runs = Vec::new();
    for n in 0..3 {
        let new = NewNotification { category: Some(format!("c{n}")), ..world.fan_out() };
        runs.push(world.fire(campaign, new, Some(SECOND)).await.1);
        world.accept(world.direct(users(&["ann"]))).await;
        world.pass(SECOND);
    }
    let other = world.due("other").await.id;
    world.fire(other, world.fan_out(), None).await;
    runs.reverse();
    let list = async |filter: NotificationFilter, limit| {
        let (mut ids, mut page) = (Vec::new(), PageRequest { limit, after: None });
        loop {
            let listed = world.store().notifications(world.app, &filter, &page).await.unwrap();
            ids.extend(listed.items.into_iter().map(|view| view.id));
            page.after = listed.next;
            if page.after.is_none() {
                return ids;
            }
        }
    };
    let of_campaign = NotificationFilter { campaign: Some(campaign), ..NotificationFilter::default() };
    for limit in [1, 2, 50] {
        assert_eq!(list(of_campaign.clone(), limit).await, runs);
        assert_eq!(list(NotificationFilter { category: Some("c1".to_owned()), ..of_campaign.clone() }, limit).await, [runs[1]]);
    }
}
