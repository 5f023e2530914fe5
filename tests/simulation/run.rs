//! One run: callers ask and things go wrong for a while, then nothing does any more, and everything has to end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::callers::Callers;
use crate::cluster::Cluster;
use crate::disasters::Disasters;
use crate::planted::Flaw;
use crate::sim::Sim;

/// How long everything may take to end once nothing goes wrong: the longest life, steps and leaps of clocks, a guard and some leases.
const CALM: Duration = Duration::from_mins(6);

/// How much longer where the store fell back: what it forgot to have cancelled the nodes remember for a quarter of an hour.
const REMEMBERED: Duration = Duration::from_mins(16);

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub hash: u64,
    pub pushes: usize,
    pub repeats: usize,
    pub took: Duration,
}

/// What was wrong, and all that happened until then.
#[derive(Debug)]
pub struct Wrong {
    pub what: String,
    pub trace: String,
}

/// Runs a seed, and once more with its trace if something is wrong.
pub fn run_quietly(seed: u64, flaw: Option<Flaw>) -> Result<Outcome, Box<Wrong>> {
    run_seed(seed, flaw, false).map_err(|wrong| run(seed, flaw).err().unwrap_or(wrong))
}

/// Runs a seed.
pub fn run(seed: u64, flaw: Option<Flaw>) -> Result<Outcome, Box<Wrong>> {
    run_seed(seed, flaw, true)
}

fn run_seed(seed: u64, flaw: Option<Flaw>, traced: bool) -> Result<Outcome, Box<Wrong>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let sim = Sim::new(seed, flaw);
        if !traced {
            sim.trace.silence();
        }
        sim.note(format_args!("{:?}", sim.weather));
        play(&sim).await;
        outcome(&sim)
    })
}

/// What a run came to.
pub fn outcome(sim: &Sim) -> Result<Outcome, Box<Wrong>> {
    let book = sim.book();
    match book.wrong() {
        Some(what) => Err(Box::new(Wrong { what: what.to_owned(), trace: sim.trace.text() })),
        None => Ok(Outcome { hash: sim.trace.hash(), pushes: book.pushed(), repeats: book.repeats, took: sim.elapsed() }),
    }
}

async fn play(sim: &Arc<Sim>) {
    let mut callers = Callers::new(Arc::clone(sim));
    callers.settle_in().await;
    let mut cluster = Cluster::start(Arc::clone(sim));
    let mut disasters = Disasters::default();
    while sim.elapsed() < sim.weather.stormy && sim.book().wrong().is_none() {
        sleep(sim.chance.millis(5, 400)).await;
        if let Some(process) = cluster.any() {
            callers.ask(process).await;
        }
        disasters.strike(sim, &mut cluster);
    }
    sim.calm();
    Disasters::end(sim, &mut cluster);
    if let Some(process) = cluster.any() {
        callers.resume_all(process).await;
    }
    end(sim, &mut cluster).await;
}

/// Lets everything end, where nothing goes wrong any more.
pub async fn end(sim: &Arc<Sim>, cluster: &mut Cluster) {
    let until = sim.elapsed() + if sim.weather.fallbacks > 0 { CALM + REMEMBERED } else { CALM };
    while sim.book().wrong().is_none() && !is_over(sim) {
        if sim.elapsed() > until {
            let left = left(sim);
            sim.book().fail(format!("something never ends: {left}"));
        }
        Disasters::end(sim, cluster);
        sleep(Duration::from_millis(250)).await;
    }
    for process in cluster.living() {
        process.life.kill();
    }
    let rows = sim.rows.lock().clone();
    sim.book().over(&rows);
}

fn is_over(sim: &Sim) -> bool {
    let rows = sim.rows.lock();
    rows.work.is_empty() && rows.runs.values().all(|run| !run.open)
}

fn left(sim: &Sim) -> String {
    let rows = sim.rows.lock();
    let work: Vec<String> = rows.work.iter().map(|((id, _), row)| format!("{id} {row:?}")).collect();
    let runs: Vec<String> = rows.runs.iter().filter(|(_, run)| run.open).map(|(id, run)| format!("{id} {run:?}")).collect();
    format!("now {:?}\n{}\n{}", herald::domain::clock::Clock::now(&*sim.wall), work.join("\n"), runs.join("\n"))
}
