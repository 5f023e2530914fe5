//! Quiet hours and mutes: held, dropped, let through.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::clock::{in_seconds, instant, quiet_now, text};
use crate::daemon::{Dev, Simulator, apns_token};

enum Ends {
    Held,
    Sent,
    Suppressed(&'static str),
}

#[tokio::test]
async fn quiet_hours_hold_what_nobody_lets_through() {
    use Ends::{Held, Sent, Suppressed};
    let dev = Dev::start();
    let (quiet, end) = quiet_now();
    dev.put("/v1/categories/alarm", &json!({"bypass_quiet_hours": true})).await.expect(201);
    let before = text(end - TimeDelta::minutes(1));
    let after = text(end + TimeDelta::minutes(1));
    for (number, (name, push, ends)) in [
        ("deferred", json!({}), Held),
        ("deferred in words", json!({"in_quiet_hours": "defer", "category": "messages", "priority": "high"}), Held),
        ("outlives them", json!({ "expires_at": after }), Held),
        ("dropped", json!({"in_quiet_hours": "drop"}), Suppressed("quiet_hours")),
        ("ignored", json!({"in_quiet_hours": "ignore"}), Sent),
        ("critical", json!({"priority": "critical"}), Sent),
        ("silent", json!({"silent": true, "content": {"data": {"k": "v"}}}), Sent),
        ("a category that bypasses them", json!({"category": "alarm"}), Sent),
        ("a category that the person lets through", json!({"category": "marketing"}), Sent),
        ("too short a life", json!({"ttl_seconds": 600}), Suppressed("would_expire")),
        ("ends before them", json!({ "expires_at": before }), Suppressed("would_expire")),
        ("now or never", json!({"ttl_seconds": 0}), Suppressed("would_expire")),
    ]
    .into_iter()
    .enumerate()
    {
        let (user, device, token) = (format!("user-{number}"), format!("phone-{number}"), apns_token("a1", number));
        dev.ios(&device, &user, &token).await;
        dev.prefer(&user, &json!({"quiet_hours": [quiet], "categories": {"marketing": {"in_quiet_hours": true}}})).await;
        let mut body = json!({"to": {"user_id": user}, "content": {"title": "t"}});
        body.as_object_mut().unwrap().extend(push.as_object().unwrap().clone());
        match ends {
            Held => {
                let id = dev.notify(&body).await;
                let waiting = dev.waits(&id, &device, "quiet_hours").await;
                assert_eq!(instant(&waiting["next_attempt_at"]), end, "{name}");
                let notification = dev.get(&format!("/v1/notifications/{id}")).await.expect(200);
                assert_eq!(notification["counts"]["waiting"], 1, "{name}");
                assert_eq!(notification["reasons"]["waiting"], json!({"quiet_hours": 1}), "{name}");
            }
            Sent => assert_eq!(dev.send_and_wait(&body).await["counts"]["sent"], 1, "{name}"),
            Suppressed(reason) => assert_eq!(dev.send_and_wait(&body).await["reasons"]["suppressed"], json!({ reason: 1 }), "{name}"),
        }
        assert_eq!(dev.pushes(&token).await.len(), usize::from(matches!(ends, Sent)), "{name}");
    }
}

/// Until a mute is over it is as in quiet hours; being held uses up the push's life, and the provider is told what is left.
#[tokio::test]
async fn a_muted_person_gets_it_when_the_mute_is_over() {
    let dev = Dev::start();
    let (token, android) = (apns_token("a1", 1), "well-1");
    dev.ios("phone", "ann", &token).await;
    dev.android("tablet", "ann", android).await;
    let until = in_seconds(3);
    dev.prefer("ann", &json!({"muted_until": text(until)})).await;
    let accepted =
        dev.post("/v1/notifications", &json!({"to": {"user_id": "ann"}, "content": {"title": "t"}, "ttl_seconds": 100})).await.expect(202);
    let id = accepted["id"].as_str().unwrap();
    assert_eq!(instant(&dev.waits(id, "phone", "quiet_hours").await["next_attempt_at"]), until);
    let done = dev.done(id).await;
    assert_eq!(done["counts"]["sent"], 2);
    let push = dev.push(&token).await;
    assert!(instant(&push["received_at"]) >= until, "{push}");
    let expires = instant(&accepted["accepted_at"]) + TimeDelta::seconds(100);
    let told: i64 = push["headers"]["apns-expiration"].as_str().unwrap().parse().unwrap();
    assert!((told - expires.timestamp()).abs() <= 1, "{told} for {expires}");
    let push = dev.push(android).await;
    let left = (expires - instant(&push["received_at"])).num_seconds();
    let told: i64 = push["body"]["message"]["android"]["ttl"].as_str().unwrap().trim_end_matches('s').parse().unwrap();
    assert!((told - left).abs() <= 1 && told < 100, "{told} for {left}");
}

/// Preferences are those of the moment a push is due: a switch turned off also stops what waits.
#[tokio::test]
async fn a_switch_turned_off_stops_what_waits() {
    let dev = Dev::start();
    for (number, (change, reason)) in
        [(json!({"channels": {"push": false}}), "push_off"), (json!({"categories": {"messages": {"push": false}}}), "category_off")]
            .into_iter()
            .enumerate()
    {
        let (user, device, token) = (format!("user-{number}"), format!("phone-{number}"), apns_token("a1", number));
        dev.ios(&device, &user, &token).await;
        dev.prefer(&user, &json!({"muted_until": text(in_seconds(3))})).await;
        let id = dev.notify(&json!({"to": {"user_id": user}, "category": "messages", "content": {"title": "t"}})).await;
        dev.waits(&id, &device, "quiet_hours").await;
        dev.patch(&format!("/v1/users/{user}/preferences"), &change).await.expect(200);
        assert_eq!(dev.done(&id).await["reasons"]["suppressed"], json!({ reason: 1 }));
        assert!(dev.pushes(&token).await.is_empty());
    }
}

/// Of the same collapse key one that still waits when a newer one was sent is not sent any more.
#[tokio::test]
async fn a_held_push_gives_way_to_a_newer_one() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    dev.prefer("ann", &json!({"muted_until": text(in_seconds(3))})).await;
    let body = |title: &str, policy: &str| json!({"to": {"user_id": "ann"}, "content": {"title": title}, "collapse_key": "score", "in_quiet_hours": policy});
    let older = dev.notify(&body("1:0", "defer")).await;
    dev.waits(&older, "phone", "quiet_hours").await;
    assert_eq!(dev.send_and_wait(&body("1:1", "ignore")).await["counts"]["sent"], 1);
    assert_eq!(dev.done(&older).await["reasons"]["suppressed"], json!({"superseded": 1}));
    assert_eq!(dev.push(&token).await["body"]["aps"]["alert"]["title"], "1:1");
}

/// The app's own quiet hours hold where the person chose nothing; an empty list is none, null the app's again.
#[tokio::test]
async fn an_app_has_quiet_hours_for_those_who_chose_none() {
    let simulator = Simulator::start();
    let (quiet, end) = quiet_now();
    let (start, stop) = (quiet["start"].as_str().unwrap(), quiet["end"].as_str().unwrap());
    simulator.configure(&format!("[apps.demo]\ndefault_quiet_hours = [{{ start = '{start}', end = '{stop}' }}]"));
    let key = simulator.key("send,manage,read,critical");
    let daemon = simulator.serve(&[]);
    let client = crate::daemon::Client::new(&daemon.url, &key);
    client.ios("phone", "ann", &apns_token("a1", 1)).await;
    let question = json!({"user_id": "ann"});
    for (quiet_hours, decision) in [(None, "defer"), (Some(json!([])), "send"), (Some(Value::Null), "defer")] {
        if let Some(quiet_hours) = quiet_hours {
            client.patch("/v1/users/ann/preferences", &json!({ "quiet_hours": quiet_hours })).await.expect(200);
        }
        let answer = client.post("/v1/explain", &question).await.expect(200);
        assert_eq!(answer["decisions"][0]["decision"], decision, "{answer}");
        if decision == "defer" {
            assert_eq!(instant(&answer["decisions"][0]["until"]), end);
        }
    }
}
