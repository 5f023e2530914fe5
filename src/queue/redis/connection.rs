//! A connection of either kind, and the loan of one: what may still be owed an answer is never used again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::RoutingInfo;
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};

/// To a server, or to the nodes of a cluster.
pub(super) enum Connection {
    /// To the one server.
    Single(MultiplexedConnection),
    /// It goes on to the node that holds the key, and follows when the key moves.
    Cluster(ClusterConnection),
}

impl Connection {
    /// Asks nodes of a cluster; a single server is asked itself.
    pub(super) async fn route(&mut self, question: Cmd, to: RoutingInfo) -> RedisResult<Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(&question).await,
            Self::Cluster(connection) => connection.route_command(question, to).await,
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(&'a mut self, cmd: &'a Pipeline, offset: usize, count: usize) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(cmd, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// The connection that all who ask a cluster share, while there is one.
pub(super) type Shared = Mutex<Option<ClusterConnection>>;

/// Where a borrowed connection goes back to.
pub(super) enum Lender<'a> {
    /// The pool, when this is dropped.
    Pool(Option<deadpool_redis::Connection>),
    /// Nowhere: it is shared.
    Cluster(&'a Shared),
}

/// A connection for one question. Dropped before it is settled, it is closed.
pub(super) struct Loan<'a> {
    pub(super) connection: Connection,
    lender: Lender<'a>,
    is_settled: bool,
}

impl<'a> Loan<'a> {
    pub(super) fn pooled(connection: deadpool_redis::Connection) -> Self {
        let own = Connection::Single(MultiplexedConnection::clone(&connection));
        Self { connection: own, lender: Lender::Pool(Some(connection)), is_settled: false }
    }

    pub(super) fn shared(connection: ClusterConnection, shared: &'a Shared) -> Self {
        Self { connection: Connection::Cluster(connection), lender: Lender::Cluster(shared), is_settled: false }
    }

    /// Hands an answer on; the connection can be used again unless the answer says otherwise.
    pub(super) fn settle<T>(mut self, answer: RedisResult<T>) -> RedisResult<T> {
        self.is_settled = answer.as_ref().err().is_none_or(|error| !error.is_unrecoverable_error());
        answer
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        match &mut self.lender {
            Lender::Pool(connection) => drop(connection.take().map(deadpool_redis::Connection::take)),
            Lender::Cluster(shared) => *lock(shared) = None,
        }
    }
}

/// Nothing that could panic runs under these locks.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
