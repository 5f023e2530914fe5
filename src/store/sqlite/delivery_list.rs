//! The targets of a notification, the waiting ones first.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::notification::{DeliveryFilter, DeliveryView};
use super::super::{Page, Result};
use super::batch::{fetch, fetch_one};
use super::cursor::{from_text, to_text};
use super::device_row as words;
use super::json::List;
use super::notification::Head;
use super::row::Cells;
use super::tally::waits_for;
use super::waiting::{Place, WorkRow, places, waiting_columns};
use super::work::count;
use crate::domain::collapse;
use crate::domain::delivery::State;
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::id::{AppId, NotificationId, PersonPk, Target};
use crate::domain::reason::{SuppressReason, WaitReason};

pub(super) const ROWS: &str = concat!(
    "SELECT ",
    waiting_columns!(),
    " FROM work w WHERE w.notification_id = ?1 AND w.id >= ?2 AND w.kind = 'send' ORDER BY w.id LIMIT 20"
);
const NAMES: &str = "SELECT d.pk, d.name, d.platform, d.provider FROM json_each(?1) j CROSS JOIN device d ON d.pk = j.value \
                     WHERE d.token IS NOT NULL";
const USERS: &str = "SELECT p.pk, p.name FROM json_each(?1) j CROSS JOIN person p ON p.pk = j.value";
const USER: &str = "SELECT pk FROM person WHERE app = ?1 AND name = ?2";
/// The cells of [`ended`], of a delivery `d` at a device `v` of a person `p`.
macro_rules! delivery_columns {
    () => {
        "d.target, v.name, p.name, v.platform, coalesce(d.provider, v.provider), d.state, d.reason, d.attempts, d.message_id, \
         d.detail, d.at, d.delivered_at, d.opened_at, d.dismissed_at, d.notification_id"
    };
}
macro_rules! device_and_person {
    () => {
        "LEFT JOIN device v ON v.pk = d.target AND v.token IS NOT NULL LEFT JOIN person p ON p.pk = d.person_pk"
    };
}
pub(super) use {delivery_columns, device_and_person};

pub(super) const OVER: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    " FROM delivery d ",
    device_and_person!(),
    " WHERE d.day = ?1 AND d.notification_id = ?2 AND d.target > ?3 AND d.channel = 'push' \
                    AND (?4 IS NULL OR d.state = ?4) AND (?5 IS NULL OR d.reason = ?5) AND (?6 IS NULL OR d.person_pk = ?6) \
                    ORDER BY d.target LIMIT ?7"
);

/// What is asked.
pub(super) struct Ask<'a> {
    pub(super) app: AppId,
    pub(super) head: &'a Head,
    pub(super) filter: &'a DeliveryFilter,
    pub(super) limit: usize,
    pub(super) now: i64,
}

/// Where a list goes on: after a place of a work row, or after a target that is over.
#[derive(Serialize, Deserialize)]
enum Cursor {
    Waiting(i64, String, i64),
    Over(i64),
}

/// One page.
pub(super) async fn list(conn: &mut SqliteConnection, ask: &Ask<'_>, after: Option<&str>) -> Result<Page<DeliveryView>> {
    let start = after.map_or(Ok(Cursor::Waiting(i64::MIN, String::new(), i64::MIN)), from_text)?;
    let person = match &ask.filter.user {
        None => None,
        Some(name) => Some(person(conn, ask.app, name).await?.unwrap_or(PersonPk(0))),
    };
    let mut found: Vec<(Cursor, DeliveryView)> = Vec::new();
    let mut over = i64::MIN;
    match start {
        Cursor::Over(target) => over = target,
        Cursor::Waiting(id, name, target) if ask.filter.state.is_none_or(|state| state == State::Waiting) => {
            found = waiting(conn, ask, person, (id, name, target)).await?;
        }
        Cursor::Waiting(..) => {}
    }
    if found.len() <= ask.limit && ask.filter.state != Some(State::Waiting) {
        let rows = fetch(conn, OVER, |binds| {
            binds.push(ask.head.day()).push(ask.head.id.0.as_bytes().as_slice()).push(over);
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
pub(super) async fn person(conn: &mut SqliteConnection, app: AppId, name: &str) -> Result<Option<PersonPk>> {
    let row = fetch_one(conn, USER, |binds| {
        binds.push(app.0).push(name);
    });
    row.await?.map(|row| Cells::new(&row, "person", 0).get(0, "pk").map(PersonPk)).transpose()
}

/// Waiting targets after a place, one more than fits so that it shows that there are more.
async fn waiting(
    conn: &mut SqliteConnection,
    ask: &Ask<'_>,
    person: Option<PersonPk>,
    (mut row, name, target): (i64, String, i64),
) -> Result<Vec<(Cursor, DeliveryView)>> {
    let heads = HashMap::from([(ask.head.id, ask.head)]);
    let mut found: Vec<(WorkRowRef, Place)> = Vec::new();
    let first = row;
    loop {
        let rows = fetch(conn, ROWS, |binds| {
            binds.push(ask.head.id.0.as_bytes().as_slice()).push(row);
        });
        let rows: Vec<WorkRow> = rows.await?.iter().map(WorkRow::read).collect::<Result<_>>()?;
        let all = places(conn, &rows, &heads).await?;
        for (work, places) in rows.iter().zip(all) {
            let held = work.lease_until > ask.now;
            let reason = waits_for(ask.head, work.reason, ask.now).filter(|_| !held);
            let shown = WorkRowRef {
                notification: work.notification,
                id: work.id,
                reason,
                due_at: work.due_at,
                made_at: work.made_at,
                attempt: work.attempt,
            };
            let wanted = |place: &Place| {
                let after = work.id > first || (place.name.as_str(), raw(place)) > (name.as_str(), target);
                after && person.is_none_or(|person| place.person == Some(person) || named(place, ask.filter))
            };
            if ask.filter.reason.is_none() || ask.filter.reason.as_deref() == reason.map(WaitReason::as_str) {
                found.extend(places.into_iter().filter(wanted).map(|place| (shown, place)));
            }
        }
        let Some(last) = rows.last().filter(|last| rows.len() == 20 && last.id < i64::MAX && found.len() <= ask.limit) else { break };
        row = last.id + 1;
    }
    found.truncate(ask.limit + 1);
    describe(conn, found).await
}

fn raw(place: &Place) -> i64 {
    place.target.map_or(i64::MIN, Target::raw)
}

fn named(place: &Place, filter: &DeliveryFilter) -> bool {
    place.is_user && filter.user.as_deref() == Some(place.name.as_str())
}

/// What a waiting target's view takes from its row.
#[derive(Clone, Copy)]
struct WorkRowRef {
    notification: NotificationId,
    id: i64,
    reason: Option<WaitReason>,
    due_at: crate::domain::Timestamp,
    made_at: crate::domain::Timestamp,
    attempt: u32,
}

async fn describe(conn: &mut SqliteConnection, found: Vec<(WorkRowRef, Place)>) -> Result<Vec<(Cursor, DeliveryView)>> {
    let targets = found.iter().filter(|(_, place)| place.is_device).filter_map(|(_, place)| place.target?.as_device());
    let list = List::of(targets.map(|pk| pk.0));
    let rows = fetch(conn, NAMES, |binds| {
        binds.push(&list);
    });
    let mut devices: HashMap<i64, (String, Platform, ProviderKind)> = HashMap::new();
    for row in &rows.await? {
        let cells = Cells::new(row, "device", 0);
        let device = (cells.get(1, "name")?, cells.word(2, "platform", words::platform)?, cells.word(3, "provider", words::provider)?);
        devices.insert(cells.get(0, "pk")?, device);
    }
    let list = List::of(found.iter().filter_map(|(_, place)| place.person).map(|pk| pk.0));
    let rows = fetch(conn, USERS, |binds| {
        binds.push(&list);
    });
    let mut users: HashMap<i64, String> = HashMap::new();
    for row in &rows.await? {
        let cells = Cells::new(row, "person", 0);
        users.insert(cells.get(0, "pk")?, cells.get(1, "name")?);
    }
    let view = |(work, place): (WorkRowRef, Place)| {
        let device = devices.get(&raw(&place)).filter(|_| place.is_device);
        let user = place.person.and_then(|person| users.get(&person.0).cloned());
        let view = DeliveryView {
            notification: work.notification,
            device: device.map(|(name, _, _)| name.clone()),
            user: user.or_else(|| place.is_user.then(|| place.name.clone())),
            platform: device.map(|(_, platform, _)| *platform),
            provider: device.map(|(_, _, provider)| *provider),
            state: State::Waiting,
            reason: work.reason.map(|reason| reason.as_str().to_owned()),
            attempts: work.attempt,
            message_id: None,
            detail: None,
            next_attempt_at: Some(work.due_at),
            updated_at: work.made_at,
            sent_at: None,
            delivered_at: None,
            opened_at: None,
            dismissed_at: None,
        };
        (Cursor::Waiting(work.id, place.name.clone(), raw(&place)), view)
    };
    Ok(found.into_iter().map(view).collect())
}

/// Reads a row of [`delivery_columns`].
pub(super) fn ended(row: &SqliteRow) -> Result<DeliveryView> {
    let cells = Cells::new(row, "delivery", 0);
    let state = cells.word(5, "state", State::parse)?;
    let reason: Option<String> = cells.get(6, "reason")?;
    let nobody = reason.as_deref() == Some(SuppressReason::NoActiveDevice.as_str());
    let at = cells.instant(10, "at")?;
    let notification = cells.notification(14, "notification_id")?;
    let target: i64 = cells.get(0, "target")?;
    let provider = cells.maybe_word(4, "provider", words::provider)?.filter(|_| !nobody);
    // Apple has it under the id that it was given, which can be told again
    let apns_id = || Target::from_raw(target).as_device().map(|device| collapse::apns_id(notification, device).to_string());
    let message_id = match provider {
        Some(ProviderKind::Apns) if state == State::Sent => apns_id(),
        _ => cells.get(8, "message_id")?,
    };
    Ok(DeliveryView {
        notification,
        device: cells.get::<Option<String>>(1, "target")?.filter(|_| !nobody),
        user: cells.get(2, "person_pk")?,
        platform: cells.maybe_word(3, "platform", words::platform)?.filter(|_| !nobody),
        provider,
        state,
        reason,
        attempts: cells.count(7, "attempts")?,
        message_id,
        detail: cells.get(9, "detail")?,
        next_attempt_at: None,
        updated_at: [11, 12, 13].into_iter().try_fold(at, |last, n| {
            Ok::<_, super::super::Error>(cells.maybe_instant(n, "delivered_at")?.map_or(last, |at| at.max(last)))
        })?,
        sent_at: (state == State::Sent).then_some(at),
        delivered_at: cells.maybe_instant(11, "delivered_at")?,
        opened_at: cells.maybe_instant(12, "opened_at")?,
        dismissed_at: cells.maybe_instant(13, "dismissed_at")?,
    })
}
