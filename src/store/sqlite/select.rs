//! Who of an app's devices an audience takes, part by part in the order of their numbers.
//!
//! A part is about as many devices as are asked for: of the app's, or of a topic's followers, if those are not more: to gather
//! them for each part again would cost more than to look through the app's devices.

use std::collections::HashSet;

use sqlx::SqliteConnection;

use super::super::engine::{Member, Only, Scan, Selection};
use super::super::rules::predicate::{Predicate, all_of, compile};
use super::super::{Error, Result};
use super::batch::{Binds, fetch, fetch_list_made, fetch_one};
use super::json::List;
use super::predicate::{self, Sqlite};
use super::row::{Cells, instant};
use super::topic;
use super::work::count;
use crate::domain::id::{AppId, DevicePk, PersonPk};
use crate::domain::work::Pair;

pub(super) const END: &str = "SELECT pk FROM device WHERE app = ?1 AND pk > ?2 AND pk <= ?3 ORDER BY pk LIMIT 1 OFFSET ?4";
pub(super) const FOLLOWERS: &str = "SELECT (SELECT count(*) FROM (SELECT 1 FROM topic_device WHERE topic_pk = ?1 LIMIT ?2)) \
                                    + (SELECT count(*) FROM (SELECT 1 FROM topic_person WHERE topic_pk = ?1 LIMIT ?2))";
pub(super) const FOLLOWING: &str = "SELECT pk FROM (SELECT device_pk AS pk FROM topic_device WHERE topic_pk = ?1 UNION \
                                    SELECT d.pk FROM topic_person f CROSS JOIN device d ON d.person_pk = f.person_pk WHERE f.topic_pk = ?1) \
                                    WHERE pk > ?2 AND pk <= ?3 ORDER BY pk LIMIT ?4";
const MEMBERS: &str = "SELECT json_group_array(json_array(d.pk, d.person_pk, coalesce(d.timezone, p.timezone, d.preferences ->> '$.timezone'), d.last_seen_at)) ";
const NUMBERS: &str = "SELECT json_group_array(d.pk) ";
/// The plus keeps it from an index that is not in the order of the numbers.
const OF_RANGE: &str = "FROM device d LEFT JOIN person p ON p.pk = d.person_pk \
                        WHERE d.app = ?1 AND d.pk > ?2 AND d.pk <= ?3 AND +d.status = 'active' AND ";
const OF_LIST: &str = "FROM json_each(?1) j CROSS JOIN device d ON d.pk = j.value LEFT JOIN person p ON p.pk = d.person_pk \
                       WHERE d.status = 'active' AND ";

/// The devices of a part, before it is asked which of them are taken.
enum Part {
    Range { after: i64, to: i64 },
    List(Vec<i64>),
}

/// Who is taken of the next devices beyond `after`, up to `hi`.
pub(super) async fn scan(
    conn: &mut SqliteConnection,
    app: AppId,
    (after, hi): (i64, i64),
    limit: usize,
    selection: &Selection,
) -> Result<Scan> {
    let topic = match &selection.topic {
        None => None,
        Some(name) => match topic::number(conn, app, name).await? {
            Some(topic) => Some(topic),
            None => return Ok(Scan { devices: Vec::new(), to: hi, last: true }),
        },
    };
    let few = match topic {
        Some(topic) if has_few_followers(conn, topic, limit).await? => Some(topic),
        _ => None,
    };
    let (part, end) = if let Some(topic) = few {
        let list = following(conn, topic, (after, hi), limit).await?;
        let end = list.last().copied().filter(|_| list.len() >= limit);
        (Part::List(list), end)
    } else {
        let end = end(conn, app, (after, hi), limit).await?;
        (Part::Range { after, to: end.unwrap_or(hi) }, end)
    };
    let devices = members(conn, app, &part, (topic.filter(|_| few.is_none()), selection)).await?;
    Ok(Scan { devices, to: end.unwrap_or(hi), last: end.is_none() })
}

/// Those of the devices that a segment means.
pub(super) async fn meant(conn: &mut SqliteConnection, devices: &[i64], only: &Only) -> Result<HashSet<DevicePk>> {
    if devices.is_empty() {
        return Ok(HashSet::new());
    }
    let predicate = compile::<Sqlite>(&only.segment, only.as_of, 1);
    let list = List::of(devices);
    let found: Vec<i64> = fetch_list_made(conn, format!("{NUMBERS}{OF_LIST}{}", predicate.text), "device", |binds| {
        binds.push(&list);
        predicate::bind(binds, &predicate.values);
    })
    .await?;
    Ok(found.into_iter().map(DevicePk).collect())
}

/// Whether no more than `limit` follow a topic.
async fn has_few_followers(conn: &mut SqliteConnection, topic: i64, limit: usize) -> Result<bool> {
    let row = fetch_one(conn, FOLLOWERS, |binds| {
        binds.push(topic).push(count(limit + 1));
    });
    let followers: usize = row.await?.map_or(Ok(0), |row| Cells::new(&row, "topic", 0).count(0, "pk"))?;
    Ok(followers <= limit)
}

async fn following(conn: &mut SqliteConnection, topic: i64, (after, hi): (i64, i64), limit: usize) -> Result<Vec<i64>> {
    let rows = fetch(conn, FOLLOWING, |binds| {
        binds.push(topic).push(after).push(hi).push(count(limit));
    });
    rows.await?.iter().map(|row| Cells::new(row, "device", 0).get(0, "pk")).collect()
}

/// The last device of a full part.
async fn end(conn: &mut SqliteConnection, app: AppId, (after, hi): (i64, i64), limit: usize) -> Result<Option<i64>> {
    let row = fetch_one(conn, END, |binds| {
        binds.push(app.0).push(after).push(hi).push(count(limit.saturating_sub(1)));
    });
    row.await?.map(|row| Cells::new(&row, "device", 0).get(0, "pk")).transpose()
}

/// Device, person, zone, last seen.
type Row = (i64, Option<i64>, Option<String>, i64);

async fn members(
    conn: &mut SqliteConnection,
    app: AppId,
    part: &Part,
    (topic, selection): (Option<i64>, &Selection),
) -> Result<Vec<Member>> {
    let (from, taken) = match part {
        Part::Range { .. } => (OF_RANGE, 3),
        Part::List(_) => (OF_LIST, 1),
    };
    let Predicate { text, values } = all_of::<Sqlite>(topic, selection, taken);
    let bind = |binds: &mut Binds| {
        match part {
            Part::Range { after, to } => binds.push(app.0).push(*after).push(*to),
            Part::List(devices) => binds.push(List::of(devices)),
        };
        predicate::bind(binds, &values);
    };
    let mut rows: Vec<Row> = fetch_list_made(conn, format!("{MEMBERS}{from}{text}"), "device", bind).await?;
    rows.sort_unstable_by_key(|(pk, ..)| *pk);
    let member = |(pk, person, zone, seen): Row| {
        let unreadable = || Error::Unreadable { table: "device", column: "last_seen_at", row: pk.to_string() };
        let last_seen_at = instant(seen).ok_or_else(unreadable)?;
        Ok(Member { pair: Pair { device: DevicePk(pk), person: person.map(PersonPk) }, zone, last_seen_at })
    };
    rows.into_iter().map(member).collect()
}
