//! Any words that a caller may write.

use std::collections::BTreeMap;

use herald::domain::content::{Action, Content, Interruption};
use herald::domain::notification::Priority;
use proptest::prelude::*;

/// What a payload is made of.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) content: Content,
    pub(crate) silent: bool,
    pub(crate) priority: Priority,
    pub(crate) collapse_id: String,
    /// Of the app, not of the notification.
    pub(crate) service_extension: bool,
}

/// Words with a badge of at most `badge`.
pub(crate) fn words(badge: u32) -> impl Strategy<Value = Words> {
    let priority = prop::sample::select(vec![Priority::Normal, Priority::High, Priority::Critical]);
    (content(badge), any::<bool>(), priority, "[!-~]{1,64}", any::<bool>()).prop_map(
        |(content, silent, priority, collapse_id, service_extension)| Words { content, silent, priority, collapse_id, service_extension },
    )
}

/// Short enough for every field to be there at once within Apple's limit.
pub(crate) fn text() -> impl Strategy<Value = String> {
    "(?s).{0,24}"
}

fn content(badge: u32) -> impl Strategy<Value = Content> {
    let address = |form: &'static str| prop::option::of(form);
    let levels = vec![Interruption::Passive, Interruption::Active, Interruption::TimeSensitive, Interruption::Critical];
    let shown = (given(), given(), given(), address("https://example\\.com/[a-z0-9]{0,20}"), given(), prop::option::of(0..=badge));
    let handled =
        (given(), address("(https|myapp)://chat/[a-z0-9]{0,20}"), given(), given(), prop::option::of(actions()), prop::option::of(data()));
    let ranked = (prop::option::of(prop::sample::select(levels)), prop::option::of(0.0..=1.0_f64));
    (shown, handled, ranked).prop_map(|(shown, handled, (interruption, relevance))| {
        let (title, subtitle, body, image_url, sound, badge) = shown;
        let (thread_id, link, android_channel, action_set, actions, data) = handled;
        Content {
            title,
            subtitle,
            body,
            image_url,
            sound,
            badge,
            thread_id,
            link,
            interruption,
            relevance,
            android_channel,
            action_set,
            actions,
            data,
        }
    })
}

fn given() -> impl Strategy<Value = Option<String>> {
    prop::option::of(text())
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(("[a-z]{1,8}", text()).prop_map(|(id, title)| Action { id, title }), 0..3)
}

/// No key of it is reserved.
fn data() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("k[a-zA-Z0-9._-]{0,8}", text(), 0..4)
}
