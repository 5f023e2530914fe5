//! What an exploration has to come by, or its silence says nothing.

use stateright::Property;

use crate::scenario::{Fault, Scenario};
use crate::state::{Ending, Node, Run, State};

type Place = (&'static str, fn(&Scenario, &State) -> bool);

const REPEATED: Place = ("a push is repeated", |_, state| state.pushes.iter().any(|pushes| *pushes > 1));
const CANCELLED: Place = ("a target is cancelled", |_, state| state.facts.contains(&Some(Ending::Cancelled)));
const SUPPRESSED: Place = ("a target is suppressed", |_, state| state.facts.contains(&Some(Ending::Suppressed)));
const FAILED: Place = ("a target fails", |_, state| state.facts.contains(&Some(Ending::Failed)));
const EXPIRED: Place = ("a target expires", |_, state| state.facts.contains(&Some(Ending::Expired)));
const PAUSED: Place = ("a run is paused while its work is in a node's hands", |_, state| {
    let is_paused = |note: usize| state.notes[note].run == Run::Paused;
    state.nodes.iter().flat_map(Node::jobs).any(|(_, job)| is_paused(job.note))
});
const REPLACED: Place = ("a push goes to the newer token", |_, state| {
    let is_sent = |target: usize| state.facts[target] == Some(Ending::Sent);
    state.devices.iter().enumerate().any(|(target, device)| device.token > 0 && is_sent(target))
});

/// What a fault is good for.
const PLACES: [(Fault, Place); 11] = [
    (Fault::Kill, REPEATED),
    (Fault::Freeze, REPEATED),
    (Fault::Cut, REPEATED),
    (Fault::LostConnection, REPEATED),
    (Fault::HandBack, REPEATED),
    (Fault::Cancel, CANCELLED),
    (Fault::NewOwner, SUPPRESSED),
    (Fault::DeadToken, FAILED),
    (Fault::Expiry, EXPIRED),
    (Fault::Pause, PAUSED),
    (Fault::Rotation, REPLACED),
];

/// The places of the faults that a scenario allows, each once, and the end.
pub(crate) fn all(model: &Scenario) -> Vec<Property<Scenario>> {
    let mut places: Vec<Place> = vec![("everything is over", Scenario::is_final)];
    for (fault, place) in PLACES {
        if model.budget.allows(fault) && places.iter().all(|(name, _)| *name != place.0) {
            places.push(place);
        }
    }
    places.into_iter().map(|(name, condition)| Property::sometimes(name, condition)).collect()
}
