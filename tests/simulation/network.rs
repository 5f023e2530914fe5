//! The way between a node and what it calls: requests and answers are late, lost, or the last thing that the node did.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::sleep;

use crate::book::Blame;
use crate::cluster::LEASE;
use crate::life::Life;
use crate::sim::Sim;

/// What a caller is told when there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
pub struct NoAnswer;

/// What a slow call takes at most, in milliseconds: more than a lease.
const LONGEST: u64 = LEASE * 1_500;

/// One process's way to the world.
#[derive(Clone)]
pub struct Network {
    pub sim: Arc<Sim>,
    pub life: Arc<Life>,
    /// Which process, of all that ever ran.
    pub process: u64,
}

impl Network {
    /// Before a call takes effect.
    pub async fn there(&self, call: &str) -> Result<(), NoAnswer> {
        if let Some(wait) = self.sim.holds_up(call) {
            sleep(wait).await;
        }
        self.linger(call).await;
        self.befall(call, "before").await;
        if self.sim.strikes(self.sim.weather.failing_calls) {
            return self.lose(call, "did not happen").await;
        }
        Ok(())
    }

    /// After a call took effect.
    pub async fn back(&self, call: &str) -> Result<(), NoAnswer> {
        self.befall(call, "after").await;
        if self.sim.strikes(self.sim.weather.failing_calls) {
            return self.lose(call, "happened").await;
        }
        self.linger(call).await;
        Ok(())
    }

    async fn lose(&self, call: &str, what: &str) -> Result<(), NoAnswer> {
        sleep(self.sim.chance.millis(0, 300)).await;
        self.sim.note(format_args!("p{} {call} has no answer, {what}", self.process));
        self.sim.book().blame(self.sim.elapsed(), Blame::Process(self.process), call);
        Err(NoAnswer)
    }

    async fn linger(&self, call: &str) {
        let chance = &self.sim.chance;
        if self.sim.strikes(self.sim.weather.slow_calls) {
            let wait = chance.millis(300, LONGEST);
            self.sim.note(format_args!("p{} {call} takes {wait:?}", self.process));
            self.blame_for(wait, call);
            sleep(wait).await;
        } else if chance.one_in(4) {
            sleep(chance.millis(1, 6)).await;
        }
    }

    /// What happens from now on is explained by a call that takes so long.
    pub fn blame_for(&self, wait: Duration, call: &str) {
        let now = self.sim.elapsed();
        self.sim.book().blame_all_through((now, now + wait), Blame::Process(self.process), call);
    }

    /// The process ends here, once in a while, or stands still: nothing of it goes on, or not for long.
    pub async fn befall(&self, call: &str, when: &str) {
        if self.sim.strikes(self.sim.weather.deadly_calls) {
            self.sim.note(format_args!("p{} is killed {when} {call}", self.process));
            self.sim.book().blame(self.sim.elapsed(), Blame::Process(self.process), "kill");
            self.life.kill();
            std::future::pending::<()>().await;
        }
        if self.sim.strikes(self.sim.weather.numbing_calls) {
            self.sim.note(format_args!("p{} is held up {when} {call}", self.process));
            self.sim.freeze(&self.life, self.process);
            yield_now().await;
        }
    }

    /// Waits out an outage of the store, as long as a caller would; no answer if it lasts longer.
    pub async fn reach(&self, away_for: Option<Duration>) -> Result<(), NoAnswer> {
        let Some(away_for) = away_for else { return Ok(()) };
        sleep(away_for.min(Duration::from_millis(200))).await;
        Err(NoAnswer)
    }
}
