//! The ways of a lane: one, or of Web Push one to each push service, since these fail apart and strangers choose them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::breaker::Standing;
use super::destination::Service;
use super::way::{Flow, Way};
use crate::domain::clock::Clock;

/// Ways that are remembered, beside those with something under way: strangers' URLs name as many services as they like. As many as a Web
/// Push provider keeps connections to.
const KEPT: usize = 256;

pub(super) struct Ways {
    clock: Arc<dyn Clock>,
    by_service: HashMap<Service, Kept>,
    /// Grows with each use.
    uses: u64,
}

struct Kept {
    used: u64,
    way: Way,
}

impl Ways {
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), by_service: HashMap::new(), uses: 0 }
    }

    /// The way to a service, or to the one peer there is.
    pub(super) fn to(&mut self, service: &Service) -> &mut Way {
        self.uses += 1;
        if !self.by_service.contains_key(service) {
            self.make_room();
        }
        let kept = self.by_service.entry(service.clone()).or_insert_with(|| Kept { used: 0, way: Way::new(&self.clock) });
        kept.used = self.uses;
        &mut kept.way
    }

    /// The ways longest unused go. One that fails is in use while anything waits for it; one with something under way stays.
    fn make_room(&mut self) {
        while self.by_service.len() >= KEPT {
            let idle = self.by_service.iter().filter(|(_, kept)| kept.way.on_wire == 0);
            let Some(oldest) = idle.min_by_key(|(_, kept)| kept.used).map(|(service, _)| service.clone()) else { return };
            self.by_service.remove(&oldest);
        }
    }

    /// What is true of all of them together.
    pub(super) fn flow(&self, now: Duration) -> Flow {
        let flows = || self.by_service.values().map(|kept| kept.way.flow(now));
        Flow {
            breaker: flows().map(|flow| flow.breaker).min().unwrap_or(Standing::Closed),
            per_second: flows().map(|flow| flow.per_second).reduce(|one, other| Some(one?.saturating_add(other?))).flatten(),
            held_for: flows().map(|flow| flow.held_for).reduce(|one, other| Some(one?.min(other?))).flatten(),
        }
    }

    /// The push services to which not everything goes, in the order of their names.
    pub(super) fn held(&self, now: Duration) -> Vec<(Service, Flow)> {
        let services = self.by_service.iter().filter(|(service, _)| service.origin().is_some());
        let mut held: Vec<_> =
            services.map(|(service, kept)| (service.clone(), kept.way.flow(now))).filter(|(_, flow)| *flow != Flow::FREE).collect();
        held.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        held
    }
}

#[cfg(test)]
mod tests {
    use super::super::word::Word;
    use super::*;
    use crate::dispatch::tests::clock::TestClock;
    use crate::domain::device::PushToken;

    fn service(n: usize) -> Service {
        let (p256dh, auth) = (String::new(), String::new());
        Service::of(&PushToken::Webpush { endpoint: format!("https://s{n}.push.example.com/secret"), p256dh, auth })
    }

    fn open(way: &mut Way) {
        for _ in 0..20 {
            way.answered(Word::Failed { answered: false }, 0, Duration::ZERO, 0.5);
        }
    }

    #[test]
    fn however_many_are_named_a_bounded_number_is_remembered() {
        let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
        let mut ways = Ways::new(&clock);
        ways.to(&service(0)).on_wire = 1;
        open(ways.to(&service(1)));
        for n in 2..2000 {
            ways.to(&service(n));
            // something waits for it
            ways.to(&service(1));
        }
        assert_eq!(ways.by_service.len(), KEPT);
        assert_eq!(ways.to(&service(0)).on_wire, 1, "what is under way is counted until it ends");
        assert_eq!(ways.held(Duration::ZERO).into_iter().map(|(service, _)| service).collect::<Vec<_>>(), [service(1)]);
    }

    #[test]
    fn only_what_holds_all_of_them_holds_the_lane() {
        let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
        let mut ways = Ways::new(&clock);
        assert_eq!(ways.flow(Duration::ZERO), Flow::FREE);
        open(ways.to(&service(1)));
        assert_eq!(ways.flow(Duration::ZERO).breaker, Standing::Open);
        ways.to(&service(2));
        assert_eq!(ways.flow(Duration::ZERO), Flow::FREE);
    }
}
