//! Analytics: counted once, in the bucket of the delivery's end, by what it was; and forgotten when their time is over.

use std::sync::Arc;
use std::time::Duration;

use herald::domain::Timestamp;
use herald::domain::delivery::{Cohort, Delivery, Ending};
use herald::domain::device::{Platform, ProviderKind};
use herald::domain::id::{AppId, CampaignId, NotificationId, Target};
use herald::domain::reason::{FailReason, SuppressReason};
use herald::store::analytics::{AnalyticsQuestion, AnalyticsRow, Groups, Resolution, Retention, Totals};
use herald::store::engine::{NewNotification, Record};
use herald::store::receipt::{Receipt, ReceiptKind, ReceiptVerdict};
use herald::store::{Error, PageRequest};
use uuid::Uuid;

use crate::kit::{DAY, record, users};
use crate::world::World;

const CAMPAIGN: CampaignId = CampaignId(Uuid::from_u128(9));
const ALL: Groups = Groups { category: true, platform: true, provider: true, campaign: true, variant: true };

/// All rows of an app, by everything.
pub async fn rows(world: &World, app: AppId, resolution: Resolution) -> Vec<AnalyticsRow> {
    let question = AnalyticsQuestion { resolution, from: Timestamp::UNIX_EPOCH, to: world.later(DAY), groups: ALL };
    let page = PageRequest { limit: 500, after: None };
    world.store().analytics(app, &question, &page).await.unwrap().items
}

/// The sums of an app, which must be the same at every resolution that still has all.
pub async fn totals(world: &World) -> Totals {
    let mut sums = Vec::new();
    for resolution in Resolution::ALL {
        let rows = rows(world, world.app, *resolution).await;
        sums.push(rows.iter().fold(Totals::default(), |sum, AnalyticsRow { totals, .. }| Totals {
            sent: sum.sent + totals.sent,
            suppressed: sum.suppressed + totals.suppressed,
            failed: sum.failed + totals.failed,
            expired: sum.expired + totals.expired,
            cancelled: sum.cancelled + totals.cancelled,
            delivered: sum.delivered + totals.delivered,
            opened: sum.opened + totals.opened,
            dismissed: sum.dismissed + totals.dismissed,
        }));
    }
    assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
    sums[0]
}

fn of_news(world: &World) -> NewNotification {
    NewNotification { category: Some("news".to_owned()), campaign: Some(CAMPAIGN), ..world.direct(users(&["ann"])) }
}

fn cohort(new: &NewNotification) -> Arc<Cohort> {
    Arc::new(Cohort { app: new.app, category: new.category.clone(), campaign: new.campaign, test: new.test })
}

/// Records what became of a notification at Ann's phone.
async fn ended(world: &World, new: NewNotification, ending: Ending) -> NotificationId {
    let phone = world.device("phone", Some("ann")).await;
    let cohort = cohort(&new);
    let id = world.accept(new).await;
    let work = world.only_taken().await;
    let delivery = Delivery {
        cohort,
        platform: Some(Platform::Ios),
        provider: Some(ProviderKind::Apns),
        variant: Some("a".into()),
        ..world.delivery(id, Target::device(phone.pk), ending)
    };
    world.store().record(&record(&work, vec![delivery], Vec::new())).await.unwrap();
    id
}

async fn report(world: &World, id: NotificationId, kinds: &[ReceiptKind]) -> Vec<ReceiptVerdict> {
    let receipt = |kind: &ReceiptKind| Receipt { notification: id, device: "phone".to_owned(), kind: *kind, at: None };
    world.store().receive(world.app, &kinds.iter().map(receipt).collect::<Vec<_>>()).await.unwrap()
}

pub async fn outcomes_are_counted_by_what_they_were(world: &mut World) {
    let begin = world.now();
    ended(world, of_news(world), Ending::Sent).await;
    ended(world, of_news(world), Ending::Sent).await;
    world.pass(Duration::from_secs(61));
    ended(world, of_news(world), Ending::Failed(FailReason::GaveUp)).await;
    ended(world, world.direct(users(&["ann"])), Ending::Suppressed(SuppressReason::PushOff)).await;
    ended(world, NewNotification { test: true, ..of_news(world) }, Ending::Sent).await;
    world.pass(DAY);
    ended(world, of_news(world), Ending::Cancelled).await;
    ended(world, of_news(world), Ending::Expired("unavailable".to_owned())).await;

    let news = AnalyticsRow {
        bucket: begin,
        category: Some("news".to_owned()),
        platform: Some(Platform::Ios),
        provider: Some(ProviderKind::Apns),
        campaign: Some(CAMPAIGN),
        variant: Some("a".to_owned()),
        totals: Totals { sent: 2, ..Totals::default() },
    };
    let minute = begin + Duration::from_mins(1);
    let nothing = AnalyticsRow {
        category: None,
        campaign: None,
        totals: Totals { suppressed: 1, ..Totals::default() },
        bucket: minute,
        ..news.clone()
    };
    let of = |bucket: Timestamp, totals: Totals| AnalyticsRow { bucket, totals, ..news.clone() };
    let last = Totals { cancelled: 1, expired: 1, ..Totals::default() };
    assert_eq!(
        rows(world, world.app, Resolution::Minute).await,
        [news.clone(), nothing.clone(), of(minute, Totals { failed: 1, ..Totals::default() }), of(minute + DAY, last)]
    );
    let first = Totals { sent: 2, failed: 1, ..Totals::default() };
    assert_eq!(
        rows(world, world.app, Resolution::Hour).await,
        [AnalyticsRow { bucket: begin, ..nothing.clone() }, of(begin, first), of(begin + DAY, last)]
    );
    let midnight = Resolution::Day.begin(begin);
    assert_eq!(
        rows(world, world.app, Resolution::Day).await,
        [AnalyticsRow { bucket: midnight, ..nothing }, of(midnight, first), of(midnight + DAY, last)]
    );
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert_eq!(rows(world, other, Resolution::Day).await, []);
}

pub async fn what_is_recorded_again_is_counted_once(world: &mut World) {
    let phones = [world.device("phone", Some("ann")).await, world.device("tablet", Some("ann")).await];
    let id = world.accept(world.direct(users(&["ann"]))).await;
    let one = world.delivery(id, Target::device(phones[0].pk), Ending::Sent);
    let both = vec![one.clone(), world.delivery(id, Target::device(phones[1].pk), Ending::Cancelled)];
    for (deliveries, sent, cancelled) in [(vec![one.clone()], 1, 0), (vec![one], 1, 0), (both.clone(), 1, 1), (both, 1, 1)] {
        world.pass(Duration::from_mins(1));
        world.store().record(&Record { deliveries, ..Record::default() }).await.unwrap();
        assert_eq!(totals(world).await, Totals { sent, cancelled, ..Totals::default() });
    }
}

pub async fn receipts_are_counted_in_the_bucket_of_their_send(world: &mut World) {
    let id = ended(world, of_news(world), Ending::Sent).await;
    let sent_at = world.now();
    world.pass(2 * DAY);
    for _ in 0..2 {
        report(world, id, &[ReceiptKind::Opened, ReceiptKind::Opened]).await;
    }
    for resolution in Resolution::ALL {
        let rows = rows(world, world.app, *resolution).await;
        let buckets: Vec<(Timestamp, Totals)> = rows.iter().map(|row| (row.bucket, row.totals)).collect();
        let counted = Totals { sent: 1, delivered: 1, opened: 1, ..Totals::default() };
        assert_eq!(buckets, [(resolution.begin(sent_at), counted)]);
    }
    let failed = ended(world, of_news(world), Ending::Failed(FailReason::TokenDead)).await;
    assert_eq!(report(world, failed, &[ReceiptKind::Delivered]).await, [ReceiptVerdict::UnknownDelivery]);
    let test = ended(world, NewNotification { test: true, ..of_news(world) }, Ending::Sent).await;
    assert_eq!(report(world, test, &[ReceiptKind::Dismissed]).await, [ReceiptVerdict::Accepted]);
    assert_eq!(totals(world).await, Totals { sent: 1, failed: 1, delivered: 1, opened: 1, ..Totals::default() });
}

pub async fn early_receipts_are_counted_once_their_send_is(world: &mut World) {
    let phone = world.device("phone", Some("ann")).await;
    for test in [false, true] {
        let new = NewNotification { test, ..of_news(world) };
        let cohort = cohort(&new);
        let id = world.accept(new).await;
        let work = world.only_taken().await;
        report(world, id, &[ReceiptKind::Dismissed, ReceiptKind::Delivered]).await;
        let delivery = Delivery { cohort, ..world.delivery(id, Target::device(phone.pk), Ending::Sent) };
        world.store().record(&record(&work, vec![delivery], Vec::new())).await.unwrap();
        world.pass(Duration::from_mins(10));
        world.store().settle_early_receipts().await.unwrap();
        assert_eq!(totals(world).await, Totals { sent: 1, delivered: 1, dismissed: 1, ..Totals::default() });
    }
}

pub async fn groups_are_put_together_and_paged(world: &mut World) {
    for n in 0..6 {
        let category = (n % 3 > 0).then(|| format!("c{}", n % 3));
        ended(world, NewNotification { category, ..of_news(world) }, Ending::Sent).await;
        if n % 2 == 1 {
            world.pass(Duration::from_mins(1));
        }
    }
    let question = |groups| AnalyticsQuestion { resolution: Resolution::Minute, from: Timestamp::UNIX_EPOCH, to: world.later(DAY), groups };
    let by_category = question(Groups { category: true, ..Groups::default() });
    let all = PageRequest { limit: 500, after: None };
    let whole = world.store().analytics(world.app, &by_category, &all).await.unwrap();
    assert_eq!((whole.items.len(), whole.next), (6, None));
    assert!(whole.items.iter().all(|row| row.platform.is_none() && row.campaign.is_none()));
    assert!(whole.items.is_sorted_by_key(|row| (row.bucket, row.category.clone())), "{:?}", whole.items);
    for limit in [1, 2, 5] {
        let (mut paged, mut page) = (Vec::new(), PageRequest { limit, after: None });
        loop {
            let next = world.store().analytics(world.app, &by_category, &page).await.unwrap();
            assert!(next.items.len() <= limit);
            paged.extend(next.items);
            page.after = next.next;
            if page.after.is_none() {
                break;
            }
        }
        assert_eq!(paged, whole.items, "{limit} a page");
    }
    let by_nothing = world.store().analytics(world.app, &question(Groups::default()), &all).await.unwrap().items;
    assert_eq!(by_nothing.iter().map(|row| row.totals.sent).collect::<Vec<_>>(), [2, 2, 2]);
    let (from, to) = (whole.items[2].bucket, whole.items[4].bucket);
    let between = AnalyticsQuestion { from, to, ..by_category };
    assert_eq!(world.store().analytics(world.app, &between, &all).await.unwrap().items, whole.items[2..4]);
    let foreign = PageRequest { limit: 1, after: Some("foreign".to_owned()) };
    assert!(matches!(world.store().analytics(world.app, &by_category, &foreign).await, Err(Error::ForeignCursor)));
}

pub async fn each_resolution_is_kept_for_its_time(world: &mut World) {
    let retention = Retention { minute_days: 1, hour_days: 3, day_days: 30 };
    ended(world, of_news(world), Ending::Sent).await;
    for (days, left) in [(0, [1, 1, 1]), (1, [1, 1, 1]), (2, [0, 1, 1]), (4, [0, 0, 1]), (30, [0, 0, 1]), (31, [0, 0, 0])] {
        let begun = World::start();
        world.pass((begun + days * DAY - world.now()).to_std().unwrap());
        world.store().prune_analytics(&retention).await.unwrap();
        let mut counts = [0; 3];
        for (count, resolution) in counts.iter_mut().zip(Resolution::ALL) {
            *count = rows(world, world.app, *resolution).await.len();
        }
        assert_eq!(counts, left, "after {days} days");
    }
}
