//! Apps and credentials are taken over from a changed configuration while the daemon serves.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::apps::Loader;
use super::server;
use crate::api::{Origins, SignIns, Tls};
use crate::config::{self, Settings};
use crate::dispatch::handle::Dispatch;

/// When the configuration is read again, and how.
pub struct Reload {
    /// Told whenever someone asks for it.
    pub asked: Arc<Notify>,
    /// Reads it.
    pub read: Box<dyn Fn() -> Result<Settings, config::Error> + Send + Sync>,
}

/// What a daemon was started with and goes on with.
pub(super) struct Reloader {
    pub(super) loader: Loader,
    /// As it was started.
    pub(super) settings: Settings,
    pub(super) dispatch: Arc<Dispatch>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) origins: Origins,
    pub(super) sign_ins: Arc<SignIns>,
}

impl Reloader {
    /// Reads it again whenever that is asked for, until the daemon stops. A configuration with a fault changes nothing.
    pub(super) async fn run(mut self, reload: Reload, stopping: CancellationToken) {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = reload.asked.notified() => {}
            }
            let result = match (reload.read)() {
                Ok(settings) => self.take_over(&settings).await,
                Err(error) => Err(error.into()),
            };
            metrics::counter!("herald_reloads_total", "result" => if result.is_ok() { "done" } else { "refused" }).increment(1);
            if let Err(error) = result {
                tracing::error!("the configuration was read again and is not taken over, everything goes on as before: {error:#}");
            }
        }
    }

    async fn take_over(&mut self, settings: &Settings) -> anyhow::Result<()> {
        let loaded = self.loader.load(&settings.apps).await?;
        server::renew(self.tls.as_ref(), &settings.server)?;
        let (apps, renewed) = (loaded.apps.len(), loaded.renewed.len());
        self.sign_ins.replace(loaded.sign_ins);
        self.dispatch.replace_apps(loaded.apps, &loaded.renewed);
        self.origins.replace(server::origins(&settings.apps));
        tracing::info!(apps, renewed, "the configuration was read again: its apps and credentials hold from now on");
        for section in changed(&self.settings, settings) {
            tracing::warn!(section, "a change of this section holds from the next start on");
        }
        Ok(())
    }
}

/// The sections beside the apps that are not as they were.
fn changed(old: &Settings, new: &Settings) -> Vec<&'static str> {
    // taken apart, so that none that is added later can be forgotten
    let Settings { server, log, database, queue, dispatch, retry, analytics, audit, limits, client_tokens, webhooks, apps: _, fallback } =
        old;
    let sections = [
        ("server", *server == new.server),
        ("log", *log == new.log),
        ("database", *database == new.database),
        ("queue", *queue == new.queue),
        ("dispatch", *dispatch == new.dispatch),
        ("retry", *retry == new.retry),
        ("analytics", *analytics == new.analytics),
        ("audit", *audit == new.audit),
        ("limits", *limits == new.limits),
        ("client_tokens", *client_tokens == new.client_tokens),
        ("webhooks", *webhooks == new.webhooks),
        ("fallback", *fallback == new.fallback),
    ];
    sections.into_iter().filter(|(_, is_same)| !is_same).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_only_after_a_start_is_named() {
        let old = Settings::default();
        let mut new = old.clone();
        assert!(changed(&old, &new).is_empty());
        new.dispatch.permits += 1;
        new.log.level = "debug".to_owned();
        new.analytics.minute_days += 1;
        assert_eq!(changed(&old, &new), ["log", "dispatch", "analytics"]);
    }
}
