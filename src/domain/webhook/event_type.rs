//! What a message can be about.

use serde::{Deserialize, Serialize};

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $word:literal;)+) => {
        /// What a message is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum EventType {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl EventType {
            /// All there are.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its word, in the API, in messages and in the store.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// That of a word.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

event_types! {
    /// A provider accepted a push.
    DeliverySent = "delivery.sent";
    /// The gate decided that one is not sent.
    DeliverySuppressed = "delivery.suppressed";
    /// A provider refused one for good.
    DeliveryFailed = "delivery.failed";
    /// Its time ran out.
    DeliveryExpired = "delivery.expired";
    /// The app got it.
    ReceiptDelivered = "receipt.delivered";
    /// Somebody opened it.
    ReceiptOpened = "receipt.opened";
    /// Somebody dismissed it.
    ReceiptDismissed = "receipt.dismissed";
    /// A device is new, or active again.
    DeviceRegistered = "device.registered";
    /// A device gets nothing any more.
    DeviceDeactivated = "device.deactivated";
    /// Somebody's preferences are others now.
    PreferencesChanged = "preferences.changed";
    /// A campaign's run began.
    CampaignStarted = "campaign.started";
    /// A campaign was paused.
    CampaignPaused = "campaign.paused";
    /// A campaign is done.
    CampaignDone = "campaign.done";
    /// A lane was paused.
    LanePaused = "lane.paused";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_it_was_written() {
        for event in EventType::ALL {
            assert_eq!(EventType::parse(event.as_str()), Some(*event));
            assert_eq!(serde_json::to_value(event).unwrap(), event.as_str(), "as the API has it");
        }
        assert_eq!(EventType::ALL.len(), 14);
    }
}
