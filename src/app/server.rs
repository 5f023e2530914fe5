//! How the API is served, as the configuration has it.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;

use super::files;
use crate::api::{self, Tls};
use crate::config::{self, Settings};

pub(super) fn settings(settings: &Settings) -> api::Settings {
    let server = &settings.server;
    let max_connections = files::connections(server.max_connections);
    api::Settings {
        listen: server.listen.to_string(),
        header_timeout_seconds: server.header_timeout_seconds,
        body_timeout_seconds: server.body_timeout_seconds,
        idle_timeout_seconds: server.idle_timeout_seconds,
        write_timeout_seconds: server.write_timeout_seconds,
        max_connections,
        max_connections_per_address: server.max_connections_per_address.unwrap_or(max_connections / 2),
        max_requests: server.max_requests,
        max_in_flight_mib: server.max_in_flight_mib,
        has_admin: server.admin_listen.is_some(),
        trusted_proxies: server.trusted_proxies.clone(),
        rates: api::Rates {
            per_key: rate(settings.limits.per_key),
            per_client_token: rate(settings.limits.per_client_token),
            per_address: rate(settings.limits.per_address),
        },
        private_webhooks: settings.webhooks.allow_private_addresses,
    }
}

/// What is shown to callers, if they are to speak TLS.
pub(super) fn tls(server: &config::Server) -> anyhow::Result<Option<Arc<Tls>>> {
    let load = |files: &config::Tls| Tls::load(&files.cert_file, &files.key_file).context("server.tls");
    Ok(server.tls.as_ref().map(load).transpose()?.map(Arc::new))
}

/// Shows what the files hold by now.
pub(super) fn renew(tls: Option<&Arc<Tls>>, server: &config::Server) -> anyhow::Result<()> {
    match (tls, &server.tls) {
        (Some(tls), Some(files)) => tls.reload(&files.cert_file, &files.key_file).context("server.tls"),
        // whether there is TLS at all holds from the next start on
        _ => Ok(()),
    }
}

/// Where pages of these apps may call from.
pub(super) fn origins(apps: &config::Apps) -> impl Iterator<Item = String> {
    apps.values().flat_map(|app| app.allowed_origins.iter().cloned())
}

/// Binds a listener.
pub(super) async fn listen(key: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{key} {address}"))
}

fn rate(rate: config::Rate) -> api::Rate {
    api::Rate { count: rate.count, per: rate.per }
}
