//! Part of accept: every payload that a device of the app may need is rendered, so that what is too large or refused is known before the 202.

use std::time::Duration;

use super::directory::App;
use super::draft::{FieldError, Rejected};
use super::message::Message;
use super::node::Node;
use super::render::{self, Form, Unrendered};
use super::template::Addressee;
use super::{trial, words};
use crate::domain::broadcast::Broadcast;
use crate::domain::clock::Clock;
use crate::domain::device::ProviderKind;
use crate::domain::notification::{Audience, Notification, Overrides};
use crate::domain::variant::MAX_VARIANTS;
use crate::providers::{Provider, RenderError};

/// Sets of words of all variants, each in each locale, at most.
const MAX_WORDINGS: usize = 1000;
/// How long a template may take in all of them: its caller waits, and so does whatever else the thread has to do.
const PATIENCE: Duration = Duration::from_secs(5);
/// A notification of so many bytes as stored is far below every provider's limit in every form.
const PLAIN: usize = 1024;

/// What is wrong with the number of variants and of their words: each of them is rendered for each platform while the caller waits.
pub(super) fn too_many_wordings(notification: &Notification) -> Option<FieldError> {
    let variants = notification.variants.len();
    if variants > MAX_VARIANTS {
        return Some(FieldError::invalid("variants", format!("must have at most {MAX_VARIANTS} items")));
    }
    if variants == 0 || words::wordings(notification).take(MAX_WORDINGS + 1).count() <= MAX_WORDINGS {
        return None;
    }
    let message = format!("all variants together may have at most {MAX_WORDINGS} sets of words, each variant one for each locale");
    Some(FieldError::invalid("variants", message))
}

/// Renders the default words, and each locale's, of every variant in every form that a device of the app may need. A short
/// notification without anything for one platform alone fits all of a provider's forms if it fits one.
pub(super) fn render_all(node: &Node, app: &App, message: &Message, bytes: usize) -> Result<(), Rejected> {
    let notification = &message.notification;
    if !message.uses().is_shared() {
        // what each gets is known when it is sent
        return Ok(());
    }
    if let Audience::Broadcast(broadcast) = &notification.audience {
        return app.providers.get(&broadcast.provider()).map_or(Ok(()), |provider| try_broadcast(message, &**provider, broadcast));
    }
    let is_plain = bytes <= PLAIN
        && notification.template.is_none()
        && notification.platforms.is_empty()
        && notification.overrides == Overrides::default();
    let until = node.monotonic() + PATIENCE;
    for (kind, provider) in &app.providers {
        for platform in render::platforms(*kind).iter().take(if is_plain { 1 } else { usize::MAX }) {
            for (variant, locale) in words::wordings(notification) {
                if notification.template.is_some() && node.monotonic() > until {
                    return Err(too_slow());
                }
                let form = Form { provider: *kind, platform: *platform, variant, locale: locale.map(ToOwned::to_owned) };
                try_form(message, (&**provider, app.generation), form, &*node.clock)?;
            }
        }
    }
    Ok(())
}

fn too_slow() -> Rejected {
    let message = format!("takes longer than {} s in all locales and variants", PATIENCE.as_secs());
    Rejected::Invalid(vec![FieldError { field: "template".to_owned(), code: "render_failed", message }])
}

fn try_form(message: &Message, (provider, generation): (&dyn Provider, u64), form: Form, clock: &dyn Clock) -> Result<(), Rejected> {
    let (kind, to) = (form.provider, (Addressee::default(), clock));
    let own = render::platforms(kind).first() == Some(&form.platform);
    // few devices have another platform than the provider's own, or one variant in one locale; what is kept stays in memory with the message
    let tried = if own && form.variant.is_none() {
        message.rendered((provider, generation), form, to).map(drop)
    } else {
        render::render(message, provider, &form, to).map(drop)
    };
    match tried {
        Ok(()) | Err(Unrendered::Form(RenderError::Unsupported)) => Ok(()),
        Err(Unrendered::Form(error)) => Err(refusal(kind, error)),
        Err(Unrendered::Words(fault)) => Err(trial::refusal(message, &fault)),
    }
}

fn try_broadcast(message: &Message, provider: &dyn Provider, broadcast: &Broadcast) -> Result<(), Rejected> {
    match render::broadcast(message, provider, broadcast) {
        Ok(_) => Ok(()),
        Err(Unrendered::Form(error)) => Err(refusal(provider.kind(), error)),
        Err(Unrendered::Words(fault)) => Err(trial::refusal(message, &fault)),
    }
}

fn refusal(provider: ProviderKind, error: RenderError) -> Rejected {
    let invalid = |error| Rejected::Invalid(vec![error]);
    match error {
        RenderError::TooLarge { size, limit } => Rejected::TooLarge { provider, size, limit },
        RenderError::Invalid { field, message } => invalid(FieldError::invalid(field, message)),
        RenderError::Forbidden { field } => {
            let message = "names what is not the caller's to set".to_owned();
            invalid(FieldError { field, code: "override_forbidden", message })
        }
        RenderError::Unsupported => invalid(FieldError::invalid("to", format!("{} cannot carry this", provider.as_str()))),
    }
}
