//! The dispatch path under any interleaving: some nodes on one thread under paused time, a store and a queue in memory, everything that can
//! go wrong, and one seed for all of it.
//!
//! `HERALD_SEED=7 cargo test --test simulation` runs one seed and shows what happened if something was wrong;
//! `HERALD_SEEDS=10000` runs so many.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
#![expect(unreachable_pub, reason = "a test has no outside")]

mod book;
mod callers;
mod chance;
mod clock;
mod cluster;
mod disasters;
mod life;
#[path = "../memory/mod.rs"]
mod memory;
mod network;
mod planted;
mod provider;
mod queue;
mod run;
mod scenarios;
mod sim;
mod store;
mod trace;
mod weather;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::planted::Flaw;
use crate::run::{Wrong, run};

/// Seeds of a plain run of the tests.
const SEEDS: u64 = 60;

/// Seeds among which a planted mistake is found.
const PLANTED: u64 = 200;

#[expect(clippy::disallowed_methods, reason = "how long a test runs is no setting of the daemon")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn show(seed: u64, wrong: &Wrong) -> String {
    let Wrong { what, trace } = wrong;
    format!("{trace}\n{what}\n\nHERALD_SEED={seed} cargo test --test simulation\n")
}

/// What many runs came to.
#[derive(Default)]
struct Sum {
    seeds: u64,
    pushes: usize,
    repeats: usize,
    simulated: Duration,
    /// The first seed with which something was wrong.
    wrong: Option<(u64, Box<Wrong>)>,
}

/// Runs these seeds, until something is wrong with one.
fn search(seeds: u64, flaw: Option<Flaw>) -> Sum {
    let (next, sum) = (AtomicU64::new(1), Mutex::new(Sum::default()));
    let work = || {
        while sum.lock().wrong.is_none() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > seeds {
                return;
            }
            let ran = run(seed, flaw);
            let mut sum = sum.lock();
            sum.seeds += 1;
            match ran {
                Ok(outcome) => {
                    sum.pushes += outcome.pushes;
                    sum.repeats += outcome.repeats;
                    sum.simulated += outcome.took;
                }
                Err(wrong) => drop(sum.wrong.get_or_insert((seed, wrong))),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(work);
        }
    });
    sum.into_inner()
}

#[test]
#[expect(clippy::print_stdout, reason = "it says how much it looked at")]
fn whatever_goes_wrong_nothing_is_lost_and_everything_ends() {
    if let Some(seed) = number("HERALD_SEED") {
        match run(seed, None) {
            Ok(outcome) => println!("{outcome:?}"),
            Err(wrong) => panic!("{}", show(seed, &wrong)),
        }
        return;
    }
    let began = Instant::now();
    let sum = search(number("HERALD_SEEDS").unwrap_or(SEEDS), None);
    let Sum { seeds, pushes, repeats, simulated, .. } = sum;
    println!("{seeds} seeds, {pushes} pushes, {repeats} of them repeats, {simulated:?} simulated in {:?}", began.elapsed());
    if let Some((seed, wrong)) = sum.wrong {
        panic!("{}", show(seed, &wrong));
    }
}

#[test]
fn the_same_seed_does_the_same() {
    for seed in 1..8 {
        let [one, other] = [run(seed, None), run(seed, None)].map(|ran| ran.map_err(|wrong| show(seed, &wrong)));
        assert_eq!(one, other);
    }
}

/// A planted mistake is found, and soon.
#[expect(clippy::print_stdout, reason = "how soon is worth knowing")]
fn finds(flaw: Flaw) {
    let began = Instant::now();
    let sum = search(number("HERALD_PLANTED").unwrap_or(PLANTED), Some(flaw));
    let Some((seed, wrong)) = sum.wrong else { panic!("{flaw:?} is not found within {} seeds", sum.seeds) };
    println!("{flaw:?} is found by seed {seed}, after {} seeds and {:?}: {}", sum.seeds, began.elapsed(), wrong.what);
}

#[test]
#[ignore = "two claims of one row have become so rare that it takes more seeds than a short run has: HERALD_PLANTED is to say how many"]
fn a_fence_that_was_left_out_is_found() {
    finds(Flaw::NoFence);
}

#[test]
fn a_row_that_ends_before_its_facts_is_found() {
    finds(Flaw::EndedBeforeItsFacts);
}

#[test]
fn a_cursor_that_moves_outside_the_commit_is_found() {
    finds(Flaw::CursorOutsideTheCommit);
}
