//! Outgoing webhooks: what arrives at an app's backend, what becomes of what does not, and where nobody is connected to.

mod arriving;
mod managing;
mod receiver;
mod refused;
mod retrying;

use serde_json::{Value, json};

use self::receiver::Receiver;
use crate::daemon::{Client, Dev, Process, Simulator, until};

/// `herald dev` that trusts a receiver.
fn dev_for(receiver: &Receiver) -> Dev {
    let settings = receiver.settings();
    Dev::start_with(&settings.each_ref().map(|(name, value)| (*name, value.as_str())))
}

/// A daemon beside a simulator that does.
fn serve_for(simulator: &Simulator, receiver: &Receiver) -> Process {
    let settings = receiver.settings();
    simulator.serve(&settings.each_ref().map(|(name, value)| (*name, value.as_str())))
}

/// A webhook, and its secret.
struct Hook {
    id: String,
    secret: String,
}

impl Hook {
    /// Makes one of these events.
    async fn make(app: &Client, url: &str, events: &[&str]) -> Self {
        let made = app.post("/v1/webhooks", &json!({"url": url, "events": events})).await.expect(201);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self { id: text("id"), secret: text("secret") }
    }

    fn path(&self, below: &str) -> String {
        format!("/v1/webhooks/{}{below}", self.id)
    }

    async fn read(&self, app: &Client) -> Value {
        app.get(&self.path("")).await.expect(200)
    }

    /// Has a test posted; the message's id.
    async fn test(&self, app: &Client) -> String {
        let answer = app.send(app.request(reqwest::Method::POST, &self.path("/test"))).await.expect(202);
        answer["message_id"].as_str().unwrap().to_owned()
    }

    /// Waits until there is an attempt of a message, and this holds for it.
    async fn attempt(&self, app: &Client, message: &str, is: impl Fn(&Value) -> bool) -> Value {
        until(&format!("an attempt of {message}"), async || {
            let attempts = app.items(&self.path("/attempts")).await;
            attempts.into_iter().find(|attempt| attempt["message_id"] == message && is(attempt))
        })
        .await
    }
}
