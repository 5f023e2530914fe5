//! What may not go any more is not sent, and not repeated either.

use super::*;

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
