//! What phones report later: delivered, opened, dismissed.

use chrono::TimeDelta;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::clock::{in_seconds, instant, now, text};
use crate::daemon::{Client, Dev, Simulator, apns_token, until};

async fn sent(dev: &Client, device: &str, number: usize) -> String {
    dev.ios(device, "ann", &apns_token("a1", number)).await;
    let done = dev.send_and_wait(&json!({"to": {"device_ids": [device]}, "content": {"title": "t"}})).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    done["id"].as_str().unwrap().to_owned()
}

fn receipt(id: &str, device: &str, kind: &str) -> Value {
    json!({"notification_id": id, "device_id": device, "type": kind})
}

async fn report(dev: &Client, receipts: &[Value]) -> Value {
    dev.post("/v1/receipts", &json!({ "receipts": receipts })).await.expect(202)
}

async fn counts(dev: &Client, id: &str) -> [u64; 3] {
    let notification = dev.get(&format!("/v1/notifications/{id}")).await.expect(200);
    ["delivered", "opened", "dismissed"].map(|name| notification["counts"][name].as_u64().unwrap())
}

#[tokio::test]
async fn receipts_count_once_and_imply_delivered() {
    let dev = Dev::start();
    for (number, (kinds, expected)) in [
        (vec!["delivered"], [1, 0, 0]),
        (vec!["opened"], [1, 1, 0]),
        (vec!["dismissed"], [1, 0, 1]),
        (vec!["delivered", "opened", "opened", "delivered"], [1, 1, 0]),
        (vec!["dismissed", "opened"], [1, 1, 1]),
    ]
    .into_iter()
    .enumerate()
    {
        let device = format!("phone-{number}");
        let id = sent(&dev, &device, number).await;
        for kind in &kinds {
            let answer = report(&dev, &[receipt(&id, &device, kind), receipt(&id, &device, kind)]).await;
            assert_eq!(answer, json!({"accepted": 2, "rejected": []}), "{kinds:?}");
        }
        assert_eq!(counts(&dev, &id).await, expected, "{kinds:?}");
        let delivery = dev.delivery(&id, &device).await;
        assert_eq!(delivery["status"], "sent");
        assert!(instant(&delivery["delivered_at"]) >= instant(&delivery["sent_at"]), "{delivery}");
        assert_eq!(delivery["opened_at"].is_string(), expected[1] == 1, "{kinds:?}");
    }
}

/// The instants are the phone's own, the first of each kind; what was opened or dismissed had been delivered by then.
#[tokio::test]
async fn the_first_report_of_a_kind_says_when() {
    let dev = Dev::start();
    for (number, (kind, name)) in [("opened", "opened_at"), ("dismissed", "dismissed_at")].into_iter().enumerate() {
        let device = format!("phone-{number}");
        let id = sent(&dev, &device, number).await;
        let before = dev.delivery(&id, &device).await;
        for stamp in ["delivered_at", "opened_at", "dismissed_at"] {
            assert_eq!(before[stamp], Value::Null, "{stamp}");
        }
        let mut first = receipt(&id, &device, kind);
        first["at"] = before["sent_at"].clone();
        assert_eq!(report(&dev, &[first]).await["accepted"], 1);
        let mut later = receipt(&id, &device, "delivered");
        later["at"] = json!(text(now()));
        assert_eq!(report(&dev, &[receipt(&id, &device, kind), later]).await, json!({"accepted": 2, "rejected": []}));
        let delivery = dev.delivery(&id, &device).await;
        assert_eq!((&delivery[name], &delivery["delivered_at"]), (&before["sent_at"], &before["sent_at"]), "{delivery}");
        let other = if kind == "opened" { "dismissed_at" } else { "opened_at" };
        assert_eq!(delivery[other], Value::Null, "{delivery}");
    }
    // what was delivered first and opened later has both instants
    let id = sent(&dev, "phone-2", 2).await;
    let mut delivered = receipt(&id, "phone-2", "delivered");
    delivered["at"] = dev.delivery(&id, "phone-2").await["sent_at"].clone();
    report(&dev, &[delivered]).await;
    report(&dev, &[receipt(&id, "phone-2", "opened")]).await;
    let delivery = dev.delivery(&id, "phone-2").await;
    assert_eq!(delivery["delivered_at"], delivery["sent_at"]);
    assert!(instant(&delivery["opened_at"]) > instant(&delivery["delivered_at"]), "{delivery}");
}

/// An instant in the future or before the send becomes the time of arrival.
#[tokio::test]
async fn an_impossible_instant_becomes_the_time_of_arrival() {
    let dev = Dev::start();
    let before = now() - TimeDelta::seconds(1);
    let mut number = 0;
    for at in [in_seconds(3600), in_seconds(-3600), in_seconds(-40 * 86_400)] {
        for kind in ["delivered", "opened", "dismissed"] {
            let device = format!("phone-{number}");
            let id = sent(&dev, &device, number).await;
            let mut report_of = receipt(&id, &device, kind);
            report_of["at"] = json!(text(at));
            assert_eq!(report(&dev, &[report_of]).await["accepted"], 1, "{kind} at {at}");
            let told = instant(&dev.delivery(&id, &device).await[format!("{kind}_at")]);
            assert!(told >= before && told <= now() + TimeDelta::seconds(1), "{told} for {kind} at {at}");
            number += 1;
        }
    }
}

#[tokio::test]
async fn a_receipt_counts_only_for_what_was_sent() {
    let dev = Dev::start();
    let id = sent(&dev, "phone", 1).await;
    dev.ios("other", "ben", &apns_token("a1", 2)).await;
    dev.prefer("ben", &json!({"channels": {"push": false}})).await;
    let suppressed = dev.send_and_wait(&json!({"to": {"user_id": "ben"}, "content": {"title": "t"}})).await;
    let answer = report(
        &dev,
        &[
            receipt(&id, "other", "opened"),
            receipt(&id, "phone", "opened"),
            receipt(suppressed["id"].as_str().unwrap(), "other", "opened"),
            receipt(&id, "never-seen", "opened"),
            receipt("nonsense", "phone", "opened"),
            receipt(&id, "no id at all", "opened"),
        ],
    )
    .await;
    assert_eq!(answer["accepted"], 1, "{answer}");
    let unknown: Vec<Value> = [0, 2, 3, 4, 5].map(|index| json!({"index": index, "code": "unknown_delivery"})).into();
    assert_eq!(answer["rejected"], json!(unknown), "{answer}");
    assert_eq!(counts(&dev, &id).await, [1, 1, 0]);
    assert_eq!(counts(&dev, suppressed["id"].as_str().unwrap()).await, [0, 0, 0]);
}

/// The phone may be faster than the booking of the send.
#[tokio::test]
async fn an_early_receipt_is_kept_until_the_send_is_booked() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    dev.behave(json!([{"provider": "apns", "delay_ms": 1500, "times": 1}])).await;
    let id = dev.notify(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    let answer = report(&dev, &[receipt(&id, "phone", "opened")]).await;
    assert_eq!(answer, json!({"accepted": 1, "rejected": []}));
    assert_eq!(dev.done(&id).await["counts"]["sent"], 1);
    until("the early receipt counts", async || (counts(&dev, &id).await == [1, 1, 0]).then_some(())).await;
}

/// What has not begun cannot have reached a phone.
#[tokio::test]
async fn a_receipt_before_the_time_of_the_push_is_unknown() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    let id = dev.notify(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}, "send_at": text(in_seconds(3600))})).await;
    let answer = report(&dev, &[receipt(&id, "phone", "opened")]).await;
    assert_eq!(answer, json!({"accepted": 0, "rejected": [{"index": 0, "code": "unknown_delivery"}]}));
}

/// A receipt of `opened` may name the button.
#[tokio::test]
async fn an_opened_receipt_may_name_its_action() {
    let dev = Dev::start();
    let id = sent(&dev, "phone", 1).await;
    let mut opened = receipt(&id, "phone", "opened");
    opened["action"] = json!("reply");
    assert_eq!(report(&dev, &[opened]).await, json!({"accepted": 1, "rejected": []}));
    assert_eq!(counts(&dev, &id).await, [1, 1, 0]);
    let mut dismissed = receipt(&id, "phone", "dismissed");
    dismissed["action"] = json!("reply");
    dev.post("/v1/receipts", &json!({"receipts": [dismissed]})).await.invalid("receipts[0].action", "invalid");
}

#[tokio::test]
async fn what_a_receipt_cannot_be_is_named() {
    let dev = Dev::start();
    let good = receipt("019aa0c4-0000-7000-8000-000000000000", "phone", "opened");
    let with = |name: &str, value: Value| {
        let mut receipt = good.clone();
        receipt[name] = value;
        json!({"receipts": [good, receipt]})
    };
    for (body, field, code) in [
        (json!({}), "receipts", "required"),
        (json!({"receipts": vec![good.clone(); 501]}), "receipts", "invalid"),
        (json!({"receipts": [{"device_id": "phone", "type": "opened"}]}), "receipts[0].notification_id", "required"),
        (with("type", json!("seen")), "receipts[1].type", "invalid"),
        (with("device_id", json!(7)), "receipts[1].device_id", "invalid"),
        (with("at", json!("now")), "receipts[1].at", "invalid"),
        (with("mood", json!("good")), "receipts[1].mood", "unknown_field"),
    ] {
        dev.post("/v1/receipts", &body).await.invalid(field, code);
    }
}

/// More than 30 days after the send nothing counts, whatever the phone says of when. No test waits so long: the send is made older.
#[tokio::test]
async fn a_report_a_month_after_the_send_is_too_late() {
    let simulator = Simulator::start();
    let key = simulator.key("send,read,manage");
    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &key);
    let (old, new) = (sent(&client, "old", 1).await, sent(&client, "new", 2).await);
    assert!(daemon.terminate().await.success());
    let mut conn = SqliteConnectOptions::new().filename(simulator.dir.path().join("herald.db")).connect().await.unwrap();
    let days = "UPDATE delivery SET at = at - CASE notification_id WHEN ?1 THEN 31 ELSE 29 END * 86400000000";
    sqlx::query(days).bind(old.parse::<uuid::Uuid>().unwrap().as_bytes().to_vec()).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();

    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &key);
    let mut future = receipt(&old, "old", "delivered");
    future["at"] = json!(text(in_seconds(3600)));
    let answer = report(&client, &[receipt(&old, "old", "opened"), receipt(&new, "new", "opened"), future]).await;
    let too_late = |index: usize| json!({"index": index, "code": "too_late"});
    assert_eq!(answer, json!({"accepted": 1, "rejected": [too_late(0), too_late(2)]}));
    assert_eq!((counts(&client, &old).await, counts(&client, &new).await), ([0, 0, 0], [1, 1, 0]));
}
