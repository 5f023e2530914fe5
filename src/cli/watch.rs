//! `--watch`: the counts of a notification until nothing of it waits any more.

use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::client::{Client, Problem};
use super::ending::Ending;
use super::output::Output;
use super::send::show_one;

/// How often the daemon is asked.
const PACE: Duration = Duration::from_millis(200);

/// How many times in a row it may not answer: it may be starting anew.
const PATIENCE: u32 = 50;

/// Follows a notification to its end. Done only if something was sent and nothing failed.
pub(super) async fn follow(client: &Client, id: &str, output: Output) -> anyhow::Result<Ending> {
    let progress = Progress::new(output);
    let mut silence = 0;
    let last = loop {
        match client.get(&["v1", "notifications", id], &[]).await {
            Ok(notification) => {
                silence = 0;
                let counts = Counts::of(&notification)?;
                progress.show(&counts, output);
                if counts.is_over {
                    break counts;
                }
            }
            Err(error) if error.is::<Problem>() => return Err(error),
            Err(error) => {
                silence += 1;
                if silence > PATIENCE {
                    return Err(error);
                }
            }
        }
        tokio::time::sleep(PACE).await;
    };
    progress.end();
    show_one(client, id, output).await?;
    Ok(last.ending())
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Counts {
    is_over: bool,
    status: String,
    targeted: u64,
    waiting: u64,
    sent: u64,
    suppressed: u64,
    failed: u64,
    expired: u64,
    cancelled: u64,
}

impl Counts {
    fn of(notification: &Value) -> anyhow::Result<Self> {
        let status = notification.get("status").and_then(Value::as_str).context("the daemon answered no status")?;
        let count = |name: &str| notification.get("counts").and_then(|counts| counts.get(name)).and_then(Value::as_u64).unwrap_or_default();
        Ok(Self {
            is_over: matches!(status, "done" | "cancelled"),
            status: status.to_owned(),
            targeted: count("targeted"),
            waiting: count("waiting"),
            sent: count("sent"),
            suppressed: count("suppressed"),
            failed: count("failed"),
            expired: count("expired"),
            cancelled: count("cancelled"),
        })
    }

    fn ending(&self) -> Ending {
        if self.sent > 0 && self.failed == 0 { Ending::Done } else { Ending::Failed }
    }

    fn line(&self) -> String {
        let parts = [
            ("waiting", self.waiting),
            ("sent", self.sent),
            ("suppressed", self.suppressed),
            ("failed", self.failed),
            ("expired", self.expired),
            ("cancelled", self.cancelled),
        ];
        let told: Vec<String> = parts.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{count} {name}")).collect();
        format!("{}: {}", self.status, if told.is_empty() { "nothing yet".to_owned() } else { told.join(", ") })
    }
}

/// A bar on a terminal, a line for each change elsewhere.
enum Progress {
    Bar(ProgressBar),
    Lines(std::cell::RefCell<Option<Counts>>),
}

impl Progress {
    fn new(output: Output) -> Self {
        if !output.draws_progress() {
            return Self::Lines(std::cell::RefCell::default());
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        Self::Bar(bar)
    }

    fn show(&self, counts: &Counts, output: Output) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(counts.targeted);
                bar.set_position(counts.targeted.saturating_sub(counts.waiting));
                bar.set_message(counts.line());
            }
            Self::Lines(last) => {
                if last.borrow().as_ref() != Some(counts) {
                    output.note(&counts.line());
                    last.replace(Some(counts.clone()));
                }
            }
        }
    }

    fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_done_only_if_something_was_sent_and_nothing_failed() {
        for (sent, failed, ending) in [(1, 0, Ending::Done), (0, 0, Ending::Failed), (1, 1, Ending::Failed)] {
            let notification = json!({ "status": "done", "counts": { "targeted": 2, "sent": sent, "failed": failed } });
            assert_eq!(Counts::of(&notification).unwrap().ending(), ending, "{sent} {failed}");
        }
    }

    #[test]
    fn a_line_tells_what_there_is() {
        let notification = json!({ "status": "sending", "counts": { "targeted": 3, "waiting": 2, "sent": 1 } });
        let counts = Counts::of(&notification).unwrap();
        assert_eq!(counts.line(), "sending: 2 waiting, 1 sent");
        assert!(!counts.is_over);
    }
}
