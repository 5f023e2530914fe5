//! The dispatch path under any interleaving: some nodes on one thread under paused time, a store and a queue in memory, everything that can
//! go wrong, and one seed for all of it.
//!
//! `HERALD_SEED=7 cargo test --test simulation` runs one seed and shows what happened if something was wrong; `HERALD_SEEDS=10000` runs so
//! many. `HERALD_FIRST_SEED` is the first of them, so that many seeds can be spread over several runs.
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
mod outage;
mod paced;
mod planted;
mod provider;
mod queue;
mod run;
mod scenarios;
mod search;
mod sim;
mod store;
mod trace;
mod weather;
mod worldwide;

use tokio::time::Instant;

use crate::planted::Flaw;
use crate::run::{Wrong, run};
use crate::search::{Found, search};

/// A third less time than with the system allocator, where the code is optimised.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seeds of a plain run of the tests.
const SEEDS: u64 = 60;

/// Seeds among which a planted mistake is found.
const PLANTED: u64 = 300;

#[expect(clippy::disallowed_methods, reason = "how long a test runs is no setting of the daemon")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// The seeds of one run of the tests.
fn seeds(many: u64) -> std::ops::Range<u64> {
    let first = number("HERALD_FIRST_SEED").unwrap_or(1);
    first..first + many
}

fn show(seed: u64, wrong: &Wrong) -> String {
    let Wrong { what, trace } = wrong;
    format!("{trace}\n{what}\n\nHERALD_SEED={seed} cargo test --test simulation\n")
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
    let found = search(seeds(number("HERALD_SEEDS").unwrap_or(SEEDS)), None);
    println!("{found}");
    if let Some((seed, wrong)) = found.wrong {
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
    let Found { seeds: looked_at, wrong, .. } = search(seeds(PLANTED), Some(flaw));
    let Some((seed, wrong)) = wrong else { panic!("{flaw:?} is not found within {looked_at} seeds") };
    println!("{flaw:?} is found by seed {seed}, after {looked_at} seeds and {:?}: {}", began.elapsed(), wrong.what);
}

#[test]
fn a_fence_that_was_left_out_is_found() {
    finds(Flaw::NoFence);
}

#[test]
fn a_row_that_ends_before_its_facts_is_found() {
    finds(Flaw::EndedBeforeItsFacts);
}

#[test]
fn a_cap_that_admits_everybody_is_found() {
    finds(Flaw::RoomForEverybody);
}

#[test]
fn a_cursor_that_moves_outside_the_commit_is_found() {
    finds(Flaw::CursorOutsideTheCommit);
}
