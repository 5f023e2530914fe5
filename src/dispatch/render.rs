//! Words and payloads: once per platform and locale, not per device.

use std::borrow::Cow;

use super::message::Message;
use super::template::{Addressee, Fault};
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
    /// The key under `localized`, or the template's, that serves the device's locale; `None`: the default words.
    pub locale: Option<String>,
}

impl Form {
    /// The form for a device of this locale.
    pub fn of(notification: &Notification, provider: ProviderKind, platform: Platform, locale: Option<&str>) -> Self {
        let locale = locale.and_then(|locale| serving(notification, locale)).map(ToOwned::to_owned);
        Self { provider, platform, locale }
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

/// The key under `localized` for a locale: `fr-CA`, then `fr`.
fn serving<'a>(notification: &'a Notification, locale: &str) -> Option<&'a str> {
    chain(notification, locale).into_iter().next()
}

/// All keys under `localized` that serve a locale, the nearest first. Case and `_` for `-` do not matter.
pub(super) fn chain<'a>(notification: &'a Notification, locale: &str) -> Vec<&'a str> {
    let localized = notification.by_locale();
    if localized.is_empty() {
        return Vec::new();
    }
    let locale = locale.replace('_', "-");
    let wanted = std::iter::successors(Some(&*locale), |wanted| wanted.rsplit_once('-').map(|(shorter, _)| shorter));
    let key = |wanted: &str| localized.keys().find(|key| key.replace('_', "-").eq_ignore_ascii_case(wanted));
    wanted.filter_map(key).map(String::as_str).collect()
}

/// The words for a form, field by field: `platforms.<p>` over `localized.<l>`, each locale over the shorter one, over `content`.
fn words<'a>(message: &'a Message, form: &Form, to: (Addressee<'_>, &dyn Clock)) -> Result<Cow<'a, Content>, Fault> {
    let notification = &message.notification;
    let mut words = match message.template()? {
        Some(_) => Cow::Owned(filled(message, form, to)?),
        None => own_words(notification, form),
    };
    if form.platform == Platform::Android && words.android_channel.is_none() && notification.android_channel.is_some() {
        words.to_mut().android_channel.clone_from(&notification.android_channel);
    }
    Ok(words)
}

/// The same where there is a template: what the notification says itself goes over what the template says in the locale.
fn filled(message: &Message, form: &Form, (to, clock): (Addressee<'_>, &dyn Clock)) -> Result<Content, Fault> {
    let notification = &message.notification;
    let Some((used, engine)) = message.template()? else { return Ok(notification.content.clone()) };
    let over = notification
        .platforms
        .get(&form.platform)
        .map_or(Cow::Borrowed(&notification.content), |platform| Cow::Owned(platform.over(&notification.content)));
    let chain = form.locale.as_ref().map(|locale| chain(notification, locale)).unwrap_or_default();
    let words = engine.fill(used, (&chain, &over), (form.platform, to), clock)?;
    if words.image_url.as_deref().is_some_and(|url| !url.starts_with("https://")) {
        return Err(Fault { place: "image_url".to_owned(), line: None, what: "must be an https address".to_owned() });
    }
    Ok(words)
}

fn own_words<'a>(notification: &'a Notification, form: &Form) -> Cow<'a, Content> {
    let mut words = Cow::Borrowed(&notification.content);
    let chain = form.locale.as_ref().map(|locale| chain(notification, locale)).unwrap_or_default();
    for localized in chain.into_iter().rev().filter_map(|key| notification.localized.get(key)) {
        words = Cow::Owned(localized.over(&words));
    }
    if let Some(platform) = notification.platforms.get(&form.platform) {
        words = Cow::Owned(platform.over(&words));
    }
    words
}

/// Puts a broadcast into its provider's form: in the default words, since nobody's locale is known.
pub fn broadcast(message: &Message, provider: &dyn Provider, to: &Broadcast) -> Result<Rendered, Unrendered> {
    let form = |platform: &Platform| Form { provider: provider.kind(), platform: *platform, locale: None };
    let forms: Vec<Form> = platforms(provider.kind()).iter().map(form).collect();
    let contents: Vec<Cow<'_, Content>> = forms.iter().map(|form| own_words(&message.notification, form)).collect();
    let sources = forms.iter().zip(&contents).map(|(form, content)| source(message, form, content));
    let sources: Vec<providers::Message<'_>> = sources.collect::<Result<_, _>>()?;
    Ok(provider.render_broadcast(to, &sources)?)
}

/// Puts a notification into a provider's form.
pub fn render(message: &Message, provider: &dyn Provider, form: &Form, to: (Addressee<'_>, &dyn Clock)) -> Result<Rendered, Unrendered> {
    let words = words(message, form, to)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(json: &serde_json::Value) -> Notification {
        let mut whole = serde_json::json!({
            "audience": "named", "category": null, "priority": "high", "when": {"at": "2026-01-01T00:00:00Z"},
            "lifetime": {"seconds": 60}, "accepted_at": "2026-01-01T00:00:00Z",
        });
        whole.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn the_nearest_locale_serves() {
        let notification =
            notification(&serde_json::json!({"localized": {"fr": {"title": "A"}, "fr-CA": {"title": "B"}, "pt_BR": {"title": "C"}}}));
        for (locale, key) in [
            ("fr-CA", Some("fr-CA")),
            ("fr_ca", Some("fr-CA")),
            ("fr-FR", Some("fr")),
            ("fr", Some("fr")),
            ("pt-BR", Some("pt_BR")),
            ("pt", None),
            ("zh-Hant-TW", None),
            ("", None),
        ] {
            assert_eq!(serving(&notification, locale), key, "{locale}");
        }
    }

    #[test]
    fn words_are_found_field_by_field() {
        let notification = notification(&serde_json::json!({
            "content": {"title": "t", "body": "b", "sound": "default"},
            "localized": {"fr": {"title": "t-fr"}},
            "platforms": {"android": {"body": "b-android"}},
        }));
        let form = Form::of(&notification, ProviderKind::Fcm, Platform::Android, Some("fr-FR"));
        let words = own_words(&notification, &form);
        assert_eq!(words.title.as_deref(), Some("t-fr"));
        assert_eq!(words.body.as_deref(), Some("b-android"));
        assert_eq!(words.sound.as_deref(), Some("default"));
    }

    #[test]
    fn a_locale_without_a_word_takes_the_shorter_one_s() {
        let notification = notification(&serde_json::json!({
            "content": {"title": "t", "body": "b", "subtitle": "s"},
            "localized": {"fr": {"title": "t-fr", "body": "b-fr"}, "fr-CA": {"body": "b-ca"}},
        }));
        let form = Form::of(&notification, ProviderKind::Apns, Platform::Ios, Some("fr_ca"));
        assert_eq!(form.locale.as_deref(), Some("fr-CA"));
        let words = own_words(&notification, &form);
        assert_eq!((words.title.as_deref(), words.body.as_deref(), words.subtitle.as_deref()), (Some("t-fr"), Some("b-ca"), Some("s")));
    }
}
