//! Connections to one Redis server, or to the nodes of a cluster; every question has a deadline.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use deadpool_redis::{Manager, Pool, PoolConfig, PoolError, Runtime, Timeouts};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, FromRedisValue, IntoConnectionInfo as _, RedisError, RedisResult, ScriptInvocation,
    TlsCertificates,
};
use tokio::time::timeout;

use super::super::{Error, RedisUrl};
use super::connection::{Connection, Loan, Shared, lock};

/// How long a question may take, with whatever it needs to connect.
pub(super) const DEADLINE: Duration = Duration::from_secs(3);
/// How long a connection may take to be made or to be proved alive, so that there is time for another.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Questions under way at a server, at most.
const CONNECTIONS: usize = 16;

/// Why Redis did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{url}: {error}")]
    Refused { url: RedisUrl, error: RedisError },
    #[error("{url} did not answer within {DEADLINE:?}")]
    Silent { url: RedisUrl },
}

impl Fault {
    /// Whether the stream or its group is gone, as after FLUSHALL.
    pub(super) fn is_no_group(&self) -> bool {
        matches!(self, Self::Refused { error, .. } if matches!(error.code(), Some("NOGROUP" | "UNBLOCKED")))
    }

    /// Whether the server does not let this user ask that.
    pub(super) fn is_forbidden(&self) -> bool {
        let Self::Refused { error, .. } = self else { return false };
        error.code() == Some("NOPERM") || error.detail().is_some_and(|detail| detail.starts_with("unknown command"))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(Box::new(fault))
    }
}

/// What the queue is kept in.
pub(super) struct Server {
    url: RedisUrl,
    kind: Kind,
}

enum Kind {
    Single(Pool),
    /// One connection shared by all, which holds connections to the nodes; made again after a fault.
    Cluster {
        client: Box<ClusterClient>,
        shared: Shared,
    },
}

impl Server {
    /// Connects to nothing yet. `roots` are certificates to be trusted in place of the system's, PEM.
    pub(super) fn new(url: RedisUrl, roots: Option<Vec<u8>>) -> RedisResult<Self> {
        let login = url.login();
        let tcp = || TcpSettings::default().set_nodelay(true);
        let certificates = roots.filter(|_| url.is_tls()).map(|roots| TlsCertificates { client_tls: None, root_cert: Some(roots) });
        let mut nodes = Vec::new();
        for address in url.addresses() {
            nodes.push(address.into_connection_info()?.set_redis_settings(login.clone()).set_tcp_settings(tcp()));
        }
        let kind = if url.is_cluster() {
            let mut builder = ClusterClient::builder(nodes).connection_timeout(CONNECT_TIMEOUT).tcp_settings(tcp());
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            Kind::Cluster { client: Box::new(builder.build()?), shared: Shared::default() }
        } else {
            let node = nodes.pop().ok_or_else(|| RedisError::from((redis::ErrorKind::InvalidClientConfig, "no server is named")))?;
            Kind::Single(pool(node, certificates)?)
        };
        Ok(Self { url, kind })
    }

    /// Where it is.
    pub(super) fn url(&self) -> &RedisUrl {
        &self.url
    }

    /// Asks one question.
    pub(super) async fn ask<T: FromRedisValue>(&self, question: &Cmd) -> Result<T, Fault> {
        self.within_deadline(async {
            let mut loan = self.borrow().await?;
            let answer = question.query_async(&mut loan.connection).await;
            loan.settle(answer)
        })
        .await
    }

    /// Calls a script, and teaches it to a server that does not know it yet.
    pub(super) async fn call<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Fault> {
        self.within_deadline(async {
            let mut loan = self.borrow().await?;
            let answer = script.invoke_async(&mut loan.connection).await;
            loan.settle(answer)
        })
        .await
    }

    /// A connection that nobody else uses: for reads that block.
    pub(super) async fn own_connection(&self) -> Result<Connection, Fault> {
        let connected = async {
            match &self.kind {
                Kind::Single(pool) => Ok(Connection::Single(deadpool_redis::Connection::take(get(pool).await?))),
                Kind::Cluster { client, .. } => Ok(Connection::Cluster(connect(client).await?)),
            }
        };
        self.within_deadline(connected).await
    }

    async fn within_deadline<T>(&self, asked: impl Future<Output = RedisResult<T>>) -> Result<T, Fault> {
        match timeout(DEADLINE, asked).await {
            Ok(answer) => answer.map_err(|error| self.refused(error)),
            Err(_) => Err(self.silent()),
        }
    }

    pub(super) fn refused(&self, error: RedisError) -> Fault {
        Fault::Refused { url: self.url.clone(), error }
    }

    pub(super) fn silent(&self) -> Fault {
        Fault::Silent { url: self.url.clone() }
    }

    async fn borrow(&self) -> RedisResult<Loan<'_>> {
        match &self.kind {
            Kind::Single(pool) => Ok(Loan::pooled(get(pool).await?)),
            Kind::Cluster { client, shared } => {
                let present = lock(shared).clone();
                let connection = if let Some(connection) = present {
                    connection
                } else {
                    let connection = connect(client).await?;
                    lock(shared).get_or_insert(connection).clone()
                };
                Ok(Loan::shared(connection, shared))
            }
        }
    }

    /// What the server, or each of the cluster's masters, says of itself.
    pub(super) async fn infos(&self) -> Result<Vec<String>, Fault> {
        let question = redis::cmd("INFO");
        if !self.url.is_cluster() {
            return Ok(vec![self.ask(&question).await?]);
        }
        let masters = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let asked = async {
            let mut loan = self.borrow().await?;
            let answer = loan.connection.route(question, masters).await;
            loan.settle(answer)
        };
        let answers: BTreeMap<String, String> =
            redis::from_redis_value(self.within_deadline(asked).await?).map_err(|error| self.refused(error.into()))?;
        Ok(answers.into_values().collect())
    }
}

fn pool(node: ConnectionInfo, certificates: Option<TlsCertificates>) -> RedisResult<Pool> {
    let node = match certificates {
        Some(certificates) => Client::build_with_tls(node, certificates)?.get_connection_info().clone(),
        None => node,
    };
    // The deadlines are ours: a response timeout would break reads that block.
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT)).set_response_timeout(None);
    let timeouts = Timeouts { wait: None, create: Some(CONNECT_TIMEOUT), recycle: Some(CONNECT_TIMEOUT) };
    let built = Pool::builder(Manager::new_with_config(node, config)?)
        .config(PoolConfig { max_size: CONNECTIONS, timeouts, ..PoolConfig::default() })
        .runtime(Runtime::Tokio1)
        .build();
    built.map_err(|error| RedisError::from(io::Error::other(error)))
}

/// Boxed, since the way to a cluster is a large future and every question has it in it.
async fn connect(client: &ClusterClient) -> RedisResult<ClusterConnection> {
    Box::pin(client.get_async_connection()).await
}

async fn get(pool: &Pool) -> RedisResult<deadpool_redis::Connection> {
    pool.get().await.map_err(|error| match error {
        PoolError::Backend(error) => error,
        other => RedisError::from(io::Error::other(other)),
    })
}
