//! What is sent in an exploration, what may go wrong in it and how often, and which mistake is planted.

use crate::set::Set;

/// What may happen that nobody asked for, or that somebody asks for in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// `kill -9`.
    Kill,
    /// A node that is not run for longer than a lease.
    Freeze,
    /// A node loses the store for longer than a lease.
    Cut,
    /// A commit takes effect and its answer is lost.
    LostAnswer,
    LostEntry,
    DoubledEntry,
    /// A guard ends while its entry still waits to be taken.
    Late,
    /// A send waits for longer than what was read is good.
    Stale,
    /// The provider does not take a push now.
    Unavailable,
    /// The connection ends after the provider took the push, before it says so.
    LostConnection,
    /// The provider says that the present token is dead.
    DeadToken,
    /// The phone registers another token.
    Rotation,
    /// Another person signs in.
    NewOwner,
    Expiry,
    Cancel,
    Pause,
    /// SIGTERM, and the grace period is over.
    HandBack,
}

const FAULTS: usize = Fault::HandBack as usize + 1;

/// How often each fault may still happen, and all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    each: [u8; FAULTS],
    total: u8,
}

impl Budget {
    pub(crate) fn new(total: u8, faults: &[(Fault, u8)]) -> Self {
        let mut each = [0; FAULTS];
        for (fault, times) in faults {
            each[*fault as usize] = *times;
        }
        Self { each, total }
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.total == 0
    }

    pub(crate) fn allows(&self, fault: Fault) -> bool {
        self.total > 0 && self.each[fault as usize] > 0
    }

    /// Books a fault. What can no longer happen for want of the total is cleared, so that equal states look equal.
    pub(crate) fn spend(&mut self, fault: Fault) {
        self.each[fault as usize] -= 1;
        self.total -= 1;
        if self.total == 0 {
            self.each = [0; FAULTS];
        }
    }
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) targets: Set,
    /// An audience, of which a page has one target. Else it is direct: one row.
    pub(crate) fan_out: bool,
    /// Its run starts later than it is accepted.
    pub(crate) scheduled: bool,
}

impl Sent {
    pub(crate) fn direct(targets: impl IntoIterator<Item = usize>) -> Self {
        Self { targets: Set::of(targets), fan_out: false, scheduled: false }
    }

    pub(crate) fn fan_out(targets: impl IntoIterator<Item = usize>) -> Self {
        Self { fan_out: true, ..Self::direct(targets) }
    }

    pub(crate) fn scheduled(self) -> Self {
        Self { scheduled: true, ..self }
    }
}

/// A protocol that is wrong in one place. The last four are, or were, in the code: see `docs/decisions/0005-the-protocol-of-work.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Plans are written whatever the row's epoch is.
    NoFence,
    /// The row is ended in one commit and the facts are written in the next.
    EndedBeforeFacts,
    /// A page's chunks are written in one commit and the cursor in the next.
    CursorApart,
    /// A counter is raised by the outcomes of a record, not by the deliveries that were new.
    CountedOutcomes,
    /// A permit comes back when the provider answers.
    PermitUntilAnswered,
    /// A job goes on sending though its lease is over.
    NoDeadline,
    /// What was published is never published again.
    NoGuard,
    /// Runs are published before they start, and nobody starts them.
    NobodyStarts,
    /// Work that may have been worked on is taken without a look at its deliveries.
    NoLook,
    /// A push is started however long ago its device was read.
    ReadForever,
    /// What was read counts as read when the answer came.
    AgeFromAnswer,
    /// The next try of a target whose token was replaced is a row of its own while its parent still lives.
    DeathBesideParent,
    /// A read that is older than a cancel takes the cancel out of the stop set.
    StopForgotten,
    /// A node hastens only what its watch was the first to tell it of.
    HastenedOnce,
}

/// One exploration.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) sent: Vec<Sent>,
    pub(crate) budget: Budget,
    /// Permits of each node.
    pub(crate) permits: usize,
    /// Something may happen between a read in the store and its arrival at the node, and between a cancel's reads and its commit.
    pub(crate) overlapping: bool,
    pub(crate) mistake: Option<Mistake>,
}

impl Scenario {
    pub(crate) fn new(name: &'static str, sent: &[Sent], total: u8, faults: &[(Fault, u8)]) -> Self {
        Self { name, sent: sent.to_vec(), budget: Budget::new(total, faults), permits: 2, overlapping: false, mistake: None }
    }

    pub(crate) fn permits(self, permits: usize) -> Self {
        Self { permits, ..self }
    }

    pub(crate) fn overlapping(self) -> Self {
        Self { overlapping: true, ..self }
    }

    pub(crate) fn with(self, mistake: Mistake) -> Self {
        Self { mistake: Some(mistake), ..self }
    }

    pub(crate) fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }
}
