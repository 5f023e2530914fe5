//! TLS as every provider's connection uses it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of extra roots cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file of extra roots has no certificate, or a broken one.
    #[error("{path} has no PEM certificate")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The roots are refused, or there are none at all.
    #[error("the root certificates cannot be used")]
    Roots(#[source] rustls::Error),
    /// The client's certificate and private key do not fit together, or are of a kind that TLS does not use.
    #[error("the certificate and its private key cannot be used")]
    Identity(#[source] rustls::Error),
}

/// Who a client says that it is: its certificate first, then those that lead to the root.
pub struct Identity {
    /// The certificates.
    pub chain: Vec<CertificateDer<'static>>,
    /// The first one's private key.
    pub key: PrivateKeyDer<'static>,
}

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// TLS 1.2 and 1.3 with ALPN `h2`, trusting the system's roots and those of `extra_roots` (PEM) besides.
pub fn client_config(extra_roots: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    offering(&[HTTP2], extra_roots, None)
}

/// The same, with a certificate for peers that ask for one.
pub fn client_config_as(extra_roots: Option<&Path>, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, TlsError> {
    offering(&[HTTP2], extra_roots, identity)
}

/// The same, without one, for peers that may speak HTTP/1.1 only.
pub fn client_config_with_http1(extra_roots: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    offering(&[HTTP2, HTTP1], extra_roots, None)
}

/// Whether it was made by [`client_config_with_http1`].
pub(super) fn offers_http1(config: &ClientConfig) -> bool {
    config.alpn_protocols.iter().any(|name| name == HTTP1)
}

fn offering(protocols: &[&[u8]], extra_roots: Option<&Path>, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = extra_roots.map_or_else(|| Ok(Vec::new()), read_roots)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(TlsError::Roots)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Roots)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { chain, key }) => builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(TlsError::Identity)?,
    };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

fn read_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })?;
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match roots {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        Ok(_) | Err(_) => Err(TlsError::NoCertificate { path: path.to_owned() }),
    }
}
