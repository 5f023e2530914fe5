//! The simulator's own certificate authority and the certificate of its listeners. Both are made
//! anew at every start and never leave the process, but for the authority's public certificate.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::Error;

/// An authority and one server certificate for `127.0.0.1`, `::1`, `localhost` and the name that was given.
pub(super) struct Authority {
    /// The authority's certificate, PEM.
    pub(super) ca_pem: String,
    /// A push certificate for the app and its private key, PEM.
    pub(super) push_pem: String,
    root: CertificateDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    /// Makes the keys and certificates. They carry no real dates, so a test with a clock of its
    /// own can use them.
    pub(super) fn generate(host: Option<&str>, bundle_id: &str) -> Result<Self, Error> {
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name.push(DnType::CommonName, "Herald simulator CA");
        let ca_certificate = ca.self_signed(&ca_key)?;
        let issuer = Issuer::new(ca, ca_key);

        let key = KeyPair::generate()?;
        let names = ["127.0.0.1", "::1", "localhost"].into_iter().chain(host).map(str::to_owned);
        let mut leaf = CertificateParams::new(names.collect::<Vec<_>>())?;
        leaf.distinguished_name.push(DnType::CommonName, "Herald simulator");
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let certificate = leaf.signed_by(&key, &issuer)?;

        Ok(Self {
            ca_pem: ca_certificate.pem(),
            push_pem: push_certificate(bundle_id, &issuer)?,
            root: ca_certificate.der().clone(),
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::from(key),
        })
    }

    /// The TLS settings of a listener that offers these protocols. A client may show a certificate of this authority.
    pub(super) fn server_config(&self, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone())?;
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let clients = clients.allow_unauthenticated().build().map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients)
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

/// As Apple's are named, without the list of topics: it is for the app's own topic and those that follow from it.
fn push_certificate(bundle_id: &str, issuer: &Issuer<'_, KeyPair>) -> Result<String, Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("Apple Push Services: {bundle_id}"));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, issuer)?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}
