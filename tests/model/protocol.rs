//! The protocol as a model: what an action does to a state.

use stateright::{Model, Property};

use crate::action::{Action, Step};
use crate::next::Next;
use crate::scenario::Scenario;
use crate::state::{Accepted, Device, Life, NODES, NOTES, Node, Note, Owner, ROWS, Run, State, Stop, TARGETS};
use crate::{invariants, reached};

impl Model for Scenario {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let note = Note {
            accepted: Accepted::No,
            run: Run::None,
            open: false,
            cursor: 0,
            targeted: 0,
            counted: 0,
            expired: false,
            cancelling: None,
        };
        vec![State {
            notes: [note; NOTES],
            rows: [None; ROWS],
            facts: [None; TARGETS],
            devices: [Device { owner: Owner::Same, token: 0 }; TARGETS],
            queue: [0; ROWS],
            nodes: [Node::new(Life::Up); NODES],
            pushes: [0; TARGETS],
            excused: [0; TARGETS],
            budget: self.budget,
            forbidden: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        Next { model: self, state, actions }.all();
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        if let Some(fault) = action.costs {
            state.budget.spend(fault);
        }
        self.apply(&mut state, action.step);
        // nodes and jobs have no names: states that differ in their order only are the same
        for node in &mut state.nodes {
            node.jobs.sort_unstable();
        }
        state.nodes.sort_unstable();
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = invariants::all();
        properties.extend(reached::all(self));
        properties
    }
}

impl Scenario {
    fn apply(&self, state: &mut State, step: Step) {
        match step {
            Step::Accept { note, publish, heard } => self.accept(state, note, publish, heard),
            Step::Release { row } => publish(state, row),
            Step::Start { note } => state.notes[note].run = Run::Running,
            Step::End { note } => {
                let note = &mut state.notes[note];
                note.open = false;
                note.run = if note.run == Run::Cancelled { Run::Cancelled } else { Run::Done };
            }
            Step::Claim { node, row, heard } => claim(state, node, row, heard),
            Step::Ask { node, job } => {
                state.ask(self, node, job);
                if !self.overlapping {
                    state.arrive(self, node, job);
                }
            }
            Step::Arrive { node, job } => state.arrive(self, node, job),
            Step::Send { node, job, target } => state.send(self, node, job, target),
            Step::Answer { node, job, target, answer } => state.answer(node, job, target, answer),
            Step::Record { node, job, heard } => state.write(self, node, job, heard),
            Step::Page { node, job, heard } => state.page(self, node, job, heard),
            Step::Watch { node, note } => state.watch(self, node, note),
            Step::Guard { row } | Step::ComesDue { row } => state.comes_due(row),
            Step::Lapse { row } => state.lapse(self, row),
            Step::Renew { node, job } => state.renew(node, job),
            Step::Age { target } => state.age(self, target),
            Step::Expire { note } => state.expire(note),
            Step::CancelBegins { note } => state.notes[note].cancelling = Some(state.rows_seen(note)),
            Step::Cancel { note, node } => {
                state.cancel(note, state.notes[note].cancelling.unwrap_or_default());
                state.note(self, node, note, Stop::Cancelled, false);
            }
            Step::Pause { note } => state.notes[note].run = Run::Paused,
            Step::Resume { note } => state.resume(note),
            Step::Kill { node, reached } => state.kill(node, reached),
            Step::Leave { node, reached } => state.leave(self, node, reached),
            Step::Restart { node } => state.nodes[node] = Node::new(Life::Up),
            Step::Freeze { node } => state.nodes[node].life = Life::Frozen,
            Step::Thaw { node } => state.nodes[node].life = Life::Up,
            Step::LoseEntry { row } => state.queue[row] -= 1,
            Step::DoubleEntry { row } => state.queue[row] += 1,
            Step::Tarry { node, job } => state.tarry(node, job),
            Step::Rotate { target } => state.devices[target].token += 1,
            Step::ChangeOwner { target } => state.devices[target].owner = Owner::Changed,
        }
    }

    fn accept(&self, state: &mut State, note: usize, publishes: bool, heard: bool) {
        state.accept(note, self.sent[note]);
        state.notes[note].accepted = if heard { Accepted::Yes } else { Accepted::Unanswered };
        let rows: Vec<usize> = state.rows_of(note).map(|(row, _)| row).collect();
        if publishes {
            for row in rows {
                publish(state, row);
            }
        }
    }
}

fn publish(state: &mut State, row: usize) {
    state.guard(row);
    state.queue[row] = (state.queue[row] + 1).min(2);
}

fn claim(state: &mut State, node: usize, row: usize, heard: bool) {
    state.queue[row] -= 1;
    let Some(job) = state.claim(row).filter(|_| heard) else { return };
    let free = state.nodes[node].jobs.iter_mut().find(|job| job.is_none());
    *free.expect("a node claims no more than it has room for") = Some(job);
}
