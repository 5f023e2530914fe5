//! The counts of what is being sent, as they change: a bar on a terminal, a line for each change elsewhere.

use std::cell::RefCell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::client::Problem;
use super::ending::Ending;
use super::output::Output;

/// How many times in a row the daemon may not answer: it may be starting anew.
const PATIENCE: u32 = 50;

/// What is known of something that is being sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// Where it is: its status, in the daemon's word.
    pub(super) status: String,
    targeted: u64,
    waiting: u64,
    sent: u64,
    suppressed: u64,
    failed: u64,
    expired: u64,
    cancelled: u64,
}

impl Counts {
    /// Of a status and the daemon's object of counts; what that lacks is 0.
    pub(super) fn new(status: &str, counts: Option<&Value>) -> Self {
        let count = |name: &str| counts.and_then(|counts| counts.get(name)).and_then(Value::as_u64).unwrap_or_default();
        Self {
            status: status.to_owned(),
            targeted: count("targeted"),
            waiting: count("waiting"),
            sent: count("sent"),
            suppressed: count("suppressed"),
            failed: count("failed"),
            expired: count("expired"),
            cancelled: count("cancelled"),
        }
    }

    /// Done only if something was sent and nothing failed.
    pub(super) fn ending(&self) -> Ending {
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

/// Asks and shows, every `pace`, until what is answered is over; the last answer. A daemon that is away for a moment is waited for.
pub(super) async fn follow(
    output: Output,
    pace: Duration,
    ask: impl AsyncFn() -> anyhow::Result<Counts>,
    is_over: impl Fn(&Counts) -> bool,
) -> anyhow::Result<Counts> {
    let progress = Progress::new(output);
    let mut silence = 0;
    let last = loop {
        match ask().await {
            Ok(counts) => {
                silence = 0;
                progress.show(&counts, output);
                if is_over(&counts) {
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
        tokio::time::sleep(pace).await;
    };
    progress.end();
    Ok(last)
}

/// A bar on a terminal, a line for each change elsewhere.
enum Progress {
    Bar(ProgressBar),
    Lines(RefCell<Option<Counts>>),
}

impl Progress {
    fn new(output: Output) -> Self {
        if !output.draws_progress() {
            return Self::Lines(RefCell::default());
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
            let counts = json!({ "targeted": 2, "sent": sent, "failed": failed });
            assert_eq!(Counts::new("done", Some(&counts)).ending(), ending, "{sent} {failed}");
        }
    }

    #[test]
    fn a_line_tells_what_there_is() {
        let counts = json!({ "targeted": 3, "waiting": 2, "sent": 1 });
        assert_eq!(Counts::new("sending", Some(&counts)).line(), "sending: 2 waiting, 1 sent");
        assert_eq!(Counts::new("scheduled", None).line(), "scheduled: nothing yet");
    }
}
