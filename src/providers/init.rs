//! Why a provider cannot be built from its settings.

use std::io;
use std::path::PathBuf;

use super::http2::{OriginError, ProxyError, TlsError};
use crate::domain::Timestamp;

/// A wrong setting, named with its key within the provider's section.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A value that cannot be right.
    #[error("{key}: {message}")]
    Invalid {
        /// Which key.
        key: &'static str,
        /// What is wrong.
        message: &'static str,
    },
    /// No URL to connect to.
    #[error("{key} {problem}")]
    Origin {
        /// Which key.
        key: &'static str,
        /// What is wrong.
        problem: OriginError,
    },
    /// No proxy to go through.
    #[error("{key} {problem}")]
    Proxy {
        /// Which key.
        key: &'static str,
        /// What is wrong.
        problem: ProxyError,
    },
    /// A file that cannot be read.
    #[error("{key}: {path} cannot be read")]
    Unreadable {
        /// Which key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A private key that is none of the kind needed.
    #[error("{key}: no {expected} private key in PEM (PKCS#8)")]
    Key {
        /// Which key.
        key: &'static str,
        /// `EC P-256` or `RSA`.
        expected: &'static str,
        /// Why.
        #[source]
        source: jsonwebtoken::errors::Error,
    },
    /// A certificate that is not valid any more.
    #[error("{key}: expired at {at}")]
    Expired {
        /// Which key.
        key: &'static str,
        /// Since when.
        at: Timestamp,
    },
    /// A file that is not the JSON it should be.
    #[error("{key}: not a service account: line {line}, column {column}")]
    Json {
        /// Which key.
        key: &'static str,
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
    /// The extra root certificates, or a client's certificate.
    #[error("{}", key_of(.0))]
    Tls(#[from] TlsError),
}

impl InitError {
    /// The key at fault.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Invalid { key, .. }
            | Self::Origin { key, .. }
            | Self::Proxy { key, .. }
            | Self::Unreadable { key, .. }
            | Self::Key { key, .. }
            | Self::Expired { key, .. }
            | Self::Json { key, .. } => key,
            Self::Tls(error) => key_of(error),
        }
    }
}

fn key_of(error: &TlsError) -> &'static str {
    if matches!(error, TlsError::Identity(_)) { "cert_file" } else { "ca_file" }
}
