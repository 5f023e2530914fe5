//! What an app shows Apple: a token that is signed for its team, or a certificate of its own.

use std::sync::Arc;

use super::certificate::Certificate;
use super::settings::{Chosen, Settings};
use super::signers::Signers;
use super::token::Signer;
use crate::providers::fingerprint::{Fingerprint, fingerprint};
use crate::providers::http2::Identity;
use crate::providers::{Context, InitError, Secret};

/// One of the two.
#[derive(Debug)]
pub(super) enum Credential {
    /// In a header field of every push.
    Token(Arc<Signer>),
    /// In TLS, once for each connection.
    Certificate(Box<Certificate>),
}

impl Credential {
    /// Reads the files that the settings name.
    pub(super) fn load(settings: &Settings, signers: &Signers, context: &Context) -> Result<Self, InitError> {
        match settings.chosen()? {
            Chosen::Key { file } => Self::token(settings, &Secret::read("key_file", file)?, signers, context),
            Chosen::Certificate { file } => {
                let certificate = Certificate::load(file, settings.certificate_password()?.as_ref())?;
                if certificate.is_for(&settings.bundle_id) {
                    return Ok(Self::Certificate(Box::new(certificate)));
                }
                Err(InitError::Invalid { key: "bundle_id", message: "is not an app that the certificate is for" })
            }
        }
    }

    /// A token key's, with the key's text (PEM, PKCS#8) given.
    pub(super) fn token(settings: &Settings, pem: &Secret, signers: &Signers, context: &Context) -> Result<Self, InitError> {
        Ok(Self::Token(signers.signer(&settings.team_id, &settings.key_id, pem, &context.clock)?))
    }

    /// What it and the app it is for are known by.
    pub(super) fn fingerprint(&self, bundle_id: &str) -> Fingerprint {
        let of_credential = match self {
            Self::Token(signer) => signer.fingerprint,
            Self::Certificate(certificate) => certificate.fingerprint(),
        };
        fingerprint(&[&of_credential, bundle_id.as_bytes()])
    }

    pub(super) fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Token(_) => None,
            Self::Certificate(certificate) => Some(certificate.identity()),
        }
    }
}
