//! `type` of a message.

use serde::Serialize;

use super::EventType;

/// What a message is about, as its body says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum MessageType {
    /// Something that happened.
    Event(EventType),
    /// Nothing.
    Test(Test),
}

/// `webhook.test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Test {
    /// Somebody wants to see whether it arrives.
    #[serde(rename = "webhook.test")]
    Asked,
}

impl From<Option<EventType>> for MessageType {
    /// `None`: a test.
    fn from(event: Option<EventType>) -> Self {
        event.map_or(Self::Test(Test::Asked), Self::Event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_word() {
        let word = |event: Option<EventType>| serde_json::to_value(MessageType::from(event)).unwrap();
        assert_eq!(word(None), "webhook.test");
        assert_eq!(word(Some(EventType::LanePaused)), "lane.paused");
    }
}
