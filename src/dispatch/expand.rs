//! An audience becomes work: page by page in the order of device numbers, cut into chunks of one zone, under the work's epoch.

use std::collections::{BTreeMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::directory::App;
use super::explain::{How, peek};
use super::job::Job;
use super::node::Node;
use super::outage::tell;
use super::select::{PAGE, part, selection};
use crate::domain::Timestamp;
use crate::domain::decision::Push;
use crate::domain::due;
use crate::domain::id::DevicePk;
use crate::domain::notification::When;
use crate::domain::pace::Pace;
use crate::domain::reason::WaitReason;
use crate::domain::work::{MAX_TARGETS, NewWork, Pair, Targets, WorkKind};
use crate::domain::zone::{effective_zone, parse_zone};
use crate::store;
use crate::store::engine::{AudiencePage, Member, RunStatus};

/// Takes page after page until the audience is done, the lease grows short, or someone else has the work. After a panic it goes on from its cursor.
pub async fn run(node: Arc<Node>, job: Arc<Job>) {
    match AssertUnwindSafe(pages(&node, &job)).catch_unwind().await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tell(&error, "an audience cannot be read further; it goes on from its cursor"),
        Err(_) => tracing::error!(notification.id = %job.message.id, "an audience made its worker panic; it goes on from its cursor"),
    }
    node.held.remove(&job);
    node.ack(std::slice::from_ref(&job.entry)).await;
}

async fn pages(node: &Node, job: &Job) -> Result<(), store::Error> {
    let key = job.work.key;
    let Some(app) = node.directory.app(key.app) else {
        tracing::error!(app.id = key.app.0, notification.id = %job.message.id, "the audience of an app that is not configured waits until it is");
        return Ok(());
    };
    let excepted = excepted(node, &app, job).await?;
    let selection = selection(&job.message.notification, job.message.start_at);
    let limit = part(PAGE, &selection);
    loop {
        match node.stopped.get(job.message.id) {
            Some(RunStatus::Paused) => return node.heard(node.store.hand_back(&[(key, job.work.epoch)]).await),
            Some(_) => return Ok(()),
            None => {}
        }
        let Some(mut page) = node.read(job.deadline(), || node.store.read_page(key, limit, &selection)).await? else { return Ok(()) };
        page.devices.retain(|member| !excepted.contains(&member.pair.device));
        leave_out_stale(&app, &mut page, node.now());
        let chunks = cut(node, &app, job, &page);
        let hit = node.heard(node.store.commit_page(key, job.work.epoch, &page, &chunks).await)?;
        node.wake.notify_one();
        if !hit || page.last {
            return Ok(());
        }
        if node.stopping.is_cancelled() || node.monotonic() + node.settings.send_timeout() >= job.deadline() {
            return node.heard(node.store.hand_back(&[(key, job.work.epoch)]).await);
        }
    }
}

/// The devices that the sender left out: they are no targets, so they are never counted as such.
async fn excepted(node: &Node, app: &App, job: &Job) -> Result<HashSet<DevicePk>, store::Error> {
    let names = &job.message.notification.except_devices;
    if names.is_empty() {
        return Ok(HashSet::new());
    }
    let candidates = peek(node, app, Targets::Devices(names.clone()), How::default()).await?;
    Ok(candidates.into_iter().filter_map(|candidate| candidate.target.as_device()).collect())
}

/// Devices that nobody has seen for long are no targets, and told by their number. So it is for every audience that is not named.
fn leave_out_stale(app: &App, page: &mut AudiencePage, now: Timestamp) {
    let before = page.devices.len();
    page.devices.retain(|member| !app.staleness.leaves_out(member.last_seen_at, now));
    page.left_out += (before - page.devices.len()) as u64;
}

/// The chunks of a page: each of one zone, so that quiet hours and local times move whole chunks, and of a moment of the run's pace.
fn cut(node: &Node, app: &App, job: &Job, page: &AudiencePage) -> Vec<NewWork> {
    let mut zones: BTreeMap<Option<&str>, Vec<Pair>> = BTreeMap::new();
    for Member { pair, zone, .. } in &page.devices {
        zones.entry(zone.as_deref()).or_default().push(*pair);
    }
    let pace = job.message.notification.pace;
    let row = pace.map_or(MAX_TARGETS, Pace::row);
    let turn = pace.map(|_| WaitReason::Pace);
    let now = node.now();
    let mut chunks = Vec::new();
    for (zone, pairs) in zones {
        let (due_at, expires_at) = times(app, job, zone, now);
        for pairs in pairs.chunks(row) {
            chunks.push(NewWork {
                id: node.ids.work(),
                kind: WorkKind::Send,
                stream: job.work.stream,
                fan_out: true,
                targets: Targets::Pairs(pairs.to_vec()),
                attempt: 0,
                reason: if due_at > now { Some(WaitReason::Scheduled) } else { turn },
                due_at: due_at.min(expires_at),
                expires_at,
            });
        }
    }
    chunks
}

/// When the devices of a zone are due, and when it is over for them.
fn times(app: &App, job: &Job, zone: Option<&str>, now: Timestamp) -> (Timestamp, Timestamp) {
    let message = &job.message;
    let When::Local { .. } = message.notification.when else { return (now, message.expires_at) };
    // of a phone whose zone has a name that nobody knows its person's counts, which is read with the phone
    if zone.is_some_and(|name| parse_zone(name).is_none()) {
        return (now, message.expires_at);
    }
    let zone = effective_zone(zone, None, app.defaults.timezone);
    let push = Push::of(&message.notification, None, message.start_at);
    // who is to be left out is due at once, so that it is recorded
    let due_at = due::due_at(&push, zone).unwrap_or(now);
    // a device may have moved west of its chunk's zone by then
    (due_at.max(now), message.expires_at)
}
