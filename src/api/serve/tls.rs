//! TLS of our own, where no proxy before us ends it: 1.2 and 1.3, with a certificate that can be replaced while connections go on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// HTTP/2, as ALPN calls it (RFC 9113, 3.2).
pub(super) const H2: &[u8] = b"h2";

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not PEM.
    #[error("{} cannot be read as PEM", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// There is none in the file.
    #[error("{} has no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// The key is not the certificate's, or neither can be used.
    #[error("certificate and key do not go together, or cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// What is shown to those who connect.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

/// A certificate and its key, and how TLS is spoken with them.
#[derive(Debug)]
pub struct Tls {
    shown: Arc<Shown>,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads a certificate with those that lead to its root, and its private key, PEM.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let shown = Arc::new(Shown(RwLock::new(read(certificate, key)?)));
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Unusable)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::clone(&shown) as _);
        config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
        Ok(Self { shown, config: Arc::new(config) })
    }

    /// Shows another one from now on; connections that are there go on. With an error nothing changes.
    pub fn reload(&self, certificate: &Path, key: &Path) -> Result<(), TlsError> {
        *self.shown.0.write() = read(certificate, key)?;
        Ok(())
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Unreadable { path, source }
    };
    let chain =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable(certificate))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    CertifiedKey::from_der(chain, key, &default_provider()).map(Arc::new).map_err(TlsError::Unusable)
}

#[cfg(test)]
pub(super) mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    /// Writes a certificate of `localhost` and its key, under this name.
    pub(in crate::api::serve) fn write(folder: &TempDir, name: &str) -> (PathBuf, PathBuf, CertificateDer<'static>) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (certificate, key) = (folder.path().join(format!("{name}.pem")), folder.path().join(format!("{name}.key")));
        std::fs::write(&certificate, cert.pem()).unwrap();
        std::fs::write(&key, signing_key.serialize_pem()).unwrap();
        (certificate, key, cert.der().clone())
    }

    #[test]
    fn what_is_wrong_with_the_files_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let ((certificate, key, _), (_, other, _)) = (write(&folder, "one"), write(&folder, "other"));
        assert!(Tls::load(&certificate, &key).is_ok());
        let fault = |certificate: &Path, key: &Path| Tls::load(certificate, key).unwrap_err().to_string();
        assert_eq!(fault(&certificate, &other), "certificate and key do not go together, or cannot be used");
        assert!(fault(&key, &key).ends_with("one.key has no certificate"));
        assert!(fault(&certificate, &certificate).ends_with("one.pem cannot be read as PEM"));
        assert!(fault(&folder.path().join("none"), &key).ends_with("none cannot be read as PEM"));
    }
}
