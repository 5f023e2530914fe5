use proptest::prelude::*;

use super::*;

fn topic(text: &str) -> Result<Topic, BroadcastError> {
    Topic::try_from(text.to_owned())
}

fn condition(text: &str) -> Result<Condition, BroadcastError> {
    Condition::try_from(text.to_owned())
}

#[test]
fn a_topic_is_named_without_its_prefix() {
    for name in ["news", "a", "A-Z_0.9~%", &"t".repeat(900)] {
        assert_eq!(topic(name).unwrap().as_str(), name);
    }
    for (name, error) in [
        ("", BroadcastError::Empty),
        ("/topics/news", BroadcastError::Topic),
        ("a b", BroadcastError::Topic),
        ("é", BroadcastError::Topic),
        ("a'", BroadcastError::Topic),
        (&*"t".repeat(901), BroadcastError::TooLong(900)),
    ] {
        assert_eq!(topic(name), Err(error), "{name}");
    }
}

#[test]
fn a_condition_joins_at_most_five_topics() {
    for text in [
        "'a' in topics",
        "  'a'  in  topics  ",
        "'a' in topics && 'b' in topics",
        "'a' in topics&&'b' in topics||'c' in topics",
        "'a' in topics && ('b' in topics || !('c' in topics))",
        "!('a' in topics)",
        "! ( 'a' in topics )",
        "((('a' in topics)))",
        "'in' in topics || 'topics' in topics",
        "'1' in topics && '2' in topics && '3' in topics && '4' in topics && '5' in topics",
    ] {
        assert_eq!(condition(text).unwrap().as_str(), text);
    }
    for (text, error) in [
        ("", BroadcastError::Empty),
        ("   ", BroadcastError::Condition),
        ("news", BroadcastError::Condition),
        ("\"a\" in topics", BroadcastError::Condition),
        ("'a'", BroadcastError::Condition),
        ("'a' in topic", BroadcastError::Condition),
        ("'a' in topicsx", BroadcastError::Condition),
        ("'a'in topics", BroadcastError::Condition),
        ("'a' intopics", BroadcastError::Condition),
        ("'' in topics", BroadcastError::Condition),
        ("'a b' in topics", BroadcastError::Topic),
        ("'/topics/a' in topics", BroadcastError::Topic),
        ("!'a' in topics", BroadcastError::Condition),
        ("'a' in topics &&", BroadcastError::Condition),
        ("&& 'a' in topics", BroadcastError::Condition),
        ("'a' in topics & 'b' in topics", BroadcastError::Condition),
        ("'a' in topics 'b' in topics", BroadcastError::Condition),
        ("'a' in topics and 'b' in topics", BroadcastError::Condition),
        ("('a' in topics", BroadcastError::Condition),
        ("'a' in topics)", BroadcastError::Condition),
        ("()", BroadcastError::Condition),
        ("'a in topics", BroadcastError::Condition),
    ] {
        assert_eq!(condition(text), Err(error), "{text}");
    }
    let six = ["'a' in topics"; 6].join(" || ");
    assert_eq!(condition(&six), Err(BroadcastError::TooManyTopics));
    assert_eq!(condition(&"(".repeat(8193)), Err(BroadcastError::TooLong(8192)));
}

#[test]
fn a_channel_is_base64() {
    let channel = |text: &str| Channel::try_from(text.to_owned());
    assert_eq!(channel("dHN0LXNyY2gtY2hubA==").unwrap().as_str(), "dHN0LXNyY2gtY2hubA==");
    for (text, error) in [
        ("", BroadcastError::Empty),
        ("not base64!", BroadcastError::Channel),
        ("dHN0LXNyY2gtY2hubA", BroadcastError::Channel),
        (&*"a".repeat(513), BroadcastError::TooLong(512)),
    ] {
        assert_eq!(channel(text), Err(error), "{text}");
    }
}

#[test]
fn what_was_stored_is_checked_when_it_is_read() {
    let broadcast = Broadcast::FcmTopic(topic("news").unwrap());
    let text = serde_json::to_string(&broadcast).unwrap();
    assert_eq!(text, r#"{"fcm_topic":"news"}"#);
    assert_eq!(serde_json::from_str::<Broadcast>(&text).unwrap(), broadcast);
    assert!(serde_json::from_str::<Broadcast>(r#"{"fcm_topic":"/topics/news"}"#).is_err());
}

/// Every expression of the grammar with one topic a leaf.
fn expression() -> impl Strategy<Value = String> {
    let leaf = "[A-Za-z0-9_.~%-]{1,20}".prop_map(|name| format!("'{name}' in topics"));
    leaf.prop_recursive(3, 5, 2, |inner| {
        prop_oneof![
            (inner.clone(), prop_oneof![Just("&&"), Just("||")], inner.clone())
                .prop_map(|(one, join, other)| format!("{one} {join} {other}")),
            inner.clone().prop_map(|inner| format!("({inner})")),
            inner.prop_map(|inner| format!("!({inner})")),
        ]
    })
}

proptest! {
    #[test]
    fn every_expression_is_read(text in expression()) {
        let topics = text.matches("' in topics").count();
        let expected = if topics > MAX_CONDITION_TOPICS { Err(BroadcastError::TooManyTopics) } else { Ok(()) };
        prop_assert_eq!(condition(&text).map(drop), expected);
    }

    #[test]
    fn foreign_text_never_panics(text in "['()!&| a-zé]{0,60}") {
        drop(condition(&text));
    }
}
