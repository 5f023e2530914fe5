//! Step 7: what is to be known of a batch of targets, in one read.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::directory::{App, CategoryMap};
use super::job::Job;
use super::node::Node;
use super::select::only;
use crate::domain::Timestamp;
use crate::store;
use crate::store::engine::{Answer, Ask};

/// How old what was read of a person and a device may be when a request for it starts.
pub const MAX_AGE: Duration = Duration::from_secs(1);

/// How often work of an app that this node's configuration does not have is looked at again; another node may have it.
pub const UNCONFIGURED: TimeDelta = TimeDelta::minutes(1);

/// A job and what was read for it.
pub struct Answered {
    /// The job.
    pub job: Arc<Job>,
    /// Its app.
    pub app: Arc<App>,
    /// The app's categories.
    pub categories: CategoryMap,
    /// Its targets.
    pub answer: Answer,
    /// The present, by the store's clock.
    pub now: Timestamp,
    /// The monotonic instant at which it had been read.
    pub read_at: Duration,
}

/// Reads what is to be known of all targets of these jobs. Jobs of apps that the configuration no longer has wait until it has them again.
pub async fn read(node: &Node, jobs: Vec<Arc<Job>>) -> Result<Vec<Answered>, store::Error> {
    let asks: Vec<Ask> = jobs.iter().map(|job| ask(job)).collect();
    let asked_at = node.monotonic();
    let first_lapse = jobs.iter().map(|job| job.deadline()).min().unwrap_or_default();
    let mut answers = node.read(first_lapse, || node.store.read_targets(&asks)).await?;
    if node.monotonic().saturating_sub(asked_at) > MAX_AGE {
        // who owns a device is read first, and may have changed while the rest was read
        answers = node.read(first_lapse, || node.store.read_targets(&asks)).await?;
    }
    // not from before: behind a store that takes a second to answer nothing would ever be sent
    let (now, read_at) = (node.now(), node.monotonic());
    let mut answered = Vec::with_capacity(jobs.len());
    for (job, answer) in jobs.into_iter().zip(answers) {
        let id = job.message.id;
        if let Some(status) = answer.run {
            node.stopped.note(job.work.key.app, id, status, asked_at);
        }
        let Some(app) = node.directory.app(job.work.key.app) else {
            tracing::error!(app.id = job.work.key.app.0, notification.id = %id, "work of an app that is not configured waits until it is");
            if job.work.expires_at > now {
                job.put_back(node, now + UNCONFIGURED).await?;
            } else {
                // it is due for ever: only its lease keeps it from being taken again at once
                node.held.remove(&job);
                node.ack(std::slice::from_ref(&job.entry)).await;
            }
            continue;
        };
        let categories = node.read(first_lapse, || node.directory.categories(app.id)).await?;
        answered.push(Answered { job, app, categories, answer, now, read_at });
    }
    Ok(answered)
}

fn ask(job: &Job) -> Ask {
    Ask {
        key: job.work.key,
        targets: job.work.targets.clone(),
        latest_only: job.message.notification.latest_device_only,
        accepted_at: job.message.accepted_at,
        day: job.message.day,
        check_deliveries: !job.work.first,
        collapse_hash: job.message.collapse.hash,
        token_kind: job.message.notification.push_type.token_kind(),
        facts: job.message.uses().people(),
        peek: false,
        only: only(&job.message.notification, job.message.start_at),
    }
}
