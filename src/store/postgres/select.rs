//! Who of an app's devices an audience takes, part by part in the order of their numbers.
//!
//! A part is about as many devices as are asked for: of the app's, or of a topic's followers, if those are not more: to gather
//! them for each part again would cost more than to look through the app's devices.

use std::collections::HashSet;

use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::super::Result;
use super::super::engine::{Member, Only, Scan, Selection};
use super::super::rules::predicate::{Predicate, all_of, compile};
use super::batch::{Binds, count, fetch, fetch_made, fetch_one};
use super::predicate::{self, Postgres};
use super::row::Cells;
use super::topic;
use crate::domain::id::{AppId, DevicePk, PersonPk};
use crate::domain::work::Pair;

pub(super) const END: &str = "SELECT pk FROM device WHERE app = $1 AND pk > $2 AND pk <= $3 ORDER BY pk LIMIT 1 OFFSET $4";
pub(super) const FOLLOWERS: &str = "SELECT (SELECT count(*) FROM (SELECT 1 FROM topic_device WHERE topic_pk = $1 LIMIT $2) own) \
                                    + (SELECT count(*) FROM (SELECT 1 FROM topic_person WHERE topic_pk = $1 LIMIT $2) of_user)";
pub(super) const FOLLOWING: &str = "SELECT pk FROM (SELECT device_pk AS pk FROM topic_device WHERE topic_pk = $1 UNION \
                                    SELECT d.pk FROM topic_person f CROSS JOIN LATERAL (SELECT pk FROM device d WHERE d.person_pk = f.person_pk) d \
                                    WHERE f.topic_pk = $1) following WHERE pk > $2 AND pk <= $3 ORDER BY pk LIMIT $4";
const MEMBERS: &str = "SELECT d.pk, d.person_pk, coalesce(d.timezone, p.timezone, d.preferences ->> 'timezone'), d.last_seen_at ";
const NUMBERS: &str = "SELECT d.pk ";
/// `coalesce` keeps it from an index that is not in the order of the numbers.
const OF_RANGE: &str = "FROM (SELECT * FROM device WHERE app = $1 AND pk > $2 AND pk <= $3) d \
                        LEFT JOIN LATERAL (SELECT timezone, tags FROM person p WHERE p.pk = d.person_pk LIMIT 1) p ON true \
                        WHERE coalesce(d.status, '') = 'active' AND ";
const OF_LIST: &str = "FROM unnest($1::bigint[]) AS ask (pk) CROSS JOIN LATERAL (SELECT * FROM device d WHERE d.pk = ask.pk LIMIT 1) d \
                       LEFT JOIN LATERAL (SELECT timezone, tags FROM person p WHERE p.pk = d.person_pk LIMIT 1) p ON true \
                       WHERE d.status = 'active' AND ";

/// The devices of a part, before it is asked which of them are taken.
enum Part {
    Range { after: i64, to: i64 },
    List(Vec<i64>),
}

/// Who is taken of the next devices beyond `after`, up to `hi`.
pub(super) async fn scan(
    conn: &mut PgConnection,
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
    let devices = members(conn, app, part, (topic.filter(|_| few.is_none()), selection)).await?;
    Ok(Scan { devices, to: end.unwrap_or(hi), last: end.is_none() })
}

/// Those of the devices that a segment means.
pub(super) async fn meant(conn: &mut PgConnection, devices: Vec<i64>, only: &Only) -> Result<HashSet<DevicePk>> {
    if devices.is_empty() {
        return Ok(HashSet::new());
    }
    let Predicate { text, values } = compile::<Postgres>(&only.segment, only.as_of, 1);
    let rows = fetch_made(conn, format!("{NUMBERS}{OF_LIST}{text}"), |binds| {
        binds.push(devices);
        predicate::bind(binds, &values);
    });
    rows.await?.iter().map(|row| Cells::new(row, "device", 0).get(0, "pk").map(DevicePk)).collect()
}

/// Whether no more than `limit` follow a topic.
async fn has_few_followers(conn: &mut PgConnection, topic: i64, limit: usize) -> Result<bool> {
    let row = fetch_one(conn, FOLLOWERS, |binds| {
        binds.push(topic).push(count(limit + 1));
    });
    let followers: usize = row.await?.map_or(Ok(0), |row| Cells::new(&row, "topic", 0).count(0, "pk"))?;
    Ok(followers <= limit)
}

async fn following(conn: &mut PgConnection, topic: i64, (after, hi): (i64, i64), limit: usize) -> Result<Vec<i64>> {
    let rows = fetch(conn, FOLLOWING, |binds| {
        binds.push(topic).push(after).push(hi).push(count(limit));
    });
    rows.await?.iter().map(|row| Cells::new(row, "device", 0).get(0, "pk")).collect()
}

/// The last device of a full part.
async fn end(conn: &mut PgConnection, app: AppId, (after, hi): (i64, i64), limit: usize) -> Result<Option<i64>> {
    let row = fetch_one(conn, END, |binds| {
        binds.push(app.0).push(after).push(hi).push(count(limit.saturating_sub(1)));
    });
    row.await?.map(|row| Cells::new(&row, "device", 0).get(0, "pk")).transpose()
}

async fn members(conn: &mut PgConnection, app: AppId, part: Part, (topic, selection): (Option<i64>, &Selection)) -> Result<Vec<Member>> {
    let (from, taken) = match part {
        Part::Range { .. } => (OF_RANGE, 3),
        Part::List(_) => (OF_LIST, 1),
    };
    let Predicate { text, values } = all_of::<Postgres>(topic, selection, taken);
    let bind = |binds: &mut Binds| {
        match part {
            Part::Range { after, to } => binds.push(app.0).push(after).push(to),
            Part::List(devices) => binds.push(devices),
        };
        predicate::bind(binds, &values);
    };
    let rows = fetch_made(conn, format!("{MEMBERS}{from}{text} ORDER BY d.pk"), bind).await?;
    rows.iter().map(member).collect()
}

fn member(row: &PgRow) -> Result<Member> {
    let cells = Cells::new(row, "device", 0);
    let person = cells.get::<Option<i64>>(1, "person_pk")?.map(PersonPk);
    let pair = Pair { device: DevicePk(cells.get(0, "pk")?), person };
    Ok(Member { pair, zone: cells.get(2, "timezone")?, last_seen_at: cells.instant(3, "last_seen_at")? })
}
