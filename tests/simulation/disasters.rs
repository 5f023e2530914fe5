//! What befalls processes, store, queue and clocks between two requests.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use crate::cluster::{Cluster, Process};
use crate::memory::state::State;
use crate::sim::Sim;

/// How far a clock may step: over several leases.
const STEP: i64 = 20_000;

/// Disasters that go on for a while.
#[derive(Default)]
pub struct Disasters {
    /// The store as it was some moments ago.
    older: Option<(Duration, State)>,
}

impl Disasters {
    /// Lets things go wrong.
    pub fn strike(&mut self, sim: &Arc<Sim>, cluster: &mut Cluster) {
        sim.thaw();
        self.remember(sim);
        let weather = &sim.weather;
        if let Some(process) = cluster.any() {
            if sim.strikes(weather.kills) {
                process.kill(sim);
            }
            if sim.strikes(weather.freezes) {
                sim.freeze(&process.life, process.number);
            }
            if sim.strikes(weather.stops) {
                process.stop(sim);
            }
            if sim.strikes(weather.leaps) {
                leap(sim, process);
            }
        }
        if sim.strikes(weather.outages) {
            let wait = sim.chance.millis(200, 9_000);
            sim.note(format_args!("the store is away for {wait:?}"));
            sim.take_store_away(wait);
        }
        if sim.strikes(weather.flushes) {
            sim.note(format_args!("the queue is flushed"));
            let mut streams = sim.queue.streams.lock();
            streams.unread.clear();
            streams.pending.clear();
        }
        if sim.strikes(weather.steps) {
            step(sim);
        }
        if sim.strikes(weather.fallbacks) {
            self.fall_back(sim);
        }
        cluster.revive(10);
    }

    fn remember(&mut self, sim: &Sim) {
        let now = sim.elapsed();
        let is_old = self.older.as_ref().is_none_or(|(at, _)| *at + Duration::from_secs(3) < now);
        if sim.weather.fallbacks > 0 && is_old {
            self.older = Some((now, sim.rows.lock().clone()));
        }
    }

    fn fall_back(&mut self, sim: &Sim) {
        let Some((at, older)) = self.older.clone() else { return };
        sim.note(format_args!("the store falls back to {at:?}"));
        *sim.rows.lock() = older;
        sim.take_store_away(sim.chance.millis(100, 1_500));
        sim.book().fell_back(sim.elapsed(), &sim.rows.lock());
    }

    /// Everything goes on.
    pub fn end(sim: &Sim, cluster: &mut Cluster) {
        sim.thaw();
        cluster.revive(0);
    }
}

fn leap(sim: &Sim, process: &Process) {
    let by = sim.chance.millis(100, 30_000);
    sim.note(format_args!("the steady clock of p{} leaps by {by:?}", process.number));
    process.clock.leap(by);
    // the node carries the time of day on by it
    sim.book().clock_stepped(sim.elapsed());
}

fn step(sim: &Sim) {
    let by = TimeDelta::milliseconds(i64::try_from(sim.chance.below(2 * STEP.unsigned_abs())).unwrap() - STEP);
    sim.note(format_args!("the clock of the day steps by {} ms", by.num_milliseconds()));
    sim.wall.step(by);
    sim.book().clock_stepped(sim.elapsed());
}
