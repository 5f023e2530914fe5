//! What providers say of a previewed message before anybody gets it: FCM checks a form and delivers nothing (`validate_only`).
//!
//! FCM wants an address, so one of the audience is lent to it; where none is there, the form is not checked. Nothing is written: an address
//! that FCM refuses is another reason to ask with the next one, not a verdict on the device.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;

use super::directory::App;
use super::message::Message;
use super::node::Node;
use super::preview::{Life, RenderedPreview};
use super::render::Form;
use super::send::addressee;
use super::template::Addressee;
use crate::domain::Timestamp;
use crate::domain::clock::Clock;
use crate::domain::device::{Environment, Platform, ProviderKind, PushToken};
use crate::providers::{Handover, Provider, Push, Rendered, Validity};
use crate::store::engine::Recipient;

/// Addresses of one platform that are tried, at most.
const ADDRESSES: usize = 3;
/// Forms that are checked, at most the first so many: a preview is no campaign.
const FORMS: usize = 60;

/// What became of the check of one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validated {
    /// The provider would take it.
    Valid,
    /// It would refuse it.
    Invalid {
        /// The provider's word.
        reason: String,
        /// The field that it names.
        field: Option<String>,
        /// What it says.
        message: String,
    },
    /// Nobody knows.
    NotChecked {
        /// `not_supported`, `no_device`, `too_many_forms`, or the provider's word.
        reason: String,
    },
}

impl Validated {
    /// Which, in a word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid { .. } => "invalid",
            Self::NotChecked { .. } => "not_checked",
        }
    }
}

/// Addresses of the audience that may be lent to a provider, by whose they are.
#[derive(Default)]
pub(super) struct Addresses {
    tokens: HashMap<(ProviderKind, Platform), Vec<PushToken>>,
    /// One of those it would go to, to fill a template for.
    sample: Option<Recipient>,
}

impl Addresses {
    /// Keeps that of an active device, if there are too few.
    pub(super) fn note(&mut self, recipient: &Recipient) {
        let kept = self.tokens.entry((recipient.provider, recipient.platform)).or_default();
        if kept.len() < ADDRESSES {
            kept.push(recipient.token.clone());
        }
        if self.sample.is_none() {
            self.sample = Some(recipient.clone());
        }
    }

    /// Whom a template is filled for in a locale: one of those it would go to, as if that were theirs.
    pub(super) fn addressee<'a>(&'a self, locale: Option<&'a str>) -> Addressee<'a> {
        let of_sample = self.sample.as_ref().map(addressee).unwrap_or_default();
        Addressee { locale: locale.or(of_sample.locale), ..of_sample }
    }

    fn of(&self, provider: ProviderKind, platform: Platform) -> &[PushToken] {
        self.tokens.get(&(provider, platform)).map_or(&[], Vec::as_slice)
    }
}

/// Has each form checked, all at once, within the time that a send may take for each address.
pub(super) async fn validate(node: &Node, app: &App, message: &Message, addresses: &Addresses, forms: &mut [RenderedPreview]) {
    let life = Life::of(app, message);
    let checks = forms.iter().enumerate().map(|(place, form)| {
        let check = Check { node, message, life: &life };
        async move {
            match app.providers.get(&form.provider).filter(|provider| provider.validates()) {
                None => not_checked("not_supported"),
                Some(_) if place >= FORMS => not_checked("too_many_forms"),
                Some(provider) => check.one(&**provider, app.generation, form, addresses).await,
            }
        }
    });
    let verdicts = join_all(checks).await;
    for (form, verdict) in forms.iter_mut().zip(verdicts) {
        form.validated = Some(verdict);
    }
}

struct Check<'a> {
    node: &'a Node,
    message: &'a Message,
    life: &'a Life,
}

impl Check<'_> {
    async fn one(&self, provider: &dyn Provider, generation: u64, form: &RenderedPreview, addresses: &Addresses) -> Validated {
        // a broadcast has no device whose address could be lent
        let Some(platform) = form.platform else { return not_checked("no_device") };
        let variant = form.variant.as_ref().and_then(|name| self.message.notification.variants.iter().position(|one| one.name == *name));
        let key = Form { provider: form.provider, platform, variant, locale: form.locale.clone() };
        let to = (addresses.addressee(form.locale.as_deref()), &*self.node.clock as &dyn Clock);
        let Ok(rendered) = self.message.rendered((provider, generation), key, to) else { return not_checked("not_supported") };
        let mut refused = not_checked("no_device");
        for address in addresses.of(form.provider, platform) {
            match provider.validate(self.push(Arc::clone(&rendered), address.clone())).await {
                Validity::Valid => return Validated::Valid,
                Validity::Invalid { reason, field, message } => {
                    return Validated::Invalid { reason: reason.to_string(), field, message };
                }
                Validity::Unanswered { reason } => return not_checked(reason.as_str()),
                Validity::AddressRefused { reason } => refused = not_checked(reason.as_str()),
            }
        }
        refused
    }

    fn push(&self, rendered: Arc<Rendered>, token: PushToken) -> Push {
        let now = self.node.now();
        Push {
            rendered,
            token,
            environment: Environment::Production,
            id: self.message.id.0,
            expires_at: (self.life.seconds > 0).then(|| now + TimeDelta::seconds(self.life.seconds)),
            now,
            // nothing is delivered: nobody's quiet hours, lease or life forbids it
            handover: Handover::until(Timestamp::MAX_UTC, Duration::MAX, Arc::clone(&self.node.clock) as _),
        }
    }
}

fn not_checked(reason: &str) -> Validated {
    Validated::NotChecked { reason: reason.to_owned() }
}
