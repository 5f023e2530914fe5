//! The provider against an HTTP/2 server.

use std::sync::Arc;
use std::time::Duration;

use rcgen::KeyPair;
use serde_json::json;

use super::*;
use crate::domain::content::Content;
use crate::domain::device::{Environment, Platform, PushToken};
use crate::domain::outcome::{Outcome, Reason, RefusalScope, ThrottleScope};
use crate::providers::testing::{Authority, ID, Reply, Seen, Server, TestClock, context, message};
use crate::providers::{Context, Provider, Push, Secret};

pub(super) fn settings(url: &str, authority: &Authority) -> Settings {
    serde_json::from_value(json!({
        "bundle_id": "com.example.demo", "key_file": "key.p8", "key_id": "ABC123DEFG", "team_id": "DEF123GHIJ",
        "endpoint": url, "sandbox_endpoint": url, "ca_file": authority.path(),
    }))
    .unwrap()
}

pub(super) fn key() -> Secret {
    Secret::new(KeyPair::generate().unwrap().serialize_pem())
}

struct Setup {
    server: Server,
    clock: Arc<TestClock>,
    context: Context,
    provider: ApnsProvider,
}

async fn setup(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Setup {
    let authority = Authority::new();
    let server = Server::start(&authority, script).await;
    let clock = TestClock::new();
    let context = context(&clock);
    let provider = ApnsProvider::new(&settings(&server.url(), &authority), &key(), &Signers::default(), &context).unwrap();
    Setup { server, clock, context, provider }
}

impl Setup {
    fn push(&self) -> Push {
        let content = Content { title: Some("Ann".to_owned()), ..Content::default() };
        let message = message(&content, Platform::Ios);
        Push {
            rendered: Arc::new(self.provider.render(&message).unwrap()),
            token: PushToken::Apns("ab".repeat(32)),
            environment: Environment::Production,
            id: uuid::Uuid::from_u128(9),
            expires_at: message.expires_at,
            now: self.context.clock.now(),
        }
    }

    async fn send(&self) -> Outcome {
        self.provider.send(self.push()).await
    }
}

#[tokio::test]
async fn a_push_arrives_as_apple_wants_it() {
    let setup = setup(|_| Reply::ok()).await;
    assert_eq!(setup.send().await, Outcome::Accepted { message_id: None });
    let seen = setup.server.seen();
    let push = &seen[0];
    assert_eq!(push.path, format!("/3/device/{}", "ab".repeat(32)));
    for (name, value) in [
        ("apns-topic", "com.example.demo"),
        ("apns-push-type", "alert"),
        ("apns-priority", "10"),
        ("apns-collapse-id", "chat-9"),
        ("apns-id", "00000000-0000-0000-0000-000000000009"),
        ("apns-expiration", "1800000000"),
    ] {
        assert_eq!(push.header(name), Some(value), "{name}");
    }
    assert!(push.header("authorization").unwrap().starts_with("bearer ey"));
    assert_eq!(push.json(), json!({"aps": {"alert": {"title": "Ann"}}, "herald_id": ID}));
}
