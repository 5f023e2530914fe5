//! Lanes as the path uses them.

use super::way::BUSY;
use super::*;
use crate::dispatch::tests::clock::TestClock;
use crate::domain::device::PushToken;
use crate::domain::outcome::{Fault, ThrottleScope};

struct World {
    clock: Arc<TestClock>,
    lanes: Lanes,
}

impl World {
    fn new(permits: usize) -> Self {
        let clock = Arc::new(TestClock::default());
        Self { lanes: Lanes::new(permits, Arc::clone(&clock) as _), clock }
    }

    fn lane(&self, app: i64) -> Arc<Lane> {
        self.lanes.get(LaneKey { app: AppId(app), provider: ProviderKind::Fcm, environment: Environment::Production })
    }

    fn pass(&self, by: Duration) {
        self.clock.pass(by);
    }
}

fn android() -> Destination {
    Destination { platform: Some(Platform::Android), service: Service::default() }
}

/// A subscription there.
fn at(host: &str) -> Destination {
    let (p256dh, auth) = (String::new(), String::new());
    let token = PushToken::Webpush { endpoint: format!("https://{host}/secret"), p256dh, auth };
    Destination { platform: Some(Platform::Web), service: Service::of(&token) }
}

fn go_to(lane: &Arc<Lane>, to: &Destination) -> Option<Pass> {
    match lane.admit(to) {
        Admission::Go(pass) => Some(pass),
        Admission::Soon(_) | Admission::Hold(_) => None,
    }
}

fn go(lane: &Arc<Lane>) -> Option<Pass> {
    go_to(lane, &android())
}

fn held(lane: &Arc<Lane>) -> Option<Hold> {
    match lane.admit(&android()) {
        Admission::Hold(hold) => Some(hold),
        Admission::Go(_) | Admission::Soon(_) => None,
    }
}

/// As many passes as there are.
fn fill(lane: &Arc<Lane>) -> Vec<Pass> {
    std::iter::from_fn(|| go(lane)).collect()
}

fn answer(lane: &Arc<Lane>, outcome: &Outcome) {
    lane.observe(outcome, 0, &mut go(lane).unwrap(), 1.0);
}

fn failed() -> Outcome {
    Outcome::Unavailable { retry_after: None, reason: Reason::new("ServiceUnavailable"), fault: Fault::Silent }
}

fn throttled(scope: ThrottleScope) -> Outcome {
    Outcome::Throttled { retry_after: Some(Duration::from_mins(1)), reason: Reason::new("x"), scope }
}

#[test]
fn a_lane_leaves_room_for_others_however_many_are_slow() {
    let world = World::new(4000);
    let mut slow: Vec<Vec<Pass>> = Vec::new();
    for (app, (least, most)) in [(1, (2990, 3010)), (2, (740, 760)), (3, (180, 195))] {
        slow.push(fill(&world.lane(app)));
        let passes = slow.last().unwrap().len();
        assert!((least..=most).contains(&passes), "lane {app}: {passes}");
    }
    assert!(go(&world.lane(4)).is_some());
    slow.clear();
    assert!(fill(&world.lane(4)).len() >= 2990, "all have ended");
}

#[test]
fn few_permits_are_of_use_to_a_lane_that_is_alone() {
    for (permits, least) in [(1, 1), (2, 2), (3, 3), (8, 6), (100, 75)] {
        let world = World::new(permits);
        let passes = fill(&world.lane(1)).len();
        assert!(passes >= least && passes <= permits, "{passes} of {permits}");
    }
}

#[test]
fn a_lane_whose_provider_fails_sends_five_probes() {
    let world = World::new(4000);
    let lane = world.lane(1);
    (0..20).for_each(|_| answer(&lane, &failed()));
    let hold = held(&lane).unwrap();
    assert_eq!((hold.reason, lane.condition().flow.breaker), (WaitReason::Unavailable, Standing::Open));
    assert_eq!(lane.condition().flow.held_for, Some(hold.wait));
    assert!(go(&world.lane(2)).is_some(), "another lane is none of its business");
    world.pass(hold.wait);
    let mut probes = fill(&lane);
    assert_eq!((probes.len(), lane.condition().flow.breaker), (5, Standing::HalfOpen));
    drop(probes.pop());
    probes.extend(go(&lane));
    assert_eq!(probes.len(), 5, "one of them told nothing, and another went in its place");
    for mut probe in probes {
        lane.observe(&Outcome::Accepted { message_id: None, environment: None }, 0, &mut probe, 0.5);
    }
    assert_eq!(lane.condition().flow.breaker, Standing::Closed);
    assert_eq!(fill(&lane).len(), 3000);
}

#[test]
fn a_provider_that_refuses_still_works() {
    let world = World::new(4000);
    let lane = world.lane(1);
    let reason = || Reason::new("x");
    for outcome in [
        Outcome::TokenDead { since: None, reason: reason() },
        Outcome::TokenMismatched { reason: reason() },
        Outcome::MessageRejected { reason: reason(), too_large: false },
        throttled(ThrottleScope::Token),
        Outcome::Withheld,
    ] {
        (0..100).for_each(|_| answer(&lane, &outcome));
    }
    world.pass(Duration::from_secs(1));
    assert_eq!(lane.condition(), Condition { pauses: Vec::new(), flow: Flow::FREE, services: Vec::new() });
}

#[test]
fn a_throttled_lane_waits_as_long_as_it_was_told() {
    let world = World::new(4000);
    let lane = world.lane(1);
    answer(&lane, &throttled(ThrottleScope::Token));
    assert!(held(&lane).is_none(), "one address is not the lane");
    answer(&lane, &throttled(ThrottleScope::Lane));
    world.pass(Duration::from_secs(20));
    assert_eq!(held(&lane), Some(Hold::new(Duration::from_secs(40), WaitReason::Throttled)));
    assert_eq!(lane.condition().flow.held_for, Some(Duration::from_secs(40)));
    world.pass(Duration::from_secs(40));
    assert_eq!(lane.condition().flow.held_for, None);
    assert!(go(&lane).is_some());
}

/// A lane that may send 500 a second.
fn slowed(world: &World) -> Arc<Lane> {
    let lane = world.lane(1);
    let refused = Outcome::Throttled { retry_after: None, reason: Reason::new("QUOTA_EXCEEDED"), scope: ThrottleScope::Lane };
    (0..1000).for_each(|_| answer(&lane, &refused));
    world.pass(Duration::from_secs(1));
    lane
}

#[test]
fn a_lane_that_was_throttled_goes_on_at_half_its_pace_and_nobody_waits_for_it() {
    let world = World::new(4000);
    let lane = slowed(&world);
    assert_eq!(fill(&lane).len(), 125, "a quarter of a second's worth");
    assert_eq!(lane.condition().flow.per_second, Some(500));
    assert!(matches!(lane.admit(&android()), Admission::Hold(Hold { by_pace: true, .. })));
}

#[test]
fn what_the_pace_holds_comes_back_as_it_can_go() {
    let world = World::new(4000);
    let lane = slowed(&world);
    drop(fill(&lane));
    let mut waits: Vec<Duration> = (0..2000).map(|_| lane.held(&android(), held(&lane).unwrap(), 1, 0.9)).collect();
    assert!(waits.is_sorted());
    assert!(waits.iter().all(|wait| wait.as_millis().is_multiple_of(250)), "in portions");
    assert!(waits.last().unwrap() <= &Duration::from_millis(4250), "{:?}", waits.last());
    waits.dedup();
    assert!(waits.len() >= 16, "2 000 at 500 a second are four seconds' worth: {waits:?}");
    let mut sent = 0;
    for _ in 0..16 {
        world.pass(Duration::from_millis(250));
        sent += fill(&lane).len();
    }
    assert!((1990..=2200).contains(&sent), "{sent}");
}

#[test]
fn silence_slows_no_lane_down() {
    let world = World::new(4000);
    let lane = world.lane(1);
    for (fault, per_second) in [(Fault::Silent, None), (Fault::Answered, Some(50))] {
        let failed = Outcome::Unavailable { retry_after: None, reason: Reason::new("x"), fault };
        let other = throttled(ThrottleScope::Token);
        for n in 0..100 {
            answer(&lane, if n % 2 == 0 { &failed } else { &other });
        }
        world.pass(Duration::from_secs(1));
        drop(go(&lane));
        assert_eq!(lane.condition().flow.per_second, per_second, "{fault:?}");
    }
}

#[test]
fn a_refused_credential_holds_the_lane_until_it_is_resumed() {
    let world = World::new(4000);
    let lane = world.lane(1);
    answer(&lane, &Outcome::CredentialRefused { reason: Reason::new("Forbidden"), scope: crate::domain::outcome::RefusalScope::Lane });
    assert_eq!(held(&lane), Some(Hold::new(PAUSED, WaitReason::LanePaused)));
    lane.resume();
    assert!(go(&lane).is_some());
    assert_eq!(lane.observe_mismatch(&Reason::new("x"), 0), Some(Mismatch::HoldBack), "what came before the resumption is forgotten");
}

#[test]
fn a_slow_lane_is_waited_for_a_tenth_of_a_second_in_each() {
    let world = World::new(4);
    let lane = world.lane(1);
    let _under_way = fill(&lane);
    let soon = |lane: &Arc<Lane>| match lane.admit(&android()) {
        Admission::Soon(wait) => Some(wait),
        Admission::Go(_) | Admission::Hold(_) => None,
    };
    assert_eq!(soon(&lane), Some(PATIENCE));
    lane.waited(PATIENCE / 4);
    assert_eq!(soon(&lane), Some(PATIENCE * 3 / 4), "whoever waits");
    lane.waited(PATIENCE);
    assert_eq!(held(&lane), Some(Hold::new(BUSY, WaitReason::Throttled)));
    world.pass(BUSY);
    assert_eq!(soon(&lane), Some(PATIENCE));
}

/// Too much under way here, or another environment that fails.
#[test]
fn what_is_not_its_provider_s_fault_tells_a_lane_nothing() {
    let world = World::new(4000);
    let lane = world.lane(1);
    let elsewhere = Outcome::Unavailable { retry_after: None, reason: Reason::new("x"), fault: Fault::Elsewhere };
    (0..100).for_each(|_| answer(&lane, &elsewhere));
    world.pass(Duration::from_secs(1));
    assert_eq!(lane.condition().flow, Flow::FREE);
    (0..20).for_each(|_| answer(&lane, &failed()));
    world.pass(held(&lane).unwrap().wait);
    (0..100).for_each(|_| answer(&lane, &elsewhere));
    let mut probes = fill(&lane);
    assert_eq!(probes.len(), 5, "none of those was a probe that counts");
    for probe in &mut probes {
        lane.observe(&failed(), 0, probe, 0.5);
    }
    assert_eq!(lane.condition().flow.breaker, Standing::Open);
}

#[test]
fn a_lane_that_fails_is_not_waited_for_however_much_of_it_hangs() {
    let world = World::new(4000);
    let lane = world.lane(1);
    let mut hanging = fill(&lane);
    for pass in hanging.iter_mut().take(20) {
        lane.observe(&failed(), 0, pass, 1.0);
    }
    assert_eq!(held(&lane).map(|hold| hold.reason), Some(WaitReason::Unavailable));
}

#[test]
fn the_more_is_held_the_later_it_comes_back_and_never_much_later() {
    let world = World::new(4000);
    let lane = world.lane(1);
    let hold = Hold::new(Duration::from_secs(8), WaitReason::Unavailable);
    let waits: Vec<_> = (0..5).map(|_| lane.held(&android(), hold, 20_000, 0.0).as_secs()).collect();
    assert_eq!(waits, [8, 13, 18, 18, 18]);
    assert_eq!(lane.held(&android(), Hold::new(PAUSED, WaitReason::LanePaused), 20_000, 0.9), PAUSED);
    world.pass(Duration::from_mins(1));
    assert_eq!(lane.held(&android(), hold, 1, 0.5), Duration::from_millis(8800), "all of it is back");
}

fn answer_at(lane: &Arc<Lane>, host: &str, outcome: &Outcome) {
    lane.observe(outcome, 0, &mut go_to(lane, &at(host)).unwrap(), 1.0);
}

/// Strangers' URLs name hosts that are not there, and one push service's outage may be most of what is sent.
#[test]
fn a_push_service_that_fails_holds_up_no_other() {
    let world = World::new(4000);
    let lane = world.lane(1);
    for n in 0..1000 {
        answer_at(&lane, &format!("made-up-{n}.push.example.com"), &failed());
    }
    (0..20).for_each(|_| answer_at(&lane, "down.example.com", &failed()));
    assert!(go_to(&lane, &at("down.example.com")).is_none());
    assert!(go_to(&lane, &at("up.example.com")).is_some());
    let Condition { flow, services, .. } = lane.condition();
    assert_eq!(flow, Flow::FREE, "the lane goes");
    let held: Vec<_> = services.iter().map(|(service, flow)| (service.origin().unwrap(), flow.breaker)).collect();
    assert_eq!(held, [("https://down.example.com", Standing::Open)]);
}

#[test]
fn a_push_service_is_probed_and_slowed_down_by_itself() {
    let world = World::new(4000);
    let lane = world.lane(1);
    let overloaded = Outcome::Unavailable { retry_after: None, reason: Reason::new("status 503"), fault: Fault::Answered };
    let patient = throttled(ThrottleScope::Token);
    (0..20).for_each(|_| answer_at(&lane, "down.example.com", &failed()));
    for n in 0..100 {
        answer_at(&lane, "slow.example.com", if n % 2 == 0 { &overloaded } else { &patient });
    }
    world.pass(Duration::from_secs(1));
    let probes: Vec<_> = std::iter::from_fn(|| go_to(&lane, &at("down.example.com"))).collect();
    assert_eq!(probes.len(), 5);
    assert_eq!(std::iter::from_fn(|| go_to(&lane, &at("slow.example.com"))).count(), 12, "a quarter of 50 a second");
    assert_eq!(std::iter::from_fn(|| go_to(&lane, &at("up.example.com"))).take(100).count(), 100);
}

#[test]
fn a_push_service_that_hangs_leaves_room_for_the_others_of_its_lane() {
    let world = World::new(4000);
    let lane = world.lane(1);
    let hanging: Vec<_> = std::iter::from_fn(|| go_to(&lane, &at("slow.example.com"))).collect();
    assert!((2700..=2800).contains(&hanging.len()), "{}", hanging.len());
    let others: Vec<_> = std::iter::from_fn(|| go_to(&lane, &at("up.example.com"))).collect();
    assert!(others.len() >= 100, "{}", others.len());
    assert!(go(&world.lane(2)).is_some(), "and of other lanes");
}
