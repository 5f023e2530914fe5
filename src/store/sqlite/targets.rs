//! Step 7: everything that is to be known of a batch's targets, each question one statement.

use std::collections::{HashMap, HashSet};

use sqlx::SqliteConnection;

use super::super::engine::{Answer, Ask, RunStatus};
use super::super::rules::resolve::{Found, Missing, Wanted};
use super::super::seal::Seal;
use super::super::{Error, Result};
use super::SqliteStore;
use super::batch::{Binds, Tuples, fetch_list, no_lead};
use super::device_token;
use super::fact_reading;
use super::fault::Unsettled;
use super::history::{delivered, shown};
use super::json::List;
use super::person;
use super::recipients::Reader;
use super::select;
use super::writer::Tx;
use crate::domain::id::{AppId, NotificationId};

pub(super) const RUNS: &str =
    "SELECT json_group_array(json_array(j.value, r.status)) FROM json_each(?1) j CROSS JOIN run r ON r.notification_id = unhex(j.value)";
const ADD_DEVICES: Tuples = Tuples {
    head: "INSERT INTO device (app, name, status, created_at, updated_at, last_seen_at) VALUES ",
    width: 6,
    tail: " ON CONFLICT (app, name) DO NOTHING",
};
/// How often a name may vanish between being made and being read.
const TRIES: usize = 5;

impl SqliteStore {
    /// Answers in order; names without a row get one first.
    pub(super) async fn answer(&self, asks: &[Ask]) -> Result<Vec<Answer>> {
        for _ in 0..TRIES {
            let mut reader = self.hot.reader().await?;
            let found = find(&mut reader, &self.seal, asks).await?;
            let missing = found.missing(asks);
            if missing.is_empty() {
                let mut answers = found.answers(asks);
                delivered(&mut reader, asks, &mut answers).await?;
                shown(&mut reader, asks, &mut answers).await?;
                device_token::fill_in(&mut reader, &self.seal, asks, &mut answers).await?;
                fact_reading::fill_in(&mut reader, asks, &mut answers).await?;
                reader.done();
                return Ok(answers);
            }
            reader.done();
            self.write(move |tx| Box::pin(add(tx, missing))).await?;
        }
        Err(Error::Unavailable(Box::new(Unsettled)))
    }
}

async fn add(mut tx: Tx<'_>, missing: Missing) -> Result<()> {
    person::add(&mut tx, &missing.users).await?;
    let now = tx.now;
    let bind = |binds: &mut Binds, (app, name): &(AppId, String)| {
        binds.push(app.0).push(name).push("inactive").push(now).push(now).push(now);
    };
    ADD_DEVICES.execute(tx.conn, &missing.devices, no_lead, bind).await?;
    Ok(())
}

async fn find(conn: &mut SqliteConnection, seal: &Seal, asks: &[Ask]) -> Result<Found> {
    let wanted = Wanted::of(asks);
    let mut reader = Reader::new(seal);
    let mut found = Found::default();
    for (app, list) in wanted.users {
        let list: Vec<&str> = list.into_iter().collect();
        found.users.insert(app, reader.users(conn, app, &list).await?);
    }
    for (app, list) in wanted.devices {
        let list: Vec<&str> = list.into_iter().collect();
        found.named.insert(app, reader.named(conn, app, &list).await?);
    }
    if !wanted.numbers.is_empty() {
        found.numbered = reader.numbered(conn, &wanted.numbers).await?;
    }
    for (place, ask) in asks.iter().enumerate() {
        if let Some((devices, only)) = found.to_ask_of(ask) {
            found.meant.insert(place, select::meant(conn, &devices, only).await?);
        }
    }
    found.runs = runs(conn, asks.iter().map(|ask| ask.key.notification)).await?;
    Ok(found)
}

/// The runs of notifications, where they have one.
pub(super) async fn runs(
    conn: &mut SqliteConnection,
    ids: impl Iterator<Item = NotificationId>,
) -> Result<HashMap<NotificationId, RunStatus>> {
    let ids: HashSet<NotificationId> = ids.collect();
    let list = List::of_notifications(&ids);
    let rows = fetch_list(conn, RUNS, "run", |binds| {
        binds.push(&list);
    });
    Ok(rows.await?.into_iter().collect())
}
