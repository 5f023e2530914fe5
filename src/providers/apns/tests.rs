//! The provider against an HTTP/2 server.

use std::sync::Arc;
use std::time::Duration;

use rcgen::KeyPair;
use serde_json::json;

use super::*;
use crate::domain::content::Content;
use crate::domain::device::{Environment, Platform, PushToken};
use crate::domain::outcome::{Fault, Outcome, Reason, RefusalScope, ThrottleScope};
use crate::domain::push_type::PushType;
use crate::providers::testing::{Authority, ID, Reply, Seen, Server, TestClock, context, message, unbounded};
use crate::providers::{Context, Handover, Provider, Push, Secret};

mod broadcast;
mod certificate;
mod environments;
mod handover;
mod proof;
mod remedies;
mod settings;

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
    setup_with(&TestClock::new(), script).await
}

async fn setup_with(clock: &Arc<TestClock>, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Setup {
    let authority = Authority::new();
    let server = Server::start(&authority, script).await;
    let context = context(clock);
    let provider = ApnsProvider::new(&settings(&server.url(), &authority), &key(), &Signers::default(), &context).unwrap();
    Setup { server, clock: Arc::clone(clock), context, provider }
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
            handover: unbounded(&self.context),
        }
    }

    async fn send(&self) -> Outcome {
        self.provider.send(self.push()).await
    }
}

#[tokio::test]
async fn a_push_arrives_as_apple_wants_it() {
    let setup = setup(|_| Reply::ok()).await;
    assert_eq!(setup.send().await, Outcome::Accepted { message_id: None, environment: None });
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

#[tokio::test]
async fn a_push_without_expiry_is_now_or_never_and_an_override_of_it_holds_for_all() {
    let setup = setup(|_| Reply::ok()).await;
    let mut push = setup.push();
    push.expires_at = None;
    setup.provider.send(push).await;
    let content = Content { title: Some("Ann".to_owned()), ..Content::default() };
    let overrides = json!({"headers": {"apns-expiration": "1700000000"}});
    let mut fixed = message(&content, Platform::Ios);
    fixed.overrides = Some(&overrides);
    setup.provider.send(Push { rendered: Arc::new(setup.provider.render(&fixed).unwrap()), ..setup.push() }).await;
    let sent: Vec<_> = setup.server.seen().iter().map(|seen| seen.header("apns-expiration").unwrap().to_owned()).collect();
    assert_eq!(sent, ["0", "1700000000"]);
}

fn refusal(status: u16, reason: &str) -> Reply {
    Reply::json(status, &json!({"reason": reason}))
}

/// Refuses with `reason` the first `times` times.
fn refusing(times: usize, status: u16, reason: &'static str) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    let left = std::sync::atomic::AtomicUsize::new(times);
    move |_| {
        let refuse = left.try_update(std::sync::atomic::Ordering::Relaxed, std::sync::atomic::Ordering::Relaxed, |n| n.checked_sub(1));
        if refuse.is_ok() { refusal(status, reason) } else { Reply::ok() }
    }
}

#[tokio::test]
async fn a_refusal_becomes_an_outcome() {
    let setup = setup(|_| Reply::Answer {
        status: 429,
        headers: vec![("retry-after", "17".to_owned())],
        body: json!({"reason": "TooManyRequests"}).to_string(),
    })
    .await;
    let (reason, retry_after) = (Reason::new("TooManyRequests"), Some(Duration::from_secs(17)));
    assert_eq!(setup.send().await, Outcome::Throttled { retry_after, reason, scope: ThrottleScope::Token });
}

#[tokio::test]
async fn what_is_no_apns_address_is_not_sent() {
    let setup = setup(|_| Reply::ok()).await;
    for token in ["", "../3/device/ab", "xyz", "ab cd"] {
        let push = Push { token: PushToken::Apns(token.to_owned()), ..setup.push() };
        assert!(matches!(setup.provider.send(push).await, Outcome::TokenMismatched { .. }), "{token}");
    }
    let push = Push { token: PushToken::Fcm("ab".to_owned()), ..setup.push() };
    assert!(matches!(setup.provider.send(push).await, Outcome::MessageRejected { .. }));
    assert!(setup.server.seen().is_empty());
}

#[tokio::test]
async fn an_origin_that_is_away_is_unavailable() {
    let authority = Authority::new();
    let context = context(&TestClock::new());
    let provider = ApnsProvider::new(&settings("https://127.0.0.1:1", &authority), &key(), &Signers::default(), &context).unwrap();
    let content = Content { title: Some("Ann".to_owned()), ..Content::default() };
    let push = Push {
        rendered: Arc::new(provider.render(&message(&content, Platform::Ios)).unwrap()),
        token: PushToken::Apns("cd".repeat(32)),
        environment: Environment::Production,
        id: uuid::Uuid::from_u128(9),
        expires_at: None,
        now: context.clock.now(),
        handover: unbounded(&context),
    };
    let refused = Outcome::Unavailable { retry_after: None, reason: Reason::new("connection refused"), fault: Fault::Silent };
    assert_eq!(provider.send(push.clone()).await, refused);
    assert!(matches!(provider.send(push).await, Outcome::Unavailable { retry_after: Some(_), .. }), "while backing off");
}
