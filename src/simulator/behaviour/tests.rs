//! Which rule applies to a push, and what is wrong with one.

use super::*;

fn rules(text: &str) -> Vec<Rule> {
    serde_json::from_str(text).unwrap()
}

fn status(behaviours: &Behaviours, provider: Provider, token: &str) -> Option<u16> {
    match behaviours.find(provider, token).1 {
        Some(Conduct::Respond(respond)) => Some(respond.status),
        _ => None,
    }
}

#[test]
fn the_first_rule_that_fits_applies_its_times() {
    let behaviours = Behaviours::default();
    behaviours.replace(rules(
        r#"[{"provider":"apns","token_prefix":"aa","respond":{"status":503},"times":2},
            {"token_prefix":"aa","respond":{"status":429}},
            {"provider":"fcm","fault":"stall"}]"#,
    ));
    let apns = |token| status(&behaviours, Provider::Apns, token);
    assert_eq!(apns("bb00"), None);
    assert_eq!(apns("AA00"), Some(503));
    assert_eq!(status(&behaviours, Provider::Fcm, "aa"), Some(429));
    assert_eq!(apns("aa01"), Some(503));
    assert_eq!(apns("aa01"), Some(429));
    assert!(matches!(behaviours.find(Provider::Fcm, "x").1, Some(Conduct::Fault(Fault::Stall))));
    behaviours.replace(Vec::new());
    assert_eq!(apns("aa00"), None);
}

#[test]
fn a_rule_may_be_for_one_in_so_many() {
    let behaviours = Behaviours::default();
    behaviours.replace(rules(r#"[{"respond":{"status":503},"every":3,"times":2},{"respond":{"status":429},"every":2}]"#));
    let answers: Vec<_> = (0..9).map(|_| status(&behaviours, Provider::Apns, "aa")).collect();
    assert_eq!(answers, [None, Some(429), Some(503), None, Some(429), Some(503), None, Some(429), None]);
}

#[test]
fn the_token_endpoint_must_be_named() {
    let behaviours = Behaviours::default();
    behaviours.replace(rules(r#"[{"respond":{"status":500}}]"#));
    assert_eq!(status(&behaviours, Provider::Oauth, ""), None);
    behaviours.replace(rules(r#"[{"provider":"oauth","respond":{"status":500}}]"#));
    assert_eq!(status(&behaviours, Provider::Oauth, ""), Some(500));
}

#[test]
fn a_delay_alone_leaves_the_answer_open() {
    let behaviours = Behaviours::default();
    behaviours.replace(rules(r#"[{"delay_ms":20}]"#));
    let (delay, conduct) = behaviours.find(Provider::Apns, "dead");
    assert_eq!(delay, Duration::from_millis(20));
    assert!(conduct.is_none());
}

#[test]
fn flaws_are_named() {
    for (text, field) in [
        (r#"[{"respond":{"status":99}}]"#, "respond.status"),
        (r#"[{"respond":{"status":600}}]"#, "respond.status"),
        (r#"[{"respond":{"status":500},"fault":"reset"}]"#, "fault"),
        (r#"[{"respond":{"status":500,"body":"","reason":"Shutdown"}}]"#, "respond.body"),
        (r#"[{"token_prefix":"a"}]"#, "respond"),
        (r#"[{"delay_ms":3600001}]"#, "delay_ms"),
        (r#"[{"fault":"reset","times":0}]"#, "times"),
        (r#"[{"fault":"reset","every":0}]"#, "every"),
    ] {
        assert_eq!(rules(text)[0].flaw().map(|flaw| flaw.0), Some(field), "{text}");
    }
    let good = r#"[{"respond":{"status":410,"retry_after":3,"timestamp":1},"delay_ms":1}]"#;
    assert_eq!(rules(good)[0].flaw(), None);
}
