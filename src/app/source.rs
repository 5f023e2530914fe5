//! What a provider is made of: its section of the configuration, and the files that this names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use aws_lc_rs::digest::{SHA256, digest};

use crate::config;
use crate::domain::device::ProviderKind;
use crate::providers::apns::{ApnsProvider, Signers};
use crate::providers::fcm::FcmProvider;
use crate::providers::webpush::WebpushProvider;
use crate::providers::{self, Provider, apns, fcm, webpush};

/// One provider's part of an app's configuration.
#[derive(Clone, PartialEq)]
pub(super) enum Section {
    Apns(apns::Settings),
    Fcm {
        settings: fcm::Settings,
        /// The app's iOS build has a service extension, which is said under `apns`.
        service_extension: bool,
    },
    Webpush(webpush::Settings),
}

impl Section {
    /// All that an app has.
    pub(super) fn all(app: &config::App) -> Vec<Self> {
        let service_extension = app.apns.as_ref().is_some_and(|apns| apns.service_extension);
        let apns = app.apns.clone().map(Self::Apns);
        let fcm = app.fcm.clone().map(|settings| Self::Fcm { settings, service_extension });
        let webpush = app.webpush.clone().map(Self::Webpush);
        [apns, fcm, webpush].into_iter().flatten().collect()
    }

    pub(super) fn kind(&self) -> ProviderKind {
        match self {
            Self::Apns(_) => ProviderKind::Apns,
            Self::Fcm { .. } => ProviderKind::Fcm,
            Self::Webpush(_) => ProviderKind::Webpush,
        }
    }

    pub(super) fn provider(&self, signers: &Signers, context: &providers::Context) -> anyhow::Result<Arc<dyn Provider>> {
        Ok(match self {
            Self::Apns(settings) => Arc::new(ApnsProvider::load(settings, signers, context)?),
            Self::Fcm { settings, service_extension } => {
                Arc::new(FcmProvider::load(settings, context)?.with_service_extension(*service_extension))
            }
            Self::Webpush(settings) => Arc::new(WebpushProvider::load(settings, context)?),
        })
    }

    fn files(&self) -> Vec<&Path> {
        match self {
            Self::Apns(settings) => settings.files(),
            Self::Fcm { settings, .. } => settings.files(),
            Self::Webpush(settings) => settings.files(),
        }
    }
}

/// A section and what its files held: a key that is replaced under its old name is another key.
#[derive(Clone, PartialEq)]
pub(super) struct Source {
    section: Section,
    /// The SHA-256 of each file.
    files: Vec<(PathBuf, Box<[u8]>)>,
}

impl Source {
    pub(super) fn read(section: Section) -> anyhow::Result<Self> {
        let hash = |path: &Path| -> anyhow::Result<_> {
            let content = zeroize::Zeroizing::new(std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?);
            Ok((path.to_owned(), digest(&SHA256, &content).as_ref().into()))
        };
        let files = section.files().into_iter().map(hash).collect::<anyhow::Result<_>>()?;
        Ok(Self { section, files })
    }

    pub(super) fn section(&self) -> &Section {
        &self.section
    }
}
