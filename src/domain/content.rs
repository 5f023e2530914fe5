//! The words of a notification: what a person sees and what the app gets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a caller gave under `content`, `platforms.<p>` or `localized.<l>`. Each field stands for itself: the nearest one given wins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Content {
    /// First line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Second line, on Apple's systems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// `default` or the name of a sound in the app; absent is silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
    /// The number on the app's icon; 0 removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badge: Option<u32>,
    /// Groups notifications on Apple's systems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
    /// Where a tap leads; arrives as `herald_link`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// How much it may interrupt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interruption: Option<Interruption>,
    /// 0 to 1, for Apple's summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relevance: Option<f64>,
    /// The Android channel; the category's where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub android_channel: Option<String>,
    /// The set of actions that the app registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_set: Option<String>,
    /// Buttons that browsers show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<Action>>,
    /// The app's own data: strings by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<BTreeMap<String, String>>,
}

/// A button.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// What the receipt names.
    pub id: String,
    /// What the button says.
    pub title: String,
}

/// Apple's interruption level; it also picks Android's `notification_priority`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interruption {
    /// No sound, no screen. Android: LOW.
    Passive,
    /// The default.
    Active,
    /// Through Focus, where the person allows it. Android: HIGH.
    TimeSensitive,
    /// Past the mute switch; needs Apple's entitlement and the scope `critical`. Android: MAX.
    Critical,
}

/// What a macro makes of all fields.
macro_rules! each_field {
    ($made:ident) => {
        $made!(
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
            data
        )
    };
}

impl Content {
    /// Field by field, `self` where it says something, else `under`.
    #[must_use]
    pub fn over(&self, under: &Self) -> Self {
        macro_rules! nearest {
            ($($field:ident),*) => { Self { $($field: self.$field.clone().or_else(|| under.$field.clone()),)* } };
        }
        each_field!(nearest)
    }

    /// What of it `over` does not say.
    #[must_use]
    pub fn beyond(&self, over: &Self) -> Self {
        macro_rules! beyond {
            ($($field:ident),*) => { Self { $($field: self.$field.clone().filter(|_| over.$field.is_none()),)* } };
        }
        each_field!(beyond)
    }

    /// The same with every text made anew by `make`, which is given its place (`title`, `data.chat`, `actions[0].title`) and the text.
    pub fn map_texts<E>(&self, mut make: impl FnMut(&str, &str) -> Result<String, E>) -> Result<Self, E> {
        let mut made = self.clone();
        macro_rules! each {
            ($($field:ident),*) => { $(if let Some(text) = &mut made.$field { *text = make(stringify!($field), text)?; })* };
        }
        each!(title, subtitle, body, image_url, sound, thread_id, link, android_channel, action_set);
        for (index, action) in made.actions.iter_mut().flatten().enumerate() {
            action.id = make(&format!("actions[{index}].id"), &action.id)?;
            action.title = make(&format!("actions[{index}].title"), &action.title)?;
        }
        for (key, text) in made.data.iter_mut().flatten() {
            *text = make(&format!("data.{key}"), text)?;
        }
        Ok(made)
    }

    /// Whether there is anything in it that a person would see or hear.
    pub fn is_visible(&self) -> bool {
        self.title.is_some()
            || self.subtitle.is_some()
            || self.body.is_some()
            || self.badge.is_some()
            || self.sound.is_some()
            || self.image_url.is_some()
    }
}
