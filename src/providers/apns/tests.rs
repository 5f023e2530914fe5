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

#[tokio::test]
async fn each_environment_has_its_endpoint() {
    let authority = Authority::new();
    let (production, sandbox) = (Server::start(&authority, |_| Reply::ok()).await, Server::start(&authority, |_| Reply::ok()).await);
    let context = context(&TestClock::new());
    let settings = Settings { sandbox_endpoint: sandbox.url(), ..settings(&production.url(), &authority) };
    let provider = ApnsProvider::new(&settings, &key(), &Signers::default(), &context).unwrap();
    let content = Content { title: Some("Ann".to_owned()), ..Content::default() };
    let push = Push {
        rendered: Arc::new(provider.render(&message(&content, Platform::Ios)).unwrap()),
        token: PushToken::Apns("cd".repeat(32)),
        environment: Environment::Sandbox,
        id: uuid::Uuid::from_u128(9),
        expires_at: None,
        now: context.clock.now(),
        handover: unbounded(&context),
    };
    provider.send(push).await;
    assert_eq!((production.seen().len(), sandbox.seen().len()), (0, 1));
}

/// A provider whose production answers as `production` and whose sandbox as `sandbox` does.
struct Both {
    production: Server,
    sandbox: Server,
    provider: ApnsProvider,
    context: Context,
}

impl Both {
    async fn start(production: fn(&Seen) -> Reply, sandbox: fn(&Seen) -> Reply) -> Self {
        let authority = Authority::new();
        let (production, sandbox) = (Server::start(&authority, production).await, Server::start(&authority, sandbox).await);
        let context = context(&TestClock::new());
        let settings = Settings { sandbox_endpoint: sandbox.url(), ..settings(&production.url(), &authority) };
        let provider = ApnsProvider::new(&settings, &key(), &Signers::default(), &context).unwrap();
        Self { production, sandbox, provider, context }
    }

    async fn send(&self, environment: Environment) -> (Outcome, u32) {
        let content = Content { title: Some("Ann".to_owned()), ..Content::default() };
        let handover = unbounded(&self.context);
        let push = Push {
            rendered: Arc::new(self.provider.render(&message(&content, Platform::Ios)).unwrap()),
            token: PushToken::Apns("cd".repeat(32)),
            environment,
            id: uuid::Uuid::from_u128(9),
            expires_at: None,
            now: self.context.clock.now(),
            handover: handover.clone(),
        };
        (self.provider.send(push).await, handover.requests())
    }
}

fn bad_token(_: &Seen) -> Reply {
    refusal(400, "BadDeviceToken")
}

#[tokio::test]
async fn a_token_of_the_other_environment_is_found_there() {
    let accepted = |environment| Outcome::Accepted { message_id: None, environment };
    for (production, sandbox, from, found) in [
        (bad_token as fn(&Seen) -> Reply, (|_| Reply::ok()) as fn(&Seen) -> Reply, Environment::Production, Some(Environment::Sandbox)),
        (|_| Reply::ok(), bad_token, Environment::Sandbox, Some(Environment::Production)),
        (|_| Reply::ok(), bad_token, Environment::Production, None),
    ] {
        let both = Both::start(production, sandbox).await;
        let requests = if found.is_some() { 2 } else { 1 };
        assert_eq!(both.send(from).await, (accepted(found), requests));
    }
}

#[tokio::test]
async fn what_neither_environment_knows_is_mismatched_once_for_each() {
    let both = Both::start(bad_token, bad_token).await;
    let outcome = both.send(Environment::Production).await;
    assert_eq!(outcome, (Outcome::TokenMismatched { reason: Reason::new("BadDeviceToken") }, 2));
    assert_eq!((both.production.seen().len(), both.sandbox.seen().len()), (1, 1));
    assert_eq!(both.production.seen()[0].header("apns-id"), both.sandbox.seen()[0].header("apns-id"));
}

#[tokio::test]
async fn the_second_opinion_decides_only_what_it_can_know() {
    let mismatched = Outcome::TokenMismatched { reason: Reason::new("BadDeviceToken") };
    let unavailable = Outcome::Unavailable { retry_after: None, reason: Reason::new("InternalServerError"), fault: Fault::Elsewhere };
    let dead = Outcome::TokenDead { since: None, reason: Reason::new("Unregistered") };
    let throttled = |word| Outcome::Throttled { retry_after: None, reason: Reason::new(word), scope: ThrottleScope::Token };
    for (sandbox, outcome) in [
        ((|_| refusal(400, "DeviceTokenNotForTopic")) as fn(&Seen) -> Reply, mismatched.clone()),
        (|_| refusal(400, "BadTopic"), mismatched.clone()),
        (|_| refusal(413, "PayloadTooLarge"), mismatched),
        (|_| refusal(410, "Unregistered"), dead),
        (|_| refusal(500, "InternalServerError"), unavailable),
        (|_| refusal(429, "TooManyRequests"), throttled("TooManyRequests")),
    ] {
        assert_eq!(Both::start(bad_token, sandbox).await.send(Environment::Production).await, (outcome, 2));
    }
}

#[tokio::test]
async fn an_environment_that_the_key_is_not_for_is_left_alone() {
    let both = Both::start(bad_token, |_| refusal(403, "BadEnvironmentKeyInToken")).await;
    let mismatched = || Outcome::TokenMismatched { reason: Reason::new("BadDeviceToken") };
    assert_eq!(both.send(Environment::Production).await, (mismatched(), 2));
    assert_eq!(both.send(Environment::Production).await, (mismatched(), 1));
    let refused = both.send(Environment::Sandbox).await;
    assert!(matches!(refused, (Outcome::CredentialRefused { .. }, 1)), "whose devices are there hears of it: {refused:?}");
}

#[tokio::test]
async fn the_other_environment_is_not_asked_when_it_is_too_late() {
    let clock = TestClock::new();
    let (turned, authority) = (Arc::clone(&clock), Authority::new());
    let production = Server::start(&authority, move |_| {
        turned.advance(Duration::from_secs(2));
        refusal(400, "BadDeviceToken")
    });
    let (production, sandbox) = (production.await, Server::start(&authority, |_| Reply::ok()).await);
    let context = context(&clock);
    let settings = Settings { sandbox_endpoint: sandbox.url(), ..settings(&production.url(), &authority) };
    let provider = ApnsProvider::new(&settings, &key(), &Signers::default(), &context).unwrap();
    let both = Setup { server: production, clock: Arc::clone(&clock), context, provider };
    let handover = Handover::until(both.context.clock.now() + Duration::from_secs(1), Duration::MAX, clock);
    let push = Push { handover: handover.clone(), ..both.push() };
    assert_eq!((both.provider.send(push).await, handover.requests()), (Outcome::Withheld, 1));
    assert!(sandbox.seen().is_empty());
}

#[tokio::test]
async fn what_may_not_start_any_more_is_withheld() {
    let setup = setup(|_| Reply::ok()).await;
    let (now, clock) = (setup.context.clock.now(), &setup.context.clock);
    for handover in [
        Handover::until(now, Duration::MAX, Arc::clone(clock)),
        Handover::until(now + Duration::from_secs(1), clock.monotonic(), Arc::clone(clock)),
    ] {
        let push = Push { handover: handover.clone(), ..setup.push() };
        assert_eq!((setup.provider.send(push).await, handover.requests()), (Outcome::Withheld, 0));
    }
    assert!(setup.server.seen().is_empty());
}

#[tokio::test]
async fn a_repeat_may_be_too_late_where_the_first_was_not() {
    let clock = TestClock::new();
    let turned = Arc::clone(&clock);
    let setup = setup_with(&clock, move |_| {
        turned.advance(Duration::from_secs(2));
        refusal(403, "ExpiredProviderToken")
    })
    .await;
    let not_from = setup.context.clock.now() + Duration::from_secs(1);
    let handover = Handover::until(not_from, Duration::MAX, clock);
    let push = Push { handover: handover.clone(), ..setup.push() };
    assert_eq!((setup.provider.send(push).await, handover.requests()), (Outcome::Withheld, 1));
    assert_eq!(setup.server.seen().len(), 1);
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

fn authorizations(setup: &Setup) -> Vec<String> {
    setup.server.seen().iter().map(|seen| seen.header("authorization").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_young_expired_token_is_repeated_once_and_then_the_credential_is_refused() {
    let setup = setup(|_| refusal(403, "ExpiredProviderToken")).await;
    let reason = Reason::new("ExpiredProviderToken");
    assert_eq!(setup.send().await, Outcome::CredentialRefused { reason, scope: RefusalScope::Lane });
    let sent = authorizations(&setup);
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);
}

#[tokio::test]
async fn an_expired_token_of_twenty_minutes_is_signed_anew_at_once() {
    let setup =
        setup(|seen| if seen.header("apns-id").unwrap().ends_with('8') { refusal(403, "ExpiredProviderToken") } else { Reply::ok() }).await;
    setup.send().await;
    setup.clock.advance(Duration::from_mins(20));
    let refused = Push { id: uuid::Uuid::from_u128(8), ..setup.push() };
    assert!(matches!(setup.provider.send(refused).await, Outcome::CredentialRefused { .. }));
    let sent = authorizations(&setup);
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[0], sent[1]);
    assert_ne!(sent[1], sent[2]);
}

#[tokio::test]
async fn a_thousand_sends_over_an_expired_token_sign_one_new_one() {
    let first = Arc::new(std::sync::OnceLock::new());
    let expired = Arc::clone(&first);
    let setup = setup(move |seen| {
        let token = seen.header("authorization").unwrap();
        if expired.get_or_init(|| token.to_owned()) == token { refusal(403, "ExpiredProviderToken") } else { Reply::ok() }
    })
    .await;
    let young = setup.send().await;
    assert!(matches!(young, Outcome::CredentialRefused { .. }), "too young to be signed anew: {young:?}");
    setup.clock.advance(Duration::from_mins(20));
    let outcomes = futures_util::future::join_all((0..1_000).map(|_| setup.send())).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Accepted { .. })));
    let tokens: std::collections::HashSet<_> = authorizations(&setup).into_iter().collect();
    assert_eq!(tokens.len(), 2, "the old one and one new one");
    assert!(tokens.contains(first.get().unwrap()));
}

#[tokio::test]
async fn a_closing_connection_is_left_for_another_at_once() {
    let setup = setup(refusing(1, 503, "Shutdown")).await;
    assert_eq!(setup.send().await, Outcome::Accepted { message_id: None, environment: None });
    let connections: Vec<_> = setup.server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [1, 2]);
}

#[tokio::test]
async fn an_invalid_token_is_tried_once_on_a_fresh_connection() {
    let setup = setup(|seen| if seen.connection == 1 { refusal(403, "InvalidProviderToken") } else { Reply::ok() }).await;
    assert_eq!(setup.send().await, Outcome::Accepted { message_id: None, environment: None });
    assert_eq!(setup.send().await, Outcome::Accepted { message_id: None, environment: None });
    let connections: Vec<_> = setup.server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [1, 2, 2]);
}

#[tokio::test]
async fn a_lasting_refusal_does_not_make_a_connection_for_every_push() {
    let setup = setup(|_| refusal(403, "InvalidProviderToken")).await;
    for _ in 0..3 {
        assert!(matches!(setup.send().await, Outcome::CredentialRefused { .. }));
    }
    let connections: Vec<_> = setup.server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [1, 2, 2, 2]);
}

#[tokio::test]
async fn too_many_token_updates_go_on_with_the_older_token_on_another_connection() {
    let setup = setup(|seen| {
        if seen.header("apns-id").unwrap().ends_with('8') && seen.connection == 1 {
            refusal(429, "TooManyProviderTokenUpdates")
        } else {
            Reply::ok()
        }
    })
    .await;
    setup.send().await;
    setup.clock.advance(Duration::from_mins(51));
    let refused = Push { id: uuid::Uuid::from_u128(8), ..setup.push() };
    assert_eq!(setup.provider.send(refused).await, Outcome::Accepted { message_id: None, environment: None });
    let sent = authorizations(&setup);
    assert_eq!(sent[0], sent[2], "the older one is back");
    assert_ne!(sent[0], sent[1]);
    assert_eq!(setup.server.connections(), 2);
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

#[test]
fn wrong_settings_are_named_by_their_key() {
    let authority = Authority::new();
    let good = settings("https://api.push.apple.com", &authority);
    good.check().unwrap();
    for (key, bad) in [
        ("bundle_id", Settings { bundle_id: "com.example demo".to_owned(), ..good.clone() }),
        ("key_id", Settings { key_id: "ABC".to_owned(), ..good.clone() }),
        ("team_id", Settings { team_id: String::new(), ..good.clone() }),
        ("endpoint", Settings { endpoint: "api.push.apple.com".to_owned(), ..good.clone() }),
        ("sandbox_endpoint", Settings { sandbox_endpoint: "http://example.com".to_owned(), ..good.clone() }),
        ("key_file", Settings { key_file: "".into(), ..good.clone() }),
        ("bundle_id", Settings { bundle_id: String::new(), ..good.clone() }),
        ("cert_file", Settings { cert_file: Some("push.p12".into()), ..good.clone() }),
        ("cert_password", Settings { cert_password: Some(Secret::new("x".to_owned())), ..good.clone() }),
        ("cert_password_file", Settings { cert_password_file: Some("x".into()), ..good.clone() }),
        ("key_id", Settings { key_id: good.key_id.clone(), ..with_certificate(&good, "push.p12") }),
        ("team_id", Settings { team_id: good.team_id.clone(), ..with_certificate(&good, "push.p12") }),
        (
            "cert_password_file",
            Settings {
                cert_password: Some(Secret::new("x".to_owned())),
                cert_password_file: Some("x".into()),
                ..with_certificate(&good, "push.p12")
            },
        ),
    ] {
        assert_eq!(bad.check().unwrap_err().key(), key);
    }
    with_certificate(&good, "push.p12").check().unwrap();
    let context = context(&TestClock::new());
    let error = ApnsProvider::load(&good, &Signers::default(), &context).unwrap_err();
    assert_eq!(error.key(), "key_file");
    let error = ApnsProvider::new(&good, &Secret::new("no key".to_owned()), &Signers::default(), &context).unwrap_err();
    assert_eq!(error.key(), "key_file");
    let no_roots = Settings { ca_file: Some("/nowhere.pem".into()), ..good };
    assert_eq!(ApnsProvider::new(&no_roots, &key(), &Signers::default(), &context).unwrap_err().key(), "ca_file");
}

/// The same app with a certificate in the place of its key.
fn with_certificate(settings: &Settings, file: impl Into<std::path::PathBuf>) -> Settings {
    let (key_file, key_id, team_id) = Default::default();
    Settings { key_file, key_id, team_id, cert_file: Some(file.into()), ..settings.clone() }
}

#[tokio::test]
async fn a_certificate_stands_for_the_token() {
    let authority = Authority::new();
    let server = Server::start(&authority, |_| refusal(403, "ExpiredProviderToken")).await;
    let context = context(&TestClock::new());
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Apple Push Services: com.example.demo");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("push.pem");
    std::fs::write(&file, authority.client_pem(params)).unwrap();
    let settings = with_certificate(&settings(&server.url(), &authority), file);
    let provider = ApnsProvider::load(&settings, &Signers::default(), &context).unwrap();
    assert!(provider.credential_expires_at().is_some());
    provider.prove().unwrap();
    let setup = Setup { server, clock: TestClock::new(), context, provider };
    let refused = setup.send().await;
    assert!(matches!(refused, Outcome::CredentialRefused { .. }), "there is no other token: {refused:?}");
    let seen = setup.server.seen();
    assert_eq!((seen.len(), seen[0].certified, seen[0].header("authorization")), (1, true, None));
    assert_eq!(seen[0].header("apns-topic"), Some("com.example.demo"));
    let content = Content { title: Some("Ann".to_owned()), ..Content::default() };
    let overrides = json!({"headers": {"apns-push-type": "location"}});
    let location = crate::providers::Message { overrides: Some(&overrides), ..message(&content, Platform::Ios) };
    let refused = setup.provider.render(&location).unwrap_err();
    assert!(matches!(refused, crate::providers::RenderError::Invalid { ref field, .. } if field == "apns.headers.apns-push-type"));
    let asked = crate::providers::Message { push_type: &PushType::Location, ..message(&content, Platform::Ios) };
    let refused = setup.provider.render(&asked).unwrap_err();
    assert!(matches!(refused, crate::providers::RenderError::Invalid { ref field, .. } if field == "push_type"), "{refused:?}");
    let other = Settings { bundle_id: "com.example.other".to_owned(), ..settings };
    assert_eq!(ApnsProvider::load(&other, &Signers::default(), &setup.context).unwrap_err().key(), "bundle_id");
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_said_so() {
    let authority = Authority::new();
    let context = context(&TestClock::new());
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("push.pem");
    std::fs::write(&file, authority.client_pem(params)).unwrap();
    let settings = with_certificate(&settings("https://127.0.0.1:1", &authority), file);
    let provider = ApnsProvider::load(&settings, &Signers::default(), &context).unwrap();
    let error = provider.prove().unwrap_err();
    assert_eq!((error.key(), error.to_string().as_str()), ("cert_file", "cert_file: expired at 2020-01-01 00:00:00 UTC"));
}

#[test]
fn unknown_settings_are_refused() {
    let text = r#"{"bundle_id":"a","key_file":"k","key_id":"k","team_id":"t","bundel_id":"x"}"#;
    assert!(serde_json::from_str::<Settings>(text).unwrap_err().to_string().contains("bundel_id"));
}
