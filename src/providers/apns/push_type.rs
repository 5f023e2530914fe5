//! Apple's push types and what each asks for.

use crate::domain::push_type::PushType as Asked;
use crate::providers::Message;

/// `apns-push-type` ("Sending notification requests to APNs").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PushType {
    Alert,
    Background,
    Complication,
    Controls,
    FileProvider,
    LiveActivity,
    Location,
    Mdm,
    PushToTalk,
    Voip,
    Widgets,
}

/// Apple's limit on the body, in bytes.
const LIMIT: usize = 4096;
/// For voice over IP.
const VOIP_LIMIT: usize = 5120;

impl PushType {
    pub(super) const ALL: [Self; 11] = [
        Self::Alert,
        Self::Background,
        Self::Complication,
        Self::Controls,
        Self::FileProvider,
        Self::LiveActivity,
        Self::Location,
        Self::Mdm,
        Self::PushToTalk,
        Self::Voip,
        Self::Widgets,
    ];

    /// That of a message, where its patch names no other.
    pub(super) fn of(message: &Message<'_>) -> Self {
        match message.push_type {
            Asked::Usual if message.silent => Self::Background,
            Asked::Usual => Self::Alert,
            Asked::Voip => Self::Voip,
            Asked::Location => Self::Location,
            Asked::LiveActivity(_) => Self::LiveActivity,
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|push_type| push_type.as_str() == text)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Background => "background",
            Self::Complication => "complication",
            Self::Controls => "controls",
            Self::FileProvider => "fileprovider",
            Self::LiveActivity => "liveactivity",
            Self::Location => "location",
            Self::Mdm => "mdm",
            Self::PushToTalk => "pushtotalk",
            Self::Voip => "voip",
            Self::Widgets => "widgets",
        }
    }

    /// What follows the bundle id in the topic.
    pub(super) fn topic_suffix(self) -> &'static str {
        match self {
            Self::Alert | Self::Background | Self::Mdm => "",
            Self::Complication => ".complication",
            Self::Controls => ".push-type.controls",
            Self::FileProvider => ".pushkit.fileprovider",
            Self::LiveActivity => ".push-type.liveactivity",
            Self::Location => ".location-query",
            Self::PushToTalk => ".voip-ptt",
            Self::Voip => ".voip",
            Self::Widgets => ".push-type.widgets",
        }
    }

    /// Whether Apple takes it from who has a certificate, if that covers the topic.
    pub(super) fn goes_with_certificate(self) -> bool {
        self != Self::Location
    }

    /// Whether it is always at once: somebody is calling.
    pub(super) fn is_immediate(self) -> bool {
        matches!(self, Self::Voip | Self::PushToTalk)
    }

    /// The largest body, in bytes.
    pub(super) fn limit(self) -> usize {
        if self == Self::Voip { VOIP_LIMIT } else { LIMIT }
    }
}

#[cfg(test)]
mod tests;
