use serde::Deserialize;

use super::*;
use crate::api::problem::Code;
use crate::domain::notification::Priority;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
struct Sample {
    text: Option<String>,
    number: Option<u32>,
    #[serde(default)]
    flag: Given<bool>,
    priority: Option<Priority>,
    #[serde(default)]
    list: Vec<String>,
    inner: Option<Inner>,
    #[serde(default)]
    map: UniqueMap<String>,
    any: Option<AnyValue>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
struct Inner {
    id: String,
    #[serde(default)]
    items: Vec<u32>,
}

objects!(Sample, Inner);

fn errors(json: &str) -> Vec<(String, &'static str, String)> {
    let errors = match read::<Sample>(json.as_bytes()) {
        Ok(reading) => reading.errors,
        Err(problem) => {
            assert_eq!(problem.code(), Code::Invalid, "{json}");
            problem.errors().to_vec()
        }
    };
    errors.into_iter().map(|error| (error.field, error.code, error.message)).collect()
}

#[test]
fn each_wrong_type_is_named_by_its_path() {
    for (json, field, code, message) in [
        (r#"{"text": 5}"#, "text", "invalid", "must be a string"),
        (r#"{"number": "5"}"#, "number", "invalid", "must be a whole number from 0 to 4294967295"),
        (r#"{"number": -1}"#, "number", "invalid", "must be a whole number from 0 to 4294967295"),
        (r#"{"number": 1.5}"#, "number", "invalid", "must be a whole number from 0 to 4294967295"),
        (r#"{"flag": 1}"#, "flag", "invalid", "must be true or false"),
        (r#"{"priority": "urgent"}"#, "priority", "invalid", "must be one of normal, high, critical"),
        (r#"{"priority": 5}"#, "priority", "invalid", "must be a string"),
        (r#"{"list": ["a", "b", 3]}"#, "list[2]", "invalid", "must be a string"),
        (r#"{"list": "a"}"#, "list", "invalid", "must be a list"),
        (r#"{"inner": {"id": "a", "items": [1, true]}}"#, "inner.items[1]", "invalid", "must be a whole number from 0 to 4294967295"),
        (r#"{"inner": {}}"#, "inner.id", "required", "is required"),
        (r#"{"inner": ["a", [1]]}"#, "inner", "invalid", "must be an object"),
        (r#"{"inner": {"id": "a", "titel": 1}}"#, "inner.titel", "unknown_field", "there is no such field here"),
        (r#"{"map": {"a": 1}}"#, "map.a", "invalid", "must be a string"),
        (r#"{"txet": 1}"#, "txet", "unknown_field", "there is no such field here"),
        (r#"{"text": "a\u0000"}"#, "text", "invalid", "must not have a NUL character"),
        (r#"{"any": {"x": ["\u0000"]}}"#, "any.x[0]", "invalid", "must not have a NUL character"),
        (r#"["text"]"#, "", "invalid", "must be an object"),
        ("[]", "", "invalid", "must be an object"),
        (r#""x""#, "", "invalid", "must be an object"),
        ("null", "", "invalid", "must be an object"),
    ] {
        let found = errors(json);
        assert_eq!(found, [(field.to_owned(), code, message.to_owned())], "{json}");
    }
}

#[test]
fn one_answer_names_all_that_is_wrong() {
    let found = errors(r#"{"text": 1, "number": "x", "map": {"a": 1, "b": 2}, "extra": 1, "list": [1], "inner": {"x": 1}}"#);
    let fields: Vec<_> = found.iter().map(|(field, ..)| field.as_str()).collect();
    assert_eq!(fields, ["extra", "inner.x", "inner.id", "list[0]", "map.a", "map.b", "number", "text"], "{found:?}");
}

#[test]
fn what_is_not_wrong_is_still_read() {
    let reading = read::<Sample>(br#"{"text": "kept", "number": "x"}"#).unwrap();
    assert_eq!(reading.value, Sample { text: Some("kept".into()), ..Sample::default() });
    assert!(reading.whole().is_err());
}

#[test]
fn what_is_not_json_is_bad_json() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    let deep_member = format!(r#"{{"any": {deep}}}"#);
    for json in [
        "",
        "{",
        "{} x",
        r#"{"text": "a" "#,
        r#"{"text": "\ud800"}"#,
        r#"{"text": "\udc00\ud800"}"#,
        "{\"text\": \"\u{1}\"}",
        r#"{"number": 1e999}"#,
        r#"{"any": 1e999}"#,
        r#"{"number": NaN}"#,
        "{'text': 1}",
        r#"{"text": "a",}"#,
        "\u{feff}{}",
        &deep,
        &deep_member,
    ] {
        assert_eq!(read::<Sample>(json.as_bytes()).unwrap_err().code(), Code::BadJson, "{json}");
    }
    assert_eq!(read::<Sample>(b"{\"text\": \"\xff\"}").unwrap_err().code(), Code::BadJson);
    assert_eq!(read::<Sample>(b"{\"any\": \"\xc3\x28\"}").unwrap_err().code(), Code::BadJson);
}

#[test]
fn a_repeated_member_is_bad_json_wherever_it_stands() {
    for json in [
        r#"{"text": "a", "text": "b"}"#,
        r#"{"text": "a", "t\u0065xt": "b"}"#,
        r#"{"flag": null, "flag": true}"#,
        r#"{"map": {"a": "1", "a": "1"}}"#,
        r#"{"any": {"x": {"a": 1, "a": 2}}}"#,
        r#"{"any": [{"a": 1, "a": 2}]}"#,
        r#"{"inner": {"id": "a", "id": "b"}}"#,
        r#"{"unknown": {"a": 1, "a": 2}}"#,
    ] {
        assert_eq!(read::<Sample>(json.as_bytes()).unwrap_err().code(), Code::BadJson, "{json}");
    }
}

#[test]
fn an_escaped_backslash_is_no_nul() {
    let reading = read::<Sample>(br#"{"text": "\\u0000"}"#).unwrap();
    assert_eq!(reading.value.text.as_deref(), Some(r"\u0000"));
    assert!(reading.errors.is_empty());
}

#[test]
fn absent_and_null_are_told_apart() {
    let given = |json: &str| read::<Sample>(json.as_bytes()).unwrap().value.flag;
    assert_eq!(given("{}"), Given::Absent);
    assert_eq!(given(r#"{"flag": null}"#), Given::Null);
    assert_eq!(given(r#"{"flag": false}"#), Given::Value(false));
}

#[test]
fn a_message_never_repeats_the_value() {
    let found = errors(r#"{"number": "s3cret, expected nothing", "priority": "s3cret", "list": "s3cret", "map": "s3cret"}"#);
    assert_eq!(found.len(), 4);
    assert!(!format!("{found:?}").contains("s3cret"), "{found:?}");
}

/// What a phone sends that is newer than this daemon.
#[test]
fn unknown_members_can_be_passed_over() {
    #[derive(Debug, Deserialize)]
    #[serde(remote = "Self", deny_unknown_fields)]
    struct Items {
        items: Vec<Inner>,
    }

    objects!(Items);

    let json = r#"{"new": {"a": [1]}, "text": "x", "inner": {"id": "a", "newer": null}, "number": "wrong", "map": {"own": "1"}}"#;
    let reading = read_with::<Sample>(json.as_bytes(), Unknown::Ignored).unwrap();
    assert_eq!((reading.value.text.as_deref(), reading.value.inner.unwrap().id.as_str()), (Some("x"), "a"));
    let wrong: Vec<_> = reading.errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(wrong, ["number"], "what is known is still checked");

    // of a list as long as there may be, all items at once
    let many: Vec<_> = (0..500).map(|n| format!(r#"{{"id": "{n}", "battery": {n}}}"#)).collect();
    let json = format!(r#"{{"items": [{}]}}"#, many.join(","));
    assert_eq!(read_with::<Items>(json.as_bytes(), Unknown::Ignored).unwrap().value.items.len(), 500);
    let fields: Vec<_> = (0..40).map(|n| format!(r#""new{n}": 1"#)).collect();
    let problem = read_with::<Sample>(format!("{{{}}}", fields.join(",")).as_bytes(), Unknown::Ignored).unwrap_err();
    assert_eq!((problem.code(), problem.errors()[0].code), (Code::Invalid, "unknown_field"));
}
