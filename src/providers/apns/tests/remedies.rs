//! Refusals that are answered with another request: another token, or another connection.

use super::*;

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
