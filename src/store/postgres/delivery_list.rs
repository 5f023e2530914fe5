//! The targets of a notification, the waiting ones first.

use std::collections::HashMap;

use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::super::notification::{DeliveryFilter, DeliveryView};
use super::super::rules::cursor::{from_text, to_text};
use super::super::rules::delivery_view::{Cursor, Ended, Filter, Labels, Waiting, beginning};
use super::super::rules::place::WorkRow;
use super::super::rules::tally::Head;
use super::super::rules::words;
use super::super::{Page, Result};
use super::batch::{count, fetch, fetch_one};
use super::row::Cells;
use super::tx::Tx;
use super::waiting::{places, waiting_columns, work_row};
use crate::domain::delivery::State;
use crate::domain::id::{AppId, PersonPk};

/// Work rows that are read at once.
const AT_ONCE: i64 = 20;

pub(super) const ROWS: &str = concat!(
    "SELECT ",
    waiting_columns!(),
    " FROM work w WHERE w.notification_id = $2 AND w.id >= $3 AND w.kind = 'send' ORDER BY w.id LIMIT $4"
);
pub(super) const NAMES: &str = "SELECT d.pk, d.name, d.platform, d.provider FROM unnest($1::bigint[]) AS ask (pk) CROSS JOIN LATERAL \
                     (SELECT * FROM device d WHERE d.pk = ask.pk AND d.token IS NOT NULL LIMIT 1) d";
pub(super) const USERS: &str =
    "SELECT p.pk, p.name FROM unnest($1::bigint[]) AS ask (pk) CROSS JOIN LATERAL (SELECT * FROM person p WHERE p.pk = ask.pk LIMIT 1) p";
pub(super) const USER: &str = "SELECT pk FROM person WHERE app = $1 AND name = $2";
/// The cells of [`ended`], of a delivery `d` at a device `v` of a person `p`.
macro_rules! delivery_columns {
    () => {
        "d.target, v.name, p.name, coalesce(d.platform, v.platform), coalesce(d.provider, v.provider), d.state, d.reason, d.attempts, d.message_id, \
         d.detail, d.at, d.delivered_at, d.opened_at, d.dismissed_at, d.notification_id, d.variant"
    };
}
macro_rules! device_and_person {
    () => {
        "LEFT JOIN LATERAL (SELECT * FROM device v WHERE v.pk = d.target AND v.token IS NOT NULL LIMIT 1) v ON true \
         LEFT JOIN LATERAL (SELECT * FROM person p WHERE p.pk = d.person_pk LIMIT 1) p ON true"
    };
}
pub(super) use {delivery_columns, device_and_person};

pub(super) const OVER: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    " FROM (SELECT * FROM delivery d WHERE d.day = $1 AND d.notification_id = $2 AND d.target > $3 AND d.channel = 'push' \
     AND ($4::text IS NULL OR d.state = $4) AND ($5::text IS NULL OR d.reason = $5) AND ($6::bigint IS NULL OR d.person_pk = $6) \
     ORDER BY d.target LIMIT $7) d ",
    device_and_person!(),
    " ORDER BY d.target"
);

/// What is asked.
pub(super) struct Ask<'a> {
    pub(super) app: AppId,
    pub(super) head: &'a Head,
    pub(super) filter: &'a DeliveryFilter,
    pub(super) limit: usize,
}

/// One page.
pub(super) async fn list(tx: &mut Tx, ask: &Ask<'_>, after: Option<&str>) -> Result<Page<DeliveryView>> {
    let start = after.map_or(Ok(beginning()), from_text)?;
    let person = match &ask.filter.user {
        None => None,
        Some(name) => Some(person(tx, ask.app, name).await?.unwrap_or(PersonPk(0))),
    };
    let mut found: Vec<(Cursor, DeliveryView)> = Vec::new();
    let mut over = i64::MIN;
    match start {
        Cursor::Over(target) => over = target,
        Cursor::Waiting(id, name, target) if ask.filter.state.is_none_or(|state| state == State::Waiting) => {
            found = waiting(tx, ask, person, (id, &name, target)).await?;
        }
        Cursor::Waiting(..) => {}
    }
    if found.len() <= ask.limit && ask.filter.state != Some(State::Waiting) {
        let rows = fetch(tx, OVER, |binds| {
            binds.push(ask.head.day()).push(ask.head.id.0).push(over);
            binds.push(ask.filter.state.map(State::as_str)).push(ask.filter.reason.as_deref()).push(person.map(|person| person.0));
            binds.push(count(ask.limit + 1 - found.len()));
        });
        for row in &rows.await? {
            found.push((Cursor::Over(Cells::new(row, "delivery", 0).get(0, "target")?), ended(row)?));
        }
    }
    let more = found.len() > ask.limit;
    found.truncate(ask.limit);
    let next = found.last().filter(|_| more).map(|(cursor, _)| to_text(cursor)).transpose()?;
    Ok(Page { items: found.into_iter().map(|(_, view)| view).collect(), next })
}

/// The number of a user.
pub(super) async fn person(conn: &mut PgConnection, app: AppId, name: &str) -> Result<Option<PersonPk>> {
    let row = fetch_one(conn, USER, |binds| {
        binds.push(app.0).push(name);
    });
    row.await?.map(|row| Cells::new(&row, "person", 0).get(0, "pk").map(PersonPk)).transpose()
}

/// Waiting targets after a place, one more than fits so that it shows that there are more.
async fn waiting(tx: &mut Tx, ask: &Ask<'_>, person: Option<PersonPk>, after: (i64, &str, i64)) -> Result<Vec<(Cursor, DeliveryView)>> {
    let heads = HashMap::from([(ask.head.id, ask.head)]);
    let now = tx.now;
    let filter = Filter { head: ask.head, asked: ask.filter, person, after, now };
    let mut found: Vec<Waiting> = Vec::new();
    let mut from = after.0;
    loop {
        let rows = fetch(tx, ROWS, |binds| {
            binds.push(now).push(ask.head.id.0).push(from).push(AT_ONCE);
        });
        let rows: Vec<WorkRow> = rows.await?.iter().map(work_row).collect::<Result<_>>()?;
        let all = places(tx, &rows, &heads).await?;
        for (work, places) in rows.iter().zip(all) {
            found.extend(filter.of_row(work, places));
        }
        let full = count(rows.len()) == AT_ONCE && found.len() <= ask.limit;
        let Some(last) = rows.last().filter(|last| full && last.id < i64::MAX) else { break };
        from = last.id + 1;
    }
    found.truncate(ask.limit + 1);
    let labels = labels(tx, &found).await?;
    let listed = |waiting: Waiting| {
        let (row, name, target) = waiting.stand();
        (Cursor::Waiting(row, name, target), waiting.view(&labels))
    };
    Ok(found.into_iter().map(listed).collect())
}

/// What the numbers of these stand for.
pub(super) async fn labels(tx: &mut Tx, found: &[Waiting]) -> Result<Labels> {
    let mut labels = Labels::default();
    let rows = fetch(tx, NAMES, |binds| {
        binds.push(found.iter().filter_map(Waiting::device).collect::<Vec<i64>>());
    });
    for row in &rows.await? {
        let cells = Cells::new(row, "device", 0);
        let device = (cells.get(1, "name")?, cells.word(2, "platform", words::platform)?, cells.word(3, "provider", words::provider)?);
        labels.devices.insert(cells.get(0, "pk")?, device);
    }
    let rows = fetch(tx, USERS, |binds| {
        binds.push(found.iter().filter_map(Waiting::person).collect::<Vec<i64>>());
    });
    for row in &rows.await? {
        let cells = Cells::new(row, "person", 0);
        labels.users.insert(cells.get(0, "pk")?, cells.get(1, "name")?);
    }
    Ok(labels)
}

/// Reads a row of [`delivery_columns`].
pub(super) fn ended(row: &PgRow) -> Result<DeliveryView> {
    let cells = Cells::new(row, "delivery", 0);
    let ended = Ended {
        notification: cells.notification(14, "notification_id")?,
        target: cells.get(0, "target")?,
        device: cells.get(1, "target")?,
        user: cells.get(2, "person_pk")?,
        platform: cells.maybe_word(3, "platform", words::platform)?,
        provider: cells.maybe_word(4, "provider", words::provider)?,
        state: cells.word(5, "state", State::parse)?,
        reason: cells.get(6, "reason")?,
        attempts: cells.small(7, "attempts")?,
        variant: cells.get(15, "variant")?,
        message_id: cells.get(8, "message_id")?,
        detail: cells.get(9, "detail")?,
        at: cells.instant(10, "at")?,
        receipts: [
            cells.maybe_instant(11, "delivered_at")?,
            cells.maybe_instant(12, "opened_at")?,
            cells.maybe_instant(13, "dismissed_at")?,
        ],
    };
    Ok(ended.view())
}
