//! The demo data of `herald dev`, brought in as any backend would: through the API.

use anyhow::Context;
use serde_json::{Value, json};

use super::client::Client;

/// The one app.
pub(super) const APP: &str = "demo";

/// Declares the categories and registers the devices.
pub(super) async fn fill(client: &Client) -> anyhow::Result<()> {
    client.put(&["v1", "categories", "messages"], &json!({ "priority": "high" })).await.context("the category messages")?;
    client.put(&["v1", "categories", "marketing"], &json!({})).await.context("the category marketing")?;
    let lines = devices().iter().fold(String::new(), |text, device| format!("{text}{device}\n"));
    let answer = client.post_lines(&["v1", "devices", "import"], lines).await?;
    match answer.get("errors").and_then(Value::as_array) {
        Some(errors) if !errors.is_empty() => anyhow::bail!("devices were refused: {answer}"),
        _ => {}
    }
    let browser = json!({ "user_id": "demo-eve", "platform": "web", "token": subscribe(client).await?,
                          "timezone": "Africa/Nairobi", "locale": "en-KE", "app_version": "3.2.1", "model": "Firefox" });
    client.put(&["v1", "devices", BROWSER], &browser).await.context("the browser")?;
    Ok(())
}

/// Gives the browser a subscription of this start's push service, whose keys and port are new ones. One that was deleted stays so.
pub(super) async fn resubscribe(client: &Client) -> anyhow::Result<()> {
    let devices = client.get(&["v1", "users", "demo-eve", "devices"], &[]).await?;
    let items = devices.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if items.iter().any(|device| device.get("device_id").is_some_and(|name| name == BROWSER)) {
        let change = json!({ "platform": "web", "token": subscribe(client).await? });
        client.put(&["v1", "devices", BROWSER], &change).await.context("the browser")?;
    }
    Ok(())
}

async fn subscribe(client: &Client) -> anyhow::Result<Value> {
    client.post(&["simulator", "subscriptions"], &json!({ "id": BROWSER })).await.context("the browser's subscription")
}

/// The one browser; its endpoint ends so too.
const BROWSER: &str = "demo-eve-firefox";

/// Three people: one with two phones, one with one, and one whose token is dead. The fourth has a browser.
fn devices() -> [Value; 4] {
    [
        json!({ "device_id": "demo-ann-iphone", "user_id": "demo-ann", "platform": "ios", "token": "a11".repeat(22) + "a1",
                "timezone": "Europe/Paris", "locale": "fr-FR", "app_version": "3.2.1", "os_version": "18.1", "model": "iPhone16,1" }),
        json!({ "device_id": "demo-ann-pixel", "user_id": "demo-ann", "platform": "android", "token": "demo-ann-pixel-token",
                "timezone": "Europe/Paris", "locale": "fr-FR", "app_version": "3.2.0", "os_version": "15", "model": "Pixel 9" }),
        json!({ "device_id": "demo-ben-pixel", "user_id": "demo-ben", "platform": "android", "token": "demo-ben-pixel-token",
                "timezone": "America/New_York", "locale": "en-US", "app_version": "3.1.0", "os_version": "14", "model": "Pixel 7" }),
        json!({ "device_id": "demo-dora-iphone", "user_id": "demo-dora", "platform": "ios", "token": "dead00".to_owned() + &"4a".repeat(29),
                "timezone": "Asia/Tokyo", "locale": "ja-JP", "app_version": "3.2.1", "os_version": "17.6", "model": "iPhone14,5" }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_of_the_demo_is_named_so() {
        for device in devices() {
            for key in ["device_id", "user_id"] {
                assert!(device[key].as_str().unwrap().starts_with("demo-"), "{device}");
            }
        }
    }

    #[test]
    fn apple_tokens_are_hex() {
        for device in devices().iter().filter(|device| device["platform"] == "ios") {
            let token = device["token"].as_str().unwrap();
            assert!(token.len() >= 64 && hex::decode(format!("{token}{}", "0".repeat(token.len() % 2))).is_ok(), "{token}");
        }
    }
}
