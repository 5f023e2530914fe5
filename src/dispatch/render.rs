//! Payloads: once per platform, locale and variant, not per device.

use std::borrow::Cow;

use super::message::Message;
use super::template::{Addressee, Fault};
use super::words;
use crate::domain::broadcast::Broadcast;
use crate::domain::clock::Clock;
use crate::domain::collapse;
use crate::domain::content::Content;
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::id::NotificationId;
use crate::domain::notification::{Lifetime, Notification};
use crate::providers::{self, Provider, RenderError, Rendered};

/// Why there is no payload.
#[derive(Debug, thiserror::Error)]
pub enum Unrendered {
    /// The template could not be filled.
    #[error(transparent)]
    Words(#[from] Fault),
    /// The provider cannot take it.
    #[error(transparent)]
    Form(#[from] RenderError),
}

/// What makes two devices get the same payload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// Whose form.
    pub provider: ProviderKind,
    /// For which platform.
    pub platform: Platform,
    /// The place of the variant in [`Notification::variants`]; `None`: there are none.
    pub variant: Option<usize>,
    /// The key under `localized`, the template's or the variant's, that serves the device's locale; `None`: the default words.
    pub locale: Option<String>,
}

impl Form {
    /// The form for a device of this locale, for which this variant is.
    pub fn of(
        notification: &Notification,
        (provider, platform): (ProviderKind, Platform),
        variant: Option<usize>,
        locale: Option<&str>,
    ) -> Self {
        let locale = locale.and_then(|locale| words::serving(notification, variant, locale)).map(ToOwned::to_owned);
        Self { provider, platform, variant, locale }
    }
}

/// The collapse key of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collapse {
    /// As it goes on the wire: the caller's, else made from the notification's id, so that a repeat replaces itself.
    pub wire: String,
    /// SHA-256 of the caller's key, where there is one.
    pub hash: Option<[u8; 32]>,
}

impl Collapse {
    /// Of this notification.
    pub fn of(id: NotificationId, key: Option<&str>) -> Self {
        Self { wire: collapse::wire_key(id, key).into_owned(), hash: key.map(collapse::key_hash) }
    }
}

/// Puts a broadcast into its provider's form: in the default words, since nobody's locale is known.
pub fn broadcast(message: &Message, provider: &dyn Provider, to: &Broadcast) -> Result<Rendered, Unrendered> {
    let form = |platform: &Platform| Form { provider: provider.kind(), platform: *platform, variant: None, locale: None };
    let forms: Vec<Form> = platforms(provider.kind()).iter().map(form).collect();
    let contents: Vec<Cow<'_, Content>> = forms.iter().map(|form| words::own_words(&message.notification, form)).collect();
    let sources = forms.iter().zip(&contents).map(|(form, content)| source(message, form, content));
    let sources: Vec<providers::Message<'_>> = sources.collect::<Result<_, _>>()?;
    Ok(provider.render_broadcast(to, &sources)?)
}

/// Puts a notification into a provider's form.
pub fn render(message: &Message, provider: &dyn Provider, form: &Form, to: (Addressee<'_>, &dyn Clock)) -> Result<Rendered, Unrendered> {
    let words = words::words(message, form, to)?;
    Ok(provider.render(&source(message, form, &words)?)?)
}

fn source<'a>(message: &'a Message, form: &Form, content: &'a Content) -> Result<providers::Message<'a>, RenderError> {
    let notification = &message.notification;
    // what goes to another address than the ordinary one is Apple's alone
    if !notification.push_type.is_usual() && form.provider != ProviderKind::Apns {
        return Err(RenderError::Unsupported);
    }
    let overrides = match form.provider {
        ProviderKind::Apns => notification.overrides.apns.as_ref(),
        ProviderKind::Fcm => notification.overrides.fcm.as_ref(),
        ProviderKind::Webpush => notification.overrides.webpush.as_ref(),
    };
    Ok(providers::Message {
        notification: message.id,
        platform: form.platform,
        content,
        silent: notification.silent,
        push_type: &notification.push_type,
        start_at: message.start_at,
        priority: notification.priority,
        collapse_id: &message.collapse.wire,
        expires_at: (notification.lifetime != Lifetime::Seconds(0)).then_some(message.expires_at),
        overrides,
    })
}

/// What a provider carries, its own platform first.
pub(super) fn platforms(provider: ProviderKind) -> &'static [Platform] {
    match provider {
        ProviderKind::Apns => &[Platform::Ios],
        ProviderKind::Fcm => &[Platform::Android, Platform::Ios, Platform::Web],
        ProviderKind::Webpush => &[Platform::Web],
    }
}
