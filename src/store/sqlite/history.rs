//! What became of targets before: which have a delivery, and what was shown under a collapse key.

use std::collections::{HashMap, HashSet};

use sqlx::SqliteConnection;

use super::super::Result;
use super::super::engine::{Answer, Ask};
use super::super::rules::resolve::{Look, mark, mark_shown, to_look_at, to_look_for};
use super::batch::fetch_list;
use super::json::List;
use crate::domain::id::{NotificationId, PersonPk, Target};

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

/// Marks the candidates that have a delivery, where that was asked.
pub(super) async fn delivered(conn: &mut SqliteConnection, asks: &[Ask], answers: &mut [Answer]) -> Result<()> {
    let found = with_delivery(conn, &to_look_at(asks, answers)).await?;
    let reached = reached(conn, &to_look_for(asks)).await?;
    mark(asks, answers, &found, &reached);
    Ok(())
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
    mark_shown(answers, &found);
    Ok(())
}
