//! What must hold, whatever happens: the book is told of every commit and every push, and remembers the first thing that was wrong.
//!
//! * Accounting: every target that was ever known waits in a work row or has a delivery, at every commit; an audience's counter is its
//!   recount, and so are the counts of deliveries and the rollups by time and kind.
//! * Rows: epochs only grow, a lease is never taken over while it is live, a row ends and is followed only under its present epoch.
//! * Caps: of a capped category nobody gets more different notifications in a window than its cap allows.
//! * Pushes: none to a device that belongs to somebody else by then, none in quiet hours, none of what was cancelled or paused, none of
//!   what was recorded, each beyond what was read a moment before; and none twice, unless something went wrong with the process that sent
//!   the first, and then no more of them than that process had permits.
//!
//! Where the clock of the day stepped, what only that clock can tell is not held against anybody: whether a named device changed hands after
//! the notification was accepted, and whether it was quiet before the process had read the new time.
//!
//! After the store fell back to an older snapshot, what was promised before it is forgotten: pushes may be repeated and 202s be gone.
//! Accounting and rows hold for what is there, and everything still ends. Only a target whose delivery the store lost is not missed: whoever
//! holds its row and has written its outcome does not know that it has to be written again, and ends the row.

mod blame;
mod caps;
mod people;
mod pushes;
mod recount;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use herald::domain::id::NotificationId;
use herald::domain::work::{Stream, WorkKey};
use herald::store::engine::{Claim, Record, Submission};

pub use blame::Blame;
pub use pushes::Heard;

use self::blame::Blames;
use self::caps::Caps;
use self::people::People;
use self::pushes::Pushes;
use self::work::Works;
use crate::memory::state::State;
use crate::weather::Weather;

/// An instant of the run, and the process that something is of.
pub type By = (Duration, u64);

/// How soon an answer tells the time.
const SOON: Duration = Duration::from_millis(300);

/// What a commit was about.
pub enum Commit<'a> {
    Accept(&'a [Submission]),
    /// Of rows some of which were held at that instant.
    Claim(&'a Claim, &'a [WorkKey]),
    Record(&'a Record),
    Page(WorkKey, i64),
    /// A run was cancelled, paused or resumed.
    Turn(NotificationId),
}

/// Everything that is remembered.
pub struct Book {
    wrong: Option<String>,
    works: Works,
    pushes: Pushes,
    people: People,
    caps: Caps,
    blames: Blames,
    /// Read answers by process: when they arrived, and how old they were then.
    reads: BTreeMap<u64, Vec<(Duration, Duration)>>,
    /// Since when each process knows the time after the latest step.
    knows_time: BTreeMap<u64, Duration>,
    /// The greatest length that a stream of the queue may have.
    longest: usize,
    /// Entries that the queue itself doubled.
    doubled: usize,
    stepped_at: Option<Duration>,
    fell_back_at: Option<Duration>,
    /// Answered with a 202.
    promised: BTreeSet<NotificationId>,
    pub repeats: usize,
}

impl Book {
    pub fn of(weather: &Weather) -> Self {
        let nodes = usize::try_from(weather.nodes).unwrap();
        Self {
            wrong: None,
            works: Works::default(),
            pushes: Pushes::of(weather.permits),
            people: People::default(),
            caps: Caps::default(),
            blames: Blames::of(weather.permits, nodes),
            reads: BTreeMap::new(),
            knows_time: BTreeMap::new(),
            // one batch of the scheduler and one of accept under way at each node
            longest: weather.window + nodes * (weather.window + weather.window / 2),
            doubled: 0,
            stepped_at: None,
            fell_back_at: None,
            promised: BTreeSet::new(),
            repeats: 0,
        }
    }

    /// The first thing that was wrong, if anything was.
    pub fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }

    pub fn fail(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }

    pub fn check(&mut self, checked: Result<(), String>) {
        if let Err(what) = checked {
            self.fail(what);
        }
    }

    /// Something went wrong that explains what follows.
    pub fn blame(&mut self, at: Duration, whom: Blame, why: &str) {
        self.blames.add((at, at), whom, why);
    }

    /// The same, over a span.
    pub fn blame_all_through(&mut self, span: (Duration, Duration), whom: Blame, why: &str) {
        self.blames.add(span, whom, why);
    }

    /// The store is at an older state.
    pub fn fell_back(&mut self, at: Duration, state: &State) {
        self.blames.add((at, at), Blame::Everything, "fallback");
        self.works = Works::of(state, self.pushes.lost(state));
        self.people.fell_back(at, state);
        self.fell_back_at = Some(at);
        self.caps.begin_anew(at);
        self.promised.clear();
    }

    /// The clock of the day was set.
    pub fn clock_stepped(&mut self, at: Duration) {
        self.blames.add((at, at), Blame::Everybody, "step");
        self.stepped_at = Some(at);
        self.caps.begin_anew(at);
        self.knows_time.clear();
    }

    /// A caller was answered that it was accepted.
    pub fn promised(&mut self, id: NotificationId) {
        let is_forgotten = self.fell_back_at.is_some_and(|at| at >= self.people.accepted_at(id));
        if !is_forgotten {
            self.promised.insert(id);
        }
    }

    /// What was read of targets arrived, so old.
    pub fn read(&mut self, (at, process): By, age: Duration) {
        self.reads.entry(process).or_default().push((at, age));
    }

    /// A process that asked for the store's time at an instant is answered now.
    pub fn told_time(&mut self, (asked_at, process): By, now: Duration) {
        // an answer that was long on its way hides a step
        if now.saturating_sub(asked_at) < SOON && self.stepped_at.is_none_or(|at| at < asked_at) {
            self.knows_time.entry(process).or_insert(now);
        }
    }

    /// Whether a process may have decided something after an instant by what the clock of the day was before it stepped.
    fn missed_step(&self, process: u64, since: Duration) -> bool {
        self.stepped_at.is_some() && self.knows_time.get(&process).is_none_or(|at| *at >= since)
    }

    pub fn doubled(&mut self) {
        self.doubled += 1;
    }

    pub fn queue_holds(&mut self, stream: Stream, len: usize) {
        if len > self.longest + self.doubled {
            self.fail(format!("{len} entries are in the stream {stream}, which is bounded by {}", self.longest));
        }
    }

    /// Somebody registered a device, or wrote preferences.
    pub fn observe(&mut self, at: Duration, state: &State) {
        self.people.observe(at, state);
    }

    /// A commit took effect.
    pub fn committed(&mut self, (at, process): By, commit: &Commit<'_>, state: &State) {
        let checked = self.works.committed(commit, state, &self.people);
        self.check(checked.map_err(|what| format!("p{process}: {what}")));
        match commit {
            Commit::Accept(submissions) => {
                for new in submissions.iter().flat_map(|submission| &submission.items).map(|item| &item.notification) {
                    self.people.accepted(at, new, state);
                }
            }
            Commit::Record(record) => self.pushes.recorded(at, record),
            Commit::Turn(id) => self.people.turned(at, *id, state),
            Commit::Claim(..) | Commit::Page(..) => {}
        }
    }

    /// How old may be what a push was decided on: a second since it was read, and what the answer took.
    fn oldest(&self, (at, process): By) -> Duration {
        let bound = herald::dispatch::audience::MAX_AGE;
        let reads = self.reads.get(&process).into_iter().flatten();
        let lately = reads.filter(|(arrived, _)| *arrived + bound >= at).map(|(_, age)| *age);
        at.saturating_sub(bound + lately.max().unwrap_or_default())
    }

    /// Everything is over: what is left must be final.
    pub fn over(&mut self, state: &State) {
        let checked = self.works.over(state, &self.people);
        self.check(checked);
        if let Some(gone) = self.promised.iter().find(|id| !state.notifications.contains_key(id)) {
            let what = format!("{gone} was answered with a 202, and is gone");
            self.fail(what);
        }
    }
}
