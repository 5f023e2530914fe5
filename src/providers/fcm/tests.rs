//! The provider against an HTTP/2 server that is token endpoint and FCM in one.

mod access_token;
mod broadcast;
mod checked;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::KeyPair;
use serde_json::json;

use super::*;
use crate::domain::content::Content;
use crate::domain::device::{Environment, Platform, PushToken};
use crate::domain::outcome::{Fault, Outcome, Reason, RefusalScope};
use crate::providers::testing::{Authority, ID, Reply, Seen, Server, TestClock, context, message, unbounded};
use crate::providers::{Context, Provider, Push, Secret};

struct Setup {
    server: Server,
    clock: Arc<TestClock>,
    context: Context,
    provider: Arc<FcmProvider>,
}

fn account(url: &str) -> ServiceAccount {
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let json = json!({
        "type": "service_account", "project_id": "demo", "client_email": "herald@demo.iam.gserviceaccount.com",
        "private_key_id": "k1", "private_key": key.serialize_pem(), "token_uri": format!("{url}/token"),
    });
    ServiceAccount::parse(&Secret::new(json.to_string())).unwrap()
}

/// `token` answers the n-th request for an access token, `send` everything else.
async fn setup(token: impl Fn(usize) -> Reply + Send + Sync + 'static, send: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Setup {
    let authority = Authority::new();
    let asked = AtomicUsize::new(0);
    let script = move |seen: &Seen| if seen.path == "/token" { token(asked.fetch_add(1, Ordering::Relaxed) + 1) } else { send(seen) };
    let server = Server::start(&authority, script).await;
    let clock = TestClock::new();
    let context = context(&clock);
    let settings: Settings = serde_json::from_value(json!({
        "service_account_file": "service-account.json", "endpoint": server.url(), "ca_file": authority.path(),
    }))
    .unwrap();
    let provider = Arc::new(FcmProvider::new(&settings, account(&server.url()), &context).unwrap());
    Setup { server, clock, context, provider }
}

fn grant(n: usize) -> Reply {
    Reply::json(200, &json!({"access_token": format!("access-{n}"), "expires_in": 3600, "token_type": "Bearer"}))
}

fn accept(_: &Seen) -> Reply {
    Reply::json(200, &json!({"name": "projects/demo/messages/1"}))
}

impl Setup {
    fn push(&self) -> Push {
        let content = Content { title: Some("Ann".to_owned()), ..Content::default() };
        let message = message(&content, Platform::Android);
        Push {
            rendered: Arc::new(self.provider.render(&message).unwrap()),
            token: PushToken::Fcm("token-1".to_owned()),
            environment: Environment::Production,
            id: uuid::Uuid::from_u128(9),
            expires_at: Some(self.context.clock.now() + Duration::from_mins(5)),
            now: self.context.clock.now(),
            handover: unbounded(&self.context),
        }
    }

    async fn send(&self) -> Outcome {
        self.provider.send(self.push()).await
    }

    fn tokens(&self) -> usize {
        self.server.seen().iter().filter(|seen| seen.path == "/token").count()
    }

    fn accepted() -> Outcome {
        Outcome::Accepted { message_id: Some("projects/demo/messages/1".to_owned()), environment: None }
    }
}

fn pushes(setup: &Setup) -> Vec<Seen> {
    setup.server.seen().into_iter().filter(|seen| seen.path != "/token").collect()
}

#[tokio::test]
async fn a_push_arrives_as_google_wants_it() {
    let setup = setup(grant, accept).await;
    assert_eq!(setup.send().await, Setup::accepted());
    let seen = setup.server.seen();
    let push = &seen[1];
    assert_eq!(push.path, "/v1/projects/demo/messages:send");
    assert_eq!(push.header("authorization"), Some("Bearer access-1"));
    assert_eq!(push.header("content-type"), Some("application/json"));
    assert_eq!(
        push.json(),
        json!({"message": {
            "token": "token-1",
            "data": {"herald_id": ID},
            "android": {"priority": "HIGH", "ttl": "300s", "notification": {"title": "Ann", "tag": "chat-9"}},
        }})
    );
}

#[tokio::test]
async fn a_reset_or_odd_answer_is_an_outcome() {
    let reset = setup(grant, |_| Reply::Reset(h2::Reason::INTERNAL_ERROR)).await;
    assert_eq!(reset.send().await, Outcome::Unavailable { retry_after: None, reason: Reason::new("stream reset"), fault: Fault::Silent });
    let nameless = setup(grant, |_| Reply::ok()).await;
    assert_eq!(nameless.send().await, Outcome::Accepted { message_id: None, environment: None });
    let apns = Push { token: PushToken::Apns("ab".to_owned()), ..nameless.push() };
    assert!(matches!(nameless.provider.send(apns).await, Outcome::MessageRejected { .. }));
}

#[test]
fn a_service_account_that_is_none_is_refused_by_what_it_lacks() {
    let good = json!({"project_id": "demo", "client_email": "a@b", "private_key": "x", "token_uri": "https://example.com/t"});
    for (patch, said) in [
        (json!({"project_id": null}), "project_id"),
        (json!({"project_id": "a/b"}), "project_id"),
        (json!({"client_email": null}), "client_email"),
        (json!({"private_key": null}), "private_key"),
        (json!({"token_uri": "http://example.com/t"}), "https"),
        (json!({}), "RSA"),
    ] {
        let mut account = good.clone();
        crate::providers::patch::merge(&mut account, &patch);
        let error = ServiceAccount::parse(&Secret::new(account.to_string())).unwrap_err();
        assert_eq!(error.key(), "service_account_file");
        assert!(error.to_string().contains(said), "{error} should name {said}");
    }
    let error = ServiceAccount::parse(&Secret::new("{\n  oops".to_owned())).unwrap_err();
    assert_eq!(error.to_string(), "service_account_file: not a service account: line 2, column 3");
}

#[test]
fn nothing_secret_is_shown() {
    let shown = format!("{:?}", account("https://example.com"));
    assert_eq!(shown, r#"ServiceAccount { project_id: "demo", .. }"#);
}
