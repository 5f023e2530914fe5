//! A lane: one app's traffic through one provider. It knows whether sending goes on, and what its recent sends came to.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::device::{Environment, Platform, ProviderKind};
use crate::domain::id::AppId;
use crate::domain::outcome::{Outcome, Reason, RefusalScope, ThrottleScope};
use crate::store::engine::Death;

/// Sends that must be known before a mismatched token counts against its device.
const KNOWN: usize = 100;
/// Sends that are looked back on.
const WINDOW: usize = 1000;
/// One in so many may be mismatched by chance; more, and the configuration is what is wrong.
const CHANCE: usize = 20;

/// Which lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneKey {
    /// Whose.
    pub app: AppId,
    /// Through whom.
    pub provider: ProviderKind,
    /// Apple's service; `Production` elsewhere.
    pub environment: Environment,
}

/// Why a lane is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The provider refused the credential; with its word.
    CredentialRefused(Reason),
    /// More tokens are mismatched than chance explains; with the provider's word.
    TokenMismatched(Reason),
}

impl Pause {
    /// For operators.
    pub fn describe(&self) -> String {
        match self {
            Self::CredentialRefused(reason) => format!("credential_refused: {reason}"),
            Self::TokenMismatched(reason) => format!("token_mismatched: {reason}"),
        }
    }
}

/// Whether a push may go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It may.
    Go,
    /// The lane is paused until someone resumes it.
    Paused,
    /// The provider wants patience for this long.
    Throttled(Duration),
}

/// What becomes of a device whose token was found mismatched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// It is deactivated: the mismatch is rare in the lane.
    Deactivate,
    /// Nothing yet: too little is known of the lane.
    HoldBack,
    /// Nothing: the lane is what is wrong, and is paused by this.
    PauseLane,
}

/// One lane.
#[derive(Default)]
pub struct Lane {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of everything, or of one platform where the provider tells them apart.
    paused: HashMap<Option<Platform>, Pause>,
    throttled_until: Option<Duration>,
    /// Whether each of the latest sends was mismatched.
    recent: VecDeque<bool>,
    mismatched: usize,
    held_back: Vec<Death>,
}

impl State {
    fn remember(&mut self, mismatched: bool) {
        if self.recent.len() == WINDOW && self.recent.pop_front() == Some(true) {
            self.mismatched -= 1;
        }
        self.recent.push_back(mismatched);
        self.mismatched += usize::from(mismatched);
    }

    fn is_known(&self) -> bool {
        self.recent.len() >= KNOWN
    }

    fn is_chance(&self) -> bool {
        self.mismatched * CHANCE < self.recent.len()
    }
}

impl Lane {
    /// Whether a push to this platform may go, at a monotonic instant.
    pub fn signal(&self, platform: Platform, now: Duration) -> Signal {
        let mut state = self.state.lock();
        if state.paused.contains_key(&None) || state.paused.contains_key(&Some(platform)) {
            return Signal::Paused;
        }
        match state.throttled_until {
            Some(until) if until > now => Signal::Throttled(until.saturating_sub(now)),
            Some(_) => {
                state.throttled_until = None;
                Signal::Go
            }
            None => Signal::Go,
        }
    }

    /// Takes note of an outcome that is not a mismatch. Answers deaths that were held back and are due now.
    pub fn observe(&self, outcome: &Outcome, now: Duration) -> Vec<Death> {
        let mut state = self.state.lock();
        match outcome {
            Outcome::Accepted { .. } | Outcome::TokenDead { .. } | Outcome::MessageRejected { .. } => state.remember(false),
            Outcome::CredentialRefused { reason, scope } => {
                let parts: &[Option<Platform>] = match scope {
                    RefusalScope::Lane => &[None],
                    RefusalScope::IosAndWeb => &[Some(Platform::Ios), Some(Platform::Web)],
                };
                for part in parts {
                    if state.paused.insert(*part, Pause::CredentialRefused(reason.clone())).is_none() {
                        tracing::error!(reason = %reason, part = part.map_or("all", Platform::as_str), "a provider refused the credential: the lane is paused until someone resumes it");
                    }
                }
            }
            Outcome::Throttled { retry_after: Some(wait), scope: ThrottleScope::Lane, .. } => {
                state.throttled_until = state.throttled_until.max(Some(now + *wait));
            }
            Outcome::Throttled { .. } | Outcome::Unavailable { .. } | Outcome::TokenMismatched { .. } | Outcome::Withheld => {}
        }
        if state.is_known() && state.is_chance() { std::mem::take(&mut state.held_back) } else { Vec::new() }
    }

    /// Takes note of a mismatched token, and says what becomes of its device.
    pub fn observe_mismatch(&self, reason: &Reason) -> Mismatch {
        let mut state = self.state.lock();
        state.remember(true);
        if !state.is_known() {
            return Mismatch::HoldBack;
        }
        if state.is_chance() {
            return Mismatch::Deactivate;
        }
        state.held_back.clear();
        if state.paused.insert(None, Pause::TokenMismatched(reason.clone())).is_none() {
            tracing::error!(reason = %reason, "more tokens are mismatched than chance explains: the lane is paused until someone resumes it, nobody is deactivated");
        }
        Mismatch::PauseLane
    }

    /// Keeps a verdict until more of the lane is known.
    pub fn hold_back(&self, death: Death) {
        self.state.lock().held_back.push(death);
    }

    /// Why it is paused, by part.
    pub fn pauses(&self) -> Vec<(Option<Platform>, Pause)> {
        self.state.lock().paused.iter().map(|(part, pause)| (*part, pause.clone())).collect()
    }

    /// Goes on, and judges mismatched tokens anew. What the provider asked to wait stays asked.
    pub fn resume(&self) {
        let mut state = self.state.lock();
        *state = State { throttled_until: state.throttled_until, ..State::default() };
    }
}

/// All lanes of this node; made when first used.
#[derive(Default)]
pub struct Lanes(Mutex<HashMap<LaneKey, Arc<Lane>>>);

impl Lanes {
    /// One lane.
    pub fn get(&self, key: LaneKey) -> Arc<Lane> {
        Arc::clone(self.0.lock().entry(key).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn accepted() -> Outcome {
        Outcome::Accepted { message_id: None, environment: None }
    }

    fn sent(lane: &Lane, times: usize) {
        for _ in 0..times {
            lane.observe(&accepted(), NOW);
        }
    }

    #[test]
    fn a_mismatch_is_held_back_until_a_hundred_sends_are_known() {
        let lane = Lane::default();
        assert_eq!(lane.observe_mismatch(&Reason::new("BadDeviceToken")), Mismatch::HoldBack);
        sent(&lane, 98);
        assert_eq!(lane.observe_mismatch(&Reason::new("BadDeviceToken")), Mismatch::Deactivate);
    }

    #[test]
    fn five_in_a_hundred_are_not_chance() {
        let lane = Lane::default();
        sent(&lane, 95);
        for _ in 0..4 {
            assert_eq!(lane.observe_mismatch(&Reason::new("x")), Mismatch::HoldBack);
        }
        assert_eq!(lane.observe_mismatch(&Reason::new("x")), Mismatch::PauseLane);
        assert_eq!(lane.signal(Platform::Ios, NOW), Signal::Paused);
        lane.resume();
        assert_eq!(lane.signal(Platform::Ios, NOW), Signal::Go);
        assert_eq!(lane.observe_mismatch(&Reason::new("x")), Mismatch::HoldBack, "what came before the resumption is forgotten");
    }

    #[test]
    fn only_the_latest_thousand_count() {
        let lane = Lane::default();
        sent(&lane, 1000);
        for _ in 0..49 {
            assert_eq!(lane.observe_mismatch(&Reason::new("x")), Mismatch::Deactivate);
        }
        assert_eq!(lane.observe_mismatch(&Reason::new("x")), Mismatch::PauseLane);
    }

    #[test]
    fn a_refused_credential_of_apple_and_browsers_leaves_android_going() {
        let lane = Lane::default();
        lane.observe(&Outcome::CredentialRefused { reason: Reason::new("THIRD_PARTY_AUTH_ERROR"), scope: RefusalScope::IosAndWeb }, NOW);
        assert_eq!(lane.signal(Platform::Ios, NOW), Signal::Paused);
        assert_eq!(lane.signal(Platform::Web, NOW), Signal::Paused);
        assert_eq!(lane.signal(Platform::Android, NOW), Signal::Go);
    }

    #[test]
    fn a_throttled_lane_waits_as_long_as_it_was_told() {
        let lane = Lane::default();
        let throttled = |scope| Outcome::Throttled { retry_after: Some(Duration::from_mins(1)), reason: Reason::new("x"), scope };
        lane.observe(&throttled(ThrottleScope::Token), NOW);
        assert_eq!(lane.signal(Platform::Android, NOW), Signal::Go, "one address is not the lane");
        lane.observe(&throttled(ThrottleScope::Lane), NOW);
        assert_eq!(lane.signal(Platform::Android, NOW + Duration::from_secs(20)), Signal::Throttled(Duration::from_secs(40)));
        assert_eq!(lane.signal(Platform::Android, NOW + Duration::from_mins(1)), Signal::Go);
    }
}
