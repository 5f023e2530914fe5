//! Apple's two services: which of them is asked, and when the other is.

use super::*;

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
