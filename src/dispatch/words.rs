//! Which words are for whom: found field by field, the nearest first.
//!
//! A variant's localized words go over its content, and that over all others: over `platforms.<p>`, over `localized.<l>`, each locale over the
//! shorter one, over `content`, over the template. What a variant says is said as it stands, as is all that is said beside a template.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::message::Message;
use super::render::Form;
use super::template::{Addressee, Fault};
use crate::domain::clock::Clock;
use crate::domain::content::Content;
use crate::domain::device::Platform;
use crate::domain::notification::Notification;
use crate::domain::variant::Variant;

type Localized = BTreeMap<String, Content>;

/// A variant, by its place, and one of the locales that make a difference to its words; `None`: the default words.
pub(super) type Wording<'a> = (Option<usize>, Option<&'a str>);

/// Every variant in every locale that makes a difference to it, beginning with the default words.
pub(super) fn wordings(notification: &Notification) -> impl Iterator<Item = Wording<'_>> {
    let variants = match notification.variants.len() {
        0 => vec![None],
        n => (0..n).map(Some).collect(),
    };
    variants.into_iter().flat_map(move |variant| locales(notification, variant).map(move |locale| (variant, locale)))
}

/// A tag that only a variant's words and the notification's spell differently is one locale.
fn locales(notification: &Notification, variant: Option<usize>) -> impl Iterator<Item = Option<&str>> {
    let all = notification.by_locale();
    let own = variant_at(notification, variant).into_iter().flat_map(|variant| variant.localized.keys());
    let own = own.filter(|tag| key(all, &normal(tag)).is_none());
    std::iter::once(None).chain(all.keys().chain(own).map(|tag| Some(tag.as_str())))
}

/// The key that serves a locale under `localized`, the template's or the variant's: the longest there is of `fr-CA`, then `fr`. All shorter
/// ones that serve the locale serve this key as well.
pub(super) fn serving<'a>(notification: &'a Notification, variant: Option<usize>, locale: &str) -> Option<&'a str> {
    let own = variant_at(notification, variant).map(|variant| &variant.localized);
    let maps = || std::iter::once(notification.by_locale()).chain(own).filter(|localized| !localized.is_empty());
    maps().next()?;
    let locale = normal(locale);
    tags(&locale).find_map(|tag| maps().find_map(|localized| key(localized, tag)))
}

/// All keys that serve a locale, the nearest first. Case and `_` for `-` do not matter.
pub(super) fn chain<'a>(localized: &'a Localized, locale: &str) -> Vec<&'a str> {
    if localized.is_empty() {
        return Vec::new();
    }
    let locale = normal(locale);
    tags(&locale).filter_map(|tag| key(localized, tag)).collect()
}

fn normal(locale: &str) -> String {
    locale.replace('_', "-")
}

/// `fr-CA`, then `fr`.
fn tags(locale: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(locale), |tag| tag.rsplit_once('-').map(|(shorter, _)| shorter))
}

fn key<'a>(localized: &'a Localized, tag: &str) -> Option<&'a str> {
    localized.keys().find(|key| normal(key).eq_ignore_ascii_case(tag)).map(String::as_str)
}

fn variant_at(notification: &Notification, place: Option<usize>) -> Option<&Variant> {
    notification.variants.get(place?)
}

/// The words for a form.
pub(super) fn words<'a>(message: &'a Message, form: &Form, to: (Addressee<'_>, &dyn Clock)) -> Result<Cow<'a, Content>, Fault> {
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

/// Where there is a template: what the notification and its variant say themselves goes over what the template says in the locale.
fn filled(message: &Message, form: &Form, (to, clock): (Addressee<'_>, &dyn Clock)) -> Result<Content, Fault> {
    let notification = &message.notification;
    let over = own_words(notification, form);
    let Some((used, engine)) = message.template()? else { return Ok(over.into_owned()) };
    let chain = form.locale.as_ref().map(|locale| chain(&used.words.localized, locale)).unwrap_or_default();
    let words = engine.fill(used, (&chain, &over), (form.platform, to), clock)?;
    if words.image_url.as_deref().is_some_and(|url| !url.starts_with("https://")) {
        return Err(Fault { place: "image_url".to_owned(), line: None, what: "must be an https address".to_owned() });
    }
    Ok(words)
}

/// What a notification and its variant say themselves.
pub(super) fn own_words<'a>(notification: &'a Notification, form: &Form) -> Cow<'a, Content> {
    let locale = form.locale.as_deref();
    let mut words = localized((&notification.content, &notification.localized), locale);
    if let Some(platform) = notification.platforms.get(&form.platform) {
        words = Cow::Owned(platform.over(&words));
    }
    of_variant(notification, (form.variant, locale), words)
}

/// A variant's words over these.
pub(super) fn of_variant<'a>(notification: &'a Notification, (variant, locale): Wording<'_>, under: Cow<'a, Content>) -> Cow<'a, Content> {
    let Some(variant) = variant_at(notification, variant) else { return under };
    Cow::Owned(localized((&variant.content, &variant.localized), locale).over(&under))
}

fn localized<'a>((content, by_locale): (&'a Content, &'a Localized), locale: Option<&str>) -> Cow<'a, Content> {
    let chain = locale.map(|locale| chain(by_locale, locale)).unwrap_or_default();
    let nearer = chain.into_iter().rev().filter_map(|key| by_locale.get(key));
    nearer.fold(Cow::Borrowed(content), |words, nearer| Cow::Owned(nearer.over(&words)))
}

#[cfg(test)]
mod tests;
