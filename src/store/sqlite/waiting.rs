//! Who still waits: the targets that work rows name, as they would resolve now, without those that have a delivery. Reads only.

use std::collections::{HashMap, HashSet};

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::super::Result;
use super::super::engine::Narrowed;
use super::batch::fetch;
use super::history::{Look, reached, with_delivery};
use super::json::List;
use super::notification::Head;
use super::row::Cells;
use crate::domain::Timestamp;
use crate::domain::id::{AppId, NotificationId, PersonPk, Target};
use crate::domain::reason::WaitReason;
use crate::domain::work::Targets;

/// The cells of [`WorkRow::read`].
macro_rules! waiting_columns {
    () => {
        "w.notification_id, w.id, w.app, w.targets, w.reason, w.due_at, w.lease_until, w.attempt, w.made_at"
    };
}
pub(super) use waiting_columns;

const USERS: &str = "SELECT p.name, p.pk, d.pk, d.name, d.last_seen_at FROM json_each(?2) j CROSS JOIN person p ON p.app = ?1 AND p.name = j.value \
                     LEFT JOIN device d ON d.person_pk = p.pk AND d.status = 'active'";
const DEVICES: &str = "SELECT d.name, d.pk, d.person_pk, d.status = 'active' FROM json_each(?2) j \
                       CROSS JOIN device d ON d.app = ?1 AND d.name = j.value";

/// A work row, as far as readers of its notification care.
pub(super) struct WorkRow {
    pub(super) notification: NotificationId,
    pub(super) id: i64,
    app: AppId,
    targets: Targets,
    pub(super) reason: Option<WaitReason>,
    pub(super) due_at: Timestamp,
    pub(super) lease_until: i64,
    pub(super) attempt: u32,
    pub(super) made_at: Timestamp,
}

/// A target that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The user or device that was named; empty where the row has numbers.
    pub(super) name: String,
    /// The target; `None` while nothing is known of the name.
    pub(super) target: Option<Target>,
    /// Whose it is.
    pub(super) person: Option<PersonPk>,
    /// It stands for a device that can be named to callers.
    pub(super) is_device: bool,
    /// The name is a user's.
    pub(super) is_user: bool,
}

impl WorkRow {
    /// Reads a row of [`waiting_columns`].
    pub(super) fn read(row: &SqliteRow) -> Result<Self> {
        let cells = Cells::new(row, "work", 0);
        let targets: &[u8] = cells.get(3, "targets")?;
        Ok(Self {
            notification: cells.notification(0, "notification_id")?,
            id: cells.get(1, "id")?,
            app: AppId(cells.get(2, "app")?),
            targets: Targets::decode(targets).map_err(|_| cells.unreadable("targets"))?,
            reason: cells.maybe_word(4, "reason", WaitReason::parse)?,
            due_at: cells.instant(5, "due_at")?,
            lease_until: cells.get(6, "lease_until")?,
            attempt: cells.count(7, "attempt")?,
            made_at: cells.instant(8, "made_at")?,
        })
    }
}

/// The targets of each row that have no delivery, by name and number; each target once among the rows of a notification.
pub(super) async fn places(
    conn: &mut SqliteConnection,
    rows: &[WorkRow],
    heads: &HashMap<NotificationId, &Head>,
) -> Result<Vec<Vec<Place>>> {
    let names = Names::read(conn, rows).await?;
    let nothing = Narrowed::default();
    let narrowed = |row: &WorkRow| heads.get(&row.notification).map_or(&nothing, |head| &head.narrowed);
    let day = |row: &WorkRow| heads.get(&row.notification).map(|head| head.day()).unwrap_or_default();
    let mut places: Vec<Vec<Place>> = rows.iter().map(|row| names.resolve(row, narrowed(row))).collect();
    let looks: Vec<(usize, Look)> = rows
        .iter()
        .zip(&places)
        .enumerate()
        .map(|(n, (row, places))| {
            let targets = places.iter().filter_map(|place| place.target).collect();
            (n, Look { notification: row.notification, day: day(row), targets })
        })
        .collect();
    let over = with_delivery(conn, &looks).await?;
    let of_users = rows.iter().enumerate().filter(|(_, row)| matches!(row.targets, Targets::Users(_)));
    let people: Vec<_> = of_users.map(|(n, row)| (n, row.notification, day(row))).collect();
    let reached = reached(conn, &people).await?;
    let mut seen = HashSet::new();
    for (n, (row, places)) in rows.iter().zip(&mut places).enumerate() {
        let latest_only = narrowed(row).latest_only;
        places.retain(|place| {
            let under_other_name = place
                .person
                .and_then(|person| reached.get(&(n, person)))
                .is_some_and(|as_nobody| *as_nobody || latest_only || !place.is_device);
            let is_over = place.target.is_some_and(|target| over.contains(&(n, target)));
            let again = place.target.is_some_and(|target| !seen.insert((row.notification, target)));
            !(under_other_name || is_over || again)
        });
    }
    Ok(places)
}

/// A user's device, as far as it matters whether it is a target.
struct Owned {
    pk: i64,
    name: String,
    last_seen_at: i64,
}

/// What names stand for now.
struct Names {
    users: HashMap<(AppId, String), (PersonPk, Vec<Owned>)>,
    devices: HashMap<(AppId, String), (i64, Option<PersonPk>, bool)>,
}

impl Names {
    async fn read(conn: &mut SqliteConnection, rows: &[WorkRow]) -> Result<Self> {
        let mut names = Self { users: HashMap::new(), devices: HashMap::new() };
        let apps: HashSet<AppId> = rows.iter().map(|row| row.app).collect();
        for app in apps {
            let of_app = || rows.iter().filter(move |row| row.app == app).map(|row| &row.targets);
            let users = List::of_texts(
                of_app().flat_map(|targets| if let Targets::Users(names) = targets { names.as_slice() } else { &[] }).map(String::as_str),
            );
            let list = List::of_texts(
                of_app().flat_map(|targets| if let Targets::Devices(names) = targets { names.as_slice() } else { &[] }).map(String::as_str),
            );
            names.read_users(conn, app, &users).await?;
            names.read_devices(conn, app, &list).await?;
        }
        Ok(names)
    }

    async fn read_users(&mut self, conn: &mut SqliteConnection, app: AppId, list: &str) -> Result<()> {
        let rows = fetch(conn, USERS, |binds| {
            binds.push(app.0).push(list);
        });
        for row in &rows.await? {
            let cells = Cells::new(row, "person", 1);
            let person = PersonPk(cells.get(1, "pk")?);
            let known = self.users.entry((app, cells.get(0, "name")?)).or_insert_with(|| (person, Vec::new()));
            if let Some(pk) = cells.get(2, "pk")? {
                known.1.push(Owned { pk, name: cells.get(3, "name")?, last_seen_at: cells.get(4, "last_seen_at")? });
            }
        }
        Ok(())
    }

    async fn read_devices(&mut self, conn: &mut SqliteConnection, app: AppId, list: &str) -> Result<()> {
        let rows = fetch(conn, DEVICES, |binds| {
            binds.push(app.0).push(list);
        });
        for row in &rows.await? {
            let cells = Cells::new(row, "device", 1);
            let person = cells.get::<Option<i64>>(2, "person_pk")?.map(PersonPk);
            self.devices.insert((app, cells.get(0, "name")?), (cells.get(1, "pk")?, person, cells.get(3, "status")?));
        }
        Ok(())
    }

    fn resolve(&self, row: &WorkRow, narrowed: &Narrowed) -> Vec<Place> {
        let mut places: Vec<Place> = match &row.targets {
            Targets::Users(names) => names.iter().flat_map(|name| self.of_user(row.app, name, narrowed)).collect(),
            Targets::Devices(names) => names.iter().map(|name| self.of_device(row.app, name)).collect(),
            Targets::Pairs(pairs) => pairs
                .iter()
                .map(|pair| {
                    let target = Target::device(pair.device);
                    let is_device = target.as_device().is_some();
                    Place { name: String::new(), target: Some(target), person: pair.person, is_device, is_user: false }
                })
                .collect(),
        };
        places.sort_by(|a, b| (&a.name, a.target).cmp(&(&b.name, b.target)));
        places
    }

    fn of_user(&self, app: AppId, name: &str, narrowed: &Narrowed) -> Vec<Place> {
        let place = |target, person, is_device| Place { name: name.to_owned(), target, person, is_device, is_user: true };
        match self.users.get(&(app, name.to_owned())) {
            None => vec![place(None, None, false)],
            Some((person, devices)) if devices.is_empty() => vec![place(Some(Target::person(*person)), Some(*person), false)],
            Some((person, devices)) => {
                let latest = devices.iter().max_by_key(|device| (device.last_seen_at, device.pk)).map(|device| device.pk);
                let is_meant = |device: &&Owned| !narrowed.latest_only || latest == Some(device.pk);
                let meant = devices.iter().filter(is_meant).filter(|device| !narrowed.except.contains(&device.name));
                meant.map(|device| place(Some(Target::from_raw(device.pk)), Some(*person), true)).collect()
            }
        }
    }

    fn of_device(&self, app: AppId, name: &str) -> Place {
        let known = self.devices.get(&(app, name.to_owned()));
        Place {
            name: name.to_owned(),
            target: known.map(|(pk, _, _)| Target::from_raw(*pk)),
            person: known.and_then(|(_, person, _)| *person),
            is_device: known.is_some_and(|(_, _, active)| *active),
            is_user: false,
        }
    }
}
