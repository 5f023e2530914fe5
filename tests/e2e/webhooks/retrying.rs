//! What becomes of what is not taken.

use serde_json::{Value, json};

use super::receiver::{Receiver, Reply};
use super::{Hook, dev_for};
use crate::daemon::until;

#[tokio::test]
async fn a_failure_is_tried_again_with_the_same_message() {
    let receiver = Receiver::start(&[]).await;
    let dev = dev_for(&receiver);
    receiver.reply("/x", &[Reply::Status(500)]);
    let hook = Hook::make(&dev, &receiver.url("/x"), &["preferences.changed"]).await;
    dev.prefer("ann", &json!({"channels": {"push": false}})).await;
    let got = receiver.wait("/x", 1).await;
    let message = got[0].id().to_owned();
    let failed = hook.attempt(&dev, &message, |attempt| attempt["status"] == 500).await;
    assert_eq!(failed["type"], "preferences.changed", "{failed}");
    assert!(hook.read(&dev).await["failing_since"].is_string());

    let got = receiver.wait("/x", 2).await;
    assert_eq!((got[1].id(), &got[1].bytes), (message.as_str(), &got[0].bytes));
    assert!(got.iter().all(|got| got.is_signed_by(&hook.secret)));
    hook.attempt(&dev, &message, |attempt| attempt["status"] == 200 && attempt["message_status"] == "delivered").await;
    let read = hook.read(&dev).await;
    assert_eq!((&read["failing_since"], &read["status"]), (&Value::Null, &json!("enabled")), "{read}");
}

#[tokio::test]
async fn one_that_is_gone_is_disabled_until_it_is_enabled() {
    let receiver = Receiver::start(&[]).await;
    let dev = dev_for(&receiver);
    receiver.reply("/x", &[Reply::Status(410)]);
    let hook = Hook::make(&dev, &receiver.url("/x"), &["preferences.changed"]).await;
    dev.prefer("ann", &json!({"channels": {"push": false}})).await;
    let read = until("it is disabled", async || Some(hook.read(&dev).await).filter(|read| read["status"] == "disabled")).await;
    assert_eq!(read["disabled_reason"], "gone", "{read}");

    dev.prefer("ann", &json!({"channels": {"push": true}})).await;
    let read = dev.patch(&hook.path(""), &json!({"enabled": true})).await.expect(200);
    let state = (&read["status"], &read["disabled_reason"], &read["failing_since"]);
    assert_eq!(state, (&json!("enabled"), &Value::Null, &Value::Null), "{read}");
    dev.prefer("bob", &json!({"channels": {"push": false}})).await;
    receiver.item("/x", "preferences.changed", |item| item["user_id"] == "bob").await;
    let told: Vec<Value> = receiver.got("/x").iter().flat_map(|got| got.items().to_vec()).collect();
    let of_ann = told.iter().filter(|item| item["user_id"] == "ann").count();
    assert_eq!(of_ann, 1, "what happened meanwhile is not told: {told:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let receiver = Receiver::start(&[]).await;
    let dev = dev_for(&receiver);
    receiver.always("/x", Reply::Redirect("/elsewhere"));
    let hook = Hook::make(&dev, &receiver.url("/x"), &["lane.paused"]).await;
    let message = hook.test(&dev).await;
    let attempt = hook.attempt(&dev, &message, |_| true).await;
    assert_eq!((&attempt["status"], &attempt["error"]), (&json!(307), &json!("redirect not followed")), "{attempt}");
    assert_eq!(attempt["message_status"], "waiting");
    assert!(receiver.got("/elsewhere").is_empty());
}
