//! What became of targets before: which have a delivery, and what was shown under a collapse key.

use std::collections::{HashMap, HashSet};

use sqlx::SqliteConnection;

use super::super::Result;
use super::super::engine::{Answer, Ask};
use super::batch::fetch_list;
use super::json::List;
use crate::domain::id::{NotificationId, PersonPk, Target};
use crate::domain::work::Targets;

pub(super) const DELIVERED: &str = "WITH ask AS MATERIALIZED (SELECT value ->> 0 AS n, value ->> 1 AS day, unhex(value ->> 2) AS id, value -> 3 AS targets \
                         FROM json_each(?1)) \
                         SELECT json_group_array(json_array(ask.n, d.target)) FROM ask CROSS JOIN json_each(ask.targets) t CROSS JOIN delivery d \
                         ON d.day = ask.day AND d.notification_id = ask.id AND d.target = t.value AND d.channel = 'push'";
pub(super) const REACHED: &str = "WITH ask AS MATERIALIZED (SELECT value ->> 0 AS n, value ->> 1 AS day, unhex(value ->> 2) AS id FROM json_each(?1)) \
                       SELECT json_group_array(json_array(ask.n, d.person_pk, d.target)) FROM ask CROSS JOIN delivery d \
                       ON d.day = ask.day AND d.notification_id = ask.id AND d.person_pk IS NOT NULL AND d.channel = 'push'";
pub(super) const SHOWN: &str = "WITH ask AS MATERIALIZED (SELECT value ->> 0 AS n, unhex(value ->> 1) AS hash, value -> 2 AS targets \
                     FROM json_each(?1)) \
                     SELECT json_group_array(json_array(ask.n, s.device_pk, hex(s.notification_id))) FROM ask CROSS JOIN json_each(ask.targets) t CROSS JOIN shown s \
                     ON s.device_pk = t.value AND s.key_hash = ask.hash";

/// Targets of one notification.
pub(super) struct Look {
    /// The notification.
    pub(super) notification: NotificationId,
    /// Its day.
    pub(super) day: i32,
    /// The targets.
    pub(super) targets: Vec<Target>,
}

/// Which of the targets have a delivery, look by look.
pub(super) async fn with_delivery(conn: &mut SqliteConnection, looks: &[(usize, Look)]) -> Result<HashSet<(usize, Target)>> {
    if looks.is_empty() {
        return Ok(HashSet::new());
    }
    let list = List::of(looks.iter().map(|(n, look)| {
        let targets = List::of(look.targets.iter().map(|target| target.raw()));
        format!("[{n},{},\"{}\",{targets}]", look.day, look.notification.0.simple())
    }));
    let rows = fetch_list::<(usize, i64)>(conn, DELIVERED, "delivery", |binds| {
        binds.push(&list);
    });
    Ok(rows.await?.into_iter().map(|(n, target)| (n, Target::from_raw(target))).collect())
}

/// Which people have a delivery of the notification, look by look, and whether it was in place of a device, since they had none.
pub(super) async fn reached(
    conn: &mut SqliteConnection,
    looks: &[(usize, NotificationId, i32)],
) -> Result<HashMap<(usize, PersonPk), bool>> {
    if looks.is_empty() {
        return Ok(HashMap::new());
    }
    let list = List::of(looks.iter().map(|(n, id, day)| format!("[{n},{day},\"{}\"]", id.0.simple())));
    let rows = fetch_list::<(usize, i64, i64)>(conn, REACHED, "delivery", |binds| {
        binds.push(&list);
    });
    let mut reached = HashMap::new();
    for (n, person, target) in rows.await? {
        *reached.entry((n, PersonPk(person))).or_default() |= target < 0;
    }
    Ok(reached)
}

/// Marks what stands for a user who got it already under what the name stood for then: another device, or none.
async fn renamed(conn: &mut SqliteConnection, asks: &[Ask], answers: &mut [Answer]) -> Result<()> {
    let named = asks.iter().enumerate().filter(|(_, ask)| ask.check_deliveries && matches!(ask.targets, Targets::Users(_)));
    let looks: Vec<_> = named.map(|(n, ask)| (n, ask.key.notification, ask.day)).collect();
    let reached = reached(conn, &looks).await?;
    for (n, (ask, answer)) in asks.iter().zip(answers).enumerate().filter(|_| !reached.is_empty()) {
        for candidate in &mut answer.candidates {
            let stands_for_one = ask.latest_only || candidate.target.as_device().is_none();
            let before = candidate.person.and_then(|person| reached.get(&(n, person)));
            candidate.delivered |= before.is_some_and(|as_nobody| *as_nobody || stands_for_one);
        }
    }
    Ok(())
}

/// Marks the candidates that have a delivery, where that was asked.
pub(super) async fn delivered(conn: &mut SqliteConnection, asks: &[Ask], answers: &mut [Answer]) -> Result<()> {
    let asked = asks.iter().zip(answers.iter()).enumerate().filter(|(_, (ask, _))| ask.check_deliveries);
    let looks: Vec<(usize, Look)> = asked
        .map(|(n, (ask, answer))| {
            let targets = answer.candidates.iter().map(|candidate| candidate.target).collect();
            (n, Look { notification: ask.key.notification, day: ask.day, targets })
        })
        .collect();
    let found = with_delivery(conn, &looks).await?;
    for (n, answer) in answers.iter_mut().enumerate().filter(|_| !found.is_empty()) {
        for candidate in &mut answer.candidates {
            candidate.delivered = found.contains(&(n, candidate.target));
        }
    }
    renamed(conn, asks, answers).await
}

/// Fills in what was shown under the collapse keys, where there are any.
pub(super) async fn shown(conn: &mut SqliteConnection, asks: &[Ask], answers: &mut [Answer]) -> Result<()> {
    let mut list = List::new();
    let mut any = false;
    for (n, (ask, answer)) in asks.iter().zip(answers.iter()).enumerate() {
        if let Some(hash) = &ask.collapse_hash {
            any = true;
            let devices = List::of(answer.candidates.iter().filter_map(|candidate| candidate.target.as_device()).map(|pk| pk.0));
            list.push(format_args!("[{n},\"{}\",{devices}]", hex::encode(hash)));
        }
    }
    if !any {
        return Ok(());
    }
    let list = list.finish();
    let rows = fetch_list::<(usize, i64, NotificationId)>(conn, SHOWN, "shown", |binds| {
        binds.push(&list);
    });
    let found: HashMap<(usize, Target), NotificationId> =
        rows.await?.into_iter().map(|(n, device, id)| ((n, Target::from_raw(device)), id)).collect();
    for (n, answer) in answers.iter_mut().enumerate().filter(|_| !found.is_empty()) {
        for candidate in &mut answer.candidates {
            candidate.shown = found.get(&(n, candidate.target)).copied();
        }
    }
    Ok(())
}
