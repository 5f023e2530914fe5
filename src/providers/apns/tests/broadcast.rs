//! Pushes to a channel, which Apple fans out.

use http::HeaderMap;

use super::*;
use crate::domain::broadcast::{Broadcast, Channel};
use crate::providers::{Body, BroadcastPush, Rendered};

const CHANNEL: &str = "dHN0LXNyY2gtY2hubA==";

fn broadcast(setup: &Setup, environment: Environment) -> BroadcastPush {
    let headers = [("apns-priority", "10"), ("apns-topic", "com.example.demo"), ("apns-collapse-id", "chat-9")];
    let headers = headers.into_iter().map(|(name, text)| (name.parse().unwrap(), text.parse().unwrap())).collect::<HeaderMap>();
    let body = json!({"aps": {"event": "update", "timestamp": 1, "content-state": {"score": 2}}, "herald_id": ID});
    let body = Body::Whole(body.to_string().into());
    BroadcastPush {
        rendered: Arc::new(Rendered { body, headers, size: 80 }),
        to: Broadcast::ApnsChannel { channel: Channel::try_from(CHANNEL.to_owned()).unwrap(), environment },
        id: uuid::Uuid::from_u128(9),
        expires_at: None,
        now: setup.context.clock.now(),
        handover: unbounded(&setup.context),
    }
}

#[tokio::test]
async fn a_channel_is_named_in_a_header_and_nothing_else_is() {
    let setup = setup(|_| Reply::ok()).await;
    let sent = setup.provider.send_broadcast(broadcast(&setup, Environment::Production)).await;
    assert_eq!(sent, Outcome::Accepted { message_id: None, environment: None });
    let seen = setup.server.seen();
    let [push] = &*seen else { panic!("{seen:?}") };
    assert_eq!(push.path, "/4/broadcasts/apps/com.example.demo");
    for (name, value) in [
        ("apns-channel-id", Some(CHANNEL)),
        ("apns-push-type", Some("liveactivity")),
        ("apns-priority", Some("10")),
        ("apns-expiration", Some("0")),
        ("apns-request-id", Some("00000000-0000-0000-0000-000000000009")),
        ("apns-id", None),
        ("apns-topic", None),
        ("apns-collapse-id", None),
    ] {
        assert_eq!(push.header(name), value, "{name}");
    }
    assert!(push.header("authorization").unwrap().starts_with("bearer "));
    assert_eq!(push.json()["aps"]["content-state"], json!({"score": 2}));
}

#[tokio::test]
async fn an_expiry_is_told_in_seconds() {
    let setup = setup(|_| Reply::ok()).await;
    let push = broadcast(&setup, Environment::Production);
    let until = push.now + Duration::from_mins(5);
    setup.provider.send_broadcast(BroadcastPush { expires_at: Some(until), ..push }).await;
    assert_eq!(setup.server.seen()[0].header("apns-expiration"), Some(&*until.timestamp().to_string()));
}

#[tokio::test]
async fn a_channel_is_sought_in_its_own_environment_only() {
    let authority = Authority::new();
    let (production, sandbox) = (Server::start(&authority, unregistered).await, Server::start(&authority, unregistered).await);
    let clock = TestClock::new();
    let context = context(&clock);
    let mut settings = settings(&production.url(), &authority);
    settings.sandbox_endpoint = sandbox.url();
    let provider = ApnsProvider::new(&settings, &key(), &Signers::default(), &context).unwrap();
    let setup = Setup { server: production, clock, context, provider };
    let outcome = setup.provider.send_broadcast(broadcast(&setup, Environment::Sandbox)).await;
    assert_eq!(outcome, Outcome::MessageRejected { reason: Reason::new("ChannelNotRegistered"), too_large: false });
    assert_eq!((setup.server.seen().len(), sandbox.seen().len()), (0, 1));
}

fn unregistered(_: &Seen) -> Reply {
    refusal(400, "ChannelNotRegistered")
}

#[tokio::test]
async fn broadcasts_that_the_app_may_not_send_hold_none_of_its_other_pushes() {
    for (status, reason) in [(400, "FeatureNotEnabled"), (403, "TopicMismatch")] {
        let setup = setup(refusing(1, status, reason)).await;
        let outcome = setup.provider.send_broadcast(broadcast(&setup, Environment::Production)).await;
        assert_eq!(outcome, Outcome::MessageRejected { reason: Reason::new(reason), too_large: false });
    }
}

#[tokio::test]
async fn what_is_no_channel_is_not_sent() {
    let setup = setup(|_| Reply::ok()).await;
    let to = Broadcast::FcmTopic("news".to_owned().try_into().unwrap());
    let push = BroadcastPush { to, ..broadcast(&setup, Environment::Production) };
    assert!(matches!(setup.provider.send_broadcast(push).await, Outcome::MessageRejected { .. }));
    assert!(setup.server.seen().is_empty());
}
