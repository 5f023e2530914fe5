//! What can happen: the steps of the path, the passing of time, and faults.

use crate::node::Answer;
use crate::scenario::Fault;
use crate::set::Set;

/// One atomic step. Nodes, jobs and rows are named by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `heard`: the answer of the commit arrives. `publish`: there is room in the window.
    Accept {
        note: usize,
        publish: bool,
        heard: bool,
    },
    /// Steps 3 and 4.
    Release {
        row: usize,
    },
    Start {
        note: usize,
    },
    End {
        note: usize,
    },
    /// Steps 5 and 6.
    Claim {
        node: usize,
        row: usize,
        heard: bool,
    },
    Ask {
        node: usize,
        job: usize,
    },
    Arrive {
        node: usize,
        job: usize,
    },
    Send {
        node: usize,
        job: usize,
        target: usize,
    },
    Answer {
        node: usize,
        job: usize,
        target: usize,
        answer: Answer,
    },
    /// Steps 11 and 12.
    Record {
        node: usize,
        job: usize,
        heard: bool,
    },
    Page {
        node: usize,
        job: usize,
        heard: bool,
    },
    Watch {
        node: usize,
        note: usize,
    },
    /// A guard is over.
    Guard {
        row: usize,
    },
    /// A retry is due.
    ComesDue {
        row: usize,
    },
    Lapse {
        row: usize,
    },
    /// A lease that lapsed and was not taken by anyone else goes on.
    Renew {
        node: usize,
        job: usize,
    },
    Age {
        target: usize,
    },
    Expire {
        note: usize,
    },
    CancelBegins {
        note: usize,
    },
    Cancel {
        note: usize,
        node: usize,
    },
    Pause {
        note: usize,
    },
    Resume {
        note: usize,
    },
    Kill {
        node: usize,
        reached: Set,
    },
    Leave {
        node: usize,
        reached: Set,
    },
    Restart {
        node: usize,
    },
    Freeze {
        node: usize,
    },
    Thaw {
        node: usize,
    },
    LoseEntry {
        row: usize,
    },
    DoubleEntry {
        row: usize,
    },
    /// A job's sends wait for long.
    Tarry {
        node: usize,
        job: usize,
    },
    Rotate {
        target: usize,
    },
    ChangeOwner {
        target: usize,
    },
}

/// A step, and what of the budget it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) step: Step,
    pub(crate) costs: Option<Fault>,
}
