//! Step 7: what is to be known of a batch of targets, in one read, and again when that has grown old.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::directory::{App, CategoryMap};
use super::job::{FollowUp, Job};
use super::node::Node;
use super::plan::Sending;
use super::recorder::What;
use super::send::tell;
use crate::domain::Timestamp;
use crate::domain::delivery::{Delivery, Ending};
use crate::domain::id::Target;
use crate::domain::reason::SuppressReason;
use crate::domain::work::Pair;
use crate::store;
use crate::store::engine::{Answer, Ask, Owner, RunChange};

/// How old what was read of a device may be when its send starts.
pub const MAX_AGE: Duration = Duration::from_secs(1);

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
    /// The monotonic instant before the read.
    pub read_at: Duration,
}

/// Reads what is to be known of all targets of these jobs. Jobs of apps that the configuration no longer has are left to their expiry.
pub async fn read(node: &Node, jobs: Vec<Arc<Job>>, now: Timestamp) -> Result<Vec<Answered>, store::Error> {
    let read_at = node.clock.monotonic();
    let asks: Vec<Ask> = jobs.iter().map(|job| ask(job)).collect();
    let answers = node.store.read_targets(&asks).await?;
    let mut answered = Vec::with_capacity(jobs.len());
    for (job, answer) in jobs.into_iter().zip(answers) {
        let id = job.message.id;
        if let Some(status) = answer.run {
            node.stopped.note(RunChange { app: job.work.key.app, notification: id, status, changed_at: now });
        }
        let Some(app) = node.directory.app(job.work.key.app).cloned() else {
            tracing::error!(app.id = job.work.key.app.0, notification.id = %id, "work of an app that is not configured waits until it is, or expires");
            node.held.remove(&job);
            continue;
        };
        let categories = node.directory.categories(app.id).await?;
        answered.push(Answered { job, app, categories, answer, now, read_at });
    }
    Ok(answered)
}

fn ask(job: &Job) -> Ask {
    Ask {
        key: job.work.key,
        targets: job.work.targets.clone(),
        latest_only: job.message.notification.latest_device_only,
        day: job.message.day,
        check_deliveries: !job.work.first,
        collapse_hash: job.message.collapse.hash,
        peek: false,
    }
}

/// Reads owner and token again. Who changed hands is not sent to; who has another token is sent to that.
pub async fn refresh(node: &Node, job: &Arc<Job>, sendings: VecDeque<Sending>) -> Result<VecDeque<Sending>, store::Error> {
    let devices: Vec<_> = sendings.iter().map(|sending| sending.recipient.device).collect();
    let owners: HashMap<_, Owner> = node.store.read_owners(&devices).await?.into_iter().map(|owner| (owner.device, owner)).collect();
    let mut fresh = VecDeque::with_capacity(sendings.len());
    for mut sending in sendings {
        let recipient = &mut sending.recipient;
        match owners.get(&recipient.device) {
            Some(owner) if owner.active && owner.person == recipient.person => {
                recipient.token = owner.token.clone();
                recipient.token_hash = owner.token_hash;
                fresh.push_back(sending);
            }
            Some(owner) if owner.active => {
                let delivery = user_changed(node, job, &sending);
                tell(node, Some(Arc::clone(job)), What::Ended(delivery, None), None).await;
            }
            _ => {
                let pair = Pair { device: recipient.device, person: recipient.person };
                let again = FollowUp { pair, due: node.now(), attempt: job.work.attempt, reason: job.work.reason };
                tell(node, Some(Arc::clone(job)), What::Again(again), None).await;
            }
        }
    }
    Ok(fresh)
}

fn user_changed(node: &Node, job: &Job, sending: &Sending) -> Delivery {
    Delivery {
        notification: job.message.id,
        day: job.message.day,
        target: Target::device(sending.recipient.device),
        person: sending.recipient.person,
        ending: Ending::Suppressed(SuppressReason::UserChanged),
        attempts: job.work.attempt,
        provider: None,
        message_id: None,
        detail: None,
        at: node.now(),
    }
}
