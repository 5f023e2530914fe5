//! The steps that are possible: those of the path, of time, and of nodes that come back.

use crate::action::{Action, Step};
use crate::node::Answer;
use crate::scenario::{Mistake, Scenario};
use crate::set::Set;
use crate::state::{Accepted, Due, JOBS, Job, Kind, Life, NODES, Owner, Part, Run, Stage, State};

/// Collects what is possible.
pub(crate) struct Next<'a> {
    pub(crate) model: &'a Scenario,
    pub(crate) state: &'a State,
    pub(crate) actions: &'a mut Vec<Action>,
}

impl Next<'_> {
    /// Everything that can happen.
    pub(crate) fn all(&mut self) {
        self.steps();
        if !self.state.budget.is_spent() {
            self.faults();
        }
    }

    /// What happens when nothing goes wrong any more.
    pub(crate) fn steps(&mut self) {
        for note in 0..self.model.sent.len() {
            self.of_note(note);
        }
        let rows: Vec<usize> = self.state.rows().map(|(key, _)| key).collect();
        for key in rows {
            self.of_row(key);
        }
        for node in 0..NODES {
            self.of_node(node);
        }
        for (target, device) in self.state.devices.iter().enumerate() {
            if device.owner == Owner::Changed {
                self.free(Step::Age { target });
            }
        }
    }

    fn free(&mut self, step: Step) {
        self.actions.push(Action { step, costs: None });
    }

    fn of_note(&mut self, note: usize) {
        let one = &self.state.notes[note];
        let up = self.state.is_up();
        if one.accepted != Accepted::Yes && up {
            self.free(Step::Accept { note, publish: false, heard: true });
            if !self.model.sent[note].fan_out && one.accepted == Accepted::No {
                self.free(Step::Accept { note, publish: true, heard: true });
            }
        }
        if one.cancelling.is_some() {
            let up = (0..NODES).filter(|node| self.state.nodes[*node].life == Life::Up);
            for node in up.collect::<Vec<_>>() {
                self.free(Step::Cancel { note, node });
            }
            return;
        }
        if one.run == Run::Scheduled && up && !self.model.has(Mistake::NobodyStarts) {
            self.free(Step::Start { note });
        }
        if one.open && up && self.state.rows_of(note).next().is_none() {
            self.free(Step::End { note });
        }
        if one.run == Run::Paused {
            self.free(Step::Resume { note });
        }
        if !one.expired && self.state.rows_of(note).any(|(_, row)| row.due == Due::AtExpiry) {
            self.free(Step::Expire { note });
        }
    }

    fn of_row(&mut self, key: usize) {
        let Some(row) = self.state.rows[key] else { return };
        if self.state.is_releasable(self.model, key) && self.state.is_up() {
            self.free(Step::Release { row: key });
        }
        if row.due == Due::Guarded && !row.leased && self.state.queue[key] == 0 && !self.model.has(Mistake::NoGuard) {
            self.free(Step::Guard { row: key });
        }
        if row.due == Due::Later {
            self.free(Step::ComesDue { row: key });
        }
        if row.leased && !self.is_renewed(key) {
            self.free(Step::Lapse { row: key });
        }
    }

    /// A running node holds the lease.
    pub(crate) fn is_renewed(&self, key: usize) -> bool {
        let is_mine = |job: &Job| self.state.held(job) == Some(key);
        self.state.nodes.iter().any(|node| node.life == Life::Up && node.jobs().any(|(_, job)| is_mine(job)))
    }

    fn of_node(&mut self, node: usize) {
        let one = &self.state.nodes[node];
        match one.life {
            Life::Up => {}
            Life::Frozen => self.free(Step::Thaw { node }),
            Life::Down => self.free(Step::Restart { node }),
            Life::Leaving => self.free(Step::Kill { node, reached: Set::default() }),
        }
        for (job, held) in one.jobs() {
            for (target, part) in held.parts.iter().enumerate() {
                if let Part::UnderWay(token) = part {
                    self.answers(node, job, target, *token < self.state.devices[target].token);
                }
            }
        }
        if matches!(one.life, Life::Down | Life::Frozen) {
            return;
        }
        for (job, held) in one.jobs() {
            self.of_job(node, job, held);
        }
        if one.life == Life::Leaving {
            return;
        }
        if one.jobs().count() < JOBS && one.permits_taken(self.model) < self.model.permits {
            let ready = self.state.rows().filter(|(key, _)| self.state.queue[*key] > 0);
            for (row, _) in ready.collect::<Vec<_>>() {
                self.free(Step::Claim { node, row, heard: true });
            }
        }
        let news = (0..self.model.sent.len()).filter(|note| self.state.has_news(node, *note));
        for note in news.collect::<Vec<_>>() {
            self.free(Step::Watch { node, note });
        }
    }

    fn answers(&mut self, node: usize, job: usize, target: usize, is_replaced: bool) {
        self.free(Step::Answer { node, job, target, answer: Answer::Accepted });
        if is_replaced {
            self.free(Step::Answer { node, job, target, answer: Answer::Dead });
        }
    }

    fn of_job(&mut self, node: usize, job: usize, held: &Job) {
        if !held.open && self.state.held(held).is_some() {
            self.free(Step::Renew { node, job });
        }
        if held.kind == Kind::Expand {
            if self.state.notes[held.note].cancelling.is_none() {
                self.free(Step::Page { node, job, heard: true });
            }
            return;
        }
        match held.stage {
            Stage::Asked(_) => self.free(Step::Arrive { node, job }),
            Stage::Started => {
                let room = self.state.nodes[node].permits_taken(self.model) < self.model.permits;
                let ready = held.parts.iter().enumerate().filter(|(_, part)| room && matches!(part, Part::Ready(_)));
                for (target, _) in ready.collect::<Vec<_>>() {
                    self.free(Step::Send { node, job, target });
                }
                if self.state.record_of(self.model, node, job).is_some() {
                    self.free(Step::Record { node, job, heard: true });
                }
            }
            _ => self.free(Step::Ask { node, job }),
        }
    }
}
