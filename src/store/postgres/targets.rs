//! Step 7: everything that is to be known of a batch's targets, each question one statement.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::engine::{Answer, Ask, RunStatus};
use super::super::rules::resolve::{Found, Missing, Wanted};
use super::super::seal::Seal;
use super::super::{Error, Result};
use super::PostgresStore;
use super::batch::{execute, fetch};
use super::device_token;
use super::fact_reading;
use super::fault::Unsettled;
use super::history::{delivered, shown};
use super::person;
use super::recipients::Reader;
use super::row::Cells;
use super::select;
use super::tx::{Tx, reading, transaction};
use crate::domain::id::NotificationId;

pub(super) const RUNS: &str = "SELECT r.notification_id, r.status FROM unnest($1::uuid[]) AS ask (id) \
                    CROSS JOIN LATERAL (SELECT notification_id, status FROM run r WHERE r.notification_id = ask.id LIMIT 1) r";
pub(super) const ADD_DEVICES: &str = "INSERT INTO device (app, name, status, created_at, updated_at, last_seen_at) \
                           SELECT new.app, new.name, 'inactive', $1, $1, $1 FROM unnest($2::bigint[], $3::text[]) AS new (app, name) \
                           ON CONFLICT (app, name) DO NOTHING";
/// How often a name may vanish between being made and being read.
const TRIES: usize = 5;

/// Answers in order; names without a row get one first. Who only asks what would happen is a caller.
pub(super) async fn answer(store: &PostgresStore, asks: &[Ask]) -> Result<Vec<Answer>> {
    let door = if asks.iter().any(|ask| ask.peek) { &store.callers } else { &store.engine };
    for _ in 0..TRIES {
        match reading!(door, conn => look(&mut conn, &store.seal, asks))? {
            Ok(answers) => return Ok(answers),
            Err(missing) => transaction!(door, tx => add(&mut tx, &missing))?,
        }
    }
    Err(Error::Busy(Box::new(Unsettled)))
}

/// The answers, or the names that need a row first.
async fn look(conn: &mut PgConnection, seal: &Seal, asks: &[Ask]) -> Result<std::result::Result<Vec<Answer>, Missing>> {
    let found = find(conn, seal, asks).await?;
    let missing = found.missing(asks);
    if !missing.is_empty() {
        return Ok(Err(missing));
    }
    let mut answers = found.answers(asks);
    delivered(conn, asks, &mut answers).await?;
    shown(conn, asks, &mut answers).await?;
    device_token::fill_in(conn, seal, asks, &mut answers).await?;
    fact_reading::fill_in(conn, asks, &mut answers).await?;
    Ok(Ok(answers))
}

async fn add(tx: &mut Tx, missing: &Missing) -> Result<()> {
    person::add(tx, &missing.users).await?;
    if missing.devices.is_empty() {
        return Ok(());
    }
    let now = tx.now;
    let add = execute(tx, ADD_DEVICES, |binds| {
        binds.push(now);
        binds.push(missing.devices.iter().map(|(app, _)| app.0).collect::<Vec<i64>>());
        binds.push(missing.devices.iter().map(|(_, name)| name.as_str()).collect::<Vec<&str>>());
    });
    add.await?;
    Ok(())
}

async fn find(conn: &mut PgConnection, seal: &Seal, asks: &[Ask]) -> Result<Found> {
    let wanted = Wanted::of(asks);
    let mut reader = Reader::new(seal);
    let mut found = Found::default();
    for (app, list) in wanted.users {
        found.users.insert(app, reader.users(conn, app, list.into_iter().collect()).await?);
    }
    for (app, list) in wanted.devices {
        found.named.insert(app, reader.named(conn, app, list.into_iter().collect()).await?);
    }
    if !wanted.numbers.is_empty() {
        found.numbered = reader.numbered(conn, wanted.numbers).await?;
    }
    for (place, ask) in asks.iter().enumerate() {
        if let Some((devices, only)) = found.to_ask_of(ask) {
            found.meant.insert(place, select::meant(conn, devices, only).await?);
        }
    }
    found.runs = runs(conn, asks.iter().map(|ask| ask.key.notification)).await?;
    Ok(found)
}

/// The runs of notifications, where they have one.
async fn runs(conn: &mut PgConnection, ids: impl Iterator<Item = NotificationId>) -> Result<HashMap<NotificationId, RunStatus>> {
    let ids: HashSet<Uuid> = ids.map(|id| id.0).collect();
    let rows = fetch(conn, RUNS, |binds| {
        binds.push(ids.into_iter().collect::<Vec<Uuid>>());
    });
    let read = |row| {
        let cells = Cells::new(row, "run", 0);
        Ok((cells.notification(0, "notification_id")?, cells.word(1, "status", RunStatus::parse)?))
    };
    rows.await?.iter().map(read).collect()
}
