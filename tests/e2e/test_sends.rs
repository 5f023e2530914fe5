//! Test sends: to a few devices, counted nowhere.

use serde_json::{Value, json};

use crate::daemon::{Client, Dev, apns_token};

async fn phones(dev: &Client, user: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        dev.ios(&format!("phone-{number}"), user, &apns_token("a1", number)).await;
    }
}

fn test(to: &Value) -> Value {
    json!({"to": to, "content": {"title": "t"}, "test": true})
}

/// Devices are counted, not the names that lead to them.
#[tokio::test]
async fn a_test_send_goes_to_twenty_devices_at_most() {
    let dev = Dev::start();
    phones(&dev, "ann", 0..20).await;
    phones(&dev, "ben", 20..21).await;
    let both = json!({"user_ids": ["ann", "ben"]});
    dev.post("/v1/notifications", &test(&both)).await.invalid("test", "invalid");
    dev.post("/v1/notifications/preview", &test(&both)).await.invalid("test", "invalid");

    for (to, sent) in [
        (json!({"user_ids": ["ann", "ann", "nobody"]}), 20),
        (json!({"user_ids": ["ann", "ben"], "except_device_ids": ["phone-3"]}), 20),
        (json!({"user_ids": ["ann", "ben"], "devices": "latest"}), 2),
    ] {
        let done = dev.send_and_wait(&test(&to)).await;
        assert_eq!(done["counts"]["sent"], sent, "{to}: {done}");
    }
    // what is no test has no such bound
    assert_eq!(dev.send_and_wait(&json!({"to": both, "content": {"title": "t"}})).await["counts"]["sent"], 21);
}
