use serde_json::json;

use super::*;
use crate::domain::device::Platform;

fn parse(value: &serde_json::Value) -> Segment {
    Segment::parse(value, "segment").unwrap_or_else(|errors| panic!("{value}: {errors:?}"))
}

fn wrong(value: &serde_json::Value) -> Vec<(String, &'static str)> {
    let errors = Segment::parse(value, "segment").expect_err("it is wrong");
    errors.into_iter().map(|error| (error.path, error.code)).collect()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn what_is_wrong_is_named_by_its_node() {
    let deep = |nodes: usize| (1..nodes).fold(json!({"everyone": true}), |inner, _| json!({"not": inner}));
    let leaf = json!({"field": "model", "op": "eq", "value": "x"});
    let many = |leaves: usize| json!({"any": vec![leaf.clone(); leaves]});
    assert!(Segment::parse(&deep(MAX_DEPTH), "segment").is_ok() && Segment::parse(&many(MAX_LEAVES), "segment").is_ok());
    for (value, path, code) in [
        (json!({}), "segment", "invalid"),
        (json!([]), "segment", "invalid"),
        (json!(null), "segment", "invalid"),
        (json!({"everyone": false}), "segment.everyone", "invalid"),
        (json!({"everyone": true, "any": [leaf]}), "segment", "invalid"),
        (json!({"all": []}), "segment.all", "invalid"),
        (json!({"any": []}), "segment.any", "invalid"),
        (json!({"any": {}}), "segment.any", "invalid"),
        (json!({"not": []}), "segment.not", "invalid"),
        (json!({"all": [leaf, {"any": []}]}), "segment.all[1].any", "invalid"),
        (json!({"any": [leaf, leaf, {"field": "model", "op": "like", "value": "x"}]}), "segment.any[2].op", "invalid"),
        (json!({"not": {"field": "colour", "op": "eq", "value": "x"}}), "segment.not.field", "invalid"),
        (json!({"field": 7, "op": "eq", "value": "x"}), "segment.field", "invalid"),
        (json!({"field": "tags.", "op": "eq", "value": "x"}), "segment.field", "invalid"),
        (json!({"field": "model", "value": "x"}), "segment.op", "required"),
        (json!({"field": "model", "op": "eq"}), "segment.value", "required"),
        (json!({"field": "model", "op": "eq", "value": null}), "segment.value", "invalid"),
        (json!({"field": "model", "op": "eq", "value": "x", "why": 1}), "segment.why", "unknown_field"),
        (json!({"not": leaf, "why": 1}), "segment.why", "unknown_field"),
        (json!({"field": "model", "op": "eq", "value": 1}), "segment.value", "invalid"),
        (json!({"field": "model", "op": "prefix", "value": 1}), "segment.value", "invalid"),
        (json!({"field": "model", "op": "exists", "value": "true"}), "segment.value", "invalid"),
        (json!({"field": "model", "op": "in", "value": []}), "segment.value", "invalid"),
        (json!({"field": "model", "op": "in", "value": "x"}), "segment.value", "invalid"),
        (json!({"field": "model", "op": "in", "value": ["x", 1]}), "segment.value[1]", "invalid"),
        (json!({"field": "model", "op": "eq", "value": "a\0b"}), "segment.value", "invalid"),
        (json!({"field": "platform", "op": "ne", "value": "IOS"}), "segment.value", "invalid"),
        (json!({"field": "app_version", "op": "lt", "value": 3.1}), "segment.value", "invalid"),
        (json!({"field": "created_at", "op": "lt", "value": "yesterday"}), "segment.value", "invalid"),
        (json!({"field": "created_at", "op": "lt", "value": {"days_ago": -1}}), "segment.value", "invalid"),
        (json!({"field": "created_at", "op": "lt", "value": {"days_ago": 1, "x": 1}}), "segment.value", "invalid"),
        (json!({"field": "created_at", "op": "prefix", "value": "2026"}), "segment.op", "invalid"),
        (json!({"field": "tags.x", "op": "eq", "value": ["x"]}), "segment.value", "invalid"),
        (json!({"field": "tags.x", "op": "gt", "value": true}), "segment.value", "invalid"),
        (many(MAX_LEAVES + 1), "segment", "invalid"),
    ] {
        assert_eq!(wrong(&value), [(path.to_owned(), code)], "{value}");
    }
    let (path, code) = wrong(&deep(MAX_DEPTH + 1)).remove(0);
    assert_eq!((path, code), (format!("segment{}", ".not".repeat(MAX_DEPTH)), "invalid"));
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let value = json!({"all": [{"field": "x", "op": "eq", "value": 1}, {"any": []}, {"field": "model", "op": "x", "value": 1}]});
    let paths: Vec<String> = wrong(&value).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["segment.all[0].field", "segment.all[1].any", "segment.all[2].op"]);
}

#[test]
fn what_was_read_is_written_again() {
    let value = json!({"all": [
        {"everyone": true},
        {"not": {"field": "platform", "op": "in", "value": ["ios", "web"]}},
        {"any": [
            {"field": "tags.plan", "op": "in", "value": ["pro", 1, 1.5, true]},
            {"field": "user.tags.it's %_\" $.x", "op": "ne", "value": "é"},
            {"field": "last_seen_at", "op": "gte", "value": {"days_ago": 30}},
            {"field": "created_at", "op": "lt", "value": "2026-11-01T00:00:00.5+01:00"},
            {"field": "app_version", "op": "lte", "value": "3.10"},
            {"field": "locale", "op": "prefix", "value": "fr"},
            {"field": "model", "op": "exists", "value": false},
        ]},
    ]});
    let segment = parse(&value);
    let written = segment.to_json();
    assert_eq!(parse(&written), segment);
    assert_eq!(written.pointer("/all/2/any/3/value"), Some(&json!("2026-10-31T23:00:00.500Z")));
    assert_eq!(serde_json::from_str::<Segment>(&serde_json::to_string(&segment).unwrap()).unwrap(), segment);
    assert!(serde_json::from_str::<Segment>(r#"{"any": []}"#).is_err());
}

#[test]
fn a_condition_is_asked_of_a_device_and_its_user() {
    let tags: Tags = [("plan", json!("pro")), ("n", json!(3)), ("on", json!(true)), ("off", json!(false)), ("nothing", json!(null))]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
    let user_tags: Tags = [("age".to_owned(), json!(41.5))].into();
    let facts = Facts {
        platform: Platform::Ios,
        locale: Some("fr-CA"),
        timezone: None,
        app_version: Some("3.10.0"),
        os_version: Some("18.1"),
        model: None,
        last_seen_at: at("2026-11-20T12:00:00Z"),
        created_at: at("2026-01-01T00:00:00Z"),
        tags: &tags,
        user_tags: Some(&user_tags),
    };
    let now = at("2026-11-22T12:00:00Z");
    for (field, op, value, expected) in [
        ("platform", "eq", json!("ios"), true),
        ("platform", "in", json!(["web", "android"]), false),
        ("locale", "prefix", json!("fr"), true),
        ("locale", "prefix", json!("f_"), false),
        ("locale", "eq", json!("fr-ca"), false),
        ("locale", "lt", json!("fr-a"), true),
        ("timezone", "eq", json!("UTC"), false),
        ("timezone", "ne", json!("UTC"), true),
        ("timezone", "exists", json!(false), true),
        ("timezone", "exists", json!(true), false),
        ("timezone", "prefix", json!(""), false),
        ("timezone", "lte", json!("zzz"), false),
        ("timezone", "in", json!(["", "UTC"]), false),
        ("app_version", "gt", json!("3.9"), true),
        ("app_version", "eq", json!("3.10"), true),
        ("app_version", "in", json!(["3.9", "v3.10"]), true),
        ("app_version", "prefix", json!("3.1"), true),
        ("app_version", "prefix", json!("v3"), false),
        ("os_version", "lt", json!("18.1"), false),
        ("last_seen_at", "gte", json!({"days_ago": 2}), true),
        ("last_seen_at", "gt", json!({"days_ago": 2}), false),
        ("last_seen_at", "exists", json!(true), true),
        ("created_at", "eq", json!("2026-01-01T01:00:00+01:00"), true),
        ("created_at", "ne", json!("2026-01-01T00:00:00.000001Z"), true),
        ("tags.plan", "eq", json!("pro"), true),
        ("tags.plan", "eq", json!(3), false),
        ("tags.plan", "ne", json!(3), true),
        ("tags.plan", "gt", json!(0), false),
        ("tags.n", "eq", json!(3.0), true),
        ("tags.n", "eq", json!("3"), false),
        ("tags.n", "in", json!(["3", 3]), true),
        ("tags.n", "lt", json!(3.5), true),
        ("tags.n", "prefix", json!(""), false),
        ("tags.on", "eq", json!(true), true),
        ("tags.off", "eq", json!(true), false),
        ("tags.off", "exists", json!(true), true),
        ("tags.off", "ne", json!(true), true),
        ("tags.nothing", "exists", json!(true), false),
        ("tags.gone", "ne", json!("x"), true),
        ("tags.gone", "exists", json!(false), true),
        ("tags.age", "exists", json!(true), false),
        ("user.tags.age", "gte", json!(41.5), true),
        ("user.tags.age", "gt", json!(41.5), false),
    ] {
        let leaf = parse(&json!({"field": field, "op": op, "value": value}));
        assert_eq!(leaf.matches(&facts, now), expected, "{field} {op} {value}");
        assert_eq!(Segment::Not(Box::new(leaf)).matches(&facts, now), !expected, "not {field} {op} {value}");
    }
    let nobody = Facts { user_tags: None, ..facts };
    assert!(parse(&json!({"field": "user.tags.age", "op": "ne", "value": 1})).matches(&nobody, now));
}
