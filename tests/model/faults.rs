//! What happens to nodes, devices and time.

use crate::scenario::{Mistake, Scenario};
use crate::set::Set;
use crate::state::{Due, Ending, Life, Node, Owner, Part, Stage, State};

impl State {
    /// A process ends. Of the requests under way those of `reached` get to the provider.
    pub(crate) fn kill(&mut self, node: usize, reached: Set) {
        self.cut_off(node, reached);
        self.nodes[node] = Node::new(Life::Down);
    }

    /// SIGTERM after the grace period: sends are given up; every target without an outcome is in a follow-up, due now.
    pub(crate) fn leave(&mut self, model: &Scenario, node: usize, reached: Set) {
        self.cut_off(node, reached);
        self.nodes[node].life = Life::Leaving;
        for slot in 0..self.nodes[node].jobs.len() {
            let Some(job) = self.nodes[node].jobs[slot] else { continue };
            if job.stage == Stage::Started {
                let rest = |target| match job.parts[target] {
                    Part::Again(due) => (target, due),
                    _ => (target, Due::Now),
                };
                let follow_ups: Vec<_> = job.targets().iter().map(rest).collect();
                self.end(model, &job, &follow_ups);
            } else {
                self.hand_back(&job);
            }
            let Some(job) = &mut self.nodes[node].jobs[slot] else { continue };
            for part in &mut job.parts {
                if !matches!(part, Part::Ended(_)) {
                    *part = Part::Out;
                }
            }
            if job.stage != Stage::Started || job.targets().is_empty() {
                self.nodes[node].jobs[slot] = None;
            }
        }
    }

    /// What is under way has no outcome any more, and what was accepted is not recorded yet.
    fn cut_off(&mut self, node: usize, reached: Set) {
        for slot in 0..self.nodes[node].jobs.len() {
            let Some(job) = self.nodes[node].jobs[slot] else { continue };
            for target in job.targets().iter().filter(|target| reached.has(*target)) {
                if matches!(job.parts[target], Part::UnderWay(_)) {
                    self.pushes[target] += 1;
                }
            }
            self.excuse(node, slot, |part| part == Part::Ended(Ending::Sent));
            self.excuse_reached(node, slot, reached);
        }
    }

    fn excuse_reached(&mut self, node: usize, slot: usize, reached: Set) {
        let Some(job) = self.nodes[node].jobs[slot] else { return };
        for target in job.targets().iter().filter(|target| reached.has(*target) && !job.excused.has(*target)) {
            if matches!(job.parts[target], Part::UnderWay(_)) && self.facts[target].is_none() {
                self.excused[target] += 1;
            }
        }
    }

    /// Requests of a node that are under way.
    pub(crate) fn under_way(&self, node: usize) -> Set {
        let parts = self.nodes[node].jobs().flat_map(|(_, job)| job.parts.iter().enumerate());
        Set::of(parts.filter(|(_, part)| matches!(part, Part::UnderWay(_))).map(|(target, _)| target))
    }

    /// Time goes on for longer than a read is good: whatever was read before is old, and who signed in has long done so.
    pub(crate) fn age(&mut self, model: &Scenario, target: usize) {
        self.devices[target].owner = Owner::Settled;
        for job in self.nodes.iter_mut().flat_map(|node| node.jobs.iter_mut().flatten()) {
            let is_asked = matches!(job.stage, Stage::Asked(_));
            if job.stage == Stage::Started || (is_asked && !model.has(Mistake::AgeFromAnswer)) {
                job.fresh = false;
            }
        }
    }

    /// The sends of a job wait for so long that what was read of it is old.
    pub(crate) fn tarry(&mut self, node: usize, slot: usize) {
        if let Some(job) = &mut self.nodes[node].jobs[slot] {
            job.fresh = false;
        }
    }

    pub(crate) fn comes_due(&mut self, row: usize) {
        if let Some(row) = &mut self.rows[row] {
            row.due = Due::Now;
        }
    }

    pub(crate) fn expire(&mut self, note: usize) {
        self.notes[note].expired = true;
        for row in self.rows.iter_mut().flatten().filter(|row| row.note == note) {
            if matches!(row.due, Due::AtExpiry | Due::Later) {
                row.due = Due::Now;
            }
        }
    }
}
