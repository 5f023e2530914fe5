//! A broadcast: one push that the provider itself fans out, to whoever subscribed with it. Herald knows none of them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::device::{Environment, ProviderKind};

/// The name of an FCM topic, at most, in characters (Google's client libraries subscribe to no longer one).
pub const MAX_TOPIC: usize = 900;
/// Topics that a condition names, at most ("Send messages to topics").
pub const MAX_CONDITION_TOPICS: usize = 5;
/// An APNs channel id, at most, in characters. Apple says that its size is not fixed; real ones have 24.
pub const MAX_CHANNEL: usize = 512;

/// A condition, at most, in bytes: five topics of the longest name, and room to join them.
const MAX_CONDITION: usize = 8 * 1024;
/// What follows a topic's name in a condition.
const IN: &str = "in";
const TOPICS: &str = "topics";

/// Why a broadcast's destination is refused. The text is fit for callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BroadcastError {
    /// Nothing there.
    #[error("must not be empty")]
    Empty,
    /// Longer than is taken.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// A character that no topic's name has, or the prefix `/topics/` of the older API.
    #[error("must be a topic's name without /topics/: letters, digits and - _ . ~ % of ASCII")]
    Topic,
    /// Not an expression over topics.
    #[error("must join topics with && and ||, such as 'a' in topics && ('b' in topics || !('c' in topics))")]
    Condition,
    /// More topics than a condition may name.
    #[error("must name at most {MAX_CONDITION_TOPICS} topics")]
    TooManyTopics,
    /// Not base64.
    #[error("must be a channel id as Apple gave it, in base64")]
    Channel,
}

/// A checked text: only what its check lets through can be one.
macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BroadcastError;

            fn try_from(text: String) -> Result<Self, BroadcastError> {
                $check(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked! {
    /// An FCM topic: its name without `/topics/`, 1 to [`MAX_TOPIC`] of `A-Za-z0-9-_.~%` ("REST resource: projects.messages").
    Topic, check_topic
}
checked! {
    /// An FCM condition: topics joined by `&&`, `||`, `!(…)` and parentheses, at most [`MAX_CONDITION_TOPICS`] ("Send messages to topics").
    Condition, check_condition
}
checked! {
    /// The id of an APNs broadcast channel, as Apple gave it: base64 ("Sending broadcast push notification requests to APNs").
    Channel, check_channel
}

/// Where a broadcast goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Broadcast {
    /// Whoever subscribed to a topic with FCM: Android, iOS and browsers.
    FcmTopic(Topic),
    /// Whoever's subscriptions with FCM fulfil a condition.
    FcmCondition(Condition),
    /// The Live Activities that listen to a channel of Apple's.
    ApnsChannel {
        /// The channel.
        channel: Channel,
        /// The service that made it; channels are not shared between the two.
        environment: Environment,
    },
}

impl Broadcast {
    /// Who fans it out.
    pub fn provider(&self) -> ProviderKind {
        match self {
            Self::FcmTopic(_) | Self::FcmCondition(_) => ProviderKind::Fcm,
            Self::ApnsChannel { .. } => ProviderKind::Apns,
        }
    }

    /// Apple's service; `Production` elsewhere.
    pub fn environment(&self) -> Environment {
        match self {
            Self::FcmTopic(_) | Self::FcmCondition(_) => Environment::Production,
            Self::ApnsChannel { environment, .. } => *environment,
        }
    }

    /// What callers call it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::FcmTopic(_) => "fcm_topic",
            Self::FcmCondition(_) => "fcm_condition",
            Self::ApnsChannel { .. } => "apns_channel",
        }
    }
}

fn check_topic(name: &str) -> Result<(), BroadcastError> {
    check_length(name, MAX_TOPIC)?;
    if name.bytes().all(is_topical) { Ok(()) } else { Err(BroadcastError::Topic) }
}

fn is_topical(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte)
}

fn check_channel(id: &str) -> Result<(), BroadcastError> {
    check_length(id, MAX_CHANNEL)?;
    STANDARD.decode(id).map(drop).map_err(|_| BroadcastError::Channel)
}

fn check_length(text: &str, max: usize) -> Result<(), BroadcastError> {
    match text.len() {
        0 => Err(BroadcastError::Empty),
        length if length > max => Err(BroadcastError::TooLong(max)),
        _ => Ok(()),
    }
}

/// Reads a condition from left to right: an operand where one is due, then an operator or the end of what a parenthesis began. Whether `&&`
/// binds before `||` is Google's to say; it does not matter to whether the condition can be read.
fn check_condition(text: &str) -> Result<(), BroadcastError> {
    check_length(text, MAX_CONDITION)?;
    let mut rest = text.trim_start();
    let (mut open, mut topics, mut operand_is_due) = (0_usize, 0_usize, true);
    while !rest.is_empty() {
        rest = if operand_is_due {
            if let Some(inner) = opening(rest) {
                open += 1;
                inner
            } else {
                topics += 1;
                operand_is_due = false;
                after_topic(rest)?
            }
        } else if let Some(outer) = rest.strip_prefix(')') {
            open = open.checked_sub(1).ok_or(BroadcastError::Condition)?;
            outer
        } else {
            operand_is_due = true;
            rest.strip_prefix("&&").or_else(|| rest.strip_prefix("||")).ok_or(BroadcastError::Condition)?
        }
        .trim_start();
    }
    if operand_is_due || open > 0 {
        return Err(BroadcastError::Condition);
    }
    if topics > MAX_CONDITION_TOPICS { Err(BroadcastError::TooManyTopics) } else { Ok(()) }
}

/// What follows `(` or `!(`; `None` where there is neither.
fn opening(text: &str) -> Option<&str> {
    text.strip_prefix('!').map_or(text, str::trim_start).strip_prefix('(')
}

/// What follows `'name' in topics`.
fn after_topic(text: &str) -> Result<&str, BroadcastError> {
    let quoted = text.strip_prefix('\'').and_then(|text| text.split_once('\''));
    let (name, rest) = quoted.ok_or(BroadcastError::Condition)?;
    check_topic(name).map_err(|error| if error == BroadcastError::Empty { BroadcastError::Condition } else { error })?;
    let rest = after_word(rest, IN).and_then(|rest| after_word(rest, TOPICS));
    rest.ok_or(BroadcastError::Condition)
}

/// What follows a word that white space goes before.
fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let trimmed = text.trim_start();
    if trimmed.len() == text.len() {
        return None;
    }
    let rest = trimmed.strip_prefix(word)?;
    // it ends where a letter would make it another
    (!rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')).then_some(rest)
}

#[cfg(test)]
mod tests;
