//! `GET /v1/analytics` as JSON and as CSV.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{Reply, World};
use crate::domain::clock::Clock;
use crate::domain::delivery::{Cohort, Delivery, Ending};
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::id::{AppId, CampaignId, DevicePk, NotificationId, Target};
use crate::domain::reason::{FailReason, SuppressReason};
use crate::store::Engine;
use crate::store::engine::Record;

const CAMPAIGN: Uuid = Uuid::from_u128(7);

/// Records so many deliveries of an app, now.
async fn ended(world: &World, (app, category): (AppId, Option<&str>), ending: Ending, devices: std::ops::Range<i64>) {
    let campaign = category.is_some().then_some(CampaignId(CAMPAIGN));
    let cohort = Arc::new(Cohort { app, category: category.map(str::to_owned), campaign, test: false });
    let one = |device: i64| Delivery {
        notification: NotificationId(Uuid::from_u128(1)),
        cohort: Arc::clone(&cohort),
        day: 0,
        target: Target::device(DevicePk(device)),
        person: None,
        ending: ending.clone(),
        attempts: 1,
        platform: Some(if device % 2 == 0 { Platform::Ios } else { Platform::Android }),
        provider: Some(ProviderKind::Fcm),
        variant: None,
        latency: None,
        message_id: None,
        detail: None,
        at: world.clock.now(),
    };
    let record = Record { deliveries: devices.map(one).collect(), ..Record::default() };
    world.store.record(&record).await.unwrap();
}

/// Nine o'clock: 3 sent, 1 failed; a minute later 1 suppressed; another app's beside.
async fn filled() -> World {
    let world = World::new().await;
    ended(&world, (world.app, Some("news")), Ending::Sent, 1..4).await;
    ended(&world, (world.app, None), Ending::Failed(FailReason::TokenDead), 4..5).await;
    ended(&world, (world.other_app, Some("news")), Ending::Sent, 101..150).await;
    world.clock.pass(Duration::from_mins(1));
    ended(&world, (world.app, Some("-1+1")), Ending::Suppressed(SuppressReason::PushOff), 5..6).await;
    world.clock.pass(Duration::from_mins(1));
    world
}

fn items(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    reply.json()["items"].as_array().unwrap().clone()
}

async fn csv(world: &World, query: &str) -> Reply {
    world.ask(Method::GET, &format!("/v1/analytics{query}"), &[("accept", "text/csv")], "").await
}

#[tokio::test]
async fn counts_and_rates_are_answered_by_bucket() {
    let world = filled().await;
    let row = json!({"bucket": "2026-11-02T09:00:00Z", "sent": 3, "suppressed": 1, "failed": 1, "expired": 0, "cancelled": 0, "delivered": 0,
        "opened": 0, "dismissed": 0, "delivery_rate": 0.0, "open_rate": 0.0, "confirmed_open_rate": null, "dismiss_rate": null});
    assert_eq!(items(&world.get("/v1/analytics").await), [row]);
    let minutes = items(&world.get("/v1/analytics?interval=minute").await);
    let told: Vec<_> = minutes.iter().map(|row| (&row["bucket"], &row["sent"], &row["suppressed"], &row["delivery_rate"])).collect();
    assert_eq!(
        told,
        [
            (&json!("2026-11-02T09:00:00Z"), &json!(3), &json!(0), &json!(0.0)),
            (&json!("2026-11-02T09:01:00Z"), &json!(0), &json!(1), &Value::Null)
        ]
    );
    assert!(items(&world.get("/v1/analytics?to=2026-11-02T09:00:00Z&interval=minute").await).is_empty(), "the end is not in the range");
    assert_eq!(items(&world.get("/v1/analytics?from=2026-11-02T09:00:01Z&interval=minute").await).len(), 1, "nor is what began before it");
}

#[tokio::test]
async fn groups_are_told_apart_and_paged() {
    let world = filled().await;
    let rows = items(&world.get("/v1/analytics?interval=day&group_by=platform,category,campaign_id").await);
    let told: Vec<_> = rows.iter().map(|row| (row["category"].clone(), row["platform"].clone(), row["campaign_id"].clone())).collect();
    let campaign = json!(CAMPAIGN);
    assert_eq!(
        told,
        [
            (json!(null), json!("ios"), json!(null)),
            (json!("-1+1"), json!("android"), campaign.clone()),
            (json!("news"), json!("android"), campaign.clone()),
            (json!("news"), json!("ios"), campaign)
        ]
    );
    let mut paged = Vec::new();
    let mut path = "/v1/analytics?interval=day&group_by=platform,category,campaign_id&limit=1".to_owned();
    loop {
        let page = world.get(&path).await;
        paged.extend(items(&page));
        let Some(cursor) = page.json()["next_cursor"].as_str().map(str::to_owned) else { break };
        path = format!("/v1/analytics?limit=1&cursor={cursor}");
    }
    assert_eq!(paged, rows);
    let chosen = items(&world.get("/v1/analytics?group_by=category&fields=category,sent&limit=1").await);
    assert_eq!(chosen, [json!({"category": null, "sent": 0})]);
}

#[tokio::test]
async fn what_cannot_be_asked_is_named() {
    let world = World::new().await;
    for (query, field) in [
        ("group_by=country", "group_by"),
        ("interval=week", "interval"),
        ("interval=minute&from=2026-10-01T00:00:00Z", "from"),
        ("to=2020-01-01T00:00:00Z&from=2021-01-01T00:00:00Z", "to"),
    ] {
        assert_eq!(world.get(&format!("/v1/analytics?{query}")).await.field().0, field, "{query}");
    }
    assert_eq!(csv(&world, "?limit=5").await.field().0, "limit");
}

#[tokio::test]
async fn csv_has_all_rows_under_the_same_names() {
    let world = filled().await;
    let reply = csv(&world, "?interval=minute&group_by=category,platform").await;
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, "text/csv; charset=utf-8; header=present"));
    assert!(reply.headers.get_all("vary").iter().any(|value| value == "accept"), "{reply:?}");
    let expected = "bucket,category,platform,sent,suppressed,failed,expired,cancelled,delivered,opened,dismissed,delivery_rate,open_rate,\
        confirmed_open_rate,dismiss_rate\r\n\
        2026-11-02T09:00:00Z,,ios,0,0,1,0,0,0,0,0,,,,\r\n\
        2026-11-02T09:00:00Z,news,android,2,0,0,0,0,0,0,0,0.0,0.0,,\r\n\
        2026-11-02T09:00:00Z,news,ios,1,0,0,0,0,0,0,0,0.0,0.0,,\r\n\
        2026-11-02T09:01:00Z,'-1+1,android,0,1,0,0,0,0,0,0,,,,\r\n";
    assert_eq!(std::str::from_utf8(&reply.bytes).unwrap(), expected);
    let chosen = csv(&world, "?interval=day&fields=sent,bucket").await;
    assert_eq!(&chosen.bytes[..], b"bucket,sent\r\n2026-11-02T00:00:00Z,3\r\n");
    let none = csv(&world, "?to=2026-11-01T00:00:00Z&fields=bucket,sent").await;
    assert_eq!(&none.bytes[..], b"bucket,sent\r\n");
}

/// More than what is read at once.
#[tokio::test]
async fn a_long_csv_is_written_page_by_page() {
    let world = World::new().await;
    let from = world.clock.now();
    for device in 1..=1_201 {
        ended(&world, (world.app, None), Ending::Sent, device..device + 1).await;
        world.clock.pass(Duration::from_mins(1));
    }
    let reply = csv(&world, &format!("?interval=minute&fields=bucket&from={}", from.format("%FT%TZ"))).await;
    let text = std::str::from_utf8(&reply.bytes).unwrap();
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(lines.len(), 1_201);
    assert!(lines.is_sorted() && lines.windows(2).all(|pair| pair[0] != pair[1]));
}
