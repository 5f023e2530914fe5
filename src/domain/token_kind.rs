//! An installation's other addresses: Apple gives an app one more for calls, one for location queries, one for each kind of Live Activity
//! that a push may start, and one for each that runs.

use std::fmt;

use super::Timestamp;
use super::device::{Environment, TokenHash};
use super::name::{NameError, check_activity_name};

/// What an address is for. Callers write it as `voip`, `location`, `live_activity_start.<attributes type>` or `live_activity.<activity id>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    /// Incoming calls (`PushKit`).
    Voip,
    /// Location queries (`CLLocationManager.startMonitoringLocationPushes`).
    Location,
    /// Starts Live Activities of this attributes type (`Activity.pushToStartTokenUpdates`).
    LiveActivityStart(String),
    /// Updates and ends this Live Activity (`Activity.pushTokenUpdates`).
    LiveActivity(String),
}

const START: &str = "live_activity_start.";
const ACTIVITY: &str = "live_activity.";

/// Attributes types of a device that a push may start, and Live Activities that run on it, at most, of each; the longest unseen goes first.
/// iOS lets an app run a handful at a time, and an app that never takes back the address of one that is over must not grow without end.
pub const MAX_ACTIVITY_TOKENS: usize = 20;

/// Why a kind is refused. The text is fit for callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenKindError {
    /// None of the four.
    #[error("must be voip, location, live_activity_start.<attributes type> or live_activity.<activity id>")]
    Unknown,
    /// The name after the dot.
    #[error("the name after the dot {0}")]
    Name(NameError),
}

impl TokenKind {
    /// The kind that is written so; the names after a dot are 1–64 of `A-Za-z0-9._:-`.
    pub fn parse(text: &str) -> Result<Self, TokenKindError> {
        let named = |name: &str, of: fn(String) -> Self| {
            check_activity_name(name).map_err(TokenKindError::Name)?;
            Ok(of(name.to_owned()))
        };
        match text {
            "voip" => Ok(Self::Voip),
            "location" => Ok(Self::Location),
            _ => match (text.strip_prefix(START), text.strip_prefix(ACTIVITY)) {
                (Some(name), _) => named(name, Self::LiveActivityStart),
                (None, Some(name)) => named(name, Self::LiveActivity),
                (None, None) => Err(TokenKindError::Unknown),
            },
        }
    }

    /// Whether both stand in each other's way where a device has too many.
    pub fn is_like(&self, other: &Self) -> bool {
        matches!(
            (self, other),
            (Self::Voip, Self::Voip)
                | (Self::Location, Self::Location)
                | (Self::LiveActivityStart(_), Self::LiveActivityStart(_))
                | (Self::LiveActivity(_), Self::LiveActivity(_))
        )
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Voip => f.write_str("voip"),
            Self::Location => f.write_str("location"),
            Self::LiveActivityStart(name) => write!(f, "{START}{name}"),
            Self::LiveActivity(name) => write!(f, "{ACTIVITY}{name}"),
        }
    }
}

/// One of a device's other addresses, without the address itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceToken {
    /// What it is for.
    pub kind: TokenKind,
    /// Its hash.
    pub token_hash: TokenHash,
    /// Apple's service that knows it.
    pub environment: Environment,
    /// When it was last registered. A provider's verdict older than this does not count.
    pub seen_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_has_its_form() {
        let name = |text: &str| text.to_owned();
        for (text, kind) in [
            ("voip", TokenKind::Voip),
            ("location", TokenKind::Location),
            ("live_activity_start.RideAttributes", TokenKind::LiveActivityStart(name("RideAttributes"))),
            ("live_activity.3F2504E0-4F89-11D3", TokenKind::LiveActivity(name("3F2504E0-4F89-11D3"))),
            ("live_activity.a.b", TokenKind::LiveActivity(name("a.b"))),
            ("live_activity.live_activity_start.x", TokenKind::LiveActivity(name("live_activity_start.x"))),
        ] {
            assert_eq!(TokenKind::parse(text), Ok(kind.clone()), "{text}");
            assert_eq!(kind.to_string(), text);
        }
    }

    #[test]
    fn everything_else_is_none() {
        for text in ["", "alert", "VOIP", "voip.x", "live_activity", "live_activity_start", "live_activities.x"] {
            assert_eq!(TokenKind::parse(text), Err(TokenKindError::Unknown), "{text}");
        }
        for (text, error) in [
            ("live_activity.".to_owned(), NameError::Empty),
            ("live_activity_start.".to_owned(), NameError::Empty),
            ("live_activity.a b".to_owned(), NameError::Alphabet),
            ("live_activity.a/b".to_owned(), NameError::Alphabet),
            (format!("live_activity.{}", "a".repeat(65)), NameError::TooLong(64)),
        ] {
            assert_eq!(TokenKind::parse(&text), Err(TokenKindError::Name(error)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_written_as_it_was(text in "(voip|location|live_activity(_start)?)([.][A-Za-z0-9._:-]{0,70})?") {
            if let Ok(kind) = TokenKind::parse(&text) {
                prop_assert_eq!(kind.to_string(), text);
                prop_assert!(kind.is_like(&kind));
            }
        }

        #[test]
        fn foreign_text_never_panics(text in ".{0,100}") {
            drop(TokenKind::parse(&text));
        }
    }
}
