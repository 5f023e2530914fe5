//! The scenarios, each explored wholly: no state breaks an invariant, and from each everything can still end.

use stateright::{Checker, Model};

use crate::scenario::Fault::{
    Cancel, Cut, DeadToken, DoubledEntry, Expiry, Freeze, HandBack, Kill, Late, LostAnswer, LostConnection, LostEntry, NewOwner, Pause,
    Rotation, Stale, Unavailable,
};
use crate::scenario::{Fault, Scenario, Sent};
use crate::settle;

/// What ends, stops or cuts off a node, or loses what the store says to it.
const OF_NODES: [(Fault, u8); 4] = [(Kill, 2), (Freeze, 2), (Cut, 1), (LostAnswer, 2)];

#[expect(clippy::disallowed_methods, reason = "how long a test takes is for whoever starts it to say")]
pub(crate) fn is_long() -> bool {
    std::env::var("HERALD_MODEL").is_ok_and(|length| length == "long")
}

/// How many faults may come together: fewer where all tests are to run in a minute.
fn faults(short: u8, long: u8) -> u8 {
    if is_long() { long } else { short }
}

#[expect(clippy::print_stdout, reason = "how much was explored says what the silence is worth")]
fn explore(scenario: &Scenario) {
    let seen = scenario.clone().checker().spawn_bfs().join();
    println!("{}: {} states, {} steps deep", scenario.name, seen.unique_state_count(), seen.max_depth());
    seen.assert_properties();
    assert_eq!(settle::stuck(scenario), None, "{}: from here not everything can end", scenario.name);
}

#[test]
fn nothing_goes_wrong() {
    explore(&Scenario::new("nothing goes wrong", &[Sent::direct([0, 1]), Sent::fan_out([2])], 0, &[]));
}

#[test]
fn nodes_fail_on_one_target() {
    explore(&Scenario::new("nodes fail on one target", &[Sent::direct([0])], faults(3, 4), &OF_NODES));
}

#[test]
fn nodes_fail_on_two_targets() {
    explore(&Scenario::new("nodes fail on two targets", &[Sent::direct([0, 1])], faults(2, 3), &OF_NODES));
}

#[test]
fn nodes_fail_with_a_permit_each() {
    explore(&Scenario::new("nodes fail with a permit each", &[Sent::direct([0, 1])], faults(2, 3), &OF_NODES).permits(1));
}

#[test]
fn nodes_fail_on_an_audience() {
    explore(&Scenario::new("nodes fail on an audience", &[Sent::fan_out([0, 1]).scheduled()], faults(1, 2), &OF_NODES));
}

#[test]
fn nodes_fail_on_two_notifications() {
    explore(&Scenario::new("nodes fail on two notifications", &[Sent::direct([0]), Sent::fan_out([1])], faults(1, 2), &OF_NODES));
}

#[test]
fn the_queue_forgets_and_doubles() {
    let of_queue = [(LostEntry, 2), (DoubledEntry, 2), (Late, 2), (Freeze, 1), (Unavailable, 1)];
    explore(&Scenario::new("the queue forgets and doubles", &[Sent::direct([0])], faults(4, 5), &of_queue));
    explore(&Scenario::new("the queue forgets and doubles pages", &[Sent::fan_out([0, 1])], faults(1, 2), &of_queue));
}

#[test]
fn the_provider_fails() {
    let of_provider = [(Unavailable, 2), (LostConnection, 2), (Stale, 1), (Kill, 1), (Cut, 1)];
    explore(&Scenario::new("the provider fails", &[Sent::direct([0, 1])], faults(2, 3), &of_provider));
}

#[test]
fn tokens_and_owners_change() {
    let of_devices = [(Rotation, 2), (DeadToken, 1), (NewOwner, 1), (HandBack, 1), (Kill, 1), (LostAnswer, 1), (Stale, 1)];
    explore(&Scenario::new("tokens and owners change", &[Sent::direct([0])], faults(3, 4), &of_devices).overlapping());
    explore(&Scenario::new("tokens and owners of two change", &[Sent::direct([0, 1])], faults(1, 2), &of_devices).overlapping());
}

#[test]
fn a_node_hands_back() {
    let stops = [(HandBack, 2), (Kill, 1), (Freeze, 1), (LostAnswer, 1), (Unavailable, 1)];
    explore(&Scenario::new("a node hands back", &[Sent::direct([0, 1])], faults(1, 3), &stops));
    explore(&Scenario::new("a node hands back one target", &[Sent::direct([0])], faults(3, 4), &stops));
    explore(&Scenario::new("a node hands back an audience", &[Sent::fan_out([0, 1])], faults(1, 2), &stops));
}

#[test]
fn a_direct_one_is_cancelled() {
    let around = [(Cancel, 1), (Unavailable, 1), (Stale, 1), (Kill, 1), (Freeze, 1), (LostAnswer, 1)];
    explore(&Scenario::new("a direct one is cancelled", &[Sent::direct([0, 1])], faults(2, 3), &around).overlapping());
}

#[test]
fn an_audience_is_cancelled() {
    let around = [(Cancel, 1), (Unavailable, 1), (Kill, 1), (Freeze, 1), (LostAnswer, 1), (Pause, 1)];
    explore(&Scenario::new("an audience is cancelled", &[Sent::fan_out([0, 1])], 1, &around).overlapping());
    explore(&Scenario::new("an audience of one is cancelled", &[Sent::fan_out([0]).scheduled()], faults(2, 3), &around).overlapping());
}

#[test]
fn an_audience_is_paused() {
    let around = [(Pause, 2), (Kill, 1), (Freeze, 1), (LostAnswer, 1), (LostEntry, 1), (Unavailable, 1), (HandBack, 1)];
    explore(&Scenario::new("an audience of one is paused", &[Sent::fan_out([0])], faults(2, 3), &around).overlapping());
    explore(&Scenario::new("an audience is paused", &[Sent::fan_out([0, 1])], 1, &around).overlapping());
}

#[test]
fn a_row_kills_whoever_takes_it() {
    let around = [(Kill, 3), (Freeze, 1), (Cancel, 1), (Expiry, 1), (LostAnswer, 1)];
    explore(&Scenario::new("a row kills whoever takes it", &[Sent::direct([0])], faults(3, 5), &around));
}
