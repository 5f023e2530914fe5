//! Step 7: everything that is to be known of a batch's targets, each question one statement.

use std::collections::{HashMap, HashSet};

use sqlx::SqliteConnection;

use super::super::engine::{Answer, Ask, Candidate, Recipient, RunStatus};
use super::super::{Error, Result};
use super::SqliteStore;
use super::batch::{Binds, Tuples, fetch_list, no_lead};
use super::fault::Unsettled;
use super::history::{delivered, shown};
use super::json::List;
use super::person;
use super::recipients::{Named, Person, Reader};
use super::row::micros;
use super::writer::Tx;
use crate::domain::Timestamp;
use crate::domain::id::{AppId, DevicePk, NotificationId, Target};
use crate::domain::work::{Pair, Targets};

pub(super) const RUNS: &str =
    "SELECT json_group_array(json_array(j.value, r.status)) FROM json_each(?1) j CROSS JOIN run r ON r.notification_id = unhex(j.value)";
const ADD_DEVICES: Tuples = Tuples {
    head: "INSERT INTO device (app, name, status, created_at, updated_at, last_seen_at) VALUES ",
    width: 6,
    tail: " ON CONFLICT (app, name) DO NOTHING",
};
/// How often a name may vanish between being made and being read.
const TRIES: usize = 5;

/// Names that have no row yet.
#[derive(Default)]
struct Missing {
    users: Vec<(AppId, String)>,
    devices: Vec<(AppId, String)>,
}

impl Missing {
    fn is_empty(&self) -> bool {
        self.users.is_empty() && self.devices.is_empty()
    }
}

/// What was read of a batch.
struct Found {
    users: HashMap<AppId, HashMap<String, Person>>,
    named: HashMap<AppId, HashMap<String, Named>>,
    numbered: HashMap<DevicePk, Recipient>,
    runs: HashMap<NotificationId, RunStatus>,
}

impl SqliteStore {
    /// Answers in order; names without a row get one first.
    pub(super) async fn answer(&self, asks: &[Ask]) -> Result<Vec<Answer>> {
        for _ in 0..TRIES {
            let mut reader = self.hot.reader().await?;
            let found = find(&mut reader, asks).await?;
            let missing = found.missing(asks);
            if missing.is_empty() {
                let mut answers: Vec<Answer> = asks.iter().map(|ask| found.answer(ask)).collect();
                delivered(&mut reader, asks, &mut answers).await?;
                shown(&mut reader, asks, &mut answers).await?;
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

async fn find(conn: &mut SqliteConnection, asks: &[Ask]) -> Result<Found> {
    let mut users: HashMap<AppId, HashSet<&str>> = HashMap::new();
    let mut names: HashMap<AppId, HashSet<&str>> = HashMap::new();
    let mut pks = HashSet::new();
    for ask in asks {
        match &ask.targets {
            Targets::Users(list) => users.entry(ask.key.app).or_default().extend(list.iter().map(String::as_str)),
            Targets::Devices(list) => names.entry(ask.key.app).or_default().extend(list.iter().map(String::as_str)),
            Targets::Pairs(pairs) => pks.extend(pairs.iter().map(|pair| pair.device.0)),
        }
    }
    let mut reader = Reader::default();
    let mut found = Found { users: HashMap::new(), named: HashMap::new(), numbered: HashMap::new(), runs: HashMap::new() };
    for (app, list) in users {
        let list: Vec<&str> = list.into_iter().collect();
        found.users.insert(app, reader.users(conn, app, &list).await?);
    }
    for (app, list) in names {
        let list: Vec<&str> = list.into_iter().collect();
        found.named.insert(app, reader.named(conn, app, &list).await?);
    }
    if !pks.is_empty() {
        let mut pks: Vec<i64> = pks.into_iter().collect();
        pks.sort_unstable();
        found.numbered = reader.numbered(conn, &pks).await?;
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

impl Found {
    fn missing(&self, asks: &[Ask]) -> Missing {
        let mut missing = Missing::default();
        for ask in asks.iter().filter(|ask| !ask.peek) {
            let app = ask.key.app;
            match &ask.targets {
                Targets::Users(names) => {
                    let unknown = names.iter().filter(|name| self.users.get(&app).is_none_or(|users| !users.contains_key(*name)));
                    missing.users.extend(unknown.map(|name| (app, name.clone())));
                }
                Targets::Devices(names) => {
                    let unknown = names.iter().filter(|name| self.named.get(&app).is_none_or(|named| !named.contains_key(*name)));
                    missing.devices.extend(unknown.map(|name| (app, name.clone())));
                }
                Targets::Pairs(_) => {}
            }
        }
        missing
    }

    fn answer(&self, ask: &Ask) -> Answer {
        let mut candidates = Vec::with_capacity(ask.targets.len());
        match &ask.targets {
            Targets::Users(names) => {
                let users = self.users.get(&ask.key.app);
                for name in names {
                    match users.and_then(|users| users.get(name)) {
                        Some(person) => of_person(person, ask.latest_only, &mut candidates),
                        None => candidates.push(unknown()),
                    }
                }
            }
            Targets::Devices(names) => {
                let named = self.named.get(&ask.key.app);
                let device = |name: &String| named.and_then(|named| named.get(name));
                candidates.extend(names.iter().map(|name| device(name).map_or_else(unknown, |named| of_device(named, ask.accepted_at))));
            }
            Targets::Pairs(pairs) => candidates.extend(pairs.iter().map(|pair| self.of_pair(pair))),
        }
        candidates.sort_by_key(|candidate| candidate.target);
        // a name that is only looked at has no number to tell it by
        candidates.dedup_by(|one, other| one.target == other.target && one.target.raw() != 0);
        Answer { run: self.runs.get(&ask.key.notification).copied(), candidates }
    }

    fn of_pair(&self, pair: &Pair) -> Candidate {
        let recipient = self.numbered.get(&pair.device).cloned();
        Candidate { target: Target::device(pair.device), person: pair.person, recipient, moved: false, delivered: false, shown: None }
    }
}

/// A name without a row, looked at without making one.
fn unknown() -> Candidate {
    Candidate { target: Target::from_raw(0), person: None, recipient: None, moved: false, delivered: false, shown: None }
}

fn of_person(person: &Person, latest_only: bool, candidates: &mut Vec<Candidate>) {
    let found = |recipient: &Recipient| Candidate {
        target: Target::device(recipient.device),
        person: Some(person.pk),
        recipient: Some(recipient.clone()),
        moved: false,
        delivered: false,
        shown: None,
    };
    if person.devices.is_empty() {
        let target = Target::person(person.pk);
        candidates.push(Candidate { target, person: Some(person.pk), recipient: None, moved: false, delivered: false, shown: None });
    } else if latest_only {
        let latest = person.devices.iter().max_by_key(|(recipient, seen)| (*seen, recipient.device));
        candidates.extend(latest.map(|(recipient, _)| found(recipient)));
    } else {
        candidates.extend(person.devices.iter().map(|(recipient, _)| found(recipient)));
    }
}

fn of_device(named: &Named, accepted_at: Timestamp) -> Candidate {
    let recipient = named.recipient.clone();
    let moved = named.person_since > micros(accepted_at);
    let person = named.person.filter(|_| !moved);
    Candidate { target: Target::device(named.pk), person, recipient, moved, delivered: false, shown: None }
}
