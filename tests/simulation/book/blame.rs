//! What went wrong, so that repeats can be told from mistakes.

use std::time::Duration;

/// Who suffered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// One process, of all that ever ran.
    Process(u64),
    /// All of them.
    Everybody,
    /// The store lost what it had promised: nothing before it can be held against anybody.
    Everything,
}

/// A fault, and the repeats that it explained.
#[derive(Debug)]
struct Fault {
    from: Duration,
    to: Duration,
    whom: Blame,
    why: String,
    repeats: usize,
}

/// All faults of a run.
pub struct Blames {
    faults: Vec<Fault>,
    permits: usize,
    nodes: usize,
}

/// How long a fault may work on: work that was claimed before it is sent within its lease.
pub const WORKS_ON: Duration = Duration::from_secs(crate::cluster::LEASE);

impl Blames {
    pub fn of(permits: usize, nodes: usize) -> Self {
        Self { faults: Vec::new(), permits, nodes }
    }

    pub fn add(&mut self, (from, to): (Duration, Duration), whom: Blame, why: &str) {
        self.faults.push(Fault { from, to, whom, why: why.to_owned(), repeats: 0 });
    }

    /// The store fell back.
    pub fn lost_everything(&self) -> bool {
        self.faults.iter().any(|fault| fault.whom == Blame::Everything)
    }

    /// Explains that what a process sent at an instant is sent again later.
    pub fn explain(&mut self, (sent_at, process): (Duration, u64), again_at: Duration) -> Result<(), String> {
        let (permits, nodes) = (self.permits, self.nodes);
        let concerns = |fault: &&mut Fault| {
            let whom = matches!(fault.whom, Blame::Everybody | Blame::Everything) || fault.whom == Blame::Process(process);
            whom && fault.from <= again_at && fault.to + WORKS_ON >= sent_at
        };
        let room = |fault: &&mut Fault| match fault.whom {
            Blame::Process(_) => fault.repeats < permits,
            Blame::Everybody => fault.repeats < permits * nodes,
            Blame::Everything => true,
        };
        if let Some(fault) = self.faults.iter_mut().rev().filter(concerns).find(room) {
            fault.repeats += 1;
            return Ok(());
        }
        let why: Vec<&str> = self.faults.iter().map(|fault| fault.why.as_str()).collect();
        Err(format!("nothing that went wrong explains it, of {why:?}"))
    }
}
