//! Devices that nobody has seen for long become inactive, where the app says from when on.
//!
//! Every scheduler looks through all devices now and then, a part at a time. What one of them did another finds done; a device that registers
//! meanwhile is seen, and one that registers later is active again.

use std::sync::Arc;
use std::time::Duration;

use super::directory::App;
use super::node::Node;
use super::outage::tell;

/// How long a node rests when it has looked through all: days are what is counted.
const REST: Duration = Duration::from_hours(1);
/// How long it lets others write between two parts.
const BREATH: Duration = Duration::from_millis(100);
/// Devices of one part.
const PART: usize = 2000;

/// Looks through the devices of all apps again and again, until the node stops.
pub async fn run(node: Arc<Node>) {
    loop {
        for app in node.directory.apps() {
            sweep(&node, &app).await;
        }
        if !node.pause(REST).await {
            return;
        }
    }
}

/// Looks through an app's devices once. A part that cannot be written is left to the next time, with what follows it.
pub async fn sweep(node: &Node, app: &App) {
    let Some(until) = app.staleness.deactivates_seen_until(node.now()) else { return };
    let (mut after, mut deactivated) = (0, 0);
    loop {
        match node.heard(node.store.deactivate_stale(app.id, until, after, PART).await) {
            Ok(swept) => {
                deactivated += swept.deactivated;
                metrics::counter!("herald_devices_deactivated_total", "reason" => "stale").increment(swept.deactivated as u64);
                let Some(to) = swept.to else { break };
                after = to;
            }
            Err(error) => {
                tell(&error, "stale devices cannot be deactivated now");
                break;
            }
        }
        if !node.pause(BREATH).await {
            break;
        }
    }
    if deactivated > 0 {
        tracing::info!(app = %app.name, devices = deactivated, "devices that nobody has seen for long are inactive");
    }
}
