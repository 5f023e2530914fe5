//! Runs of campaigns begin when their time comes. Every scheduler looks; which one it was is told by one compare-and-set in the store, in the
//! commit of the run's notification, so that there is one for each instant whatever dies.

use std::sync::Arc;
use std::time::Duration;

use super::Plan;
use crate::dispatch::accept;
use crate::dispatch::directory::App;
use crate::dispatch::draft::Rejected;
use crate::dispatch::node::Node;
use crate::dispatch::outage::tell;
use crate::domain::Timestamp;
use crate::domain::campaign::Schedule;
use crate::domain::id::AppId;
use crate::domain::recurrence::{Look, MISSED_BY};
use crate::store;
use crate::store::campaign::{CampaignRun, NewRun, StoredCampaign};

/// How often it is looked whether a campaign is due.
const EVERY: Duration = Duration::from_millis(250);
/// Every so many looks campaigns of which nothing waits any more are ended.
const SETTLE: u32 = 4;
/// Campaigns that are due at once, at most, in one look.
const AT_ONCE: usize = 50;
/// Why a campaign was stopped is told in so many characters, at most.
const MAX_REASON: usize = 300;

/// Begins runs that are due, and ends campaigns of which nothing waits any more, until the node stops.
pub async fn run(node: Arc<Node>) {
    let mut looks = 0_u32;
    while node.pause(EVERY).await {
        if let Err(error) = look(&node).await {
            tell(&error, "campaigns that are due cannot begin; it is tried again");
        }
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(SETTLE)
            && let Err(error) = node.heard(node.store.settle_campaigns().await)
        {
            tell(&error, "campaigns that are over cannot be ended; it is tried again");
        }
    }
}

/// Campaigns of an app that is not configured here are another node's, or wait until it is.
async fn look(node: &Node) -> Result<(), store::Error> {
    let apps: Vec<Arc<App>> = node.directory.apps();
    let ids: Vec<AppId> = apps.iter().map(|app| app.id).collect();
    for (id, campaign) in node.heard_read(node.store.due_campaigns(&ids, AT_ONCE).await)? {
        let Some(app) = apps.iter().find(|app| app.id == id) else { continue };
        match begin(node, app, campaign).await {
            Ok(_) => {}
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => tell(&error, "a campaign cannot begin; it is tried again"),
        }
    }
    Ok(())
}

/// Begins the run of a campaign that is due; whether it was this call that did. One that cannot begin is paused, and says why.
pub async fn begin(node: &Node, app: &App, campaign: StoredCampaign) -> Result<bool, store::Error> {
    // what the store says is due may lie ahead of this node's reckoning of its clock by a moment
    let Some(at) = campaign.next_fire else { return Ok(false) };
    let now = node.now().max(at);
    let id = campaign.id;
    let Ok(plan) = Plan::read(&campaign.definition.plan) else {
        return stop(node, app, &campaign, "it was stored by another version, which this one cannot read").await;
    };
    let Look { skipped, due, next } = occurrences(&plan.schedule, at, now);
    let new = |occurrence, notification| CampaignRun { id: node.ids.run(now), occurrence, notification };
    let mut runs: Vec<NewRun> = skipped.into_iter().map(|at| NewRun { run: new(at, None), notification: None }).collect();
    if let Some(occurrence) = due {
        let notification = match compose(node, app, plan, (now, beginning(occurrence, now))).await {
            Ok(notification) => notification,
            Err(Rejected::Store(error)) => return Err(error),
            Err(rejected) => return stop(node, app, &campaign, &reason(&rejected)).await,
        };
        runs.push(NewRun { run: new(occurrence, Some(notification.id)), notification: Some(notification) });
    }
    let began = node.heard(node.store.fire_campaign(app.id, id, campaign.version, runs, next).await)?;
    if began {
        node.wake.notify_one();
    }
    Ok(began)
}

/// Holds a campaign that cannot begin: it is seen so, and stands in nobody's way.
async fn stop(node: &Node, app: &App, campaign: &StoredCampaign, reason: &str) -> Result<bool, store::Error> {
    tracing::warn!(campaign.id = %campaign.id, reason, "a campaign cannot begin, and is paused");
    node.heard(node.store.stop_campaign(app.id, campaign.id, campaign.version, reason).await)?;
    Ok(false)
}

/// What is due of a schedule whose next instant is `at`.
fn occurrences(schedule: &Schedule, at: Timestamp, now: Timestamp) -> Look {
    match schedule {
        Schedule::Recurring(recurrence) => recurrence.look(at, now),
        Schedule::AtOnce | Schedule::At(_) | Schedule::Local { .. } => Look { due: Some(at), ..Look::default() },
    }
}

/// As when a run counts that begins now. Our own lateness leaves nobody out whose local time passed meanwhile, and uses up the time that a push
/// lives; what waited for longer, since someone held it or all daemons were away, begins anew.
fn beginning(occurrence: Timestamp, now: Timestamp) -> Timestamp {
    if now - occurrence <= MISSED_BY { occurrence } else { now }
}

/// The run's notification, checked as any other: what the campaign names may have gone or changed since. A template's words are those of this
/// moment, so that a campaign that recurs can say something new.
async fn compose(
    node: &Node,
    app: &App,
    plan: Plan,
    (now, begins): (Timestamp, Timestamp),
) -> Result<store::engine::NewNotification, Rejected> {
    let mut draft = plan.due();
    draft.read_template(&*node.store, app.id).await?;
    Ok(accept::compose_from(node, app, draft, (now, begins)).await?.0)
}

fn reason(rejected: &Rejected) -> String {
    let text = match rejected {
        Rejected::Invalid(errors) => {
            errors.first().map_or_else(|| rejected.to_string(), |error| format!("{}: {}", error.field, error.message))
        }
        Rejected::TooLarge { .. } | Rejected::Store(_) => rejected.to_string(),
    };
    text.chars().take(MAX_REASON).collect()
}
