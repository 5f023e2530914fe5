//! What can keep a simulator from starting.

use std::net::SocketAddr;

/// Why a simulator cannot start or hand out its files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A listener's address cannot be had.
    #[error("the simulator cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key or certificate cannot be made.
    #[error("the simulator cannot make its keys and certificates")]
    Certificate(#[from] rcgen::Error),
    /// The server's certificate is not accepted by its own TLS library.
    #[error("the simulator cannot use its certificate")]
    Tls(#[from] rustls::Error),
    /// A key just made cannot be read.
    #[error("the simulator cannot read its keys")]
    Key(#[from] jsonwebtoken::errors::Error),
    /// The service account cannot be written as JSON.
    #[error("the simulator cannot write its service account")]
    ServiceAccount(#[source] serde_json::Error),
    /// A configuration cannot be written as TOML.
    #[error("the simulator cannot write a configuration")]
    Config(#[source] toml::ser::Error),
    /// A file cannot be written.
    #[error("the simulator cannot write its files")]
    Files(#[source] std::io::Error),
}
