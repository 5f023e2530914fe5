//! Whether a lane's credential is to be trusted: what was refused pauses it, and mismatched tokens cost devices only while they are rare.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use super::LaneKey;
use crate::domain::device::Platform;
use crate::domain::outcome::{Outcome, Reason, RefusalScope};
use crate::store::engine::Death;

/// Sends that must be known before a mismatched token counts against its device.
const KNOWN: usize = 100;
/// Sends that are looked back on.
const WINDOW: usize = 1000;
/// One in so many may be mismatched by chance; more, and the configuration is what is wrong.
const CHANCE: usize = 20;

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

    /// What [`Pause::describe`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(": ")? {
            ("credential_refused", reason) => Some(Self::CredentialRefused(Reason::new(reason))),
            ("token_mismatched", reason) => Some(Self::TokenMismatched(Reason::new(reason))),
            _ => None,
        }
    }
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

/// A part that is paused.
struct Held {
    pause: Pause,
    /// Whether the other nodes know: then they can resume it.
    is_known: bool,
}

pub(super) struct Trust {
    /// Whose; for the log.
    lane: LaneKey,
    /// Of everything, or of one platform where the provider tells them apart.
    paused: HashMap<Option<Platform>, Held>,
    /// Whether each of the latest sends was mismatched.
    recent: VecDeque<bool>,
    mismatched: usize,
    held_back: Vec<Death>,
}

impl Trust {
    /// Of a lane of which nothing is known.
    pub(super) fn new(lane: LaneKey) -> Self {
        Self { lane, paused: HashMap::new(), recent: VecDeque::new(), mismatched: 0, held_back: Vec::new() }
    }

    /// Forgets everything.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.lane);
    }

    /// Whether what goes to this platform is paused; `None`: what goes to all of them, so that one is enough.
    pub(super) fn is_paused(&self, platform: impl Into<Option<Platform>>) -> bool {
        match platform.into() {
            None => !self.paused.is_empty(),
            platform => self.paused.contains_key(&None) || self.paused.contains_key(&platform),
        }
    }

    /// Why it is paused, by part.
    pub(super) fn pauses(&self) -> Vec<(Option<Platform>, Pause)> {
        self.paused.iter().map(|(part, held)| (*part, held.pause.clone())).collect()
    }

    /// Takes note of all pauses that the nodes know of. What they knew of here and do not any more was resumed; answers what they do not know of
    /// yet.
    pub(super) fn agree(&mut self, known: &[(Option<Platform>, Pause)]) -> Vec<(Option<Platform>, Pause)> {
        let is_known = |part: &Option<Platform>| known.iter().any(|(other, _)| other == part);
        if self.paused.iter().any(|(part, held)| held.is_known && !is_known(part)) {
            tracing::info!(lane = %self.lane, "a lane that was paused was resumed at another node");
            self.forget();
        }
        let lane = self.lane;
        for (part, pause) in known {
            let held = self.paused.entry(*part).or_insert_with(|| {
                tracing::warn!(%lane, reason = %pause.describe(), "another node paused a lane");
                Held { pause: pause.clone(), is_known: true }
            });
            held.is_known = true;
        }
        self.paused.iter().filter(|(_, held)| !held.is_known).map(|(part, held)| (*part, held.pause.clone())).collect()
    }

    /// The nodes know of this pause from now on; whether it is still one.
    pub(super) fn told(&mut self, part: Option<Platform>) -> bool {
        let held = self.paused.get_mut(&part);
        held.map(|held| held.is_known = true).is_some()
    }

    /// Whether it is paused for a new reason.
    fn pause(&mut self, part: Option<Platform>, pause: Pause) -> bool {
        match self.paused.entry(part) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(Held { pause, is_known: false });
                true
            }
        }
    }

    /// Takes note of an outcome that is not a mismatch. Answers deaths that were held back and are due now.
    pub(super) fn observe(&mut self, outcome: &Outcome) -> Vec<Death> {
        match outcome {
            Outcome::Accepted { .. } | Outcome::TokenDead { .. } | Outcome::MessageRejected { .. } => self.remember(false),
            Outcome::CredentialRefused { reason, scope } => self.refuse(reason, *scope),
            Outcome::Throttled { .. } | Outcome::Unavailable { .. } | Outcome::TokenMismatched { .. } | Outcome::Withheld => {}
        }
        if self.is_known() && self.is_chance() { std::mem::take(&mut self.held_back) } else { Vec::new() }
    }

    /// Takes note of a mismatched token, and says what becomes of its device.
    pub(super) fn observe_mismatch(&mut self, reason: &Reason) -> Mismatch {
        self.remember(true);
        if !self.is_known() {
            return Mismatch::HoldBack;
        }
        if self.is_chance() {
            return Mismatch::Deactivate;
        }
        self.held_back.clear();
        if self.pause(None, Pause::TokenMismatched(reason.clone())) {
            tracing::error!(lane = %self.lane, %reason, "more tokens are mismatched than chance explains: the lane is paused until someone resumes it, nobody is deactivated");
        }
        Mismatch::PauseLane
    }

    /// Keeps a verdict until more of the lane is known.
    pub(super) fn hold_back(&mut self, death: Death) {
        self.held_back.push(death);
    }

    fn refuse(&mut self, reason: &Reason, scope: RefusalScope) {
        let parts: &[Option<Platform>] = match scope {
            RefusalScope::Lane => &[None],
            RefusalScope::IosAndWeb => &[Some(Platform::Ios), Some(Platform::Web)],
        };
        for part in parts {
            if self.pause(*part, Pause::CredentialRefused(reason.clone())) {
                tracing::error!(lane = %self.lane, %reason, part = part.map_or("all", Platform::as_str), "a provider refused the credential: the lane is paused until someone resumes it");
            }
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::device::{Environment, ProviderKind};
    use crate::domain::id::AppId;

    fn new() -> Trust {
        Trust::new(LaneKey { app: AppId(1), provider: ProviderKind::Fcm, environment: Environment::Production })
    }

    fn sent(trust: &mut Trust, times: usize) {
        for _ in 0..times {
            trust.observe(&Outcome::Accepted { message_id: None, environment: None });
        }
    }

    #[test]
    fn a_mismatch_is_held_back_until_a_hundred_sends_are_known() {
        let mut trust = new();
        assert_eq!(trust.observe_mismatch(&Reason::new("BadDeviceToken")), Mismatch::HoldBack);
        sent(&mut trust, 98);
        assert_eq!(trust.observe_mismatch(&Reason::new("BadDeviceToken")), Mismatch::Deactivate);
    }

    #[test]
    fn five_in_a_hundred_are_not_chance() {
        let mut trust = new();
        sent(&mut trust, 95);
        for _ in 0..4 {
            assert_eq!(trust.observe_mismatch(&Reason::new("x")), Mismatch::HoldBack);
        }
        assert_eq!(trust.observe_mismatch(&Reason::new("x")), Mismatch::PauseLane);
        assert!(trust.is_paused(Platform::Ios));
    }

    #[test]
    fn a_pause_is_agreed_on_by_all_nodes() {
        let pauses = [(None, Pause::CredentialRefused(Reason::new("InvalidProviderToken")))];
        let (mut one, mut other) = (new(), new());
        one.observe(&Outcome::CredentialRefused { reason: Reason::new("InvalidProviderToken"), scope: RefusalScope::Lane });
        assert_eq!(one.agree(&[]), pauses, "nobody else knows");
        assert_eq!(one.agree(&[]), pauses, "still, since it could not be told");
        assert!(one.told(None));
        assert!(other.agree(&pauses).is_empty() && other.is_paused(Platform::Ios));
        // it was resumed before either looked again
        for trust in [&mut one, &mut other] {
            assert!(trust.agree(&[]).is_empty() && !trust.is_paused(Platform::Ios) && !trust.told(None));
        }
    }

    #[test]
    fn what_is_described_is_read() {
        for pause in [Pause::CredentialRefused(Reason::new("PERMISSION_DENIED")), Pause::TokenMismatched(Reason::new("BadDeviceToken"))] {
            assert_eq!(Pause::parse(&pause.describe()), Some(pause));
        }
        assert_eq!(Pause::parse("moon: full"), None);
    }

    #[test]
    fn only_the_latest_thousand_count() {
        let mut trust = new();
        sent(&mut trust, 1000);
        for _ in 0..49 {
            assert_eq!(trust.observe_mismatch(&Reason::new("x")), Mismatch::Deactivate);
        }
        assert_eq!(trust.observe_mismatch(&Reason::new("x")), Mismatch::PauseLane);
    }

    #[test]
    fn a_refused_credential_of_apple_and_browsers_leaves_android_going() {
        let mut trust = new();
        trust.observe(&Outcome::CredentialRefused { reason: Reason::new("THIRD_PARTY_AUTH_ERROR"), scope: RefusalScope::IosAndWeb });
        assert!(trust.is_paused(Platform::Ios) && trust.is_paused(Platform::Web));
        assert!(!trust.is_paused(Platform::Android));
        // a broadcast goes to them all
        assert!(trust.is_paused(None) && !new().is_paused(None));
    }
}
