//! What there is to know of the store, the queue, the nodes and the provider, small enough to be explored.
//!
//! A row that is gone never returns, so whatever still names it can do nothing more: its number is given to the next row, and jobs
//! that named it name nothing. This is what keeps the states few; the fence, the epoch, is kept as it is.

use crate::scenario::{Budget, Mistake, Scenario};
use crate::set::Set;

/// Targets of all notifications together, at most.
pub(crate) const TARGETS: usize = 3;
/// Notifications, at most.
pub(crate) const NOTES: usize = 2;
/// Work rows at the same time, at most.
pub(crate) const ROWS: usize = 6;
/// Nodes.
pub(crate) const NODES: usize = 2;
/// Jobs in the hands of one node, at most.
pub(crate) const JOBS: usize = 3;

/// What a caller knows of the notification it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Accepted {
    /// It is still to be sent.
    No,
    /// It is written; the answer was lost.
    Unanswered,
    /// 202.
    Yes,
}

/// Where a run is; `None`: there is no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Run {
    None,
    Scheduled,
    Running,
    Paused,
    Done,
    Cancelled,
}

/// A notification and its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Note {
    pub(crate) accepted: Accepted,
    pub(crate) run: Run,
    /// The run may have work.
    pub(crate) open: bool,
    /// Targets of its audience that became work.
    pub(crate) cursor: u8,
    /// The run's count of targets.
    pub(crate) targeted: u8,
    /// The run's count of targets that are over.
    pub(crate) counted: u8,
    /// Its life is over.
    pub(crate) expired: bool,
    /// A cancel that has not committed yet, and the rows that it saw.
    pub(crate) cancelling: Option<Set>,
}

/// What a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Send,
    Expand,
}

/// When a row may be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Due {
    Now,
    /// Published, and not again before its guard is over.
    Guarded,
    /// A retry or a deferral.
    Later,
    /// Dead: its takes are spent.
    AtExpiry,
}

/// A work row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) note: usize,
    pub(crate) kind: Kind,
    pub(crate) targets: Set,
    /// Made by accept or by an expansion.
    pub(crate) first: bool,
    pub(crate) due: Due,
    pub(crate) leased: bool,
    pub(crate) epoch: u8,
    pub(crate) takes: u8,
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Ending {
    Sent,
    Suppressed,
    Failed,
    Expired,
    Cancelled,
}

/// Whose a target's device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    Same,
    /// Another's, for less than a read may be old.
    Changed,
    /// Another's, for longer.
    Settled,
}

/// A target's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Device {
    pub(crate) owner: Owner,
    /// Counts its registrations.
    pub(crate) token: u8,
}

/// What has become of one target of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Part {
    /// Not of this job, or skipped: it has a delivery.
    Out,
    /// Not read yet.
    Named,
    /// The gate lets it through, to this token.
    Ready(u8),
    /// The request was handed to a connection.
    UnderWay(u8),
    /// Its outcome waits for the recorder.
    Ended(Ending),
    /// The provider says that this token is dead; that waits for the recorder.
    Dead(u8),
    /// It goes into a follow-up.
    Again(Due),
    /// Its outcome is recorded.
    Over,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    Claimed,
    /// The store has read what it was asked and the answer is on its way: where the run was.
    Asked(Run),
    Started,
    /// A page of the audience that begins here was read.
    Page(u8),
    /// Planted: a page's chunks are written and the cursor is not.
    Moving(u8),
}

/// Work in a node's hands.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that a step looks at")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Job {
    /// `None`: the row is gone.
    pub(crate) row: Option<usize>,
    pub(crate) note: usize,
    pub(crate) kind: Kind,
    pub(crate) epoch: u8,
    /// Taken for the first time since accept or an expansion made it.
    pub(crate) first: bool,
    /// Its takes are spent: it is only to be recorded.
    pub(crate) spent: bool,
    pub(crate) stage: Stage,
    /// The local deadline is ahead.
    pub(crate) open: bool,
    /// What was read is recent enough to act on.
    pub(crate) fresh: bool,
    pub(crate) parts: [Part; TARGETS],
    /// Targets for which a repeat has been excused.
    pub(crate) excused: Set,
}

/// Whether a node is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Life {
    Up,
    /// A zombie, or one that will be: it does nothing, and time goes on.
    Frozen,
    /// It has handed back its work and writes facts only.
    Leaving,
    Down,
}

/// What a node's stop set says of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stop {
    No,
    Paused,
    Cancelled,
}

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node {
    pub(crate) life: Life,
    pub(crate) stopped: [Stop; NOTES],
    /// Notifications of which this process has ever known that they are cancelled.
    pub(crate) knew: Set,
    pub(crate) jobs: [Option<Job>; JOBS],
}

/// A send that must never start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Forbidden {
    AfterStop,
    ToNextOwner,
    WithoutLease,
}

/// Everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) notes: [Note; NOTES],
    pub(crate) rows: [Option<Row>; ROWS],
    /// Deliveries.
    pub(crate) facts: [Option<Ending>; TARGETS],
    pub(crate) devices: [Device; TARGETS],
    /// Entries of each row.
    pub(crate) queue: [u8; ROWS],
    pub(crate) nodes: [Node; NODES],
    /// What the provider accepted.
    pub(crate) pushes: [u8; TARGETS],
    /// Repeats that a fault explains.
    pub(crate) excused: [u8; TARGETS],
    pub(crate) budget: Budget,
    pub(crate) forbidden: Option<Forbidden>,
}

impl Node {
    /// A process that has just started.
    pub(crate) fn new(life: Life) -> Self {
        Self { life, stopped: [Stop::No; NOTES], knew: Set::default(), jobs: [None; JOBS] }
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = (usize, &Job)> {
        self.jobs.iter().enumerate().filter_map(|(n, job)| Some((n, job.as_ref()?)))
    }

    /// Sends under way or not yet recorded.
    pub(crate) fn unrecorded(&self) -> usize {
        self.count(|part| matches!(part, Part::UnderWay(_) | Part::Ended(Ending::Sent) | Part::Dead(_)))
    }

    /// Permits in use.
    pub(crate) fn permits_taken(&self, model: &Scenario) -> usize {
        if model.has(Mistake::PermitUntilAnswered) { self.count(|part| matches!(part, Part::UnderWay(_))) } else { self.unrecorded() }
    }

    fn count(&self, counts: impl Fn(&Part) -> bool) -> usize {
        self.jobs().map(|(_, job)| job.parts.iter().filter(|part| counts(part)).count()).sum()
    }
}

impl Job {
    pub(crate) fn targets(&self) -> Set {
        Set::of((0..TARGETS).filter(|target| self.parts[*target] != Part::Out))
    }

    /// Nothing of it is under way or to be looked at.
    pub(crate) fn is_settled(&self) -> bool {
        self.parts.iter().all(|part| !matches!(part, Part::Named | Part::Ready(_) | Part::UnderWay(_)))
    }
}

impl State {
    pub(crate) fn rows(&self) -> impl Iterator<Item = (usize, &Row)> {
        self.rows.iter().enumerate().filter_map(|(n, row)| Some((n, row.as_ref()?)))
    }

    pub(crate) fn rows_of(&self, note: usize) -> impl Iterator<Item = (usize, &Row)> {
        self.rows().filter(move |(_, row)| row.note == note)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.nodes.iter().any(|node| node.life == Life::Up)
    }

    /// The row of a job, if the job's epoch is still the row's.
    pub(crate) fn held(&self, job: &Job) -> Option<usize> {
        job.row.filter(|row| self.rows[*row].is_some_and(|row| row.epoch == job.epoch))
    }
}
