//! Cancelling what has not been sent.

use serde_json::{Value, json};

use crate::clock::{in_seconds, quiet_now, text};
use crate::daemon::{Dev, apns_token, until};

#[tokio::test]
async fn what_waits_is_cancelled() {
    let dev = Dev::start();
    let (quiet, _) = quiet_now();
    let tokens: Vec<String> = (0..3).map(|number| apns_token("a1", number)).collect();
    for (number, token) in tokens.iter().enumerate() {
        dev.ios(&format!("phone-{number}"), &format!("user-{number}"), token).await;
    }
    dev.prefer("user-1", &json!({"quiet_hours": [quiet]})).await;
    let scheduled = dev.notify(&json!({"to": {"user_id": "user-0"}, "content": {"title": "t"}, "send_at": text(in_seconds(2))})).await;
    let held = dev.notify(&json!({"to": {"user_id": "user-1"}, "content": {"title": "t"}})).await;
    dev.waits(&held, "phone-1", "quiet_hours").await;
    for (id, device) in [(&scheduled, "phone-0"), (&held, "phone-1")] {
        let path = format!("/v1/notifications/{id}");
        let answer = dev.delete(&path).await.expect(200);
        assert_eq!((&answer["id"], &answer["status"]), (&json!(id), &json!("cancelled")));
        let counts = &answer["counts"];
        assert_eq!((&counts["cancelled"], &counts["waiting"]), (&json!(1), &json!(0)), "told as what it is: {answer}");
        let done = dev.done(id).await;
        assert_eq!(done["status"], "cancelled");
        assert_eq!((&done["counts"]["cancelled"], &done["counts"]["waiting"]), (&json!(1), &json!(0)), "{done}");
        let delivery = dev.delivery(id, device).await;
        assert_eq!((&delivery["status"], &delivery["reason"]), (&json!("cancelled"), &Value::Null), "{delivery}");
        // once more changes nothing
        let again = dev.delete(&path).await.expect(200);
        assert_eq!((&again["status"], &again["counts"]), (&json!("cancelled"), &done["counts"]));
    }
    // the instant passes, and something else that was due after it is sent
    let later = json!({"to": {"user_id": "user-2"}, "content": {"title": "t"}, "send_at": text(in_seconds(2))});
    assert_eq!(dev.send_and_wait(&later).await["counts"]["sent"], 1);
    assert!(dev.pushes(&tokens[0]).await.is_empty());
}

#[tokio::test]
async fn what_was_sent_stays_sent() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    let done = dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    let answer = dev.delete(&format!("/v1/notifications/{}", done["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&answer["status"], &answer["counts"]), (&json!("done"), &done["counts"]));
}

/// A part is sent, the rest waits for its lane: only the rest is cancelled.
#[tokio::test]
async fn what_waits_for_its_lane_is_cancelled_too() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    dev.android("tablet", "ann", "well-1").await;
    dev.behave(json!([{"provider": "apns", "respond": {"status": 403, "reason": "Forbidden"}}])).await;
    let id = dev.notify(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    dev.waits(&id, "phone", "lane_paused").await;
    until("the tablet has its push", async || (dev.delivery(&id, "tablet").await["status"] == "sent").then_some(())).await;
    dev.delete(&format!("/v1/notifications/{id}")).await.expect(200);
    let done = dev.done(&id).await;
    assert_eq!((&done["counts"]["sent"], &done["counts"]["cancelled"]), (&json!(1), &json!(1)), "{done}");
    assert_eq!(dev.delivery(&id, "phone").await["status"], "cancelled");
}

/// A large audience that is being taken: no work is taken after the answer.
#[tokio::test]
async fn a_send_to_all_stops() {
    let dev = Dev::start();
    let lines: String = (0..3000)
        .map(|n| {
            format!(
                "{}\n",
                json!({"device_id": format!("d-{n}"), "user_id": format!("u-{n}"), "platform": "android", "token": format!("well-{n}")})
            )
        })
        .collect();
    assert_eq!(dev.import("", &lines).await.expect(200)["created"], 3000);
    dev.behave(json!([{"provider": "fcm", "delay_ms": 2000}])).await;
    let id = dev.notify(&json!({"to": {"all": true}, "content": {"title": "t"}, "priority": "normal"})).await;
    dev.delete(&format!("/v1/notifications/{id}")).await.expect(200);
    let done = dev.done(&id).await;
    let count = |name: &str| done["counts"][name].as_u64().unwrap();
    assert_eq!(done["status"], "cancelled");
    assert_eq!(count("waiting"), 0);
    assert_eq!(count("targeted"), count("sent") + count("cancelled") + count("suppressed") + count("failed"), "{done}");
    let received = dev.get("/simulator/stats").await.expect(200)["received"].as_u64().unwrap();
    assert!(count("sent") < 3000 && received < 3000, "{received} of 3000: {done}");
}

#[tokio::test]
async fn what_was_never_accepted_cannot_be_cancelled() {
    let dev = Dev::start();
    for id in ["019aa0c4-0000-7000-8000-000000000000", "nonsense"] {
        dev.delete(&format!("/v1/notifications/{id}")).await.problem(404, "not_found");
        dev.get(&format!("/v1/notifications/{id}")).await.problem(404, "not_found");
        dev.get(&format!("/v1/notifications/{id}/deliveries")).await.problem(404, "not_found");
    }
}
