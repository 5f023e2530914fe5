//! TLS as every provider's connection uses it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
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
}

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// TLS 1.2 and 1.3 with ALPN `h2`, trusting the system's roots and those of `extra_roots` (PEM) besides.
pub fn client_config(extra_roots: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    offering(&[HTTP2], extra_roots)
}

/// The same for peers that may speak HTTP/1.1 only.
pub fn client_config_with_http1(extra_roots: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    offering(&[HTTP2, HTTP1], extra_roots)
}

/// Whether it was made by [`client_config_with_http1`].
pub(super) fn offers_http1(config: &ClientConfig) -> bool {
    config.alpn_protocols.iter().any(|name| name == HTTP1)
}

fn offering(protocols: &[&[u8]], extra_roots: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = extra_roots.map_or_else(|| Ok(Vec::new()), read_roots)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(TlsError::Roots)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Roots)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
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
