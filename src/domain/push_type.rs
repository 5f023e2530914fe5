//! Pushes that go to another of an installation's addresses than its ordinary one: calls, location queries, Live Activities. They are
//! Apple's alone.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Timestamp;
use super::notification::DEFAULT_TTL_SECONDS;
use super::token_kind::TokenKind;

/// The life of a call whose notification and category say nothing, in seconds: as long as a phone rings. Apple asks for none or a few
/// ("Responding to `VoIP` Notifications from `PushKit`"), since a call that comes later is over.
pub const CALL_TTL_SECONDS: u32 = 30;

/// What kind of push a notification is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushType {
    /// An alert, or a background push where the notification is silent.
    #[default]
    Usual,
    /// An incoming call.
    Voip,
    /// A question where the phone is.
    Location,
    /// What a Live Activity shows.
    LiveActivity(LiveActivity),
}

/// A push to a Live Activity ("Starting and updating Live Activities with `ActivityKit` push notifications").
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveActivity {
    /// What becomes of it.
    pub event: ActivityEvent,
    /// What it shows from now on: the app's `ContentState`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_state: Option<Map<String, Value>>,
    /// From when on that is out of date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_at: Option<Timestamp>,
}

/// What becomes of a Live Activity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivityEvent {
    /// A new one begins.
    Start {
        /// The name of the app's `ActivityAttributes`.
        attributes_type: String,
        /// What of it never changes.
        attributes: Map<String, Value>,
    },
    /// It shows something else.
    Update {
        /// Which; `None`: each that listens to the channel of a broadcast.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activity_id: Option<String>,
    },
    /// It is over.
    End {
        /// Which, as in an update.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activity_id: Option<String>,
        /// When it goes from the screen; within four hours where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dismiss_at: Option<Timestamp>,
    },
}

impl PushType {
    /// Whether it goes to the installation's ordinary address.
    pub fn is_usual(&self) -> bool {
        *self == Self::Usual
    }

    /// The address it goes to; `None` is the ordinary one.
    pub fn token_kind(&self) -> Option<TokenKind> {
        match self {
            Self::Usual => None,
            Self::Voip => Some(TokenKind::Voip),
            Self::Location => Some(TokenKind::Location),
            Self::LiveActivity(activity) => match &activity.event {
                ActivityEvent::Start { attributes_type, .. } => Some(TokenKind::LiveActivityStart(attributes_type.clone())),
                ActivityEvent::Update { activity_id } | ActivityEvent::End { activity_id, .. } => {
                    activity_id.clone().map(TokenKind::LiveActivity)
                }
            },
        }
    }

    /// Whether it brings no alert, so that neither quiet hours nor the push channel's switch hold it. `silent`: the notification says so of
    /// itself; `has_words`: it has something to be seen or heard.
    pub fn is_silent(&self, silent: bool, has_words: bool) -> bool {
        match self {
            Self::Usual => silent,
            Self::Voip | Self::Location => true,
            Self::LiveActivity(_) => silent || !has_words,
        }
    }

    /// The life of a push whose notification and category say nothing, in seconds.
    pub fn usual_ttl_seconds(&self) -> u32 {
        match self {
            Self::Voip => CALL_TTL_SECONDS,
            Self::Usual | Self::Location | Self::LiveActivity(_) => DEFAULT_TTL_SECONDS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity(event: ActivityEvent) -> PushType {
        PushType::LiveActivity(LiveActivity { event, content_state: None, stale_at: None })
    }

    fn start() -> PushType {
        activity(ActivityEvent::Start { attributes_type: "Ride".to_owned(), attributes: Map::new() })
    }

    fn update() -> PushType {
        activity(ActivityEvent::Update { activity_id: Some("a1".to_owned()) })
    }

    fn end() -> PushType {
        activity(ActivityEvent::End { activity_id: Some("a1".to_owned()), dismiss_at: None })
    }

    #[test]
    fn each_goes_to_its_address() {
        for (push_type, kind) in [
            (PushType::Usual, None),
            (PushType::Voip, Some("voip")),
            (PushType::Location, Some("location")),
            (start(), Some("live_activity_start.Ride")),
            (update(), Some("live_activity.a1")),
            (end(), Some("live_activity.a1")),
        ] {
            assert_eq!(push_type.token_kind().map(|kind| kind.to_string()).as_deref(), kind, "{push_type:?}");
            assert_eq!(push_type.is_usual(), kind.is_none());
        }
    }

    #[test]
    fn only_what_brings_words_can_be_held() {
        for (push_type, expected) in [
            // plain, with words, silent, silent with words
            (PushType::Usual, [false, false, true, true]),
            (PushType::Voip, [true; 4]),
            (PushType::Location, [true; 4]),
            (start(), [true, false, true, true]),
            (update(), [true, false, true, true]),
            (end(), [true, false, true, true]),
        ] {
            let silent =
                [(false, false), (false, true), (true, false), (true, true)].map(|(silent, words)| push_type.is_silent(silent, words));
            assert_eq!(silent, expected, "{push_type:?}");
        }
    }

    #[test]
    fn a_call_lives_as_long_as_it_rings() {
        assert_eq!([PushType::Voip, PushType::Usual, update()].map(|push_type| push_type.usual_ttl_seconds()), [30, 86_400, 86_400]);
    }

    #[test]
    fn what_was_stored_is_read() {
        for push_type in [PushType::Usual, PushType::Voip, PushType::Location, start(), update(), end()] {
            let text = serde_json::to_string(&push_type).unwrap();
            assert_eq!(serde_json::from_str::<PushType>(&text).unwrap(), push_type, "{text}");
        }
    }
}
