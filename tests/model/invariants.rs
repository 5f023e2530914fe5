//! What holds in every state: the invariants of `docs/architecture.md`.

use stateright::Property;

use crate::next::Next;
use crate::scenario::Scenario;
use crate::set::Set;
use crate::state::{Accepted, Due, Forbidden, Job, Kind, Life, Node, Run, State, Stop};

type Invariant = (&'static str, fn(&Scenario, &State) -> bool);

pub(crate) const ACCOUNTING: &str = "targeted = final + waiting";
pub(crate) const COUNTERS: &str = "a counter equals a recount";
pub(crate) const ONE_ROW: &str = "a target waits in one row: no follow-up without the delete of its parent";
pub(crate) const ONE_LEASE: &str = "who may send holds the lease, and nobody else";
pub(crate) const PERMITS: &str = "unrecorded sends of a node <= its permits";
pub(crate) const REPEATS: &str = "a push is repeated only where a fault cut off its outcome";
pub(crate) const OWNER: &str = "no push to a device that changed hands longer ago than a read may be";
pub(crate) const STOPPED: &str = "no push is started by a node that knows of the cancel";
pub(crate) const PROMPT: &str = "once every node knows of a cancel, nothing of it waits for later";
pub(crate) const DONE: &str = "a run is done when all its targets are over";
pub(crate) const NO_END: &str = "what waits has a next step";

const ALL: [Invariant; 11] = [
    (ACCOUNTING, |model, state| (0..model.sent.len()).all(|note| is_accounted(model, state, note))),
    (COUNTERS, |model, state| (0..model.sent.len()).all(|note| usize::from(state.notes[note].counted) == over(model, state, note).len())),
    (ONE_ROW, |_, state| is_disjoint(state)),
    (ONE_LEASE, |_, state| state.forbidden != Some(Forbidden::WithoutLease) && has_one_holder(state)),
    (PERMITS, |model, state| state.nodes.iter().all(|node| node.unrecorded() <= model.permits)),
    (REPEATS, |_, state| state.pushes.iter().zip(state.excused).all(|(pushes, excused)| *pushes <= 1 + excused)),
    (OWNER, |_, state| state.forbidden != Some(Forbidden::ToNextOwner)),
    (STOPPED, |_, state| state.forbidden != Some(Forbidden::AfterStop)),
    (PROMPT, |model, state| (0..model.sent.len()).all(|note| is_prompt(state, note))),
    (DONE, |model, state| (0..model.sent.len()).all(|note| state.notes[note].run != Run::Done || is_over(model, state, note))),
    (NO_END, |model, state| model.is_final(state) || model.has_step(state)),
];

pub(crate) fn all() -> Vec<Property<Scenario>> {
    ALL.into_iter().map(|(name, condition)| Property::always(name, condition)).collect()
}

/// Targets of a notification with a delivery.
fn over(model: &Scenario, state: &State, note: usize) -> Set {
    Set::of(model.sent[note].targets.iter().filter(|target| state.facts[*target].is_some()))
}

/// Targets of a notification that are named in a row and have no delivery.
fn waiting(state: &State, note: usize) -> Set {
    let named = state.rows_of(note).fold(Set::default(), |named, (_, row)| named.with(row.targets));
    Set::of(named.iter().filter(|target| state.facts[*target].is_none()))
}

fn is_accounted(model: &Scenario, state: &State, note: usize) -> bool {
    let accounted = over(model, state, note).len() + waiting(state, note).len();
    if model.sent[note].fan_out {
        return accounted == usize::from(state.notes[note].targeted);
    }
    let targeted = if state.notes[note].accepted == Accepted::No { 0 } else { model.sent[note].targets.len() };
    accounted == targeted
}

fn is_disjoint(state: &State) -> bool {
    let mut named = Set::default();
    state.rows().all(|(_, row)| {
        let is_new = !named.meets(row.targets);
        named = named.with(row.targets);
        is_new
    })
}

fn has_one_holder(state: &State) -> bool {
    state.rows().all(|(key, row)| {
        let is_holder = |job: &&Job| job.row == Some(key) && job.open;
        let holders = || state.nodes.iter().flat_map(Node::jobs).map(|(_, job)| job).filter(is_holder);
        holders().count() <= 1 && holders().all(|job| job.epoch == row.epoch && row.leased)
    })
}

fn is_prompt(state: &State, note: usize) -> bool {
    let knows = |node: &Node| node.life == Life::Up && node.stopped[note] == Stop::Cancelled;
    !state.nodes.iter().all(knows) || state.rows_of(note).all(|(_, row)| row.leased || row.due != Due::Later)
}

fn is_over(model: &Scenario, state: &State, note: usize) -> bool {
    let targeted = model.sent[note].targets;
    over(model, state, note) == targeted || state.notes[note].run == Run::Cancelled && waiting(state, note).is_empty()
}

impl Scenario {
    /// Something other than a fault can happen.
    fn has_step(&self, state: &State) -> bool {
        let mut actions = Vec::new();
        Next { model: self, state, actions: &mut actions }.steps();
        !actions.is_empty()
    }

    /// Every notification was accepted and all its targets are over.
    pub(crate) fn is_final(&self, state: &State) -> bool {
        (0..self.sent.len()).all(|note| {
            let one = &state.notes[note];
            let expands = state.rows_of(note).any(|(_, row)| row.kind == Kind::Expand);
            one.accepted == Accepted::Yes && !one.open && !expands && is_over(self, state, note) && state.rows_of(note).next().is_none()
        })
    }
}
