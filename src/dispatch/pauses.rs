//! The pauses of lanes, agreed on with the other nodes through the store: what one found out holds for all, and a resumption at any of them
//! reaches those that have no API.

use std::sync::Arc;
use std::time::Duration;

use super::lane::{Lane, LaneKey, Pause, environments};
use super::node::Node;
use super::outage::tell;
use crate::store;
use crate::store::pause::LanePause;

/// How often a node looks.
const EVERY: Duration = Duration::from_secs(1);

/// Agrees again and again, until the node stops.
pub async fn watch(node: Arc<Node>) {
    loop {
        if let Err(error) = agree(&node).await {
            tell(&error, "the pauses of lanes cannot be read; what other nodes pause or resume is noticed later");
        }
        if !node.pause(EVERY).await {
            return;
        }
    }
}

/// One look at what the others know, and a word of what they do not.
pub async fn agree(node: &Node) -> store::Result<()> {
    let known = node.heard_read(node.store.lane_pauses().await)?;
    let (mut lanes, mut news): (Vec<Arc<Lane>>, Vec<LanePause>) = (Vec::new(), Vec::new());
    for app in node.directory.apps() {
        for (provider, with) in &app.providers {
            let credential = with.credential();
            for environment in environments(*provider) {
                let key = LaneKey { app: app.id, provider: *provider, environment: *environment };
                let is_its = |pause: &&LanePause| {
                    (pause.app, pause.provider, pause.environment, pause.credential) == (key.app, key.provider, key.environment, credential)
                };
                let its: Vec<_> =
                    known.iter().filter(is_its).filter_map(|pause| Some((pause.part, Pause::parse(&pause.reason)?))).collect();
                let lane = node.lanes.get(key);
                for (part, pause) in lane.agree(app.generation, &its) {
                    let LaneKey { app, provider, environment } = key;
                    news.push(LanePause { app, provider, environment, part, credential, reason: pause.describe() });
                    lanes.push(Arc::clone(&lane));
                }
            }
        }
    }
    if news.is_empty() {
        return Ok(());
    }
    node.heard(node.store.pause_lanes(&news).await)?;
    for (lane, LanePause { app, provider, part, .. }) in lanes.iter().zip(news) {
        // resumed here while it was being told: nobody else is to take it for a pause
        if !lane.told(part) {
            node.heard(node.store.resume_lanes(app, provider).await)?;
        }
    }
    Ok(())
}
