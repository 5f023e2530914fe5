//! What the requests and the connections of a pool share, and the right to a stream.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ClientConfig;
use tokio::time::Instant;
use tokio_util::sync::WaitForCancellationFuture;

use super::connect;
use super::connection::{self, Connection};
use super::error::ConnectError;
use super::origin::Origin;
use super::pool::Limits;
use super::proxy::Proxy;
use super::state::State;
use crate::providers::Context;

/// What the requests and the connections of a pool share.
pub(super) struct Shared {
    state: Mutex<State>,
    origin: Origin,
    proxy: Option<Proxy>,
    tls: Arc<ClientConfig>,
    limits: Limits,
    context: Context,
}

impl Shared {
    pub(super) fn new((origin, proxy): (Origin, Option<Proxy>), tls: Arc<ClientConfig>, limits: Limits, context: Context) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::new(limits)), origin, proxy, tls, limits, context })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    pub(super) fn tls(&self) -> &Arc<ClientConfig> {
        &self.tls
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn chance(&self) -> f64 {
        self.context.rng.fraction()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.context.cancel.is_cancelled()
    }

    pub(super) fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        self.context.cancel.cancelled()
    }

    pub(super) fn under_way(&self, id: u64) -> usize {
        self.lock().under_way(id)
    }

    pub(super) fn allow(self: &Arc<Self>, id: u64, streams: usize) {
        let mut state = self.lock();
        state.allow(id, streams);
        self.settle(state);
    }

    pub(super) fn retire(self: &Arc<Self>, id: u64) {
        let mut state = self.lock();
        let connection = state.remove(id);
        self.settle(state);
        drop(connection);
    }

    pub(super) fn close(self: &Arc<Self>) {
        let mut state = self.lock();
        let connections = state.close();
        self.settle(state);
        drop(connections);
    }

    /// A connection ended.
    pub(super) fn lost(self: &Arc<Self>, id: u64, had_answered: bool) {
        let mut state = self.lock();
        let connection = state.remove(id);
        if had_answered {
            state.backoff.succeeded();
        } else if !state.is_closed() {
            state.backoff.barren(Instant::now(), self.chance());
        }
        self.settle(state);
        drop(connection);
    }

    /// Serves who waits, and opens what connections that takes.
    pub(super) fn settle(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let open = state.settle(self, Instant::now());
        let ids: Vec<u64> = (0..open).map(|_| state.next_id()).collect();
        drop(state);
        for id in ids {
            let shared = Arc::clone(self);
            self.context.tasks.spawn(async move { shared.connect(id).await });
        }
    }

    async fn connect(self: Arc<Self>, id: u64) {
        let made = tokio::select! {
            made = connect::open(&self, id) => made,
            () = self.context.cancel.cancelled() => {
                self.lock().not_opened();
                self.close();
                return;
            }
        };
        match made {
            Ok((connection, link)) => {
                self.connected(connection, link.streams);
                connection::drive(&self, link).await;
            }
            Err(error) => self.not_connected(error),
        }
    }

    fn connected(self: &Arc<Self>, connection: Connection, streams: usize) {
        let mut state = self.lock();
        state.opened(Arc::new(connection), streams);
        self.settle(state);
    }

    fn not_connected(self: &Arc<Self>, error: ConnectError) {
        tracing::warn!(origin = %self.origin, error = &error as &dyn std::error::Error, "cannot connect");
        let mut state = self.lock();
        state.not_opened();
        state.backoff.failed(Arc::new(error), Instant::now(), self.chance());
        self.settle(state);
    }
}

/// The right to one stream on one connection; given back when dropped.
pub(super) struct Slot {
    shared: Arc<Shared>,
    pub(super) connection: Arc<Connection>,
    armed: bool,
}

impl Slot {
    pub(super) fn new(shared: Arc<Shared>, connection: Arc<Connection>) -> Self {
        Self { shared, connection, armed: true }
    }

    /// The slot will not give itself back. Returns its connection.
    pub(super) fn disarm(&mut self) -> u64 {
        self.armed = false;
        self.connection.mark.id
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let mut state = self.shared.lock();
        if state.release(self.connection.mark.id) {
            self.shared.settle(state);
        }
    }
}
