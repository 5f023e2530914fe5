//! What can go wrong next, and what people do in the middle, while the budget has some of it.

use crate::action::{Action, Step};
use crate::next::Next;
use crate::node::Answer;
use crate::scenario::Fault;
use crate::set::Set;
use crate::state::{Accepted, Due, Life, NODES, Owner, Part, Run, Stage};

impl Next<'_> {
    pub(crate) fn faults(&mut self) {
        for note in 0..self.model.sent.len() {
            self.faults_of_note(note);
        }
        for node in 0..NODES {
            self.faults_of_node(node);
        }
        let rows: Vec<usize> = self.state.rows().map(|(key, _)| key).collect();
        for key in rows {
            self.faults_of_row(key);
        }
        for target in (0..self.state.devices.len()).filter(|target| self.state.facts[*target].is_none()) {
            self.fault(Fault::Rotation, Step::Rotate { target });
            if self.state.devices[target].owner == Owner::Same {
                self.fault(Fault::NewOwner, Step::ChangeOwner { target });
            }
        }
    }

    /// One that the budget has to allow.
    fn fault(&mut self, fault: Fault, step: Step) {
        if self.state.budget.allows(fault) {
            self.actions.push(Action { step, costs: Some(fault) });
        }
    }

    fn faults_of_note(&mut self, note: usize) {
        let one = self.state.notes[note];
        if one.accepted == Accepted::No {
            self.fault(Fault::LostAnswer, Step::Accept { note, publish: false, heard: false });
            return;
        }
        if !one.expired {
            self.fault(Fault::Expiry, Step::Expire { note });
        }
        if one.cancelling.is_some() || self.state.rows_of(note).next().is_none() {
            return;
        }
        if one.run != Run::Cancelled {
            self.fault(Fault::Cancel, Step::CancelBegins { note });
        }
        if one.run == Run::Running {
            self.fault(Fault::Pause, Step::Pause { note });
        }
    }

    fn faults_of_node(&mut self, node: usize) {
        let one = self.state.nodes[node];
        if matches!(one.life, Life::Up | Life::Frozen) {
            let under_way = self.state.under_way(node);
            let subsets = (0..=under_way.0).filter(|subset| subset & !under_way.0 == 0).map(Set);
            for reached in subsets {
                self.fault(Fault::Kill, Step::Kill { node, reached });
                if one.life == Life::Up {
                    self.fault(Fault::HandBack, Step::Leave { node, reached });
                }
            }
        }
        if one.life != Life::Up {
            return;
        }
        if one.jobs().next().is_some() {
            self.fault(Fault::Freeze, Step::Freeze { node });
        }
        for (job, held) in one.jobs() {
            let is_page = matches!(held.stage, Stage::Page(_));
            if is_page && self.state.notes[held.note].cancelling.is_none() {
                self.fault(Fault::LostAnswer, Step::Page { node, job, heard: false });
            }
            if self.state.record_of(self.model, node, job).is_some() {
                self.fault(Fault::LostAnswer, Step::Record { node, job, heard: false });
            }
            if held.fresh && held.stage == Stage::Started && held.parts.iter().any(|part| matches!(part, Part::Ready(_))) {
                self.fault(Fault::Stale, Step::Tarry { node, job });
            }
            for (target, part) in held.parts.iter().enumerate() {
                if matches!(part, Part::UnderWay(_)) {
                    self.fault(Fault::Unavailable, Step::Answer { node, job, target, answer: Answer::Unavailable });
                    self.fault(Fault::LostConnection, Step::Answer { node, job, target, answer: Answer::AcceptedUnheard });
                    self.fault(Fault::DeadToken, Step::Answer { node, job, target, answer: Answer::Dead });
                }
            }
        }
        let ready = self.state.rows().filter(|(key, _)| self.state.queue[*key] > 0).map(|(key, _)| key);
        for row in ready.collect::<Vec<_>>() {
            self.fault(Fault::LostAnswer, Step::Claim { node, row, heard: false });
        }
    }

    fn faults_of_row(&mut self, key: usize) {
        let Some(row) = self.state.rows[key] else { return };
        if self.state.queue[key] > 0 {
            self.fault(Fault::LostEntry, Step::LoseEntry { row: key });
            if self.state.queue[key] < 2 {
                self.fault(Fault::DoubledEntry, Step::DoubleEntry { row: key });
            }
            if row.due == Due::Guarded && !row.leased {
                self.fault(Fault::Late, Step::Guard { row: key });
            }
        }
        if row.leased && self.is_renewed(key) {
            self.fault(Fault::Cut, Step::Lapse { row: key });
        }
    }
}
