//! Users whose notifications end as is known before, what is reported of them, and what must have been counted of it.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Value, json};

use crate::daemon::{Client, apns_token, until};

/// Notifications, devices or receipts in one request.
const AT_ONCE: usize = 500;
/// Notifications that are cancelled before their time.
const CANCELLED: usize = 20;
/// What is counted.
pub(crate) const KINDS: [&str; 8] = ["sent", "suppressed", "failed", "expired", "cancelled", "delivered", "opened", "dismissed"];

/// A notification that was accepted, and the number of its user.
pub(crate) type Accepted = (String, usize);

/// How many users there are: 100 000 in the long form, `HERALD_CHAOS=long`.
#[expect(clippy::disallowed_methods, reason = "whoever runs a test says how long it may take")]
pub(crate) fn size() -> usize {
    if std::env::var("HERALD_CHAOS").is_ok_and(|form| form == "long") { 100_000 } else { 6_000 }
}

/// How the notification of a user ends.
fn fate(n: usize) -> &'static str {
    match n % 50 {
        0..=4 => "failed",
        5..=9 => "suppressed",
        10 => "expired",
        _ => "sent",
    }
}

fn category(n: usize) -> Option<&'static str> {
    [None, Some("news"), Some("sales")][n % 3]
}

/// Counted nowhere.
fn is_test(n: usize) -> bool {
    n % 20 == 19
}

/// What the device of a user reports of its push, if it gets it.
fn reported(n: usize) -> Option<&'static str> {
    [Some("delivered"), Some("opened"), n.is_multiple_of(2).then_some("dismissed")][n / 3 % 3]
}

/// Declares the categories, and imports a device for every user who is to have one.
pub(crate) async fn enrol(client: &Client, users: Range<usize>) {
    for category in ["news", "sales"] {
        let declared = client.put(&format!("/v1/categories/{category}"), &json!({})).await;
        assert!(declared.status.is_success(), "{}", declared.body);
    }
    let devices: Vec<usize> = users.filter(|n| fate(*n) != "suppressed").collect();
    for chunk in devices.chunks(5_000) {
        let lines: String = chunk.iter().map(|n| format!("{}\n", device(*n))).collect();
        assert_eq!(client.import("", &lines).await.expect(200)["created"], chunk.len());
    }
}

fn device(n: usize) -> Value {
    let (platform, token) = match (n % 2, fate(n)) {
        (0, "failed") => ("ios", apns_token("dead0", n)),
        (0, "expired") => ("ios", apns_token("50000", n)),
        (0, _) => ("ios", apns_token("c0", n)),
        (_, "failed") => ("android", format!("dead-{n}")),
        (_, "expired") => ("android", format!("down-{n}")),
        (_, _) => ("android", format!("phone-{n}")),
    };
    json!({"device_id": format!("phone-{n}"), "user_id": format!("user-{n}"), "platform": platform, "token": token})
}

/// One notification for each of these users.
pub(crate) async fn notify(client: &Client, users: Range<usize>) -> Vec<Accepted> {
    let mut all = Vec::with_capacity(users.len());
    for chunk in users.collect::<Vec<_>>().chunks(AT_ONCE) {
        let one = |n: &usize| {
            let mut one =
                json!({"to": {"user_id": format!("user-{n}")}, "category": category(*n), "content": {"title": "t"}, "test": is_test(*n)});
            if fate(*n) == "expired" {
                // now or never: the first fault ends it
                one["ttl_seconds"] = json!(0);
            }
            one
        };
        let body = json!({"notifications": chunk.iter().map(one).collect::<Vec<_>>()});
        let answer = client.post("/v1/notifications/batch", &body).await.expect(202);
        let ids = answer["results"].as_array().unwrap().iter().map(|result| result["id"].as_str().unwrap().to_owned());
        all.extend(ids.zip(chunk.iter().copied()));
    }
    all
}

/// One notification for all of these users, to be handed out in pieces.
pub(crate) async fn notify_all(client: &Client, users: Range<usize>) -> Vec<Accepted> {
    let users: Vec<usize> = fans(users).collect();
    let names: Vec<String> = users.iter().map(|n| format!("user-{n}")).collect();
    let id = client.notify(&json!({"to": {"user_ids": names}, "category": "sales", "content": {"title": "t"}})).await;
    users.into_iter().map(|n| (id.clone(), n)).collect()
}

/// Those of these users whom a list has: what never succeeds would be tried for a day.
fn fans(users: Range<usize>) -> impl Iterator<Item = usize> {
    users.filter(|n| fate(*n) != "expired")
}

/// Notifications for later, which are cancelled.
pub(crate) async fn cancel_some(client: &Client) {
    for n in 0..CANCELLED {
        let send_at = crate::clock::text(crate::clock::in_seconds(3_600));
        // users who get what is theirs
        let body = json!({"to": {"user_id": format!("user-{}", 50 * n + 20)}, "content": {"title": "t"}, "send_at": send_at});
        let id = client.notify(&body).await;
        client.delete(&format!("/v1/notifications/{id}")).await.expect(200);
        client.done(&id).await;
    }
}

/// Reports what the devices would: all of it twice, and of devices that got nothing.
pub(crate) async fn report(client: &Client, accepted: &[Accepted], with_strangers: bool) {
    let receipt = |id: &str, n: usize, kind: &str| json!({"notification_id": id, "device_id": format!("phone-{n}"), "type": kind});
    let mut receipts = Vec::new();
    for (id, n) in accepted {
        if let Some(kind) = reported(*n) {
            receipts.extend([receipt(id, *n, kind), receipt(id, *n, kind)]);
        }
        if with_strangers {
            receipts.push(receipt(id, n + 1, "opened"));
        }
    }
    for chunk in receipts.chunks(AT_ONCE) {
        client.post("/v1/receipts", &json!({ "receipts": chunk })).await.expect(202);
    }
}

/// What must have been counted once all is over and reported: of one notification for each of `direct`, one for all of `fan_out`, and those
/// that were cancelled.
pub(crate) fn expected(direct: Range<usize>, fan_out: Range<usize>) -> BTreeMap<&'static str, u64> {
    let mut counts: BTreeMap<&str, u64> = KINDS.into_iter().map(|kind| (kind, 0)).collect();
    let mut add = |kind: &'static str, more: u64| *counts.get_mut(kind).unwrap() += more;
    for n in direct.filter(|n| !is_test(*n)).chain(fans(fan_out)) {
        add(fate(n), 1);
        let receipts: &[&'static str] = match (fate(n), reported(n)) {
            ("sent", Some("delivered")) => &["delivered"],
            ("sent", Some("opened")) => &["delivered", "opened"],
            ("sent", Some(_)) => &["delivered", "dismissed"],
            _ => &[],
        };
        for kind in receipts {
            add(kind, 1);
        }
    }
    add("cancelled", CANCELLED as u64);
    counts
}

/// What callers are told, by buckets of a length: the sums over all rows, which are as many as CSV has.
pub(crate) async fn told(client: &Client, interval: &str) -> BTreeMap<&'static str, u64> {
    let query = format!("/v1/analytics?interval={interval}&group_by=category,platform,provider,campaign_id,variant");
    let mut counts: BTreeMap<&str, u64> = KINDS.into_iter().map(|kind| (kind, 0)).collect();
    let (mut path, mut rows) = (format!("{query}&limit=500"), 0);
    loop {
        let page = client.get(&path).await.expect(200);
        for row in page["items"].as_array().unwrap() {
            rows += 1;
            for (kind, n) in &mut counts {
                *n += row[*kind].as_u64().unwrap();
            }
        }
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/analytics?limit=500&cursor={cursor}");
    }
    let csv = client.send(client.request(reqwest::Method::GET, &query).header("accept", "text/csv")).await.expect(200);
    assert_eq!(csv.as_str().unwrap().lines().count(), rows + 1);
    counts
}

/// Waits until callers are told what must have been counted, at every resolution.
pub(crate) async fn until_told(client: &Client, expected: &BTreeMap<&'static str, u64>) {
    for interval in ["minute", "hour", "day"] {
        let what = format!("{interval}s add up to {expected:?}");
        until(&what, async || (told(client, interval).await == *expected).then_some(())).await;
    }
}

/// A statement for either store that counts rollups which are not a recount of the deliveries. `bucket` begins the bucket of `d.at` that is
/// `k.length` seconds long, `nobody` is a campaign that is none.
pub(crate) fn wrong_rollups(bucket: &str, nobody: &str) -> String {
    let key = "app, resolution, bucket, category, platform, provider, campaign, variant";
    let ends: String = KINDS.iter().take(5).map(|kind| format!(", count(*) FILTER (WHERE d.state = '{kind}')")).collect();
    let receipts: String = KINDS.iter().skip(5).map(|kind| format!(", count(d.{kind}_at)")).collect();
    let sums: String = KINDS.iter().map(|kind| format!(", sum({kind})")).collect();
    format!(
        "WITH kinds (resolution, length) AS (VALUES ('minute', 60), ('hour', 3600), ('day', 86400)), \
         recounted AS (SELECT n.app, k.resolution, {bucket} AS bucket, coalesce(n.category, ''), coalesce(d.platform, ''), \
         coalesce(d.provider, ''), coalesce(n.campaign, {nobody}), coalesce(d.variant, ''){ends}{receipts} FROM delivery d \
         JOIN notification n ON n.id = d.notification_id CROSS JOIN kinds k WHERE NOT n.test GROUP BY 1, 2, 3, 4, 5, 6, 7, 8), \
         counted AS (SELECT {key}{sums} FROM rollup GROUP BY {key}) \
         SELECT count(*) FROM (SELECT * FROM (SELECT * FROM recounted EXCEPT SELECT * FROM counted) AS missed \
         UNION ALL SELECT * FROM (SELECT * FROM counted EXCEPT SELECT * FROM recounted) AS made_up) AS wrong"
    )
}

/// A statement for either store that counts counts of fan-outs which are not a recount of the deliveries.
pub(crate) const WRONG_COUNTS: &str = "WITH words (word) AS (VALUES ('sent'), ('suppressed'), ('failed'), ('expired'), ('cancelled'), \
     ('delivered'), ('opened'), ('dismissed')), \
     recounted AS (SELECT d.notification_id, w.word, CASE WHEN w.word = d.state THEN coalesce(d.reason, '') ELSE '' END, \
     coalesce(d.platform, ''), coalesce(d.variant, ''), count(*) FROM delivery d JOIN run r ON r.notification_id = d.notification_id \
     CROSS JOIN words w WHERE r.fan_out AND (w.word = d.state OR (w.word = 'delivered' AND d.delivered_at IS NOT NULL) \
     OR (w.word = 'opened' AND d.opened_at IS NOT NULL) OR (w.word = 'dismissed' AND d.dismissed_at IS NOT NULL)) GROUP BY 1, 2, 3, 4, 5), \
     counted AS (SELECT notification_id, state, reason, platform, variant, sum(n) FROM notification_count GROUP BY 1, 2, 3, 4, 5) \
     SELECT count(*) FROM (SELECT * FROM (SELECT * FROM recounted EXCEPT SELECT * FROM counted) AS missed \
     UNION ALL SELECT * FROM (SELECT * FROM counted EXCEPT SELECT * FROM recounted) AS made_up) AS wrong";
