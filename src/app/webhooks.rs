//! The sender of webhooks, of the settings.

use std::sync::Arc;

use anyhow::Context as _;

use crate::config::Settings;
use crate::dispatch::webhook::{Parts, Sender};
use crate::lifecycle::Lifecycle;
use crate::providers;
use crate::providers::webhook::client::HttpWebhooks;
use crate::store::Store;

/// One that has not begun.
pub(super) fn sender(
    settings: &Settings,
    store: &Arc<dyn Store>,
    life: &Lifecycle,
    context: providers::Context,
) -> anyhow::Result<Arc<Sender>> {
    let client = HttpWebhooks::load(&settings.webhooks, &context).context("webhooks")?;
    Ok(Sender::new(Parts {
        store: Arc::clone(store) as _,
        client: Arc::new(client),
        clock: context.clock,
        rng: context.rng,
        tasks: Arc::new(life.tasks().clone()),
        stopping: life.soft().clone(),
        stopped: life.hard().clone(),
        kept: settings.webhooks.kept(),
    }))
}
