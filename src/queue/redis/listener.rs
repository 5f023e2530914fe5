//! Waiting for the next entry of a shard, with a connection of its own.
//!
//! A read that blocks takes an entry for good, so it is never cancelled: it stays here when the one who waited goes away,
//! and the next who waits, or looks, has what it found.

use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::connection::Connection;
use super::server::{DEADLINE, Fault, Server};
use super::shard::{Read, Shard};

type Reading = Pin<Box<dyn Future<Output = Result<(Connection, Read), Silence>> + Send>>;

/// Why a read has no answer.
enum Silence {
    Refused(redis::RedisError),
    TimedOut,
}

/// At most one read at a time: whoever else waits for the shard waits for that one.
#[derive(Default)]
pub(super) struct Listener {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    reading: Option<Reading>,
    /// Between reads.
    connection: Option<Connection>,
}

impl Listener {
    /// Waits until there is an entry, or for about `block`.
    pub(super) async fn wait(&self, server: &Server, shard: &Shard, block: Duration) -> Result<Read, Fault> {
        let Ok(mut state) = timeout(block, self.state.lock()).await else { return Ok(None) };
        let used = state.reading.is_none() && state.connection.is_some();
        match state.read(server, shard, block).await {
            // the server may have closed it long ago
            Err(Fault::Refused { error, .. }) if used && error.is_unrecoverable_error() => state.read(server, shard, block).await,
            answer => answer,
        }
    }

    /// What a read has found that nobody waited for any more.
    pub(super) fn found(&self, server: &Server) -> Result<Read, Fault> {
        let Ok(mut state) = self.state.try_lock() else { return Ok(None) };
        match state.reading.as_mut().and_then(FutureExt::now_or_never) {
            Some(answer) => state.settle(server, answer),
            None => Ok(None),
        }
    }
}

impl State {
    async fn read(&mut self, server: &Server, shard: &Shard, block: Duration) -> Result<Read, Fault> {
        let answer = if let Some(reading) = &mut self.reading {
            reading.await
        } else {
            let connection = match self.connection.take() {
                Some(connection) => connection,
                None => server.own_connection().await?,
            };
            self.reading.insert(read(connection, shard.read(block), block)).await
        };
        self.settle(server, answer)
    }

    fn settle(&mut self, server: &Server, answer: Result<(Connection, Read), Silence>) -> Result<Read, Fault> {
        self.reading = None;
        match answer {
            Ok((connection, read)) => {
                self.connection = Some(connection);
                Ok(read)
            }
            Err(Silence::Refused(error)) => {
                let fault = server.refused(error);
                // The next look makes the group again.
                if fault.is_no_group() { Ok(None) } else { Err(fault) }
            }
            Err(Silence::TimedOut) => Err(server.silent()),
        }
    }
}

/// On its own, so that it can outlast whoever waits for it.
fn read(mut connection: Connection, question: redis::Cmd, block: Duration) -> Reading {
    Box::pin(async move {
        match timeout(block + DEADLINE, question.query_async(&mut connection)).await {
            Ok(Ok(read)) => Ok((connection, read)),
            Ok(Err(error)) => Err(Silence::Refused(error)),
            Err(_) => Err(Silence::TimedOut),
        }
    })
}
