//! The sender of webhooks, of the settings.

use std::sync::Arc;

use anyhow::Context as _;

use super::context;
use crate::config::Settings;
use crate::dispatch::role::Roles;
use crate::dispatch::webhook::{Parts, Sender};
use crate::lifecycle::Lifecycle;
use crate::providers::webhook::client::HttpWebhooks;
use crate::store::Store;

/// One that sends where this is a worker's node.
pub(super) fn sender(settings: &Settings, roles: Roles, store: &Arc<dyn Store>, life: &Lifecycle) -> anyhow::Result<Arc<Sender>> {
    let context = context(settings, life);
    let client = HttpWebhooks::load(&settings.webhooks, &context).context("webhooks")?;
    let sender = Sender::new(Parts {
        store: Arc::clone(store) as _,
        client: Arc::new(client),
        clock: context.clock,
        rng: context.rng,
        tasks: Arc::new(life.tasks().clone()),
        stopping: life.soft().clone(),
        stopped: life.hard().clone(),
        kept: settings.webhooks.kept(),
    });
    if roles.worker {
        sender.start();
    }
    Ok(sender)
}
