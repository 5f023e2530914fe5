//! The provider against a push service over HTTP/2 and HTTP/1.1.

use std::sync::Arc;
use std::time::Duration;

use rcgen::KeyPair;
use serde_json::{Value, json};

use super::*;
use crate::domain::content::Content;
use crate::domain::device::{Environment, Platform, PushToken};
use crate::domain::endpoint::Endpoint;
use crate::domain::outcome::{Fault, Outcome, Reason, RefusalScope, ThrottleScope};
use crate::providers::testing::{Authority, Http1Server, Reply, Seen, Server, TestClock, Turn, context, message, unbounded};
use crate::providers::{Context, Provider, Push, Secret};

/// The browser of RFC 8291's example.
const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

struct Setup {
    clock: Arc<TestClock>,
    context: Context,
    provider: WebpushProvider,
    port: String,
}

impl Setup {
    fn new(authority: &Authority, url: &str, patch: &Value) -> Self {
        let port = url.rsplit_once(':').unwrap().1.to_owned();
        let clock = TestClock::new();
        let context = context(&clock);
        let mut settings = json!({
            "vapid_key_file": "vapid.pem", "subject": "mailto:ops@example.com", "ca_file": authority.path(),
            "allowed_hosts": [format!("localhost:{port}")], "allow_private_addresses": true,
        });
        crate::providers::patch::merge(&mut settings, patch);
        let settings: Settings = serde_json::from_value(settings).unwrap();
        let key = Secret::new(KeyPair::generate().unwrap().serialize_pem());
        let provider = WebpushProvider::new(&settings, &key, &context).unwrap();
        Self { clock, context, provider, port }
    }

    /// At a host, with the server's port.
    fn endpoint(&self, host: &str) -> String {
        format!("https://{host}:{}/push/s3cret?x=1", self.port)
    }

    fn push_to(&self, endpoint: &str) -> Push {
        let content = Content { title: Some("Ann".to_owned()), ..Content::default() };
        Push {
            rendered: Arc::new(self.provider.render(&message(&content, Platform::Web)).unwrap()),
            token: PushToken::webpush(endpoint, P256DH, AUTH).unwrap(),
            environment: Environment::Production,
            id: uuid::Uuid::from_u128(9),
            expires_at: Some(self.context.clock.now() + Duration::from_mins(5)),
            now: self.context.clock.now(),
            handover: unbounded(&self.context),
        }
    }

    async fn send(&self) -> Outcome {
        self.provider.send(self.push_to(&self.endpoint("localhost"))).await
    }
}

async fn setup(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Server, Setup) {
    let authority = Authority::new();
    let server = Server::start(&authority, script).await;
    let setup = Setup::new(&authority, &server.url(), &json!({}));
    (server, setup)
}

fn accepted() -> Outcome {
    Outcome::Accepted { message_id: None, environment: None }
}

fn forbidden() -> Outcome {
    Outcome::MessageRejected { reason: Reason::new("address forbidden"), too_large: false }
}

#[tokio::test]
async fn a_push_arrives_as_push_services_want_it() {
    let (server, setup) = setup(|_| Reply::new(201, "")).await;
    assert_eq!(setup.send().await, accepted());
    assert_eq!(setup.send().await, accepted());
    let seen = server.seen();
    let push = &seen[0];
    assert_eq!(push.path, "/push/s3cret");
    for (name, value) in [("ttl", "300"), ("urgency", "high"), ("content-encoding", "aes128gcm")] {
        assert_eq!(push.header(name), Some(value), "{name}");
    }
    assert_eq!(push.header("topic").map(str::len), Some(32));
    let authorization = push.header("authorization").unwrap();
    assert!(authorization.starts_with("vapid t=") && authorization.ends_with(&format!(", k={}", setup.provider.public_key())));
    assert_eq!(seen[1].header("authorization"), Some(authorization), "one token serves an origin");
    assert_ne!(seen[1].body, push.body, "each message has a key of its own");
    assert_eq!(push.body[16..21], [0, 0, 16, 0, 65]);
}

#[tokio::test]
async fn the_time_left_is_told() {
    let (server, setup) = setup(|_| Reply::new(201, "")).await;
    let push = || setup.push_to(&setup.endpoint("localhost"));
    let now = setup.context.clock.now();
    let ends = [(None, "0"), (Some(now), "0"), (Some(now - Duration::from_secs(5)), "0"), (Some(now + Duration::from_hours(1)), "3600")];
    for (place, (expires_at, ttl)) in ends.into_iter().enumerate() {
        setup.provider.send(Push { expires_at, ..push() }).await;
        assert_eq!(server.seen()[place].header("ttl"), Some(ttl));
    }
}

/// What must not be connected to is not, whatever it was when it was stored; nobody else's pushes are held up by it.
#[tokio::test]
async fn an_endpoint_that_is_not_allowed_is_not_connected_to() {
    let (server, setup) = setup(|_| Reply::new(201, "")).await;
    for endpoint in [
        setup.endpoint("127.0.0.1"),
        setup.endpoint("[::1]"),
        setup.endpoint("169.254.169.254"),
        setup.endpoint("evil.example"),
        "https://localhost/push/x".to_owned(),
        "https://permanently-removed.invalid/x".to_owned(),
    ] {
        let push = setup.push_to(&endpoint);
        let handover = push.handover.clone();
        assert_eq!(setup.provider.send(push).await, forbidden(), "{endpoint}");
        assert_eq!(handover.requests(), 0);
    }
    assert_eq!(server.connections(), 0);
    assert_eq!(setup.send().await, accepted());
}

/// The name is on the list, but it is one of ours.
#[tokio::test]
async fn a_name_with_a_private_address_is_not_connected_to() {
    let authority = Authority::new();
    let server = Server::start(&authority, |_| Reply::new(201, "")).await;
    let setup = Setup::new(&authority, &server.url(), &json!({"allow_private_addresses": null}));
    assert!(setup.provider.allows(&Endpoint::parse(&setup.endpoint("localhost")).unwrap()));
    for _ in 0..3 {
        assert_eq!(setup.send().await, forbidden());
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (server, setup) = setup(|seen| match &*seen.path {
        "/push/s3cret" => Reply::Answer { status: 307, headers: vec![("location", "/elsewhere".to_owned())], body: String::new() },
        _ => Reply::new(201, ""),
    })
    .await;
    assert_eq!(setup.send().await, Outcome::MessageRejected { reason: Reason::new("status 307"), too_large: false });
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_retry_after_is_kept() {
    let (_server, setup) =
        setup(|_| Reply::Answer { status: 429, headers: vec![("retry-after", "9".to_owned())], body: String::new() }).await;
    let retry_after = Some(Duration::from_secs(9));
    assert_eq!(setup.send().await, Outcome::Throttled { retry_after, reason: Reason::new("status 429"), scope: ThrottleScope::Token });
}

/// The first hour there is no other token to try with; after it there is, once.
#[tokio::test]
async fn a_refused_token_is_replaced_once_an_hour() {
    let (server, setup) = setup(|_| Reply::new(403, "")).await;
    let refused = Outcome::Unavailable { retry_after: None, reason: Reason::new("status 403"), fault: Fault::Answered };
    assert_eq!(setup.send().await, refused);
    assert_eq!(server.seen().len(), 1);
    setup.clock.advance(Duration::from_hours(1));
    assert_eq!(setup.send().await, refused);
    let tokens: Vec<_> = server.seen().iter().map(|seen| seen.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(tokens.len(), 3);
    assert_eq!(tokens[0], tokens[1]);
    assert_ne!(tokens[1], tokens[2]);
}

#[tokio::test]
async fn a_subscription_of_another_key_does_not_stop_the_lane() {
    let (_server, setup) = setup(|seen| Reply::new(if seen.path == "/push/s3cret" { 201 } else { 403 }, "")).await;
    assert_eq!(setup.send().await, accepted());
    let other = setup.endpoint("localhost").replace("s3cret", "other");
    assert_eq!(
        setup.provider.send(setup.push_to(&other)).await,
        Outcome::MessageRejected { reason: Reason::new("status 403"), too_large: false }
    );
}

/// A subscription is a stranger's: one that a service refuses before it has taken our key from anybody stops nobody else. Many of them do.
#[tokio::test]
async fn only_many_refused_subscriptions_are_a_refused_key() {
    let (_server, setup) = setup(|_| Reply::new(403, "")).await;
    let at = |n: usize| setup.endpoint("localhost").replace("s3cret", &n.to_string());
    let reason = || Reason::new("status 403");
    for n in 0..9 {
        for _ in 0..2 {
            let outcome = setup.provider.send(setup.push_to(&at(n))).await;
            assert_eq!(outcome, Outcome::Unavailable { retry_after: None, reason: reason(), fault: Fault::Answered }, "{n}");
        }
    }
    let refused = Outcome::CredentialRefused { reason: reason(), scope: RefusalScope::Lane };
    assert_eq!(setup.provider.send(setup.push_to(&at(9))).await, refused);
}

#[tokio::test]
async fn a_service_of_http_1_is_sent_to_as_well() {
    let authority = Authority::new();
    let server = Http1Server::start(&authority, &["http/1.1"], |_| Turn::Answer(201, String::new())).await;
    let setup = Setup::new(&authority, &server.url(), &json!({}));
    assert_eq!(setup.send().await, accepted());
    let seen = server.seen();
    assert_eq!((seen[0].path.as_str(), seen[0].header("ttl")), ("/push/s3cret?x=1", Some("300")));
    assert_eq!(seen[0].header("host"), server.url().strip_prefix("https://"));
}

#[tokio::test]
async fn what_is_not_for_browsers_is_refused() {
    let (server, setup) = setup(|_| Reply::new(201, "")).await;
    let apns = Push { token: PushToken::Apns("ab".to_owned()), ..setup.push_to(&setup.endpoint("localhost")) };
    assert!(matches!(setup.provider.send(apns).await, Outcome::MessageRejected { .. }));
    let keyless = PushToken::Webpush { endpoint: setup.endpoint("localhost"), p256dh: "AA".to_owned(), auth: AUTH.to_owned() };
    let outcome = setup.provider.send(Push { token: keyless, ..setup.push_to(&setup.endpoint("localhost")) }).await;
    assert_eq!(outcome, Outcome::MessageRejected { reason: Reason::new("subscription keys unusable"), too_large: false });
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let (_server, setup) = setup(|_| Reply::new(201, "")).await;
    let shown = format!("{:?} {:?}", setup.provider, setup.push_to(&setup.endpoint("localhost")));
    assert!(!shown.contains("s3cret") && !shown.contains(AUTH) && !shown.contains("PRIVATE"), "{shown}");
    assert!(setup.provider.prove().unwrap().contains(setup.provider.public_key()));
}

/// Push services are shown both: what paused the lane for one of them is over with the other.
#[test]
fn another_key_or_another_subject_is_another_credential() {
    let context = context(&TestClock::new());
    let [key, other_key] = [(); 2].map(|()| Secret::new(KeyPair::generate().unwrap().serialize_pem()));
    let credential = |key: &Secret, subject: &str| {
        let settings = serde_json::from_value(json!({"vapid_key_file": "vapid.pem", "subject": subject})).unwrap();
        WebpushProvider::new(&settings, key, &context).unwrap().credential()
    };
    let first = credential(&key, "mailto:ops@example.com");
    assert_eq!(first, credential(&key, "mailto:ops@example.com"));
    assert_ne!(first, credential(&key, "mailto:push@example.com"));
    assert_ne!(first, credential(&other_key, "mailto:ops@example.com"));
}
