use serde_json::{Value, json};

use super::*;
use crate::api::json::read;

fn declared() -> BTreeMap<String, Category> {
    let required = Category { required: true, ..Category::default() };
    BTreeMap::from([("marketing".to_owned(), Category::default()), ("legal".to_owned(), required)])
}

fn errors(body: &Value) -> Vec<(String, &'static str)> {
    let reading = read::<PreferencesRequest>(body.to_string().as_bytes()).unwrap();
    let stored = Preferences::default();
    let problem = apply(reading, Unknown::Refused, &declared(), &stored, Preferences::default())
        .map(|taken| panic!("{body}: {taken:?}"))
        .unwrap_err();
    problem.errors().iter().map(|error| (error.field.clone(), error.code)).collect()
}

#[test]
fn what_is_wrong_is_named() {
    for (body, field, code) in [
        (json!({"timezone": "Europe/Pariss"}), "timezone", "unknown_timezone"),
        (json!({"timezone": ""}), "timezone", "unknown_timezone"),
        (json!({"timezone": 1}), "timezone", "invalid"),
        (json!({"channels": {"push": "off"}}), "channels.push", "invalid"),
        (json!({"channels": {"fax": true}}), "channels.fax", "unknown_field"),
        (json!({"channels": []}), "channels", "invalid"),
        (json!({"categories": {"marketting": {"push": false}}}), "categories.marketting", "unknown_category"),
        (json!({"categories": {"a b": {}}}), "categories.a b", "invalid"),
        (json!({"categories": {"legal": {"push": false}}}), "categories.legal.push", "category_required"),
        (json!({"categories": {"legal": {"push": true, "email": false}}}), "categories.legal.email", "category_required"),
        (json!({"categories": {"legal": {"sms": false}}}), "categories.legal.sms", "category_required"),
        (json!({"categories": {"legal": {"inbox": false}}}), "categories.legal.inbox", "category_required"),
        (json!({"categories": {"marketing": {"push": 0}}}), "categories.marketing.push", "invalid"),
        (json!({"categories": {"marketing": false}}), "categories.marketing", "invalid"),
        (json!({"quiet_hours": {"start": "22:00", "end": "07:00"}}), "quiet_hours", "invalid"),
        (json!({"quiet_hours": [{"start": "22:00"}]}), "quiet_hours[0].end", "required"),
        (json!({"quiet_hours": [{"start": "22:00", "end": "22:00"}]}), "quiet_hours[0].end", "invalid"),
        (json!({"quiet_hours": [{"start": "24:00", "end": "07:00"}]}), "quiet_hours[0].start", "invalid"),
        (json!({"quiet_hours": [{"start": "7:00", "end": "08:00"}]}), "quiet_hours[0].start", "invalid"),
        (json!({"quiet_hours": [{"start": "22:00", "end": "07:60"}]}), "quiet_hours[0].end", "invalid"),
        (json!({"quiet_hours": [{"start": "22:00", "end": "07:00", "days": []}]}), "quiet_hours[0].days", "invalid"),
        (json!({"quiet_hours": [{"start": "22:00", "end": "07:00", "days": ["mon", "mon"]}]}), "quiet_hours[0].days", "invalid"),
        (json!({"quiet_hours": [{"start": "22:00", "end": "07:00", "days": ["monday"]}]}), "quiet_hours[0].days[0]", "invalid"),
        (json!({"quiet_hours": vec![json!({"start": "22:00", "end": "07:00"}); 15]}), "quiet_hours", "invalid"),
        (json!({"muted_until": "tomorrow"}), "muted_until", "invalid"),
        (json!({"quiet": true}), "quiet", "unknown_field"),
    ] {
        assert_eq!(errors(&body), [(field.to_owned(), code)], "{body}");
    }
}

#[test]
fn a_category_that_was_taken_back_may_stay() {
    let old = CategoryChoice { push: Some(false), ..CategoryChoice::default() };
    let stored = Preferences { categories: BTreeMap::from([("gone".to_owned(), old)]), ..Preferences::default() };
    let body = json!({"categories": {"gone": {"push": false}, "marketing": {"in_quiet_hours": true}}}).to_string();
    let taken = apply(read(body.as_bytes()).unwrap(), Unknown::Refused, &declared(), &stored, Preferences::default()).unwrap();
    assert_eq!(taken.categories.len(), 2);
    let none = read(json!({"categories": {"gone": null, "never": null}}).to_string().as_bytes()).unwrap();
    assert_eq!(apply(none, Unknown::Refused, &declared(), &stored, stored.clone()).unwrap().categories, BTreeMap::new());
}

#[test]
fn a_person_may_keep_a_required_category_on() {
    let body = json!({"categories": {"legal": {"push": true, "email": null, "in_quiet_hours": false}}}).to_string();
    assert!(apply(read(body.as_bytes()).unwrap(), Unknown::Refused, &declared(), &Preferences::default(), Preferences::default()).is_ok());
}
