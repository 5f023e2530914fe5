//! A lane: one app's traffic through one provider. It decides whether a push may go now, and learns from what becomes of each.
//!
//! A lane is held while its credential is not to be trusted ([`trust`]), while the provider fails ([`breaker`]), and as long as the provider
//! asked to wait; it is slowed down where the provider asks for patience ([`pace`]), and has no more under way than leaves room for the
//! others ([`share`]). What it holds goes back to the store: nobody behind it waits.
//!
//! Trust is the lane's; all the rest is of a way to one peer ([`way`]), of which Web Push has as many as there are push services ([`ways`]).

mod admission;
mod breaker;
mod destination;
mod lanes;
mod pace;
mod share;
mod trust;
mod way;
mod ways;
mod word;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::clock::Clock;
use crate::domain::device::{Environment, Platform, ProviderKind};
use crate::domain::id::AppId;
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::reason::WaitReason;
use crate::store::engine::Death;

pub use admission::{Admission, Hold};
pub use breaker::Standing;
pub use destination::{Destination, Service};
pub use lanes::{Lanes, environments};
pub use share::{Pass, Wire};
pub use trust::{Mismatch, Pause};
pub use way::Flow;

use pace::PORTIONS;
use trust::Trust;
use way::Way;
use ways::Ways;
use word::Word;

/// How long what waits behind a paused lane waits before it looks again.
pub const PAUSED: Duration = Duration::from_secs(15);
/// Targets that are let back to a held lane in a second, unless its pace is slower: they are read again for it, and others are to be served as well.
const BACK_PER_SECOND: u32 = 4000;
/// They come back this much later than the first of them, at most: a provider that returns has its traffic again soon.
const LONGEST_SPREAD: Duration = Duration::from_secs(10);
/// The same where its pace is what holds them.
const LONGEST_LINE: Duration = Duration::from_mins(1);
/// How long workers wait for a lane in a second, all together: others wait behind them.
const PATIENCE: Duration = Duration::from_millis(100);
/// How much later than asked what is held may come back by chance, as a share of the wait.
const SPREAD: f64 = 0.2;

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

impl std::fmt::Display for LaneKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} of app {}", self.provider.as_str(), self.environment.as_str(), self.app.0)
    }
}

/// What is known of a lane's state.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Why it is paused, by part.
    pub pauses: Vec<(Option<Platform>, Pause)>,
    /// How freely pushes go; of Web Push what is true of all push services.
    pub flow: Flow,
    /// The push services to which not everything goes.
    pub services: Vec<(Service, Flow)>,
}

/// What an outcome means beyond its push.
#[derive(Debug, Default)]
pub struct Observed {
    /// Its credential has been replaced since: what it says of that says nothing of the one in its place.
    pub is_outdated: bool,
    /// Deaths that were held back and are due now.
    pub due: Vec<Death>,
}

/// One lane.
pub struct Lane {
    key: LaneKey,
    clock: Arc<dyn Clock>,
    wire: Arc<Wire>,
    state: Mutex<State>,
}

struct State {
    /// Of the app when its credential was last replaced.
    generation: u64,
    trust: Trust,
    ways: Ways,
    /// Pushes of it on the wire.
    under_way: usize,
    /// The second in which workers waited for it, and how long.
    waited: (u64, Duration),
}

impl Lane {
    fn new(key: LaneKey, clock: &Arc<dyn Clock>, wire: &Arc<Wire>) -> Self {
        let state = State { generation: 0, trust: Trust::new(key), ways: Ways::new(clock), under_way: 0, waited: (0, Duration::ZERO) };
        Self { key, clock: Arc::clone(clock), wire: Arc::clone(wire), state: Mutex::new(state) }
    }

    /// Whether a push may go there now.
    pub fn admit(self: &Arc<Self>, to: &Destination) -> Admission {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        let State { trust, ways, under_way, waited, .. } = &mut *state;
        if trust.is_paused(to.platform) {
            return Admission::Hold(Hold::new(PAUSED, WaitReason::LanePaused));
        }
        let way = ways.to(&to.service);
        if let Some(hold) = way.hold(now) {
            return Admission::Hold(hold);
        }
        let is_one_of_many = to.service.origin().is_some();
        if !self.wire.has_room(*under_way, is_one_of_many.then_some(way.on_wire)) {
            return patience(waited, way, now);
        }
        if let Err(wait) = way.pace.admit(now) {
            return Admission::Hold(Hold { by_pace: true, ..Hold::new(wait, WaitReason::Throttled) });
        }
        (*under_way, way.on_wire) = (*under_way + 1, way.on_wire + 1);
        let turn = way.breaker.begin();
        Admission::Go(Pass::new(Arc::clone(self), to.service.clone(), turn))
    }

    /// A worker waited so long for it.
    pub fn waited(&self, wait: Duration) {
        self.state.lock().waited.1 += wait;
    }

    /// How long a work row's targets for one destination are held: later, the more is held already, and up to a fifth later by chance (`fraction`,
    /// in `[0, 1)`), so that they do not all come back at once. What is paused looks again at the same time.
    pub fn held(&self, to: &Destination, hold: Hold, targets: usize, fraction: f64) -> Duration {
        if hold.reason == WaitReason::LanePaused {
            return hold.wait;
        }
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        let way = state.ways.to(&to.service);
        let (rate, longest) = match way.pace.per_second().filter(|_| hold.by_pace) {
            Some(per_second) => (per_second.max(1), LONGEST_LINE),
            None => (BACK_PER_SECOND, LONGEST_SPREAD),
        };
        let wait = if hold.by_pace { hold.wait } else { hold.wait.mul_f64(1.0 + SPREAD * fraction) };
        let place = way.line.clamp(now + wait, now + wait + longest);
        way.line = place + Duration::from_secs(1) * u32::try_from(targets).unwrap_or(u32::MAX) / rate;
        let wait = place.saturating_sub(now);
        if hold.by_pace { in_portions(wait) } else { wait }
    }

    /// Takes note of what became of a push that a provider of this generation sent.
    pub fn observe(&self, outcome: &Outcome, generation: u64, pass: &mut Pass, fraction: f64) -> Observed {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        let service = pass.service().clone();
        let way = state.ways.to(&service);
        way.throttle(outcome, now);
        if let Some(word) = Word::of(outcome)
            && let Some(turn) = pass.tell()
        {
            let (before, after) = way.answered(word, turn, now, fraction);
            // a service that never answered is a name that somebody made up, until it does
            if before != after && (way.has_answered || service.origin().is_none()) {
                self.say(&service, after);
            }
        }
        let is_outdated = generation < state.generation;
        Observed { is_outdated, due: if is_outdated { Vec::new() } else { state.trust.observe(outcome) } }
    }

    /// Takes note of a mismatched token, and says what becomes of its device; `None` where it was found so by a credential that has been
    /// replaced since.
    pub fn observe_mismatch(&self, reason: &Reason, generation: u64) -> Option<Mismatch> {
        let mut state = self.state.lock();
        (generation >= state.generation).then(|| state.trust.observe_mismatch(reason))
    }

    /// Keeps a verdict until more of the lane is known.
    pub fn hold_back(&self, death: Death) {
        self.state.lock().trust.hold_back(death);
    }

    /// What is known of it.
    pub fn condition(&self) -> Condition {
        let now = self.clock.monotonic();
        let state = self.state.lock();
        Condition { pauses: state.trust.pauses(), flow: state.ways.flow(now), services: state.ways.held(now) }
    }

    /// Takes note of its pauses as all nodes know them; answers those that the others do not know of yet. `generation`: of the credential that
    /// they are of.
    pub fn agree(&self, generation: u64, known: &[(Option<Platform>, Pause)]) -> Vec<(Option<Platform>, Pause)> {
        let mut state = self.state.lock();
        if generation < state.generation { Vec::new() } else { state.trust.agree(known) }
    }

    /// The others know of its pause from now on; whether it is still one.
    pub fn told(&self, part: Option<Platform>) -> bool {
        self.state.lock().trust.told(part)
    }

    /// Goes on, and judges mismatched tokens anew. What the provider asked to wait stays asked.
    pub fn resume(&self) {
        self.state.lock().trust.forget();
    }

    /// Its credential has been replaced: it goes on, and hears nothing more of the one before.
    pub fn renew(&self, generation: u64) {
        let mut state = self.state.lock();
        state.generation = generation;
        state.trust.forget();
    }

    /// A push is off the wire. `silent`: the turn in which it began, where it told nothing.
    fn ended(&self, service: &Service, silent: Option<u64>) {
        let mut state = self.state.lock();
        state.under_way = state.under_way.saturating_sub(1);
        let way = state.ways.to(service);
        way.on_wire = way.on_wire.saturating_sub(1);
        if let Some(turn) = silent {
            way.breaker.withdraw(turn);
        }
    }

    fn say(&self, service: &Service, after: Standing) {
        let LaneKey { app, provider, environment } = self.key;
        let (app, provider, environment, service) = (app.0, provider.as_str(), environment.as_str(), service.origin());
        match after {
            Standing::Open => {
                metrics::counter!("herald_breaker_opened_total", "provider" => provider).increment(1);
                tracing::warn!(app, provider, environment, service, "a provider fails: its lane sends nothing but probes for a while");
            }
            Standing::Closed => tracing::info!(app, provider, environment, service, "a provider is back: its lane sends again"),
            Standing::HalfOpen => {}
        }
    }
}

/// What a worker has left to wait for the lane in this second; without, nobody waits for the way for a moment.
fn patience(waited: &mut (u64, Duration), way: &mut Way, now: Duration) -> Admission {
    if waited.0 != now.as_secs() {
        *waited = (now.as_secs(), Duration::ZERO);
    }
    let left = PATIENCE.saturating_sub(waited.1);
    if left.is_zero() { way.is_busy(now) } else { Admission::Soon(left) }
}

/// Rounded up to the next portion of a second: what comes back together is one row.
fn in_portions(wait: Duration) -> Duration {
    let portion = Duration::from_secs(1) / PORTIONS;
    portion * u32::try_from(wait.as_nanos().div_ceil(portion.as_nanos())).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
