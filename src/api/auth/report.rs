//! Who may report receipts, and of which devices.

use std::collections::BTreeSet;

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::phone::{Bearer, Phone, read};
use super::{Caller, ToSend, bearer_of, is_token};
use crate::api::Api;
use crate::api::client_tokens::revoked;
use crate::api::json::Unknown;
use crate::api::problem::Problem;
use crate::domain::id::AppId;
use crate::domain::name::check_device_id;

/// A phone reports of so many devices in one request, at most: each is looked up.
const MAX_DEVICES: usize = 50;

/// Whoever may report receipts.
pub(in crate::api) enum MayReport {
    /// Of every device of the app.
    Key(Caller<ToSend>),
    /// Of its own devices.
    Phone(Phone),
    /// Of one device.
    Reporter(Reporter),
}

/// Whoever has a receipt token: a part of an app that may only report the receipts of one device.
#[derive(Debug)]
pub(in crate::api) struct Reporter {
    /// The app.
    pub(super) app: AppId,
    /// The device.
    pub(super) device: String,
    /// Who was signed in when it was answered.
    pub(super) user: Option<String>,
}

/// The devices of which someone may report.
pub(in crate::api) enum Reported {
    /// All.
    All,
    /// These.
    These(BTreeSet<String>),
}

impl Reported {
    /// Whether this is one of them.
    pub(in crate::api) fn have(&self, device: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.contains(device),
        }
    }
}

impl MayReport {
    /// The app.
    pub(in crate::api) fn app(&self) -> AppId {
        match self {
            Self::Key(caller) => caller.app,
            Self::Phone(phone) => phone.app,
            Self::Reporter(reporter) => reporter.app,
        }
    }

    /// What becomes of what it says that is not known here.
    pub(in crate::api) fn unknown(&self) -> Unknown {
        match self {
            Self::Key(_) => Unknown::Refused,
            Self::Phone(_) | Self::Reporter(_) => Unknown::Ignored,
        }
    }

    /// Of which of the devices that are named it may report. A receipt token is good while its device keeps its user.
    pub(in crate::api) async fn devices<'a>(&self, api: &Api, named: impl Iterator<Item = &'a str>) -> Result<Reported, Problem> {
        match self {
            Self::Key(_) => Ok(Reported::All),
            Self::Phone(phone) => {
                let may_be_own: BTreeSet<&str> = named.filter(|name| check_device_id(name).is_ok() && phone.may_have(name)).collect();
                let mut own = BTreeSet::new();
                for name in may_be_own.into_iter().take(MAX_DEVICES) {
                    if api.store.device(phone.app, name).await?.is_some_and(|device| phone.owns(&device)) {
                        own.insert(name.to_owned());
                    }
                }
                Ok(Reported::These(own))
            }
            Self::Reporter(Reporter { app, device, user }) => {
                let stored = api.store.device(*app, device).await?;
                let keeps_user = stored.is_some_and(|stored| stored.user == *user);
                if keeps_user { Ok(Reported::These(BTreeSet::from([device.clone()]))) } else { Err(revoked()) }
            }
        }
    }
}

impl FromRequestParts<Api> for MayReport {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        match bearer_of(parts).filter(|text| is_token(text)) {
            Some(text) => Ok(match read(api, &parts.method, text).await? {
                Bearer::Phone(phone) => Self::Phone(phone),
                Bearer::Reporter(reporter) => Self::Reporter(reporter),
            }),
            None => Caller::from_request_parts(parts, api).await.map(Self::Key),
        }
    }
}
