//! One part, sent until the daemon says what became of it. A part that is sent twice changes nothing.

use std::time::Duration;

use anyhow::Context;
use rand::Rng;
use serde_json::Value;
use tokio::time::Instant;

use super::parts::Part;
use super::tally::Tally;
use crate::cli::client::{Client, Problem};
use crate::cli::output::Output;
use crate::domain::records::Shape;

/// The first wait before a part is sent again; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Where parts go.
pub(super) struct Sender<'a> {
    pub(super) client: &'a Client,
    pub(super) query: Vec<(&'static str, &'static str)>,
    pub(super) shape: Shape,
    /// How long a daemon may be away.
    pub(super) patience: Duration,
    pub(super) output: Output,
}

/// Why a part has to be sent again, or not at all.
enum Failure {
    Passing(anyhow::Error),
    Final(anyhow::Error),
}

impl Sender<'_> {
    /// What became of a part.
    pub(super) async fn send(&self, part: &Part) -> anyhow::Result<Tally> {
        if part.is_empty {
            return Ok(Tally::default());
        }
        let until = Instant::now() + self.patience;
        let mut wait = FIRST_WAIT;
        loop {
            match self.once(part).await {
                Ok(tally) => return Ok(tally),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(error)) => {
                    let jittered = wait.mul_f64(rand::rng().random_range(0.5..1.0));
                    if Instant::now() + jittered > until {
                        return Err(error);
                    }
                    if wait == FIRST_WAIT {
                        self.output.note(&format!("herald: {error:#}; trying again"));
                    }
                    tokio::time::sleep(jittered).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    async fn once(&self, part: &Part) -> Result<Tally, Failure> {
        let kind = if self.shape == Shape::Csv { "text/csv" } else { "application/x-ndjson" };
        let path = ["v1", "devices", "import"];
        let request = self.client.post_for_lines(&path, &self.query, kind, part.body.clone()).map_err(Failure::Final)?;
        let mut lines = self.client.lines(request).await.map_err(judge)?;
        let mut tally = Tally::default();
        while let Some(line) = lines.next().await.map_err(judge)? {
            let mut event: Value = serde_json::from_slice(&line).context("what answers is no Herald").map_err(Failure::Final)?;
            if let Some(error) = event.get_mut("error") {
                tally.note(error.take());
            } else if let Some(problem) = event.get("problem") {
                return Err(judge(Problem::told(problem.clone()).into()));
            } else if let Some(done) = event.get("done") {
                tally.count(done);
                return Ok(tally);
            }
        }
        Err(Failure::Passing(anyhow::anyhow!("the answer broke off")))
    }
}

/// Whether a failure may pass: the daemon is away, or has too much to do.
fn judge(error: anyhow::Error) -> Failure {
    let passes = match error.downcast_ref::<Problem>() {
        Some(problem) => matches!(problem.status(), 408 | 429 | 502 | 503 | 504),
        None => error.chain().any(<dyn std::error::Error>::is::<reqwest::Error>),
    };
    if passes { Failure::Passing(error) } else { Failure::Final(error) }
}
