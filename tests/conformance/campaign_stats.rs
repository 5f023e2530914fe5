//! What became of campaigns: all counts are recounts of what was recorded, once each.

use std::collections::BTreeMap;
use std::sync::Arc;

use herald::domain::delivery::{Cohort, Delivery, Ending};
use herald::domain::device::{Device, Platform, ProviderKind};
use herald::domain::id::{CampaignId, NotificationId, RunId, Target};
use herald::domain::latency::Latency;
use herald::domain::reason::{FailReason, SuppressReason};
use herald::store::campaign::CampaignStats;
use herald::store::engine::{NewNotification, Record};
use herald::store::notification::Counts;
use herald::store::receipt::{Receipt, ReceiptKind};

use crate::kit::{SECOND, pairs, record, users};
use crate::world::World;

const EMPTY: Counts =
    Counts { waiting: 0, sent: 0, suppressed: 0, failed: 0, expired: 0, cancelled: 0, delivered: 0, opened: 0, dismissed: 0 };

/// What became of a device's push: on which platform, in which variant, how long it took.
struct Fate<'d>(&'d Device, Platform, Option<&'static str>, Ending, Option<u16>);

fn delivery(world: &World, (campaign, id): (CampaignId, NotificationId), fate: &Fate<'_>) -> Delivery {
    let Fate(device, platform, variant, ending, latency) = fate;
    Delivery {
        cohort: Arc::new(Cohort { app: world.app, category: None, campaign: Some(campaign), test: false }),
        platform: Some(*platform),
        provider: Some(ProviderKind::Fcm),
        variant: variant.map(Arc::from),
        latency: latency.map(Latency::from_raw),
        person: device.person,
        ..world.delivery(id, Target::device(device.pk), ending.clone())
    }
}

async fn stats(world: &World, campaign: CampaignId, run: Option<RunId>) -> CampaignStats {
    world.store().campaign_stats(world.app, campaign, run).await.unwrap().unwrap()
}

async fn devices(world: &World, n: usize) -> Vec<Device> {
    let mut devices = Vec::new();
    for n in 0..n {
        devices.push(world.device(&format!("d{n}"), Some("ann")).await);
    }
    devices
}

/// Of one row, what became of these devices; recorded twice, the second time without the fence. Others wait.
async fn record_twice(world: &World, campaign: CampaignId, id: NotificationId, fates: &[Fate<'_>]) {
    let keys = world.released().await;
    let work = world.claimed(&keys).await.into_iter().find(|work| work.key.notification == id).unwrap();
    let deliveries: Vec<Delivery> = fates.iter().map(|fate| delivery(world, (campaign, id), fate)).collect();
    let facts = Record { deliveries: deliveries.clone(), ..Record::default() };
    assert_eq!(world.store().record(&facts).await.unwrap().inserted, fates.len());
    assert_eq!(world.store().record(&record(&work, deliveries, Vec::new())).await.unwrap().inserted, 0);
}

pub async fn stats_are_a_recount_of_what_was_recorded(world: &mut World) {
    use Platform::{Android, Ios};
    let all = devices(world, 6).await;
    let campaign = world.due("spring").await.id;
    let rows = vec![pairs(&all[..5].iter().collect::<Vec<_>>()), pairs(&[&all[5]])];
    let (run, id) = world.fire(campaign, world.named_fan_out(rows), None).await;
    assert_eq!(stats(world, campaign, None).await.counts, Counts { waiting: 6, ..EMPTY });
    let fates = [
        Fate(&all[0], Ios, Some("a"), Ending::Sent, Some(7)),
        Fate(&all[1], Ios, Some("a"), Ending::Sent, Some(7)),
        Fate(&all[2], Android, Some("b"), Ending::Sent, Some(40)),
        Fate(&all[3], Android, Some("b"), Ending::Suppressed(SuppressReason::PushOff), None),
        Fate(&all[4], Android, None, Ending::Failed(FailReason::GaveUp), None),
    ];
    record_twice(world, campaign, id, &fates).await;
    let report = |device: &str, kind| Receipt { notification: id, device: device.to_owned(), kind, at: None };
    let receipts = [
        report("d0", ReceiptKind::Opened),
        report("d0", ReceiptKind::Opened),
        report("d2", ReceiptKind::Dismissed),
        report("d4", ReceiptKind::Opened),
    ];
    world.store().receive(world.app, &receipts).await.unwrap();

    let part = |platform, variant: Option<&str>, counts| ((Some(platform), variant.map(str::to_owned)), counts);
    let expected = CampaignStats {
        counts: Counts { waiting: 1, sent: 3, suppressed: 1, failed: 1, delivered: 2, opened: 1, dismissed: 1, ..EMPTY },
        parts: BTreeMap::from([
            part(Ios, Some("a"), Counts { sent: 2, delivered: 1, opened: 1, ..EMPTY }),
            part(Android, Some("b"), Counts { sent: 1, suppressed: 1, delivered: 1, dismissed: 1, ..EMPTY }),
            part(Android, None, Counts { failed: 1, ..EMPTY }),
        ]),
        latency: BTreeMap::from([(Latency::from_raw(7), 2), (Latency::from_raw(40), 1)]),
    };
    assert_eq!(stats(world, campaign, None).await, expected);
    assert_eq!(stats(world, campaign, Some(run)).await, expected);
}

pub async fn stats_are_of_all_runs_or_of_one(world: &mut World) {
    let all = devices(world, 2).await;
    let campaign = world.due("daily").await.id;
    let mut runs = Vec::new();
    for device in &all {
        let (run, id) = world.fire(campaign, world.named_fan_out(vec![pairs(&[device])]), Some(SECOND)).await;
        record_twice(world, campaign, id, &[Fate(device, Platform::Web, None, Ending::Sent, Some(3))]).await;
        runs.push(run);
        world.pass(SECOND);
    }
    let skipped = world.run_of(campaign, None);
    let skipped_id = skipped.run.id;
    assert!(world.store().fire_campaign(world.app, campaign, world.now(), vec![skipped], None).await.unwrap());
    // another campaign's, and a test of this one, are not among them
    let other = world.due("other").await.id;
    world.fire(other, world.named_fan_out(vec![users(&["ann"])]), None).await;
    world.accept(NewNotification { campaign: Some(campaign), test: true, ..world.direct(users(&["ann"])) }).await;

    let of = |n| CampaignStats {
        counts: Counts { sent: n, ..EMPTY },
        parts: BTreeMap::from([((Some(Platform::Web), None), Counts { sent: n, ..EMPTY })]),
        latency: BTreeMap::from([(Latency::from_raw(3), n)]),
    };
    assert_eq!(stats(world, campaign, None).await, of(2));
    assert_eq!(stats(world, campaign, Some(runs[0])).await, of(1));
    assert_eq!(stats(world, campaign, Some(skipped_id)).await, CampaignStats::default());
    let of_another = world.store().campaign_stats(world.app, other, Some(runs[0])).await.unwrap();
    assert_eq!((of_another, world.store().campaign_stats(world.app, world.campaign_id(), None).await.unwrap()), (None, None));
}
