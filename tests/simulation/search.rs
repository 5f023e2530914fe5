//! Many seeds, on as many threads as the machine has.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::planted::Flaw;
use crate::run::{Outcome, Wrong, run_quietly};

/// How often a long search says how far it is.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// What many runs came to.
pub struct Found {
    pub seeds: u64,
    pushes: usize,
    repeats: usize,
    simulated: Duration,
    began: Instant,
    told_at: Instant,
    /// The first seed with which something was wrong.
    pub wrong: Option<(u64, Box<Wrong>)>,
}

impl Found {
    fn nothing_yet() -> Self {
        let now = Instant::now();
        Self { seeds: 0, pushes: 0, repeats: 0, simulated: Duration::ZERO, began: now, told_at: now, wrong: None }
    }

    fn add(&mut self, seed: u64, ran: Result<Outcome, Box<Wrong>>) {
        self.seeds += 1;
        match ran {
            Ok(outcome) => {
                self.pushes += outcome.pushes;
                self.repeats += outcome.repeats;
                self.simulated += outcome.took;
            }
            Err(wrong) => drop(self.wrong.get_or_insert((seed, wrong))),
        }
    }

    #[expect(clippy::print_stdout, reason = "who waits for hours wants to know, and where to go on")]
    fn tell(&mut self, seed: u64) {
        if self.told_at.elapsed() >= TOLD_EVERY {
            self.told_at = Instant::now();
            println!("{self}, at seed {seed}");
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds, pushes, repeats, simulated, began, .. } = self;
        let (simulated, took) = (simulated.as_secs(), began.elapsed().as_secs_f64());
        write!(f, "{seeds} seeds, {pushes} pushes, {repeats} of them repeats, {simulated} s simulated in {took:.1} s")
    }
}

/// Runs these seeds, until something is wrong with one.
pub fn search(seeds: Range<u64>, flaw: Option<Flaw>) -> Found {
    let (next, found) = (AtomicU64::new(seeds.start), Mutex::new(Found::nothing_yet()));
    let work = || {
        while found.lock().wrong.is_none() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let ran = run_quietly(seed, flaw);
            let mut found = found.lock();
            found.add(seed, ran);
            found.tell(seed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(work);
        }
    });
    found.into_inner()
}
