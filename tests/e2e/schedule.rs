//! Sends at an instant, and at each device's own wall clock.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::clock::{in_seconds, instant, now, quiet_now, text, wall};
use crate::daemon::{Client, Dev, apns_token};

async fn phone_in(dev: &Client, device: &str, timezone: &str, number: usize) -> String {
    let token = apns_token("a1", number);
    let body = json!({"user_id": "ann", "platform": "ios", "token": token, "timezone": timezone});
    dev.put(&format!("/v1/devices/{device}"), &body).await.expect(201);
    token
}

#[tokio::test]
async fn a_scheduled_send_goes_out_at_its_instant() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    let at = in_seconds(3);
    let body = json!({"to": {"user_id": "ann"}, "content": {"title": "t"}, "send_at": text(at), "ttl_seconds": 60});
    let accepted = dev.post("/v1/notifications", &body).await.expect(202);
    assert_eq!(accepted["status"], "scheduled");
    let id = accepted["id"].as_str().unwrap();
    let notification = dev.get(&format!("/v1/notifications/{id}")).await.expect(200);
    assert_eq!(notification["status"], "scheduled");
    assert_eq!((&notification["counts"]["targeted"], &notification["counts"]["waiting"]), (&json!(1), &json!(1)), "{notification}");
    assert_eq!(notification["reasons"]["waiting"], json!({"scheduled": 1}));
    let waiting = dev.get(&format!("/v1/notifications/{id}/deliveries")).await.expect(200)["items"][0].clone();
    assert_eq!((&waiting["status"], &waiting["reason"]), (&json!("waiting"), &json!("scheduled")), "{waiting}");
    assert_eq!(instant(&waiting["next_attempt_at"]), at);
    assert!(dev.pushes(&token).await.is_empty());

    assert_eq!(dev.done(id).await["counts"]["sent"], 1);
    let push = dev.push(&token).await;
    assert!(instant(&push["received_at"]) >= at, "{push}");
    let told: i64 = push["headers"]["apns-expiration"].as_str().unwrap().parse().unwrap();
    assert_eq!(told, (at + TimeDelta::seconds(60)).timestamp(), "its life counts from the instant it is due");
}

#[tokio::test]
async fn an_instant_in_the_past_is_now() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    let body = json!({"to": {"user_id": "ann"}, "content": {"title": "t"}, "send_at": "2020-01-01T00:00:00+02:00"});
    let accepted = dev.post("/v1/notifications", &body).await.expect(202);
    assert_eq!(accepted["status"], "accepted");
    assert_eq!(dev.done(accepted["id"].as_str().unwrap()).await["counts"]["sent"], 1);
}

/// One notification, three wall clocks: one where the time is to come, one where it is due in a moment, one where it has passed.
#[tokio::test]
async fn a_local_time_is_each_device_s_own() {
    let dev = Dev::start();
    let west = phone_in(&dev, "west", "Etc/GMT+5", 1).await;
    let here = phone_in(&dev, "here", "UTC", 2).await;
    let east = phone_in(&dev, "east", "Etc/GMT-5", 3).await;
    let at = in_seconds(4);
    let body = |if_past: Value| json!({"to": {"user_id": "ann"}, "content": {"title": "t"}, "send_at_local": wall(at.naive_utc()), "if_past": if_past});
    let skipping = dev.notify(&body(Value::Null)).await;
    let sending = dev.notify(&body(json!("send"))).await;
    for id in [&skipping, &sending] {
        let waiting = dev.waits(id, "west", "scheduled").await;
        assert_eq!(instant(&waiting["next_attempt_at"]), at + TimeDelta::hours(5));
        assert_eq!(instant(&dev.waits(id, "here", "scheduled").await["next_attempt_at"]), at);
    }
    crate::daemon::until("the moment has come", async || (dev.pushes(&here).await.len() == 2).then_some(())).await;
    for push in dev.pushes(&here).await {
        assert!(instant(&push["received_at"]) >= at, "{push}");
    }
    let skipped = dev.delivery(&skipping, "east").await;
    assert_eq!((&skipped["status"], &skipped["reason"]), (&json!("suppressed"), &json!("skipped_past_local_time")));
    assert_eq!(dev.delivery(&sending, "east").await["status"], "sent");
    assert_eq!(dev.push(&east).await["body"]["herald_id"], sending.as_str());
    assert!(dev.pushes(&west).await.is_empty());
    let notification = dev.get(&format!("/v1/notifications/{skipping}")).await.expect(200);
    assert_eq!(notification["reasons"]["waiting"], json!({"scheduled": 1}), "{notification}");
}

/// A traveller's phone counts where it is when the push is due.
#[tokio::test]
async fn a_zone_is_that_of_the_moment_it_is_due() {
    let dev = Dev::start();
    let token = phone_in(&dev, "phone", "UTC", 1).await;
    let at = in_seconds(3);
    let body = json!({"to": {"user_id": "ann"}, "content": {"title": "t"}, "send_at_local": wall(at.naive_utc())});
    let id = dev.notify(&body).await;
    dev.waits(&id, "phone", "scheduled").await;
    dev.patch("/v1/devices/phone", &json!({"timezone": "Etc/GMT+5"})).await.expect(200);
    let later = crate::daemon::until("the phone's new wall clock counts", async || {
        let delivery = dev.delivery(&id, "phone").await;
        let is_put_off = delivery["reason"] == "scheduled" && instant(&delivery["next_attempt_at"]) > at + TimeDelta::hours(1);
        is_put_off.then_some(delivery)
    })
    .await;
    assert_eq!(instant(&later["next_attempt_at"]), at + TimeDelta::hours(5));
    assert!(now() >= at);
    assert!(dev.pushes(&token).await.is_empty());
}

#[tokio::test]
async fn a_local_time_inside_quiet_hours_waits_for_their_end() {
    let dev = Dev::start();
    phone_in(&dev, "phone", "UTC", 1).await;
    let (quiet, end) = quiet_now();
    dev.prefer("ann", &json!({"quiet_hours": [quiet]})).await;
    let body =
        json!({"to": {"user_id": "ann"}, "content": {"title": "t"}, "send_at_local": wall(in_seconds(2).naive_utc()), "if_past": "send"});
    let id = dev.notify(&body).await;
    assert_eq!(instant(&dev.waits(&id, "phone", "quiet_hours").await["next_attempt_at"]), end);
}
