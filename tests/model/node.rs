//! What a node does with work in its hands: `dispatch/{worker,audience,plan,send,recorder,expand,stop}.rs`.

use crate::scenario::{Mistake, Scenario};
use crate::set::Set;
use crate::state::{Due, Ending, Forbidden, Job, Kind, Life, Owner, Part, Row, Run, Stage, State, Stop, TARGETS};
use crate::store::Record;

/// What the provider answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Accepted,
    /// It took the push and the connection ended.
    AcceptedUnheard,
    Dead,
    Unavailable,
}

impl Job {
    pub(crate) fn of(key: usize, row: &Row, first: bool, spent: bool) -> Self {
        let parts = std::array::from_fn(|target| if row.targets.has(target) { Part::Named } else { Part::Out });
        Self {
            row: Some(key),
            note: row.note,
            kind: row.kind,
            epoch: row.epoch,
            first,
            spent,
            stage: Stage::Claimed,
            open: true,
            fresh: true,
            parts,
            excused: Set::default(),
        }
    }
}

fn stop_of(run: Run) -> Stop {
    match run {
        Run::Cancelled => Stop::Cancelled,
        Run::Paused => Stop::Paused,
        Run::None | Run::Scheduled | Run::Running | Run::Done => Stop::No,
    }
}

impl State {
    fn job(&self, node: usize, slot: usize) -> Job {
        self.nodes[node].jobs[slot].expect("an action names a job that is there")
    }

    fn put(&mut self, node: usize, slot: usize, job: Job) {
        self.nodes[node].jobs[slot] = Some(job);
    }

    /// Step 7 in the store, and the gate on what it says.
    pub(crate) fn ask(&mut self, model: &Scenario, node: usize, slot: usize) {
        let mut job = self.job(node, slot);
        let look = !job.first && !model.has(Mistake::NoLook);
        for target in job.targets().iter() {
            job.parts[target] = if look && self.facts[target].is_some() { Part::Out } else { self.plan(&job, target) };
        }
        job.stage = Stage::Asked(self.notes[job.note].run);
        self.put(node, slot, job);
    }

    fn plan(&self, job: &Job, target: usize) -> Part {
        let note = &self.notes[job.note];
        if note.run == Run::Cancelled {
            Part::Ended(Ending::Cancelled)
        } else if job.spent || note.expired {
            Part::Ended(Ending::Expired)
        } else if self.devices[target].owner != Owner::Same {
            Part::Ended(Ending::Suppressed)
        } else {
            Part::Ready(self.devices[target].token)
        }
    }

    /// The answer of step 7 arrives.
    pub(crate) fn arrive(&mut self, model: &Scenario, node: usize, slot: usize) {
        let mut job = self.job(node, slot);
        let Stage::Asked(run) = job.stage else { return };
        if run != Run::None {
            self.note(model, node, job.note, stop_of(run), false);
        }
        if run == Run::Paused {
            self.hand_back(&job);
            self.nodes[node].jobs[slot] = None;
            return;
        }
        job.stage = Stage::Started;
        self.put(node, slot, job);
    }

    /// A node hears where a run is, by a read, its own cancel, or its watch.
    pub(crate) fn note(&mut self, model: &Scenario, node: usize, note: usize, stop: Stop, by_watch: bool) {
        let before = self.nodes[node].stopped[note];
        // a cancel is final: what says otherwise is older
        if before == stop || (before == Stop::Cancelled && !model.has(Mistake::StopForgotten)) {
            return;
        }
        self.nodes[node].stopped[note] = stop;
        if stop == Stop::Cancelled {
            self.nodes[node].knew.insert(note);
            if by_watch || !model.has(Mistake::HastenedOnce) {
                self.hasten(note);
            }
        }
    }

    /// The watch of a node.
    pub(crate) fn watch(&mut self, model: &Scenario, node: usize, note: usize) {
        self.note(model, node, note, stop_of(self.notes[note].run), true);
    }

    /// The watch of a node would say something new.
    pub(crate) fn has_news(&self, node: usize, note: usize) -> bool {
        self.nodes[node].stopped[note] != stop_of(self.notes[note].run)
    }

    /// Step 10: the last look, and the request.
    pub(crate) fn send(&mut self, model: &Scenario, node: usize, slot: usize, target: usize) {
        let mut job = self.job(node, slot);
        let Part::Ready(token) = job.parts[target] else { return };
        let is_fresh = job.fresh || model.has(Mistake::ReadForever);
        let is_stopped = self.nodes[node].stopped[job.note] != Stop::No;
        if !job.open || !is_fresh || is_stopped {
            job.parts[target] = Part::Again(Due::Now);
        } else {
            job.parts[target] = Part::UnderWay(token);
            self.watch_over(node, &job, target);
        }
        self.put(node, slot, job);
    }

    fn watch_over(&mut self, node: usize, job: &Job, target: usize) {
        let leased = self.held(job).and_then(|row| self.rows[row]).is_some_and(|row| row.leased);
        if !leased {
            self.forbidden = Some(Forbidden::WithoutLease);
        }
        if self.nodes[node].knew.has(job.note) {
            self.forbidden = Some(Forbidden::AfterStop);
        }
        if self.devices[target].owner == Owner::Settled {
            self.forbidden = Some(Forbidden::ToNextOwner);
        }
    }

    /// What comes of a request.
    pub(crate) fn answer(&mut self, node: usize, slot: usize, target: usize, answer: Answer) {
        let mut job = self.job(node, slot);
        let Part::UnderWay(token) = job.parts[target] else { return };
        if matches!(answer, Answer::Accepted | Answer::AcceptedUnheard) {
            self.pushes[target] += 1;
        }
        job.parts[target] = match answer {
            Answer::Accepted => Part::Ended(Ending::Sent),
            Answer::Dead => Part::Dead(token),
            Answer::Unavailable | Answer::AcceptedUnheard => Part::Again(Due::Later),
        };
        if answer == Answer::AcceptedUnheard && !job.excused.has(target) {
            self.excused[target] += 1;
        }
        self.put(node, slot, job);
    }

    /// What there is to record of a job; `None`: nothing.
    pub(crate) fn record_of(&self, model: &Scenario, node: usize, slot: usize) -> Option<Record> {
        let job = self.job(node, slot);
        if job.kind == Kind::Expand || job.stage != Stage::Started {
            return None;
        }
        let is_over = job.is_settled() && self.nodes[node].life == Life::Up;
        let mut record = Record { facts: Vec::new(), deaths: Vec::new(), follow_ups: is_over.then(Vec::new) };
        for target in 0..TARGETS {
            match job.parts[target] {
                Part::Ended(ending) => record.facts.push((target, ending)),
                // what follows a verdict is a plan, so it waits for the end of its row
                Part::Dead(token) if is_over || model.has(Mistake::DeathBesideParent) => record.deaths.push((target, token)),
                Part::Again(due) => record.follow_ups.iter_mut().for_each(|follow_ups| follow_ups.push((target, due))),
                _ => {}
            }
        }
        let says_something = is_over || !record.facts.is_empty() || !record.deaths.is_empty();
        says_something.then_some(record)
    }

    /// Step 11. `heard`: the answer of the commit arrives.
    pub(crate) fn write(&mut self, model: &Scenario, node: usize, slot: usize, heard: bool) {
        let Some(mut record) = self.record_of(model, node, slot) else { return };
        let mut job = self.job(node, slot);
        if model.has(Mistake::EndedBeforeFacts)
            && job.row.is_some()
            && let Some(follow_ups) = &record.follow_ups
        {
            self.end(model, &job, follow_ups);
            return;
        }
        if self.nodes[node].stopped[job.note] == Stop::Cancelled {
            record.follow_ups.iter_mut().flatten().for_each(|(_, due)| *due = Due::Now);
        }
        self.record(model, &job, &record);
        if !heard {
            return;
        }
        if record.follow_ups.is_some() {
            self.nodes[node].jobs[slot] = None;
            return;
        }
        for (target, _) in record.facts {
            job.parts[target] = Part::Over;
        }
        for (target, _) in record.deaths {
            job.parts[target] = Part::Over;
        }
        job.row = self.job(node, slot).row;
        self.put(node, slot, job);
    }

    /// Expand: reads the page where the cursor stands, then writes it.
    pub(crate) fn page(&mut self, model: &Scenario, node: usize, slot: usize, heard: bool) {
        let mut job = self.job(node, slot);
        let sent = model.sent[job.note];
        let next = match job.stage {
            Stage::Page(from) if model.has(Mistake::CursorApart) => self.held(&job).map(|_| {
                self.write_chunk(sent, &job, from);
                Stage::Moving(from)
            }),
            Stage::Moving(from) => {
                let last = self.held(&job).map(|key| self.move_cursor(sent, job.note, key, from));
                last.filter(|last| !last).map(|_| Stage::Claimed)
            }
            Stage::Page(from) => self.commit_page(sent, &job, from).filter(|last| !last).map(|_| Stage::Claimed),
            _ => job.row.map(|_| Stage::Page(self.notes[job.note].cursor)),
        };
        match next.filter(|_| heard) {
            Some(stage) => {
                job.stage = stage;
                self.put(node, slot, job);
            }
            None => self.nodes[node].jobs[slot] = None,
        }
    }
}
