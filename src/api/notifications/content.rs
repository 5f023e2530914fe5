//! The words of a notification, checked and turned into the domain's.
//!
//! Titles and texts have no limit of their own: what a provider takes of the whole decides, and is told by name and size.

use std::collections::BTreeMap;

use super::dto::{ActionRequest, ContentRequest, PlatformsRequest};
use crate::api::checks::Checks;
use crate::dispatch::template::{Engine, Fault};
use crate::domain::content::{Action, Content, Interruption};
use crate::domain::device::Platform;
use crate::domain::template::Template;

/// A name of something in the app, at most, in characters.
const MAX_NAME: usize = 256;
/// An address, at most, in characters.
const MAX_ADDRESS: usize = 2048;
/// A key of `data`, at most, in characters.
const MAX_KEY: usize = 256;
const MAX_ACTIONS: usize = 8;
const MAX_ACTION_ID: usize = 64;
/// FCM's count is a 32-bit integer.
const MAX_BADGE: u32 = i32::MAX.cast_unsigned();

/// All words of a notification.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) content: Content,
    pub(super) platforms: BTreeMap<Platform, Content>,
    pub(super) localized: BTreeMap<String, Content>,
}

impl Words {
    /// Every set of words with its path.
    pub(super) fn each(&self) -> impl Iterator<Item = (String, &Content)> {
        let platforms = self.platforms.iter().map(|(platform, content)| (format!("platforms.{}", platform.as_str()), content));
        let localized = self.localized.iter().map(|(tag, content)| (format!("localized.{tag}"), content));
        std::iter::once(("content".to_owned(), &self.content)).chain(platforms).chain(localized)
    }

    /// Whether any of them asks for Apple's critical alert.
    pub(super) fn is_critical(&self) -> bool {
        let mut all = std::iter::once(&self.content).chain(self.platforms.values()).chain(self.localized.values());
        all.any(|content| content.interruption == Some(Interruption::Critical))
    }
}

/// Checks and takes all words.
pub(super) fn take(
    content: Option<ContentRequest>,
    platforms: Option<PlatformsRequest>,
    localized: Option<BTreeMap<String, ContentRequest>>,
    checks: &mut Checks,
) -> Words {
    let mut words = Words { content: checked(content.unwrap_or_default(), "content", checks), ..Words::default() };
    let platforms = platforms.unwrap_or_default();
    for (platform, content) in [(Platform::Ios, platforms.ios), (Platform::Android, platforms.android), (Platform::Web, platforms.web)] {
        if let Some(content) = content {
            words.platforms.insert(platform, checked(content, &format!("platforms.{}", platform.as_str()), checks));
        }
    }
    for (tag, content) in localized.unwrap_or_default() {
        let at = format!("localized.{tag}");
        checks.locale(&at, &tag);
        let content = checked(content, &at, checks);
        words.localized.insert(tag, content);
    }
    words
}

/// Checks and takes words that stand at `at` of a body.
pub(in crate::api) fn check_words(content: ContentRequest, at: &str, checks: &mut Checks) -> Content {
    checked(content, at, checks)
}

/// Locales of a template, at most.
const MAX_LOCALES: usize = 100;

/// Checks and takes words whose texts are templates. What must be an address is looked at where it begins, since the rest is filled in later.
pub(in crate::api) fn check_templates(
    content: Option<ContentRequest>,
    localized: Option<BTreeMap<String, ContentRequest>>,
    checks: &mut Checks,
) -> Template {
    let is_there = content.is_some();
    if !is_there {
        checks.required("content");
    }
    let mut template = Template { content: templated(content.unwrap_or_default(), "content", checks), ..Template::default() };
    let localized = localized.unwrap_or_default();
    if localized.len() > MAX_LOCALES {
        checks.invalid("localized", format_args!("must have at most {MAX_LOCALES} members"));
    }
    for (tag, content) in localized {
        let at = format!("localized.{tag}");
        checks.locale(&at, &tag);
        template.localized.insert(tag, templated(content, &at, checks));
    }
    if is_there && !template.contents().any(Content::is_visible) && !checks.has_below("content") {
        checks.refuse("content", "required", "must have a title or a body");
    }
    if let Err(faults) = Engine::of(&template, &BTreeMap::new()) {
        for Fault { place, line, what } in faults {
            let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            checks.invalid(place, format_args!("{line}{what}"));
        }
    }
    template
}

/// The limits of names and addresses are those of what is filled in; a template may be longer.
fn templated(mut request: ContentRequest, at: &str, checks: &mut Checks) -> Content {
    let set_aside = |text: &mut Option<String>| text.take_if(|text| text.contains('{'));
    let texts = [
        set_aside(&mut request.sound),
        set_aside(&mut request.thread_id),
        set_aside(&mut request.link),
        set_aside(&mut request.android_channel),
        set_aside(&mut request.action_set),
        set_aside(&mut request.image_url),
    ];
    let mut content = checked(request, at, checks);
    let [sound, thread_id, link, android_channel, action_set, image_url] = texts;
    if image_url.as_deref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with('{')) {
        checks.invalid(format_args!("{at}.image_url"), "must be an https address");
    }
    content.sound = content.sound.or(sound);
    content.thread_id = content.thread_id.or(thread_id);
    content.link = content.link.or(link);
    content.android_channel = content.android_channel.or(android_channel);
    content.action_set = content.action_set.or(action_set);
    content.image_url = content.image_url.or(image_url);
    content
}

fn checked(request: ContentRequest, at: &str, checks: &mut Checks) -> Content {
    let named = [
        ("sound", &request.sound, MAX_NAME),
        ("thread_id", &request.thread_id, MAX_NAME),
        ("link", &request.link, MAX_ADDRESS),
        ("image_url", &request.image_url, MAX_ADDRESS),
        ("android_channel", &request.android_channel, MAX_NAME),
        ("action_set", &request.action_set, MAX_NAME),
    ];
    for (name, text, max) in named {
        checks.line(format_args!("{at}.{name}"), text.as_deref(), max);
    }
    if request.image_url.as_deref().is_some_and(|url| !is_https(url)) {
        checks.invalid(format_args!("{at}.image_url"), "must be an https address");
    }
    if request.badge.is_some_and(|badge| badge > MAX_BADGE) {
        checks.invalid(format_args!("{at}.badge"), format_args!("must be a whole number from 0 to {MAX_BADGE}"));
    }
    if request.relevance.is_some_and(|relevance| !(0.0..=1.0).contains(&relevance)) {
        checks.invalid(format_args!("{at}.relevance"), "must be a number from 0 to 1");
    }
    let data = request.data.map(|data| data.0);
    for key in data.iter().flat_map(BTreeMap::keys) {
        check_key(key, at, checks);
    }
    Content {
        title: request.title,
        subtitle: request.subtitle,
        body: request.body,
        image_url: request.image_url,
        sound: request.sound,
        badge: request.badge,
        thread_id: request.thread_id,
        link: request.link,
        interruption: request.interruption,
        relevance: request.relevance,
        android_channel: request.android_channel,
        action_set: request.action_set,
        actions: request.actions.map(|actions| take_actions(actions, at, checks)),
        data,
    }
}

fn take_actions(actions: Vec<ActionRequest>, at: &str, checks: &mut Checks) -> Vec<Action> {
    if actions.len() > MAX_ACTIONS {
        checks.invalid(format_args!("{at}.actions"), format_args!("must have at most {MAX_ACTIONS} items"));
    }
    for (index, action) in actions.iter().enumerate() {
        checks.line(format_args!("{at}.actions[{index}].id"), Some(&action.id), MAX_ACTION_ID);
        checks.line(format_args!("{at}.actions[{index}].title"), Some(&action.title), MAX_NAME);
    }
    actions.into_iter().map(|action| Action { id: action.id, title: action.title }).collect()
}

/// Names that providers or Herald use themselves.
fn check_key(key: &str, at: &str, checks: &mut Checks) {
    const NAMES: [&str; 3] = ["aps", "from", "message_type"];
    const BEGINNINGS: [&str; 3] = ["herald_", "google", "gcm"];
    if NAMES.contains(&key) || BEGINNINGS.iter().any(|beginning| key.starts_with(beginning)) {
        checks.refuse(format_args!("{at}.data.{key}"), "reserved_key", "is a key that Herald or a provider uses itself");
    } else if key.is_empty() || key.chars().nth(MAX_KEY).is_some() || key.chars().any(char::is_control) {
        checks
            .invalid(format_args!("{at}.data"), format_args!("keys must have 1 to {MAX_KEY} characters, none of them a control character"));
    }
}

fn is_https(url: &str) -> bool {
    let rest = url.split_at_checked(8).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("https://")).map(|(_, rest)| rest);
    rest.is_some_and(|rest| !rest.starts_with(['/', '?', '#', ':'])) && url.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some())
}
