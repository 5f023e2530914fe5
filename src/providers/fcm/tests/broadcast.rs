//! Messages that Google fans out.

use super::*;
use crate::domain::broadcast::Broadcast;
use crate::providers::BroadcastPush;

#[tokio::test]
async fn a_broadcast_names_its_topic_and_how_long_it_lives() {
    let setup = setup(grant, accept).await;
    let content = Content { title: Some("Ann".to_owned()), ..Content::default() };
    let messages = [Platform::Android, Platform::Ios, Platform::Web].map(|platform| message(&content, platform));
    let to = Broadcast::FcmTopic("news".to_owned().try_into().unwrap());
    let now = setup.context.clock.now();
    let push = BroadcastPush {
        rendered: Arc::new(setup.provider.render_broadcast(&to, &messages).unwrap()),
        to,
        id: uuid::Uuid::from_u128(9),
        expires_at: Some(now + Duration::from_mins(5)),
        now,
        handover: unbounded(&setup.context),
    };
    assert_eq!(setup.provider.send_broadcast(push).await, Setup::accepted());
    let message = &setup.server.seen()[1].json()["message"];
    assert_eq!((&message["topic"], message.get("token")), (&json!("news"), None));
    assert_eq!((&message["android"]["ttl"], &message["webpush"]["headers"]["TTL"]), (&json!("300s"), &json!("300")));
    assert_eq!(message["apns"]["headers"]["apns-expiration"], (now.timestamp() + 300).to_string());
}

#[tokio::test]
async fn a_body_for_a_device_is_no_broadcast() {
    let setup = setup(grant, accept).await;
    let Push { rendered, id, expires_at, now, handover, .. } = setup.push();
    let to = Broadcast::FcmTopic("news".to_owned().try_into().unwrap());
    let outcome = setup.provider.send_broadcast(BroadcastPush { rendered, to, id, expires_at, now, handover }).await;
    assert!(matches!(outcome, Outcome::MessageRejected { .. }), "{outcome:?}");
    assert!(setup.server.seen().is_empty());
}
