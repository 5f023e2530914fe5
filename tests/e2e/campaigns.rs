//! Campaigns from a draft to its figures.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::clock::{in_seconds, instant, now, text, wall};
use crate::daemon::{Client, Dev, apns_token, until};

/// A daemon without devices, and a category for campaigns.
async fn empty() -> Dev {
    let dev = Dev::start();
    for device in dev.items("/v1/devices?limit=500").await {
        dev.delete(&format!("/v1/devices/{}", device["device_id"].as_str().unwrap())).await.expect(204);
    }
    dev.put("/v1/categories/news", &json!({})).await.expect(201);
    dev
}

/// A campaign in this category to everybody.
fn campaign(more: &Value) -> Value {
    let mut body = json!({
        "name": "Autumn",
        "notification": {"category": "news", "content": {"title": "Sale", "body": "Today"}},
        "segment": {"everyone": true},
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// Makes it and starts it; its id.
async fn started(client: &Client, body: &Value) -> String {
    let id = client.post("/v1/campaigns", body).await.expect(201)["id"].as_str().unwrap().to_owned();
    step(client, &id, "start").await;
    id
}

async fn step(client: &Client, id: &str, step: &str) -> Value {
    client.post(&format!("/v1/campaigns/{id}/{step}"), &Value::Null).await.expect(200)
}

async fn shown(client: &Client, id: &str) -> Value {
    client.get(&format!("/v1/campaigns/{id}")).await.expect(200)
}

async fn is(client: &Client, id: &str, status: &str) -> Value {
    let look = async || Some(shown(client, id).await).filter(|campaign| campaign["status"] == status);
    until(&format!("the campaign is {status}"), look).await
}

async fn stats(client: &Client, id: &str) -> Value {
    client.get(&format!("/v1/campaigns/{id}/stats")).await.expect(200)
}

async fn runs(client: &Client, id: &str) -> Vec<Value> {
    client.items(&format!("/v1/campaigns/{id}/runs")).await
}

/// So many users with an Apple and an Android device each, the n-th in one of these zones by turns.
async fn enrol(client: &Client, users: usize, zones: &[&str]) {
    let mut lines = String::new();
    for n in 0..users {
        let zone = zones[n % zones.len()];
        let phone = json!({"device_id": format!("p{n}"), "user_id": format!("u{n}"), "platform": "ios", "token": apns_token("c1", n), "timezone": zone});
        let tablet = json!({"device_id": format!("t{n}"), "user_id": format!("u{n}"), "platform": "android", "token": format!("tablet-{n}"), "timezone": zone});
        lines.push_str(&format!("{phone}\n{tablet}\n"));
    }
    let answer = client.import("", &lines).await.expect(200);
    assert_eq!(answer["created"], 2 * users, "{answer}");
}

#[tokio::test]
async fn a_campaign_reaches_its_segment_in_its_variants() {
    const USERS: usize = 240;
    let dev = empty().await;
    enrol(&dev, USERS, &["UTC"]).await;
    let body = campaign(&json!({"variants": [
        {"name": "plain", "weight": 1, "content": {}},
        {"name": "loud", "weight": 3, "content": {"title": "SALE"}, "localized": {"fr": {"title": "SOLDES"}}},
    ]}));
    let preview = dev.post("/v1/campaigns/preview", &body).await.expect(200);
    assert_eq!((&preview["targeted"], &preview["decisions"]), (&json!(2 * USERS), &json!({"send": 2 * USERS})));
    let rendered = preview["rendered"].as_array().unwrap();
    let french = rendered.iter().find(|one| one["variant"] == "loud" && one["locale"] == "fr" && one["platform"] == "ios").unwrap();
    assert_eq!(french["payload"]["aps"]["alert"], json!({"title": "SOLDES", "body": "Today"}), "{french}");

    let id = started(&dev, &body).await;
    is(&dev, &id, "done").await;
    let stats = stats(&dev, &id).await;
    assert_eq!((&stats["counts"]["targeted"], &stats["counts"]["sent"]), (&json!(2 * USERS), &json!(2 * USERS)), "{stats}");
    assert_eq!((&stats["by_platform"]["ios"]["sent"], &stats["by_platform"]["android"]["sent"]), (&json!(USERS), &json!(USERS)));
    let (plain, loud) = (stats["by_variant"]["plain"]["sent"].as_u64().unwrap(), stats["by_variant"]["loud"]["sent"].as_u64().unwrap());
    assert_eq!(plain + loud, 2 * USERS as u64);
    // a quarter of 240 people, give or take four and a half deviations
    assert!((30..=90).contains(&(plain / 2)), "{plain} of {loud}");
    assert!(stats["latency_ms"]["p50"].as_u64().unwrap() <= stats["latency_ms"]["p99"].as_u64().unwrap(), "{stats}");

    let run = runs(&dev, &id).await.remove(0);
    let deliveries = dev.deliveries(run["notification_id"].as_str().unwrap()).await;
    assert_one_variant_each(&deliveries, USERS);
    for (device, token) in [("p0", apns_token("c1", 0)), ("p1", apns_token("c1", 1))] {
        let told = deliveries.iter().find(|delivery| delivery["device_id"] == device).unwrap();
        let title = if told["variant"] == "loud" { "SALE" } else { "Sale" };
        assert_eq!(dev.push(&token).await["body"]["aps"]["alert"]["title"], title, "{told}");
    }
    let filtered = dev.items(&format!("/v1/notifications?campaign_id={id}")).await;
    assert_eq!(filtered.len(), 1);
    assert_eq!(filtered[0]["id"], run["notification_id"]);
}

/// Each user's devices were told the same, and all users are there.
fn assert_one_variant_each(deliveries: &[Value], users: usize) {
    let mut variants: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for delivery in deliveries {
        variants.entry(delivery["user_id"].as_str().unwrap()).or_default().insert(delivery["variant"].as_str().unwrap());
    }
    assert_eq!(variants.len(), users);
    assert!(variants.values().all(|told| told.len() == 1), "{variants:?}");
}

/// What waits when it is paused is not sent before it goes on, and nobody gets it twice.
#[tokio::test]
async fn a_pause_holds_and_repeats_nobody() {
    const USERS: usize = 150;
    let dev = empty().await;
    enrol(&dev, USERS, &["UTC"]).await;
    let variants = json!([{"name": "a", "weight": 1, "content": {"title": "A"}}, {"name": "b", "weight": 1, "content": {"title": "B"}}]);
    let id = started(&dev, &campaign(&json!({"per_second": 60, "variants": variants}))).await;
    let accepted = async || dev.get("/simulator/stats").await.expect(200)["accepted"].as_u64().unwrap();
    until("some are sent", async || (accepted().await >= 30).then_some(())).await;
    let paused = step(&dev, &id, "pause").await;
    assert_eq!((&paused["status"], &paused["reason"]), (&json!("paused"), &Value::Null));
    let a_second_on = now() + TimeDelta::seconds(1);
    until("a second has passed", async || (now() >= a_second_on).then_some(())).await;
    let before = accepted().await;
    let two_seconds_on = now() + TimeDelta::seconds(2);
    until("two more have passed", async || (now() >= two_seconds_on).then_some(())).await;
    assert_eq!(accepted().await, before, "within a second nothing more is sent");
    assert!(before < 2 * USERS as u64, "{before}");
    let run = runs(&dev, &id).await.remove(0);
    assert_eq!(run["status"], "paused");

    step(&dev, &id, "resume").await;
    is(&dev, &id, "done").await;
    let stats = dev.get("/simulator/stats").await.expect(200);
    assert_eq!((&stats["accepted"], &stats["devices"], &stats["repeats"]), (&json!(2 * USERS), &json!(2 * USERS), &json!(0)));
    assert_one_variant_each(&dev.deliveries(run["notification_id"].as_str().unwrap()).await, USERS);
}

#[tokio::test]
async fn more_devices_than_allowed_get_nothing() {
    let dev = empty().await;
    enrol(&dev, 10, &["UTC"]).await;
    let id = started(&dev, &campaign(&json!({"max_targets": 19}))).await;
    let paused = is(&dev, &id, "paused").await;
    assert_eq!(paused["reason"], "max_targets");
    assert_eq!(stats(&dev, &id).await["counts"]["sent"], 0);
    dev.post(&format!("/v1/campaigns/{id}/resume"), &Value::Null).await.problem(409, "invalid_transition");
    step(&dev, &id, "cancel").await;
    until("all are cancelled", async || (stats(&dev, &id).await["counts"]["waiting"] == 0).then_some(())).await;
    assert_eq!(dev.get("/simulator/stats").await.expect(200)["accepted"], 0);

    let id = started(&dev, &campaign(&json!({"max_targets": 20}))).await;
    is(&dev, &id, "done").await;
    assert_eq!(stats(&dev, &id).await["counts"]["sent"], 20);
}

/// One wall clock where the time is to come, one where it is due in a moment, one where it has passed.
#[tokio::test]
async fn a_local_time_is_each_device_s_own() {
    let dev = empty().await;
    enrol(&dev, 9, &["Etc/GMT+5", "UTC", "Etc/GMT-5"]).await;
    let at = in_seconds(5);
    let body = campaign(&json!({"schedule": {"at_local": wall(at.naive_utc())}}));
    let preview = dev.post("/v1/campaigns/preview", &body).await.expect(200);
    assert_eq!(preview["decisions"], json!({"send": 12, "skipped_past_local_time": 6}), "{preview}");
    let later = at + TimeDelta::hours(5);
    assert_eq!(
        preview["timeline"],
        json!([
            {"at": text(at), "timezone": "UTC", "devices": 6},
            {"at": text(later), "timezone": "Etc/GMT+5", "devices": 6},
        ])
    );
    let id = started(&dev, &body).await;
    assert_eq!(shown(&dev, &id).await["status"], "running", "the first clock on Earth has shown it");
    until("the moment has come", async || (stats(&dev, &id).await["counts"]["sent"] == 6).then_some(())).await;
    for n in [1, 4, 7] {
        assert!(instant(&dev.push(&apns_token("c1", n)).await["received_at"]) >= at);
    }
    let notification = runs(&dev, &id).await.remove(0)["notification_id"].as_str().unwrap().to_owned();
    let shown = dev.get(&format!("/v1/notifications/{notification}")).await.expect(200);
    assert_eq!(shown["reasons"]["suppressed"], json!({"skipped_past_local_time": 6}));
    assert_eq!(shown["reasons"]["waiting"], json!({"scheduled": 6}));
    step(&dev, &id, "cancel").await;
    let ended = dev.done(&notification).await;
    assert_eq!((&ended["counts"]["sent"], &ended["counts"]["cancelled"]), (&json!(6), &json!(6)), "{ended}");
    assert_eq!(self::shown(&dev, &id).await["status"], "cancelled");
}

#[tokio::test]
async fn a_campaign_waits_for_its_instant_and_can_be_held_until_then() {
    let dev = empty().await;
    enrol(&dev, 2, &["UTC"]).await;
    let at = in_seconds(4);
    let id = started(&dev, &campaign(&json!({"schedule": {"at": text(at)}}))).await;
    let scheduled = shown(&dev, &id).await;
    assert_eq!((&scheduled["status"], instant(&scheduled["next_run_at"])), (&json!("scheduled"), at));
    let held = started(&dev, &campaign(&json!({"name": "Held", "schedule": {"at": text(at)}}))).await;
    step(&dev, &held, "pause").await;
    is(&dev, &id, "done").await;
    assert!(instant(&dev.push(&apns_token("c1", 0)).await["received_at"]) >= at);
    assert!(runs(&dev, &held).await.is_empty());
    assert_eq!(shown(&dev, &held).await["status"], "paused");
    step(&dev, &held, "resume").await;
    is(&dev, &held, "done").await;
    assert_eq!(stats(&dev, &held).await["counts"]["sent"], 4);
}

#[tokio::test]
async fn a_test_is_sent_now_and_counted_nowhere() {
    let dev = empty().await;
    enrol(&dev, 3, &["UTC"]).await;
    let body = campaign(&json!({"schedule": {"at": text(in_seconds(3600))}, "variants": [
        {"name": "a", "weight": 1, "content": {"title": "A"}}, {"name": "b", "weight": 1, "content": {"title": "B"}},
    ]}));
    let id = dev.post("/v1/campaigns", &body).await.expect(201)["id"].as_str().unwrap().to_owned();
    dev.prefer("u0", &json!({"muted_until": text(in_seconds(3600))})).await;
    let test = json!({"to": {"user_ids": ["u0"]}, "variant": "b"});
    let accepted = dev.post(&format!("/v1/campaigns/{id}/test"), &test).await.expect(202);
    let done = dev.done(accepted["id"].as_str().unwrap()).await;
    assert_eq!(done["counts"]["sent"], 2, "{done}");
    assert_eq!(dev.push(&apns_token("c1", 0)).await["body"]["aps"]["alert"]["title"], "B");
    assert_eq!(stats(&dev, &id).await["counts"]["targeted"], 0);
    assert!(runs(&dev, &id).await.is_empty());
    assert_eq!(shown(&dev, &id).await["status"], "draft");
}

/// What a campaign names may be gone when its time comes.
#[tokio::test]
async fn one_that_cannot_begin_says_why() {
    let dev = empty().await;
    enrol(&dev, 1, &["UTC"]).await;
    dev.put("/v1/templates/sale", &json!({"content": {"title": "Sale {{ name }}"}})).await.expect(201);
    let notification = json!({"category": "news", "template": {"id": "sale", "variables": {"name": "now"}}});
    let id = started(&dev, &campaign(&json!({"notification": notification, "schedule": {"at": text(in_seconds(3))}}))).await;
    dev.delete("/v1/templates/sale").await.expect(204);
    let paused = is(&dev, &id, "paused").await;
    assert!(paused["reason"].as_str().unwrap().contains("no template \"sale\" is stored"), "{paused}");
    dev.put("/v1/templates/sale", &json!({"content": {"title": "Back {{ name }}"}})).await.expect(201);
    step(&dev, &id, "resume").await;
    is(&dev, &id, "done").await;
    assert_eq!(dev.push(&apns_token("c1", 0)).await["body"]["aps"]["alert"]["title"], "Back now");
}

/// Receipts stand where their pushes do.
#[tokio::test]
async fn the_funnel_counts_each_once() {
    let dev = empty().await;
    enrol(&dev, 4, &["UTC"]).await;
    let id = started(&dev, &campaign(&json!({"variants": [{"name": "only", "weight": 1, "content": {}}]}))).await;
    is(&dev, &id, "done").await;
    let run = runs(&dev, &id).await.remove(0);
    let receipt = |device: &str, kind: &str| json!({"notification_id": run["notification_id"], "device_id": device, "type": kind});
    let receipts = [receipt("p0", "opened"), receipt("p0", "opened"), receipt("p1", "delivered"), receipt("t2", "dismissed")];
    dev.post("/v1/receipts", &json!({"receipts": receipts})).await.expect(202);
    let told = stats(&dev, &id).await;
    let funnel = |counts: &Value| ["sent", "delivered", "opened", "dismissed"].map(|name| counts[name].as_u64().unwrap());
    assert_eq!(funnel(&told["counts"]), [8, 3, 1, 1], "{told}");
    assert_eq!(funnel(&told["by_variant"]["only"]), [8, 3, 1, 1]);
    assert_eq!(funnel(&told["by_platform"]["ios"]), [4, 2, 1, 0]);
    assert_eq!(funnel(&told["by_platform"]["android"]), [4, 1, 0, 1]);
    let of_run = dev.get(&format!("/v1/campaigns/{id}/stats?run={}", run["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(of_run, told);
    let analytics = dev
        .items(&format!(
            "/v1/analytics?from={}&to={}&interval=day&group_by=campaign_id",
            text(now() - TimeDelta::days(1)),
            text(now() + TimeDelta::days(1))
        ))
        .await;
    let ours = analytics.iter().find(|row| row["campaign_id"] == id.as_str()).unwrap();
    assert_eq!(funnel(ours), [8, 3, 1, 1], "{ours}");
}
