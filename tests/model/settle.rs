//! From every state, with no more faults, everything can still end.
//!
//! `stateright` looks for states and paths that break a property, not for what can still be reached from a state. So the graph is
//! built here: every state is reached as in the exploration, and then all from which steps alone lead to an end are found backwards.
//! Steps are what the path, its nodes and time do by themselves (a lease lapses, a node starts again), and that somebody resumes a pause.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use stateright::Model;

use crate::scenario::Scenario;
use crate::state::State;

/// Which states lead where by steps alone.
#[derive(Default)]
struct Graph {
    numbers: HashMap<State, usize>,
    states: Vec<State>,
    /// From where a state is reached by a step.
    origins: Vec<Vec<u32>>,
    ends: Vec<usize>,
}

impl Graph {
    fn of(model: &Scenario) -> Self {
        let mut graph = Self::default();
        for state in model.init_states() {
            graph.number(&state);
        }
        let (mut at, mut actions) = (0, Vec::new());
        while let Some(state) = graph.states.get(at).copied() {
            if model.is_final(&state) {
                graph.ends.push(at);
            }
            model.actions(&state, &mut actions);
            for action in actions.drain(..) {
                let Some(next) = model.next_state(&state, action) else { continue };
                let next = graph.number(&next);
                if action.costs.is_none() {
                    graph.origins[next].push(u32::try_from(at).unwrap());
                }
            }
            at += 1;
        }
        graph
    }

    fn number(&mut self, state: &State) -> usize {
        match self.numbers.entry(*state) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                new.insert(self.states.len());
                self.states.push(*state);
                self.origins.push(Vec::new());
                self.states.len() - 1
            }
        }
    }

    /// A state from which steps alone never lead to an end.
    fn stuck(&self) -> Option<&State> {
        let mut ends = vec![false; self.states.len()];
        let mut next = self.ends.clone();
        while let Some(state) = next.pop() {
            if !std::mem::replace(&mut ends[state], true) {
                next.extend(self.origins[state].iter().map(|origin| *origin as usize));
            }
        }
        ends.iter().position(|ends| !ends).and_then(|stuck| self.states.get(stuck))
    }
}

/// A state of a scenario from which not everything can end any more.
pub(crate) fn stuck(model: &Scenario) -> Option<State> {
    Graph::of(model).stuck().copied()
}
