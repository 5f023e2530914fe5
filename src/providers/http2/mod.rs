//! HTTP/2 to one origin, shared by every provider that speaks it: connections, streams, liveness, deadlines. Where a provider
//! offers HTTP/1.1 as well and the peer takes nothing else, a connection carries one request at a time.
//!
//! It carries requests and answers and says how certain it is that a failed request was not processed. It knows no provider:
//! what a status or a body means is decided above.

mod backoff;
mod connect;
mod connection;
mod dial;
mod error;
mod exchange;
mod http1;
mod origin;
mod pool;
mod proxy;
mod reach;
mod retry_after;
mod shared;
mod state;
#[cfg(test)]
mod tests;
mod tls;
mod wire;

pub use connection::Mark;
pub use error::{ConnectError, Error};
pub use exchange::Answer;
pub use origin::{Origin, OriginError};
pub use pool::{Limits, Pool};
pub use proxy::{Proxy, ProxyError};
pub use reach::Reach;
pub use retry_after::retry_after;
pub use state::Want;
pub use tls::{Identity, TlsError, client_config, client_config_as, client_config_with_http1};
