//! The access token: fetched once for all, renewed in time, and what becomes of a push without one.

use super::*;

#[tokio::test]
async fn a_thousand_sends_at_once_fetch_one_access_token() {
    let setup = Arc::new(setup(grant, accept).await);
    send_at_once(&setup, 1_000, &Setup::accepted()).await;
    assert_eq!(setup.tokens(), 1);
}

/// Sends so many pushes at once, all of which are to end so.
async fn send_at_once(setup: &Arc<Setup>, pushes: usize, expected: &Outcome) {
    let send = |_| {
        let setup = Arc::clone(setup);
        setup.context.tasks.clone().spawn(async move { setup.send().await })
    };
    for send in (0..pushes).map(send).collect::<Vec<_>>() {
        assert_eq!(send.await.unwrap(), *expected);
    }
}

#[tokio::test]
async fn a_thousand_sends_share_a_failure_too() {
    let setup = Arc::new(setup(|_| Reply::new(503, ""), accept).await);
    let failed = Outcome::Unavailable { retry_after: None, reason: Reason::new("oauth status 503"), fault: Fault::Answered };
    send_at_once(&setup, 1_000, &failed).await;
    assert_eq!(setup.tokens(), 1);
}

#[tokio::test]
async fn a_token_near_its_end_is_renewed_behind_the_sends() {
    let setup = setup(grant, accept).await;
    setup.send().await;
    setup.clock.advance(Duration::from_mins(56));
    setup.send().await;
    // the refresh is a task of its own: once all tasks but the two connections rest, it has ended
    while setup.tokens() < 2 || setup.provider.prove().await.is_err() {
        tokio::task::yield_now().await;
    }
    setup.clock.advance(Duration::from_mins(4));
    setup.send().await;
    let sent: Vec<_> = pushes(&setup).iter().map(|seen| seen.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(sent, ["Bearer access-1", "Bearer access-1", "Bearer access-2"]);
    assert_eq!(setup.tokens(), 2);
}

/// The token is what is needed; a life that cannot be read is the usual one.
#[tokio::test]
async fn an_odd_life_does_not_spoil_the_access_token() {
    for (life, minutes) in [(json!("1200"), 16), (json!(3599.5), 56), (json!(null), 56), (json!([]), 56)] {
        let odd = move |n| Reply::json(200, &json!({"access_token": format!("access-{n}"), "expires_in": life}));
        let setup = setup(odd, accept).await;
        assert_eq!(setup.send().await, Setup::accepted());
        // near its end it is renewed behind the sends, and not before
        setup.clock.advance(Duration::from_mins(minutes - 2));
        setup.send().await;
        assert_eq!(setup.tokens(), 1);
        setup.clock.advance(Duration::from_mins(2));
        setup.send().await;
        while setup.tokens() < 2 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn an_expired_token_is_waited_for() {
    let setup = setup(grant, accept).await;
    setup.send().await;
    setup.clock.advance(Duration::from_hours(1));
    assert_eq!(setup.send().await, Setup::accepted());
    assert_eq!(pushes(&setup)[1].header("authorization"), Some("Bearer access-2"));
}

#[tokio::test]
async fn a_refused_access_token_is_replaced_once_and_the_push_repeated_once() {
    let stale = |seen: &Seen| if seen.header("authorization") == Some("Bearer access-1") { Reply::new(401, "{}") } else { accept(seen) };
    let first = setup(grant, stale).await;
    assert_eq!(first.send().await, Setup::accepted());
    assert_eq!((first.tokens(), pushes(&first).len()), (2, 2));
    let always = setup(grant, |_| Reply::json(401, &json!({"error": {"status": "UNAUTHENTICATED"}}))).await;
    let refused = Outcome::CredentialRefused { reason: Reason::new("UNAUTHENTICATED"), scope: RefusalScope::Lane };
    assert_eq!(always.send().await, refused);
    assert_eq!((always.tokens(), pushes(&always).len()), (2, 2));
}

#[tokio::test]
async fn what_the_token_endpoint_refuses_is_the_credential() {
    for (status, body, reason) in [
        (400, json!({"error": "invalid_grant", "error_description": "x"}).to_string(), "oauth invalid_grant"),
        (401, json!({"error": "invalid_client"}).to_string(), "oauth invalid_client"),
        (401, json!({"error": "unauthorized_client"}).to_string(), "oauth unauthorized_client"),
        (400, json!({"error": "invalid_scope"}).to_string(), "oauth invalid_scope"),
        (401, "{}".to_owned(), "oauth 401 Unauthorized"),
        (404, "<html>".to_owned(), "oauth 404 Not Found"),
    ] {
        let setup = setup(move |_| Reply::new(status, body.clone()), accept).await;
        let refused = Outcome::CredentialRefused { reason: Reason::new(reason), scope: RefusalScope::Lane };
        assert_eq!(setup.send().await, refused);
        assert!(setup.provider.prove().await.is_err());
        assert!(pushes(&setup).is_empty());
    }
}

#[tokio::test]
async fn a_failing_token_endpoint_is_unavailable_with_what_it_asks_for() {
    for (status, asked) in [(500, None), (503, Some(4)), (429, Some(2)), (200, None)] {
        let setup = setup(
            move |_| Reply::Answer {
                status,
                headers: asked.map(|seconds| ("retry-after", u64::to_string(&seconds))).into_iter().collect(),
                body: "{}".to_owned(),
            },
            accept,
        )
        .await;
        let reason = Reason::new(&format!("oauth status {status}"));
        assert_eq!(
            setup.send().await,
            Outcome::Unavailable { retry_after: asked.map(Duration::from_secs), reason, fault: Fault::Answered }
        );
    }
}

/// Google's own failures, whatever status they come with, are no fault of the key.
#[tokio::test]
async fn a_passing_word_of_the_token_endpoint_refuses_nobody() {
    for (status, word) in [(400, "temporarily_unavailable"), (400, "server_error"), (403, "rate_limit_exceeded")] {
        let setup = setup(move |_| Reply::json(status, &json!({"error": word})), accept).await;
        let reason = Reason::new(&format!("oauth status {status}"));
        assert_eq!(setup.send().await, Outcome::Unavailable { retry_after: None, reason, fault: Fault::Answered }, "{word}");
    }
}

/// All that are under way share one refusal. Who comes later, as after the lane was resumed, is told by Google, a second later at the earliest:
/// a key that works again works at once.
#[tokio::test]
async fn a_revoked_key_is_asked_about_once_a_second() {
    let revoked = |n| if n < 3 { Reply::json(400, &json!({"error": "invalid_grant"})) } else { grant(n) };
    let setup = Arc::new(setup(revoked, accept).await);
    let refused = Outcome::CredentialRefused { reason: Reason::new("oauth invalid_grant"), scope: RefusalScope::Lane };
    for round in 1..=2 {
        send_at_once(&setup, 100, &refused).await;
        assert_eq!(setup.tokens(), round);
    }
    assert!(pushes(&setup).is_empty());
    assert_eq!(setup.send().await, Setup::accepted());
}

/// The token at hand is good for minutes: there is time to ask seldom.
#[tokio::test]
async fn a_renewal_that_fails_is_tried_every_15_seconds() {
    let setup = setup(|n| if n == 1 { grant(n) } else { Reply::new(503, "") }, accept).await;
    setup.send().await;
    setup.clock.advance(Duration::from_mins(56));
    for asked in 2..4 {
        for _ in 0..20 {
            assert_eq!(setup.send().await, Setup::accepted());
        }
        // the renewal is a task of its own
        while setup.tokens() < asked {
            tokio::task::yield_now().await;
        }
        assert_eq!(setup.tokens(), asked);
        pass(Duration::from_secs(13)).await;
        setup.send().await;
        assert_eq!(setup.tokens(), asked);
        pass(Duration::from_secs(2)).await;
    }
}

/// So much time passes at once; what waits for a peer goes by the real time before and after.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn the_assertion_is_what_google_documents() {
    let setup = setup(grant, accept).await;
    assert_eq!(setup.provider.prove().await.unwrap(), "an access token for project demo");
    let asked = setup.server.seen().remove(0);
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    let form = String::from_utf8(asked.body.to_vec()).unwrap();
    let assertion = form.strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=").unwrap();
    let header = jsonwebtoken::decode_header(assertion).unwrap();
    assert_eq!((header.alg, header.kid.as_deref()), (jsonwebtoken::Algorithm::RS256, Some("k1")));
    let claims = jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(assertion).unwrap().claims;
    let now = setup.context.clock.now().timestamp();
    assert_eq!(
        claims,
        json!({
            "iss": "herald@demo.iam.gserviceaccount.com", "scope": "https://www.googleapis.com/auth/firebase.messaging",
            "aud": format!("{}/token", setup.server.url()), "iat": now, "exp": now + 3600,
        })
    );
}
