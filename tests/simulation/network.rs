//! The way between a node and what it calls: requests and answers are late, lost, or the last thing that the node did.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::book::Blame;
use crate::life::Life;
use crate::sim::Sim;

/// What a caller is told when there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
pub struct NoAnswer;

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
        self.perhaps_die(call, "before").await;
        if self.sim.strikes(self.sim.weather.failing_calls) {
            return self.lose(call, "did not happen").await;
        }
        Ok(())
    }

    /// After a call took effect.
    pub async fn back(&self, call: &str) -> Result<(), NoAnswer> {
        self.perhaps_die(call, "after").await;
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
            let wait = chance.millis(300, 4_000);
            self.sim.note(format_args!("p{} {call} takes {wait:?}", self.process));
            sleep(wait).await;
            self.sim.book().blame(self.sim.elapsed(), Blame::Process(self.process), call);
        } else if chance.one_in(4) {
            sleep(chance.millis(1, 6)).await;
        }
    }

    /// The process ends here, once in a while: nothing of it goes on.
    pub async fn perhaps_die(&self, call: &str, when: &str) {
        if self.sim.strikes(self.sim.weather.deadly_calls) {
            self.sim.note(format_args!("p{} is killed {when} {call}", self.process));
            self.sim.book().blame(self.sim.elapsed(), Blame::Process(self.process), "kill");
            self.life.kill();
            std::future::pending::<()>().await;
        }
    }

    /// Waits out an outage of the store, as long as a caller would; no answer if it lasts longer.
    pub async fn reach(&self, away_for: Option<Duration>) -> Result<(), NoAnswer> {
        let Some(away_for) = away_for else { return Ok(()) };
        sleep(away_for.min(Duration::from_millis(200))).await;
        Err(NoAnswer)
    }
}
