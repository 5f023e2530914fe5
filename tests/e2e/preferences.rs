//! Preferences and contacts: whole documents, merged documents, versions.

use reqwest::Method;
use serde_json::{Value, json};

use crate::clock::{in_seconds, instant, text};
use crate::daemon::Dev;

const PATH: &str = "/v1/users/ann/preferences";

#[tokio::test]
async fn an_unknown_user_reads_as_defaults() {
    let dev = Dev::start();
    let document = dev.get("/v1/users/nobody/preferences").await.expect(200);
    assert_eq!((&document["timezone"], &document["quiet_hours"], &document["muted_until"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!(document["channels"], json!({"push": true, "email": true, "sms": true, "inbox": true}));
    assert_eq!(document["categories"], json!({}));
}

#[tokio::test]
async fn put_replaces_and_patch_merges() {
    let dev = Dev::start();
    let until = text(in_seconds(3600));
    let document = json!({
        "timezone": "Europe/Paris",
        "channels": {"push": true, "email": true, "sms": false, "inbox": true},
        "categories": {"marketing": {"push": false}, "messages": {"in_quiet_hours": true}},
        "quiet_hours": [{"start": "22:00", "end": "07:00", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}],
        "muted_until": until,
    });
    let stored = dev.put(PATH, &document).await.expect(200);
    assert_eq!(stored, dev.get(PATH).await.expect(200));
    for name in ["timezone", "channels", "categories"] {
        assert_eq!(stored[name], document[name], "{name}");
    }
    assert_eq!(stored["quiet_hours"][0]["start"], "22:00");
    assert_eq!(stored["quiet_hours"][0]["end"], "07:00");
    assert_eq!(stored["quiet_hours"][0]["days"], document["quiet_hours"][0]["days"]);
    assert_eq!(text(instant(&stored["muted_until"])), until);

    let patch = json!({
        "channels": {"sms": null, "push": false}, "categories": {"marketing": {"email": false}, "messages": null}, "muted_until": null,
    });
    let merged = dev.patch(PATH, &patch).await.expect(200);
    assert_eq!(merged["channels"], json!({"push": false, "email": true, "sms": true, "inbox": true}));
    assert_eq!(merged["categories"], json!({"marketing": {"push": false, "email": false}}));
    assert_eq!((&merged["muted_until"], &merged["timezone"]), (&Value::Null, &json!("Europe/Paris")));

    let replaced = dev.put(PATH, &json!({"quiet_hours": []})).await.expect(200);
    assert_eq!((&replaced["channels"]["push"], &replaced["categories"]), (&json!(true), &json!({})));
    assert_eq!((&replaced["timezone"], &replaced["quiet_hours"]), (&Value::Null, &json!([])));
    let back = dev.patch(PATH, &json!({"quiet_hours": null})).await.expect(200);
    assert_eq!(back["quiet_hours"], Value::Null);
}

#[tokio::test]
async fn a_version_guards_preferences() {
    let dev = Dev::start();
    let guarded = async |method: Method, tag: &str| {
        let request = dev.request(method, PATH).header("if-match", tag).json(&json!({"timezone": "UTC"}));
        dev.send(request).await
    };
    let first = dev.put(PATH, &json!({"timezone": "Europe/Paris"})).await.header("etag").to_owned();
    let read = dev.get(PATH).await;
    assert_eq!(read.header("etag"), first);
    let known = dev.send(dev.request(Method::GET, PATH).header("if-none-match", &first)).await;
    assert_eq!((known.status.as_u16(), known.header("etag")), (304, first.as_str()));
    assert_eq!(guarded(Method::PATCH, &first).await.status, 200);
    for method in [Method::PUT, Method::PATCH] {
        guarded(method, &first).await.problem(412, "stale");
    }
    let second = dev.get(PATH).await.header("etag").to_owned();
    assert_ne!(first, second);
    assert_eq!(guarded(Method::PUT, &second).await.status, 200);
}

#[tokio::test]
async fn what_preferences_cannot_be_is_named() {
    let dev = Dev::start();
    dev.put("/v1/categories/legal", &json!({"required": true})).await.expect(201);
    let quiet = |interval: Value| json!({"quiet_hours": [interval]});
    let many: Vec<Value> = (0..15).map(|hour| json!({"start": format!("{hour:02}:00"), "end": format!("{hour:02}:30")})).collect();
    for (body, field, code) in [
        (json!({"timezone": "Mars/Olympus"}), "timezone", "unknown_timezone"),
        (json!({"channels": {"pigeon": true}}), "channels.pigeon", "unknown_field"),
        (json!({"channels": {"push": "no"}}), "channels.push", "invalid"),
        (json!({"categories": {"legal": {"push": false}}}), "categories.legal.push", "category_required"),
        (json!({"categories": {"legal": {"email": false}}}), "categories.legal.email", "category_required"),
        (json!({"categories": {"messages": {"colour": true}}}), "categories.messages.colour", "unknown_field"),
        (json!({"categories": {"no such": {"push": true}}}), "categories.no such", "invalid"),
        (quiet(json!({"start": "22:00"})), "quiet_hours[0].end", "required"),
        (quiet(json!({"start": "24:00", "end": "07:00"})), "quiet_hours[0].start", "invalid"),
        (quiet(json!({"start": "7", "end": "08:00"})), "quiet_hours[0].start", "invalid"),
        (quiet(json!({"start": "22:00", "end": "07:00", "days": ["funday"]})), "quiet_hours[0].days[0]", "invalid"),
        (quiet(json!({"start": "22:00", "end": "07:00", "day": "mon"})), "quiet_hours[0].day", "unknown_field"),
        (json!({ "quiet_hours": many }), "quiet_hours", "invalid"),
        (json!({"muted_until": "tomorrow"}), "muted_until", "invalid"),
        (json!({"frequency": 1}), "frequency", "unknown_field"),
    ] {
        dev.put(PATH, &body).await.invalid(field, code);
        dev.patch(PATH, &body).await.invalid(field, code);
    }
    for body in [quiet(json!({"start": "07:00", "end": "07:00"})), quiet(json!({"start": "22:00", "end": "07:00", "days": []}))] {
        let problem = dev.put(PATH, &body).await.problem(422, "invalid");
        assert!(problem["errors"][0]["field"].as_str().unwrap().starts_with("quiet_hours[0]"), "{problem}");
    }
    assert_eq!(dev.get(PATH).await.expect(200), dev.get("/v1/users/nobody/preferences").await.expect(200), "nothing was written");
}

#[tokio::test]
async fn contacts_are_kept_apart() {
    let dev = Dev::start();
    let path = "/v1/users/ann/contacts";
    let contacts = json!({"email": "ann@example.com", "phone": "+33612345678"});
    let none = json!({"email": null, "phone": null});
    assert_eq!(dev.get(path).await.expect(200), none);
    assert_eq!(dev.put(path, &contacts).await.expect(200), contacts);
    let read = dev.get(path).await;
    assert!(read.header("etag").starts_with('"'), "{:?}", read.headers);
    assert_eq!(read.expect(200), contacts);
    assert_eq!(dev.put(path, &json!({"email": "a@example.com"})).await.expect(200), json!({"email": "a@example.com", "phone": null}));
    dev.delete(path).await.expect(204);
    assert_eq!(dev.get(path).await.expect(200), none);
    for (body, field, code) in [
        (json!({"email": "nobody"}), "email", "invalid"),
        (json!({"phone": "0612345678"}), "phone", "invalid"),
        (json!({"phone": "+33 6 12"}), "phone", "invalid"),
        (json!({"fax": "+33612345678"}), "fax", "unknown_field"),
    ] {
        dev.put(path, &body).await.invalid(field, code);
    }
}

#[tokio::test]
async fn a_version_guards_contacts() {
    let dev = Dev::start();
    let path = "/v1/users/ann/contacts";
    let put = async |tag: &str, email: &str| {
        let request = dev.request(Method::PUT, path).header("if-match", tag).json(&json!({ "email": email }));
        dev.send(request).await
    };
    let read = async |tag: &str| dev.send(dev.request(Method::GET, path).header("if-none-match", tag)).await;
    put("\"never\"", "a@example.com").await.problem(412, "stale");
    assert_eq!(dev.get(path).await.expect(200), json!({"email": null, "phone": null}), "nothing was written");

    let first = dev.put(path, &json!({"email": "a@example.com"})).await.header("etag").to_owned();
    let same = read(&first).await;
    assert_eq!((same.status.as_u16(), &same.body, same.header("etag")), (304, &json!(""), first.as_str()));
    let second = put(&first, "b@example.com").await;
    let tag = second.header("etag").to_owned();
    assert_ne!(tag, first);
    second.expect(200);
    put(&first, "c@example.com").await.problem(412, "stale");
    let now = read(&first).await;
    assert_eq!(now.header("etag"), tag);
    assert_eq!(now.expect(200)["email"], "b@example.com");
    assert_eq!(read(&format!("{first}, {tag}")).await.status, 304);

    // what was deleted and written again is another version
    dev.delete(path).await.expect(204);
    put(&tag, "d@example.com").await.problem(412, "stale");
    dev.put(path, &json!({"email": "b@example.com"})).await.expect(200);
    put(&tag, "d@example.com").await.problem(412, "stale");
    put("*", "e@example.com").await.expect(200);
}
