//! The store's statements, each one commit, as `store::engine::Engine` promises them.

use crate::scenario::{Mistake, Scenario, Sent};
use crate::set::Set;
use crate::state::{Accepted, Due, Ending, Job, Kind, NODES, Part, ROWS, Row, Run, State};

/// A single row that was taken so often without progress is dead; fewer than in the code, so that it can be explored.
const TAKES: u8 = 2;

/// What a record says of a job.
pub(crate) struct Record {
    pub(crate) facts: Vec<(usize, Ending)>,
    /// Verdicts over tokens: the target and the token that was used.
    pub(crate) deaths: Vec<(usize, u8)>,
    /// The job is over: what follows it.
    pub(crate) follow_ups: Option<Vec<(usize, Due)>>,
}

impl State {
    /// Step 1: the notification, its run and its first work.
    pub(crate) fn accept(&mut self, note: usize, sent: Sent) {
        if self.notes[note].accepted != Accepted::No {
            return; // the same ids again
        }
        if sent.fan_out {
            self.notes[note].run = if sent.scheduled { Run::Scheduled } else { Run::Running };
            self.notes[note].open = true;
        }
        let (kind, targets) = if sent.fan_out { (Kind::Expand, Set::default()) } else { (Kind::Send, sent.targets) };
        self.insert(note, kind, targets, true, Due::Now);
    }

    fn insert(&mut self, note: usize, kind: Kind, targets: Set, first: bool, due: Due) {
        let free = self.rows.iter().position(Option::is_none).expect("ROWS is too small for this scenario");
        self.rows[free] = Some(Row { note, kind, targets, first, due, leased: false, epoch: 0, takes: 0 });
    }

    fn delete(&mut self, gone: usize) {
        self.rows[gone] = None;
        self.queue[gone] = 0;
        for job in self.nodes.iter_mut().flat_map(|node| node.jobs.iter_mut().flatten()) {
            job.row = job.row.filter(|row| *row != gone);
        }
        for saw in self.notes.iter_mut().filter_map(|note| note.cancelling.as_mut()) {
            saw.remove(gone);
        }
    }

    /// Steps 3 and 4: a row that is due and in nobody's hands becomes ready.
    pub(crate) fn is_releasable(&self, model: &Scenario, row: usize) -> bool {
        let Some(row) = self.rows[row] else { return false };
        let note = &self.notes[row.note];
        let served = match note.run {
            Run::None => true,
            Run::Cancelled if !note.open => true, // a direct one
            Run::Running | Run::Cancelled => note.cancelling.is_none(),
            Run::Scheduled => model.has(Mistake::NobodyStarts),
            Run::Paused | Run::Done => false,
        };
        served && row.due == Due::Now && !row.leased
    }

    pub(crate) fn guard(&mut self, row: usize) {
        if let Some(row) = &mut self.rows[row] {
            row.due = Due::Guarded;
        }
    }

    /// Step 6. `None`: it cannot be taken.
    pub(crate) fn claim(&mut self, key: usize) -> Option<Job> {
        let row = self.rows[key].as_mut().filter(|row| !row.leased)?;
        let note = &self.notes[row.note];
        if matches!(note.run, Run::Paused | Run::Scheduled) {
            return None;
        }
        let spent = row.kind == Kind::Send && row.targets.len() == 1 && row.takes >= TAKES;
        if spent && !note.expired && note.run != Run::Cancelled {
            row.due = Due::AtExpiry;
            return None;
        }
        let first = row.epoch == 0 && row.first;
        row.epoch += 1;
        row.takes += 1;
        row.leased = true;
        Some(Job::of(key, row, first, spent))
    }

    /// Renews a lease under its epoch, lapsed or not.
    pub(crate) fn renew(&mut self, node: usize, slot: usize) {
        let Some(mut job) = self.nodes[node].jobs[slot] else { return };
        if let Some(row) = self.held(&job).and_then(|row| self.rows[row].as_mut()) {
            row.leased = true;
            job.open = true;
            self.nodes[node].jobs[slot] = Some(job);
        }
    }

    /// Ends a lease and its epoch; the row is due.
    pub(crate) fn hand_back(&mut self, job: &Job) {
        if let Some(row) = self.held(job).and_then(|row| self.rows[row].as_mut()) {
            row.epoch += 1;
            row.leased = false;
            row.due = Due::Now;
        }
    }

    /// Step 11: facts, verdicts, then the plan under its fence; what follows the work of a cancelled run is due now.
    pub(crate) fn record(&mut self, model: &Scenario, job: &Job, record: &Record) {
        let mut follow_ups = record.follow_ups.clone();
        for (target, ending) in &record.facts {
            self.fact(model, job.note, *target, *ending);
        }
        for (target, token) in &record.deaths {
            if self.devices[*target].token == *token {
                self.fact(model, job.note, *target, Ending::Failed);
            } else if model.has(Mistake::DeathBesideParent) {
                if self.held(job).is_some() && self.facts[*target].is_none() {
                    let due = self.soon(job.note, Due::Now);
                    self.insert(job.note, Kind::Send, Set::of([*target]), false, due);
                }
            } else if let Some(follow_ups) = &mut follow_ups {
                follow_ups.push((*target, Due::Now));
            }
        }
        if let Some(follow_ups) = follow_ups {
            self.end(model, job, &follow_ups);
        }
    }

    pub(crate) fn fact(&mut self, model: &Scenario, note: usize, target: usize, ending: Ending) {
        let is_new = self.facts[target].is_none();
        if is_new {
            self.facts[target] = Some(ending);
        }
        if is_new || model.has(Mistake::CountedOutcomes) {
            self.notes[note].counted += 1;
        }
    }

    /// Ends a job's row and writes what follows it, if the row still has the job's epoch.
    pub(crate) fn end(&mut self, model: &Scenario, job: &Job, follow_ups: &[(usize, Due)]) {
        let held = if model.has(Mistake::NoFence) { job.row } else { self.held(job) };
        let Some(row) = held else { return };
        self.delete(row);
        for due in [Due::Now, Due::Later] {
            let targets = Set::of(follow_ups.iter().filter(|(_, at)| *at == due).map(|(target, _)| *target));
            if !targets.is_empty() {
                let due = self.soon(job.note, due);
                self.insert(job.note, Kind::Send, targets, false, due);
            }
        }
    }

    fn soon(&self, note: usize, due: Due) -> Due {
        if self.notes[note].run == Run::Cancelled { Due::Now } else { due }
    }

    /// A page's chunk and the cursor, under the epoch and the cursor where the page began; whether that hit, and whether it was the last.
    pub(crate) fn commit_page(&mut self, sent: Sent, job: &Job, from: u8) -> Option<bool> {
        let key = self.held(job)?;
        let note = &self.notes[job.note];
        if note.cursor != from || note.run == Run::Cancelled {
            return None;
        }
        self.write_chunk(sent, job, from);
        Some(self.move_cursor(sent, job.note, key, from))
    }

    pub(crate) fn write_chunk(&mut self, sent: Sent, job: &Job, from: u8) {
        let target = sent.targets.iter().nth(from.into()).expect("a page has a target");
        self.notes[job.note].targeted += 1;
        self.insert(job.note, Kind::Send, Set::of([target]), true, Due::Now);
    }

    pub(crate) fn move_cursor(&mut self, sent: Sent, note: usize, key: usize, from: u8) -> bool {
        self.notes[note].cursor = from + 1;
        let last = usize::from(from) + 1 == sent.targets.len();
        if last {
            self.delete(key);
        } else if let Some(row) = &mut self.rows[key] {
            row.takes = 0;
        }
        last
    }

    /// A cancel's commit: an update changes the rows that it saw, not those that were committed beside it.
    pub(crate) fn cancel(&mut self, note: usize, saw: Set) {
        self.notes[note].run = Run::Cancelled;
        self.notes[note].cancelling = None;
        for key in saw.iter() {
            match &mut self.rows[key] {
                Some(row) if row.kind == Kind::Expand => self.delete(key),
                Some(row) => row.due = Due::Now,
                None => {}
            }
        }
    }

    /// Makes the work of a cancelled notification due that is in nobody's hands.
    pub(crate) fn hasten(&mut self, note: usize) {
        for row in self.rows.iter_mut().flatten().filter(|row| row.note == note && !row.leased) {
            row.due = Due::Now;
        }
    }

    pub(crate) fn resume(&mut self, note: usize) {
        self.notes[note].run = Run::Running;
        for row in self.rows.iter_mut().flatten().filter(|row| row.note == note && !row.leased && row.due == Due::Guarded) {
            row.due = Due::Now;
        }
    }

    pub(crate) fn rows_seen(&self, note: usize) -> Set {
        Set::of((0..ROWS).filter(|key| self.rows[*key].is_some_and(|row| row.note == note)))
    }

    /// Every other lease of this row is over.
    pub(crate) fn lapse(&mut self, model: &Scenario, key: usize) {
        let Some(epoch) = self.rows[key].map(|row| row.epoch) else { return };
        for node in 0..NODES {
            for slot in self.jobs_of(node, key, epoch) {
                self.excuse_lease(model, node, slot);
            }
        }
        if let Some(row) = &mut self.rows[key] {
            row.leased = false;
        }
    }

    fn jobs_of(&self, node: usize, key: usize, epoch: u8) -> Vec<usize> {
        let of_lease = |(_, job): &(usize, &Job)| job.row == Some(key) && job.epoch == epoch;
        self.nodes[node].jobs().filter(of_lease).map(|(slot, _)| slot).collect()
    }

    fn excuse_lease(&mut self, model: &Scenario, node: usize, slot: usize) {
        self.excuse(node, slot, |part| matches!(part, Part::UnderWay(_) | Part::Ended(Ending::Sent)));
        if let Some(job) = &mut self.nodes[node].jobs[slot] {
            job.open = model.has(Mistake::NoDeadline);
        }
    }

    /// A repeat of these parts' pushes is explained by what happens now, unless it was already or nothing can be repeated.
    pub(crate) fn excuse(&mut self, node: usize, slot: usize, repeats: impl Fn(Part) -> bool) {
        let Some(mut job) = self.nodes[node].jobs[slot] else { return };
        for target in job.targets().iter() {
            if repeats(job.parts[target]) && self.facts[target].is_none() && !job.excused.has(target) {
                job.excused.insert(target);
                self.excused[target] += 1;
            }
        }
        self.nodes[node].jobs[slot] = Some(job);
    }
}
