//! Everything at once has too many states to see all of them: walks at random, the same ones each time.

use stateright::{Checker, Chooser, Model};

use crate::action::Action;
use crate::explored::is_long;
use crate::scenario::Fault::{
    Cancel, Cut, DeadToken, DoubledEntry, Expiry, Freeze, HandBack, Kill, Late, LostAnswer, LostConnection, LostEntry, NewOwner, Pause,
    Rotation, Stale, Unavailable,
};
use crate::scenario::{Fault, Scenario, Sent};
use crate::state::State;

const ALL: [(Fault, u8); 17] = [
    (Kill, 3),
    (Freeze, 3),
    (Cut, 3),
    (LostAnswer, 3),
    (LostEntry, 3),
    (DoubledEntry, 3),
    (Late, 3),
    (Stale, 3),
    (Unavailable, 3),
    (LostConnection, 3),
    (DeadToken, 1),
    (Rotation, 2),
    (NewOwner, 1),
    (Expiry, 1),
    (Cancel, 1),
    (Pause, 1),
    (HandBack, 2),
];
/// Steps of all walks of one seed.
const STEPS: usize = 50_000;
const LONG_STEPS: usize = 10_000_000;
/// One action in so many is a fault, where there is a choice.
const FAULT_IN: u64 = 12;

/// Chooses faults now and then, so that they come at all stages of a walk.
#[derive(Clone)]
struct Wanderer;

/// Splitmix64.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn below(state: &mut u64, end: usize) -> usize {
    usize::try_from(draw(state) % end as u64).unwrap()
}

impl Chooser<Scenario> for Wanderer {
    type State = u64;

    fn new_state(&self, seed: u64) -> u64 {
        seed
    }

    fn choose_initial_state(&self, state: &mut u64, initial_states: &[State]) -> usize {
        below(state, initial_states.len())
    }

    fn choose_action(&self, state: &mut u64, _: &State, actions: &[Action]) -> usize {
        let wants_fault = draw(state).is_multiple_of(FAULT_IN);
        let wanted: Vec<usize> = (0..actions.len()).filter(|action| actions[*action].costs.is_some() == wants_fault).collect();
        if wanted.is_empty() { below(state, actions.len()) } else { wanted[below(state, wanted.len())] }
    }
}

#[test]
fn everything_at_once() {
    let sent = [Sent::direct([0, 1]), Sent::fan_out([2])];
    let steps = if is_long() { LONG_STEPS } else { STEPS };
    for (seed, total) in [(1, 5), (2, 10), (3, 20)] {
        let scenario = Scenario::new("everything at once", &sent, total, &ALL).overlapping();
        let walks = scenario.checker().target_state_count(steps).spawn_simulation(seed, Wanderer).join();
        walks.assert_properties();
    }
}
