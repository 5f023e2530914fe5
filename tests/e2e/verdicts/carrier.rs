//! The providers, as devices register with them.

use serde_json::{Value, json};

use super::answer::To;
use crate::daemon::{Client, apns_token};

#[derive(Clone, Copy, Debug)]
pub(super) enum Carrier {
    Apns,
    Fcm,
    Webpush,
}

impl Carrier {
    /// As callers and the simulator call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Fcm => "fcm",
            Self::Webpush => "webpush",
        }
    }

    /// The platforms that its lane is divided by; one without a name where it is not.
    pub(super) fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Apns | Self::Webpush => &[""],
            Self::Fcm => &["android", "ios", "web"],
        }
    }

    /// What the simulator knows the device number `n` of a kind by. `kind` has two hexadecimal digits.
    pub(super) fn token(self, kind: &str, n: usize) -> String {
        match self {
            Self::Apns => apns_token(kind, n),
            Self::Fcm | Self::Webpush => format!("{kind}-{n:03}"),
        }
    }

    /// Registers a device with this token, of a user of its own; both have the name.
    pub(super) async fn register(self, simulator: &Client, client: &Client, (name, token): (&str, &str), to: To) {
        let token = match self {
            Self::Apns | Self::Fcm => json!(token),
            Self::Webpush => simulator.post("/simulator/subscriptions", &json!({ "id": token })).await.expect(201),
        };
        let platform = match (self, to) {
            (Self::Apns, _) | (_, To::Ios) => "ios",
            (Self::Fcm, _) => "android",
            (Self::Webpush, _) => "web",
        };
        let device = json!({"user_id": name, "platform": platform, "provider": self.name(), "token": token});
        client.put(&format!("/v1/devices/{name}"), &device).await.expect(201);
    }

    /// Its lane, each part in words: platform, state, reason, breaker.
    pub(super) async fn lane(self, client: &Client) -> Vec<String> {
        let is_ours = |lane: &Value| lane["provider"] == self.name() && lane["environment"] != "sandbox";
        let words = |lane: Value| {
            let words = ["platform", "state", "reason", "breaker"].map(|name| lane[name].as_str().unwrap_or("").to_owned());
            words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        };
        client.items("/v1/lanes").await.into_iter().filter(is_ours).map(words).collect()
    }
}
