//! A push certificate: who Herald is in TLS, for which topics, and until when ("Establishing a certificate-based connection to APNs").

use std::fmt;
use std::path::Path;

use chrono::{TimeZone, Utc};
use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::parse_der;
use x509_parser::prelude::FromDer;

use super::push_type::PushType;
use crate::domain::Timestamp;
use crate::providers::fingerprint::{Fingerprint, fingerprint};
use crate::providers::http2::Identity;
use crate::providers::{InitError, Secret};

const KEY: &str = "cert_file";
/// Apple's extension with the topics that a certificate is for.
const TOPICS: &str = "1.2.840.113635.100.6.3.6";
/// The attribute `UID` of a subject (RFC 4519), where Apple writes the bundle id.
const UID: &str = "0.9.2342.19200300.100.1.1";
/// What a common name begins with, before the bundle id.
const NAMES: [&str; 6] = [
    "Apple Push Services: ",
    "Apple Production IOS Push Services: ",
    "Apple Development IOS Push Services: ",
    "Apple Sandbox Push Services: ",
    "VoIP Services: ",
    "Pass Type ID: ",
];

/// A certificate with its private key.
pub(super) struct Certificate {
    identity: Identity,
    expires_at: Timestamp,
    topics: Topics,
}

/// What a certificate says of topics.
#[derive(Debug, PartialEq, Eq)]
enum Topics {
    /// It lists all of them.
    Listed(Vec<String>),
    /// It names the app.
    Of(String),
    /// Nothing.
    Untold,
}

impl Certificate {
    /// Reads a `.p12` (PKCS #12, RFC 7292), or a PEM file with the certificate and its private key.
    pub(super) fn load(path: &Path, password: Option<&Secret>) -> Result<Self, InitError> {
        let unreadable = |source| InitError::Unreadable { key: KEY, path: path.to_owned(), source };
        let bytes = zeroize::Zeroizing::new(std::fs::read(path).map_err(unreadable)?);
        let identity = if is_pem(path, &bytes) { from_pem(&bytes)? } else { from_p12(&bytes, password)? };
        Self::new(identity)
    }

    fn new(identity: Identity) -> Result<Self, InitError> {
        let first = identity.chain.first().ok_or_else(|| invalid("has no certificate"))?;
        let (_, parsed) = X509Certificate::from_der(first).map_err(|_| invalid("has no X.509 certificate"))?;
        let expires_at = Utc.timestamp_opt(parsed.validity().not_after.timestamp(), 0).single();
        let topics = topics(&parsed);
        Ok(Self { expires_at: expires_at.unwrap_or(Timestamp::MAX_UTC), topics, identity })
    }

    /// Who a connection says that it is.
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What it is known by.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        fingerprint(&[self.identity.chain.first().map_or(&[][..], |certificate| certificate)])
    }

    /// From then on Apple refuses it.
    pub(super) fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Whether it may be for this app.
    pub(super) fn is_for(&self, bundle_id: &str) -> bool {
        match &self.topics {
            Topics::Listed(topics) => topics.iter().filter_map(|topic| topic.strip_prefix(bundle_id)).any(is_suffix),
            Topics::Of(topic) => topic == bundle_id,
            Topics::Untold => true,
        }
    }

    /// Whether pushes of this type may go with it. Apple takes some from token keys only.
    pub(super) fn covers(&self, push_type: PushType, topic: &str) -> bool {
        let is_listed = match &self.topics {
            Topics::Listed(topics) => topics.iter().any(|listed| listed == topic),
            Topics::Of(_) | Topics::Untold => true,
        };
        is_listed && push_type.goes_with_certificate()
    }
}

fn is_suffix(rest: &str) -> bool {
    PushType::ALL.iter().any(|push_type| push_type.topic_suffix() == rest)
}

fn invalid(message: &'static str) -> InitError {
    InitError::Invalid { key: KEY, message }
}

fn is_pem(path: &Path, bytes: &[u8]) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pem")) || bytes.starts_with(b"-----BEGIN")
}

fn from_pem(bytes: &[u8]) -> Result<Identity, InitError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| invalid("has no PEM certificate"))?;
    let key =
        PrivateKeyDer::from_pem_slice(bytes).map_err(|_| invalid("has no PEM private key without a password beside the certificate"))?;
    Ok(Identity { chain, key })
}

fn from_p12(bytes: &[u8], password: Option<&Secret>) -> Result<Identity, InitError> {
    let password = password.map_or("", Secret::expose);
    let store = KeyStore::from_pkcs12(bytes, password, Pkcs12ImportPolicy::Relaxed)
        .map_err(|_| invalid("is no PKCS #12 file, or cert_password is not its password"))?;
    let (_, entry) = store.private_key_chain().ok_or_else(|| invalid("has no private key"))?;
    let chain = entry.certs().iter().map(|certificate| CertificateDer::from(certificate.as_der().to_vec())).collect();
    Ok(Identity { chain, key: PrivatePkcs8KeyDer::from(entry.key().as_der().to_vec()).into() })
}

fn topics(certificate: &X509Certificate<'_>) -> Topics {
    let extension = certificate.extensions().iter().find(|extension| extension.oid.to_id_string() == TOPICS);
    if let Some(topics) = extension.and_then(|extension| listed(extension.value)).filter(|topics| !topics.is_empty()) {
        return Topics::Listed(topics);
    }
    let attributes = || certificate.subject().iter_attributes();
    let uid = attributes().find(|attribute| attribute.attr_type().to_id_string() == UID).and_then(|attribute| attribute.as_str().ok());
    let name = certificate.subject().iter_common_name().find_map(|name| name.as_str().ok());
    let named = name.and_then(|name| NAMES.iter().find_map(|prefix| name.strip_prefix(prefix)));
    uid.or(named).map_or(Topics::Untold, |topic| Topics::Of(topic.to_owned()))
}

/// A sequence of topics, each followed by a sequence of what it may be used for.
fn listed(extension: &[u8]) -> Option<Vec<String>> {
    let (_, parsed) = parse_der(extension).ok()?;
    let items = parsed.as_sequence().ok()?;
    Some(items.iter().filter_map(|item| item.as_str().ok()).map(str::to_owned).collect())
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("topics", &self.topics).field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
