//! Starting and stopping: signals become a soft cancellation, then a hard one, and every task is known.
//!
//! Soft: nothing new is begun, what is under way is finished. Hard: whatever is left is handed back at once.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dispatch::node::Tasks;

/// How long tasks may take to end after the hard cancellation before the process leaves without them.
const LAST_MOMENT: Duration = Duration::from_secs(5);

/// The life of one process. Clones are the same life.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
}

/// What a SIGHUP does.
#[derive(Clone, Debug)]
pub enum Hangup {
    /// Stops the process: it lives in a terminal.
    Stops,
    /// Asks for the configuration to be read again: the process is a daemon.
    Reloads(Arc<Notify>),
}

impl Tasks for TaskTracker {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(Self::spawn(self, task));
    }
}

impl Lifecycle {
    /// A life that nothing has ended yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when nothing new may be begun.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when what is under way must be given up; never before the soft one.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// The set in which every task of the process runs.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Listens to SIGTERM and SIGINT: the first is the soft cancellation, a second one or the end of the grace period the hard one.
    #[expect(clippy::disallowed_methods, reason = "not a task of the set: it must outlive the others to hear a second signal")]
    pub fn listen(&self, grace: Duration, hangup: Hangup) -> io::Result<()> {
        let signals = Signals::install(hangup)?;
        drop(tokio::spawn(self.clone().watch(signals, grace)));
        Ok(())
    }

    async fn watch(self, mut signals: Signals, grace: Duration) {
        tokio::select! {
            name = signals.next() => tracing::info!(signal = name, grace_seconds = grace.as_secs(), "stopping: what is under way is finished first"),
            () = self.soft.cancelled() => {}
        }
        self.soft.cancel();
        tokio::select! {
            name = signals.next() => tracing::warn!(signal = name, "a second signal: what is under way is handed back"),
            () = tokio::time::sleep(grace) => tracing::warn!("the grace period is over: what is under way is handed back"),
            () = self.hard.cancelled() => {}
        }
        self.hard.cancel();
    }

    /// Stops at once, for a fault that nothing can go on after.
    pub fn abort(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Waits until a stop was asked for and every task has ended; whether all of them did.
    pub async fn finished(&self) -> bool {
        self.soft.cancelled().await;
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => true,
            () = self.too_late() => false,
        }
    }

    async fn too_late(&self) {
        self.hard.cancelled().await;
        tokio::time::sleep(LAST_MOMENT).await;
        tracing::error!(tasks = self.tasks.len(), "tasks did not end in time");
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    on_hangup: Hangup,
}

impl Signals {
    fn install(on_hangup: Hangup) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            on_hangup,
        })
    }

    /// The next signal that stops the process.
    async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => match &self.on_hangup {
                    Hangup::Stops => return "SIGHUP",
                    Hangup::Reloads(asked) => asked.notify_one(),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_waits_for_tasks_that_end_softly() {
        let life = Lifecycle::new();
        let soft = life.soft().clone();
        drop(life.tasks().spawn(async move { soft.cancelled().await }));
        life.soft().cancel();
        assert!(life.finished().await);
        assert!(!life.hard().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_never_ends_does_not_hold_the_process() {
        let life = Lifecycle::new();
        drop(life.tasks().spawn(std::future::pending::<()>()));
        life.abort();
        assert!(!life.finished().await);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_grace_period_is_the_hard_cancellation() {
        let life = Lifecycle::new();
        life.listen(Duration::from_secs(15), Hangup::Stops).unwrap();
        life.soft().cancel();
        tokio::time::sleep(Duration::from_secs(14)).await;
        assert!(!life.hard().is_cancelled());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(life.hard().is_cancelled());
    }
}
