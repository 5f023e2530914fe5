use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::line::registration;
use super::*;
use crate::domain::device::{Change, DeviceChange, Platform, PushToken, TagChange};

const AUTH: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

type Judged = Result<(String, DeviceChange), Vec<(String, &'static str)>>;

/// Reads records as an import does; what is wrong by field and code.
fn judge(format: Format, shape: Shape, records: &[&str]) -> Vec<Judged> {
    let mut decoder = Decoder::new(format, shape);
    let wrong = |problem: &Problem| -> Vec<(String, &'static str)> {
        let errors = problem.errors().iter().map(|error| (format.name_of(&error.field).to_owned(), error.code));
        if problem.errors().is_empty() { vec![(String::new(), problem.code().as_str())] } else { errors.collect() }
    };
    let mut records = records.iter();
    if decoder.wants_header()
        && let Err(problem) = decoder.take_header(records.next().unwrap().as_bytes())
    {
        return vec![Err(wrong(&problem))];
    }
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(365 * 60);
    let read = |record: &&str| decoder.read(record.as_bytes()).and_then(|reading| registration(reading, now, &|_| true));
    records.map(read).map(|judged| judged.map_err(|problem| wrong(&problem))).collect()
}

fn refused(format: Format, shape: Shape, records: &[&str]) -> Vec<(String, &'static str)> {
    judge(format, shape, records).pop().unwrap().unwrap_err()
}

/// A column's name may have as many dots as a header has room for.
#[test]
fn an_endpoint_is_no_deeper_than_what_is_taken_over() {
    let deep = format!("a{}", ".a".repeat(10_000));
    let header = format!("Id,Address,ChannelType,User.UserId,{deep},User.{deep}");
    let row = "d1,ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789,APNS,ann,x,y";
    let judging = std::thread::Builder::new().stack_size(512 * 1024);
    let judged = judging.spawn(move || judge(Format::Pinpoint, Shape::Csv, &[&header, row])).unwrap().join().unwrap();
    assert!(judged[0].is_ok(), "{judged:.200?}");
}

#[test]
fn columns_are_fields() {
    let header = "device_id,user_id,platform,token,locale,tags.plan,tags.a.b,last_seen_at,status";
    let row =
        "d1,\"Ann, B\",ios,ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789,,pro,\"x\ny\",2026-01-02T03:04:05Z,inactive";
    let line = json!({"device_id": "d1", "user_id": "Ann, B", "platform": "ios", "token": "ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789",
        "tags": {"plan": "pro", "a.b": "x\ny"}, "last_seen_at": "2026-01-02T03:04:05Z", "status": "inactive"});
    let row = judge(Format::Herald, Shape::Csv, &[header, row]);
    assert_eq!(row, judge(Format::Herald, Shape::Lines, &[&line.to_string()]));
    assert!(row[0].is_ok(), "{row:?}");

    let header = "device_id,user_id,platform,token.endpoint,token.keys.p256dh,token.keys.auth,tags";
    let row = format!("d1,ann,web,https://push.example/x,{P256DH},{AUTH},\"{{\"\"age\"\":30,\"\"beta\"\":true}}\"");
    let line = json!({"device_id": "d1", "user_id": "ann", "platform": "web", "tags": {"age": 30, "beta": true},
        "token": {"endpoint": "https://push.example/x", "keys": {"p256dh": P256DH, "auth": AUTH}}});
    let row = judge(Format::Herald, Shape::Csv, &[header, &row]);
    assert_eq!(row, judge(Format::Herald, Shape::Lines, &[&line.to_string()]));
    assert!(row[0].is_ok(), "{row:?}");
}

#[test]
fn what_a_table_cannot_be_is_named() {
    for (records, field, code) in [
        (&["user_id,platform"][..], "header.device_id", "required"),
        (&["device_id,colour"], "header.colour", "unknown_field"),
        (&["device_id,Device_ID"], "header.Device_ID", "unknown_field"),
        (&["device_id,tags,tags.a"], "header.tags", "invalid"),
        (&["device_id,device_id"], "header", "bad_csv"),
        // no header: nothing of the first device is told
        (&["d1,ann,ios,ABCDEF0123456789"], "header.device_id", "required"),
        (&["device_id,locale", "d1"], "", "bad_csv"),
        (&["device_id,locale", "d1,fr,x"], "", "bad_csv"),
        (&["device_id,locale", "d\u{0},fr"], "device_id", "invalid"),
        (&["device_id,locale", ",fr"], "device_id", "required"),
        (&["device_id,platform", "d1,symbian"], "platform", "invalid"),
        (&["device_id,tags", "d1,[]"], "tags", "invalid"),
        (&["device_id,tags", "d1,\"{\"\"a\"\":1,\"\"a\"\":2}\""], "tags", "invalid"),
        (&["device_id,platform,token,token.fid", "d1,android,a,b"], "token", "invalid"),
        (&["device_id,platform,token.endpoint,token.keys.auth", "d1,web,https://a.example/x,a"], "token.keys.p256dh", "invalid"),
        (&["device_id,timezone", "d1,Mars/Olympus"], "timezone", "unknown_timezone"),
    ] {
        assert_eq!(refused(Format::Herald, Shape::Csv, records)[0], (field.to_owned(), code), "{records:?}");
    }
}

/// A row of an export under all of its columns.
fn onesignal(cells: &[(&str, &str)]) -> Judged {
    let mut row = BTreeMap::from([
        ("id", "d1"),
        ("identifier", "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"),
        ("device_type", "0"),
    ]);
    row.extend(cells.iter().copied());
    let quoted = |cell: &&str| format!("\"{}\"", cell.replace('"', "\"\""));
    let header = row.keys().copied().collect::<Vec<_>>().join(",");
    judge(Format::Onesignal, Shape::Csv, &[&header, &row.values().map(quoted).collect::<Vec<_>>().join(",")]).remove(0)
}

#[test]
fn an_export_of_onesignal_is_taken_over() {
    let (name, change) = onesignal(&[
        ("external_user_id", "ann"),
        ("language", "fr"),
        ("timezone", "-18000"),
        ("timezone_id", "Europe/Paris"),
        ("game_version", "3.2"),
        ("device_os", "18.1"),
        ("device_model", "iPhone16,1"),
        ("tags", r#"{"plan":"pro"}"#),
        ("created_at", "2024-05-06 07:08:09 UTC"),
        ("last_active", "2025-05-06 07:08:09.123"),
        ("invalid_identifier", "f"),
        ("notification_types", "15"),
        ("playtime", "12"),
    ])
    .unwrap();
    let set = |text: &str| Change::Set(text.to_owned());
    assert_eq!((name.as_str(), change.user, change.platform), ("d1", set("ann"), Some(Platform::Ios)));
    assert_eq!(change.token, Some(PushToken::Apns("abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789".to_owned())));
    assert_eq!((change.locale, change.timezone), (set("fr"), set("Europe/Paris")));
    assert_eq!((change.app_version, change.os_version, change.model), (set("3.2"), set("18.1"), set("iPhone16,1")));
    assert_eq!(change.tags, TagChange::Replace(BTreeMap::from([("plan".to_owned(), json!("pro"))])));
    let imported = change.imported.unwrap();
    assert_eq!(imported.created_at.unwrap().to_rfc3339(), "2024-05-06T07:08:09+00:00");
    assert_eq!(imported.last_seen_at.unwrap().to_rfc3339(), "2025-05-06T07:08:09.123+00:00");
    assert!(!imported.inactive);

    let web = [("device_type", "5"), ("identifier", "https://push.example/x"), ("web_p256", P256DH), ("web_auth", AUTH)];
    let (_, change) = onesignal(&web).unwrap();
    assert_eq!((change.platform, change.user), (Some(Platform::Web), Change::Clear), "nobody is signed in");
    assert!(matches!(change.token, Some(PushToken::Webpush { .. })));
    let (_, change) = onesignal(&[("device_type", "1"), ("identifier", "fcm-token")]).unwrap();
    assert_eq!(change.token, Some(PushToken::Fcm("fcm-token".to_owned())));
}

#[test]
fn who_was_not_sent_to_at_onesignal_is_inactive() {
    for (cells, inactive) in [
        (&[("invalid_identifier", "t")][..], true),
        (&[("invalid_identifier", "true"), ("notification_types", "1")], true),
        (&[("notification_types", "-2")], true),
        (&[("notification_types", "0")], true),
        (&[("notification_types", "1"), ("unsubscribed_at", "2024-05-06 07:08:09")], false),
        (&[("unsubscribed_at", "2024-05-06 07:08:09")], true),
        (&[], false),
    ] {
        assert_eq!(onesignal(cells).unwrap().1.imported.unwrap().inactive, inactive, "{cells:?}");
    }
}

#[test]
fn what_onesignal_exports_and_cannot_be_is_named_as_there() {
    for (cells, field, code) in [
        (&[("device_type", "11")][..], "device_type", "unsupported_platform"),
        (&[("device_type", "14")], "device_type", "unsupported_platform"),
        (&[("device_type", "13")], "device_type", "unsupported_platform"),
        (&[("device_type", "")], "device_type", "required"),
        (&[("identifier", "not hex")], "identifier", "invalid"),
        (&[("device_type", "5"), ("identifier", "https://push.example/x")], "web_p256", "required"),
        (&[("device_type", "5"), ("identifier", "x"), ("web_p256", P256DH), ("web_auth", AUTH)], "identifier", "invalid"),
        (&[("tags", r#"{"a"=>"b"}"#)], "tags", "invalid"),
        (&[("last_active", "yesterday")], "last_active", "invalid"),
        (&[("last_active", "2999-01-01 00:00:00")], "last_active", "invalid"),
        (&[("timezone_id", "Mars/Olympus")], "timezone_id", "unknown_timezone"),
        (&[("invalid_identifier", "maybe")], "invalid_identifier", "invalid"),
        (&[("notification_types", "many")], "notification_types", "invalid"),
        (&[("id", "a b")], "id", "invalid"),
    ] {
        assert_eq!(onesignal(cells).unwrap_err(), [(field.to_owned(), code)], "{cells:?}");
    }
    assert_eq!(refused(Format::Onesignal, Shape::Csv, &["id,device_type"]), [("header.identifier".to_owned(), "required")]);
}

fn endpoint(members: &Value) -> Value {
    let mut endpoint =
        json!({"Id": "d1", "ChannelType": "APNS", "Address": "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"});
    endpoint.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    endpoint
}

#[test]
fn an_export_of_pinpoint_is_taken_over() {
    let line = endpoint(&json!({
        "User": {"UserId": "ann", "UserAttributes": {"plan": ["free"], "team": ["a", "b"]}},
        "Attributes": {"plan": ["pro"], "none": []}, "Metrics": {"age": 30.5},
        "Demographic": {"Locale": "fr_FR", "Timezone": "Europe/Paris", "AppVersion": "3.2", "PlatformVersion": "18.1", "Model": "iPhone",
            "Make": "Apple", "Platform": "ios"},
        "Location": {"Country": "FR"}, "CreationDate": "2024-05-06T07:08:09.123Z", "EffectiveDate": "2025-05-06T07:08:09Z",
        "EndpointStatus": "ACTIVE", "OptOut": "NONE", "RequestId": "r", "CohortId": "7", "ApplicationId": "x",
    }));
    let mut decoder = Decoder::new(Format::Pinpoint, Shape::Lines);
    drop(decoder.read(line.to_string().as_bytes()).unwrap());
    let left: Vec<&str> = decoder.left().collect();
    assert_eq!(left, ["ApplicationId", "CohortId", "Demographic.Make", "Demographic.Platform", "Location", "RequestId"]);
    let (name, change) = judge(Format::Pinpoint, Shape::Lines, &[&line.to_string()]).remove(0).unwrap();
    let set = |text: &str| Change::Set(text.to_owned());
    assert_eq!((name.as_str(), change.user, change.platform), ("d1", set("ann"), Some(Platform::Ios)));
    assert_eq!((change.locale, change.timezone), (set("fr-FR"), set("Europe/Paris")));
    let tags = [("plan", json!("pro")), ("team", json!("a,b")), ("age", json!(30.5))];
    assert_eq!(change.tags, TagChange::Replace(tags.map(|(name, value)| (name.to_owned(), value)).into()));
    assert!(!change.imported.unwrap().inactive);

    let header = "Id,ChannelType,Address,User.UserId,Demographic.Locale,Attributes.a.b,User.UserAttributes.c,EndpointStatus";
    let row = judge(Format::Pinpoint, Shape::Csv, &[header, "d1,GCM,t,ann,fr_FR,x,y,INACTIVE"]);
    let line = json!({"Id": "d1", "ChannelType": "GCM", "Address": "t", "User": {"UserId": "ann", "UserAttributes": {"c": ["y"]}},
        "Demographic": {"Locale": "fr_FR"}, "Attributes": {"a.b": ["x"]}, "EndpointStatus": "INACTIVE"});
    assert_eq!(row, judge(Format::Pinpoint, Shape::Lines, &[&line.to_string()]));
    assert!(row[0].as_ref().unwrap().1.imported.as_ref().unwrap().inactive);
}

#[test]
fn what_pinpoint_exports_and_cannot_be_is_named_as_there() {
    for (members, field, code) in [
        (json!({"ChannelType": "EMAIL"}), "ChannelType", "unsupported_platform"),
        (json!({"ChannelType": "ADM"}), "ChannelType", "unsupported_platform"),
        (json!({"ChannelType": null}), "ChannelType", "required"),
        (json!({"ChannelType": 7}), "ChannelType", "invalid"),
        (json!({"Address": "not hex"}), "Address", "invalid"),
        (json!({"Demographic": {"Timezone": "Mars/Olympus"}}), "Demographic.Timezone", "unknown_timezone"),
        (json!({"Attributes": {"a": [1]}}), "Attributes.a", "invalid"),
        (json!({"Attributes": []}), "Attributes", "invalid"),
        (json!({"EffectiveDate": "yesterday"}), "EffectiveDate", "invalid"),
        (json!({"User": {"UserId": 7}}), "User.UserId", "invalid"),
    ] {
        let line = endpoint(&members).to_string();
        assert_eq!(refused(Format::Pinpoint, Shape::Lines, &[&line]), [(field.to_owned(), code)], "{line}");
    }
    for line in ["", "7", "[]", "{", r#"{"Id":"a","Id":"b"}"#, "\u{feff}{}"] {
        assert!(judge(Format::Pinpoint, Shape::Lines, &[line])[0].is_err(), "{line}");
    }
    assert_eq!(
        refused(Format::Pinpoint, Shape::Csv, &["Id,Address,ChannelType,User,User.UserId"]),
        [("header.User".to_owned(), "invalid")]
    );
}

#[test]
fn the_answer_is_streamed_where_it_is_asked_for() {
    for (value, expected) in [
        ("application/x-ndjson", true),
        ("application/json, application/jsonl;q=0.9", true),
        ("Application/NDJSON", true),
        ("application/json", false),
        ("*/*", false),
    ] {
        assert_eq!(wants_events(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))])), expected, "{value}");
    }
    assert!(!wants_events(&HeaderMap::new()));
}

/// What can stand in a cell: any text, hostile or not.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,6}", "[\"',;\r\n\t =@+-]{0,6}", any::<String>()]
}

proptest! {
    /// The same devices as CSV and as NDJSON are the same registrations, or the same errors.
    #[test]
    fn csv_and_ndjson_say_the_same(rows in prop::collection::vec(prop::collection::vec(text(), 7), 1..5)) {
        let names = ["device_id", "user_id", "platform", "token", "locale", "model"];
        let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
        let table: Vec<String> = std::iter::once(names.join(",") + ",tags.a")
            .chain(rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",")))
            .collect();
        let lines: Vec<String> = rows
            .iter()
            .map(|row| {
                let given = names.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
                let mut line: serde_json::Map<String, Value> = given.map(|(name, cell)| ((*name).to_owned(), json!(cell))).collect();
                if !row[6].is_empty() {
                    line.insert("tags".to_owned(), json!({"a": row[6]}));
                }
                Value::Object(line).to_string()
            })
            .collect();
        let read = |shape, records: &[String]| judge(Format::Herald, shape, &records.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert_eq!(read(Shape::Csv, &table), read(Shape::Lines, &lines));

        // and cut from one stream, the rows are as many and as long as they were written
        let mut records = crate::domain::records::Records::new(Shape::Csv);
        records.push((table.join("\r\n") + "\r\n").as_bytes());
        records.end();
        let cut: Vec<_> = std::iter::from_fn(|| records.next_record()).map(|record| String::from_utf8(record.text.unwrap().to_vec()).unwrap()).collect();
        prop_assert_eq!(cut, table);
    }

    /// Whatever the bytes, a record is a registration or an error.
    #[test]
    fn no_record_is_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), cells in "[a-zA-Z_.,\"\n{}]{0,60}") {
        for format in [Format::Herald, Format::Onesignal, Format::Pinpoint] {
            for shape in [Shape::Lines, Shape::Csv] {
                let mut decoder = Decoder::new(format, shape);
                if decoder.wants_header() && decoder.take_header(cells.as_bytes()).is_err() {
                    continue;
                }
                drop(decoder.read(&bytes));
                drop(decoder.read(cells.as_bytes()));
            }
        }
    }
}
