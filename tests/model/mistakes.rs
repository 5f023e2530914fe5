//! Each planted mistake is found, and where it is not planted nothing is.

use stateright::{Checker, HasDiscoveries, Model};

use crate::invariants::{ACCOUNTING, COUNTERS, DONE, NO_END, ONE_LEASE, ONE_ROW, OWNER, PERMITS, PROMPT, REPEATS, STOPPED};
use crate::scenario::{Fault, Mistake, Scenario, Sent};
use crate::settle;

/// The scenario finds nothing as it is, and with the mistake it finds that the invariant is broken.
#[expect(clippy::print_stdout, reason = "how much had to be explored says how deep the mistake lies")]
fn assert_found(mistake: Mistake, scenario: Scenario, invariant: &'static str) {
    scenario.clone().checker().spawn_bfs().join().assert_properties();
    let wrong = scenario.with(mistake);
    let seen = wrong.clone().checker().finish_when(HasDiscoveries::AllOf([invariant].into())).spawn_bfs().join();
    let states = seen.unique_state_count();
    let path = seen.discovery(invariant).unwrap_or_else(|| panic!("{mistake:?} was not found in {states} states"));
    let holds = wrong.property(invariant).condition;
    // the path may go on from the first state that is wrong
    let steps = path.into_states().iter().take_while(|state| holds(&wrong, state)).count();
    println!("{mistake:?}: {states} states, {steps} steps: {invariant}");
}

#[test]
fn plans_without_a_fence() {
    let scenario = Scenario::new("", &[Sent::direct([0])], 2, &[(Fault::Freeze, 1), (Fault::Unavailable, 1)]);
    assert_found(Mistake::NoFence, scenario, REPEATS);
}

#[test]
fn a_row_ended_before_its_facts() {
    let kill = &[(Fault::Kill, 1)];
    assert_found(Mistake::EndedBeforeFacts, Scenario::new("", &[Sent::direct([0])], 1, kill), ACCOUNTING);
    assert_found(Mistake::EndedBeforeFacts, Scenario::new("", &[Sent::fan_out([0])], 1, kill), DONE);
}

#[test]
fn a_cursor_outside_the_commit() {
    let scenario = Scenario::new("", &[Sent::fan_out([0, 1])], 1, &[(Fault::Kill, 1)]);
    assert_found(Mistake::CursorApart, scenario, ACCOUNTING);
}

#[test]
fn counters_by_outcomes_instead_of_rows_inserted() {
    let scenario = Scenario::new("", &[Sent::direct([0])], 1, &[(Fault::LostAnswer, 1)]);
    assert_found(Mistake::CountedOutcomes, scenario, COUNTERS);
}

#[test]
fn sends_that_go_on_after_the_lease() {
    let scenario = Scenario::new("", &[Sent::direct([0])], 1, &[(Fault::Freeze, 1)]);
    assert_found(Mistake::NoDeadline, scenario.clone(), ONE_LEASE);
    assert_found(Mistake::NoDeadline, scenario, REPEATS);
}

#[test]
fn permits_that_come_back_with_the_answer() {
    let scenario = Scenario::new("", &[Sent::direct([0, 1])], 0, &[]).permits(1);
    assert_found(Mistake::PermitUntilAnswered, scenario, PERMITS);
}

#[test]
fn work_that_is_published_once_only() {
    let scenario = Scenario::new("", &[Sent::direct([0])], 1, &[(Fault::LostEntry, 1)]);
    assert_found(Mistake::NoGuard, scenario, NO_END);
}

/// Work goes round for ever: there is always a next step, and never an end.
#[test]
fn runs_that_nobody_starts() {
    let scenario = Scenario::new("", &[Sent::fan_out([0]).scheduled()], 0, &[]);
    assert!(settle::stuck(&scenario).is_none());
    let wrong = scenario.with(Mistake::NobodyStarts);
    assert!(wrong.clone().checker().spawn_bfs().join().discovery(NO_END).is_none());
    assert!(settle::stuck(&wrong).is_some());
}

#[test]
fn work_taken_again_without_a_look_at_its_deliveries() {
    let scenario = Scenario::new("", &[Sent::direct([0, 1])], 1, &[(Fault::Kill, 1)]);
    assert_found(Mistake::NoLook, scenario, REPEATS);
}

#[test]
fn reads_that_are_good_for_ever() {
    let scenario = Scenario::new("", &[Sent::direct([0])], 1, &[(Fault::NewOwner, 1)]);
    assert_found(Mistake::ReadForever, scenario, OWNER);
}

#[test]
fn reads_whose_age_counts_from_the_answer() {
    let scenario = Scenario::new("", &[Sent::direct([0])], 1, &[(Fault::NewOwner, 1)]).overlapping();
    assert_found(Mistake::AgeFromAnswer, scenario, OWNER);
}

#[test]
fn a_next_try_beside_its_parent() {
    let scenario = Scenario::new("", &[Sent::direct([0, 1])], 2, &[(Fault::Rotation, 1), (Fault::HandBack, 1)]);
    assert_found(Mistake::DeathBesideParent, scenario.clone(), ONE_ROW);
    assert_found(Mistake::DeathBesideParent, scenario, REPEATS);
}

#[test]
fn a_stop_set_that_an_older_read_clears() {
    let scenario = Scenario::new("", &[Sent::fan_out([0])], 1, &[(Fault::Cancel, 1)]).overlapping();
    assert_found(Mistake::StopForgotten, scenario, STOPPED);
}

#[test]
fn work_hastened_only_by_the_watch() {
    let scenario = Scenario::new("", &[Sent::fan_out([0, 1])], 2, &[(Fault::Cancel, 1), (Fault::Unavailable, 1)]).overlapping();
    assert_found(Mistake::HastenedOnce, scenario, PROMPT);
}
