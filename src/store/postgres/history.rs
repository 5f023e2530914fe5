//! What became of targets before: which have a delivery, and what was shown under a collapse key.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::Result;
use super::super::engine::{Answer, Ask};
use super::super::rules::resolve::{Look, mark, mark_shown, to_look_at, to_look_for};
use super::batch::fetch;
use super::row::Cells;
use crate::domain::id::{NotificationId, PersonPk, Target};

pub(super) const DELIVERED: &str = "SELECT d.target, ask.n FROM unnest($1::bigint[], $2::int[], $3::uuid[], $4::bigint[]) AS ask (n, day, id, target) \
                         CROSS JOIN LATERAL (SELECT d.target FROM delivery d WHERE d.day = ask.day AND d.notification_id = ask.id \
                         AND d.target = ask.target AND d.channel = 'push' LIMIT 1) d";
pub(super) const REACHED: &str = "SELECT d.target, ask.n, d.person_pk FROM unnest($1::bigint[], $2::int[], $3::uuid[]) AS ask (n, day, id) \
                       CROSS JOIN LATERAL (SELECT d.target, d.person_pk FROM delivery d WHERE d.day = ask.day AND d.notification_id = ask.id \
                       AND d.channel = 'push' AND d.person_pk IS NOT NULL) d";
pub(super) const SHOWN: &str = "SELECT s.device_pk, ask.n, s.notification_id FROM unnest($1::bigint[], $2::bytea[], $3::bigint[]) AS ask (n, hash, device) \
                     CROSS JOIN LATERAL (SELECT s.device_pk, s.notification_id FROM shown s \
                     WHERE s.device_pk = ask.device AND s.key_hash = ask.hash LIMIT 1) s";

fn place(cells: &Cells<'_>) -> Result<usize> {
    cells.count(1, "n")
}

fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Which of the targets have a delivery, look by look.
pub(super) async fn with_delivery(conn: &mut PgConnection, looks: &[(usize, Look)]) -> Result<HashSet<(usize, Target)>> {
    let each = || looks.iter().flat_map(|(n, look)| look.targets.iter().map(move |target| (*n, look, *target)));
    if each().next().is_none() {
        return Ok(HashSet::new());
    }
    let rows = fetch(conn, DELIVERED, |binds| {
        binds.push(each().map(|(n, _, _)| number(n)).collect::<Vec<i64>>());
        binds.push(each().map(|(_, look, _)| look.day).collect::<Vec<i32>>());
        binds.push(each().map(|(_, look, _)| look.notification.0).collect::<Vec<Uuid>>());
        binds.push(each().map(|(_, _, target)| target.raw()).collect::<Vec<i64>>());
    });
    let read = |row| {
        let cells = Cells::new(row, "delivery", 0);
        Ok((place(&cells)?, Target::from_raw(cells.get(0, "target")?)))
    };
    rows.await?.iter().map(read).collect()
}

/// Which people have a delivery of the notification, look by look, and whether it was in place of a device, since they had none.
pub(super) async fn reached(conn: &mut PgConnection, looks: &[(usize, NotificationId, i32)]) -> Result<HashMap<(usize, PersonPk), bool>> {
    let mut reached = HashMap::new();
    if looks.is_empty() {
        return Ok(reached);
    }
    let rows = fetch(conn, REACHED, |binds| {
        binds.push(looks.iter().map(|(n, _, _)| number(*n)).collect::<Vec<i64>>());
        binds.push(looks.iter().map(|(_, _, day)| *day).collect::<Vec<i32>>());
        binds.push(looks.iter().map(|(_, id, _)| id.0).collect::<Vec<Uuid>>());
    });
    for row in &rows.await? {
        let cells = Cells::new(row, "delivery", 0);
        let in_place_of_a_device = cells.get::<i64>(0, "target")? < 0;
        *reached.entry((place(&cells)?, PersonPk(cells.get(2, "person_pk")?))).or_default() |= in_place_of_a_device;
    }
    Ok(reached)
}

/// Marks the candidates that have a delivery, where that was asked.
pub(super) async fn delivered(conn: &mut PgConnection, asks: &[Ask], answers: &mut [Answer]) -> Result<()> {
    let found = with_delivery(conn, &to_look_at(asks, answers)).await?;
    let reached = reached(conn, &to_look_for(asks)).await?;
    mark(asks, answers, &found, &reached);
    Ok(())
}

/// Fills in what was shown under the collapse keys, where there are any.
pub(super) async fn shown(conn: &mut PgConnection, asks: &[Ask], answers: &mut [Answer]) -> Result<()> {
    let (mut places, mut hashes, mut devices) = (Vec::new(), Vec::new(), Vec::new());
    for (n, (ask, answer)) in asks.iter().zip(answers.iter()).enumerate() {
        let Some(hash) = &ask.collapse_hash else { continue };
        for device in answer.candidates.iter().filter_map(|candidate| candidate.target.as_device()) {
            places.push(number(n));
            hashes.push(hash.as_slice());
            devices.push(device.0);
        }
    }
    if places.is_empty() {
        return Ok(());
    }
    let rows = fetch(conn, SHOWN, |binds| {
        binds.push(places).push(hashes).push(devices);
    });
    let read = |row| {
        let cells = Cells::new(row, "shown", 0);
        Ok(((place(&cells)?, Target::from_raw(cells.get(0, "device_pk")?)), cells.notification(2, "notification_id")?))
    };
    let found: HashMap<(usize, Target), NotificationId> = rows.await?.iter().map(read).collect::<Result<_>>()?;
    mark_shown(answers, &found);
    Ok(())
}
