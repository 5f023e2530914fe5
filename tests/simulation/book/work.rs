//! Work rows and their targets, commit by commit.

use std::collections::{BTreeMap, BTreeSet};

use herald::domain::id::{AppId, DevicePk, NotificationId, PersonPk, Target, WorkId};
use herald::domain::work::{Targets, WorkKind};
use herald::store::engine::{NewNotification, Record, RunStatus};

use super::people::People;
use super::{Commit, recount};
use crate::memory::state::{Row, State};

/// A row as it was after the last commit about its notification.
#[derive(Clone, Debug)]
struct Known {
    epoch: i64,
    expands: bool,
}

impl Known {
    fn of(row: &Row) -> Self {
        Self { epoch: row.epoch, expands: row.work.kind == WorkKind::Expand }
    }
}

/// What is known of all work.
#[derive(Default)]
pub struct Works {
    rows: BTreeMap<NotificationId, BTreeMap<WorkId, Known>>,
    /// Every target that was ever in a row by number.
    targets: BTreeMap<NotificationId, BTreeSet<Target>>,
    names: BTreeMap<NotificationId, BTreeSet<Name>>,
    /// The store forgot what it had.
    fell_back: bool,
    /// Targets whose delivery it forgot.
    lost: BTreeSet<(NotificationId, Target)>,
    /// Whose each device was when work was made for it.
    owners: BTreeMap<(NotificationId, DevicePk), BTreeSet<Option<PersonPk>>>,
}

/// Whom a notification named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    User(String),
    Device(String),
}

fn names(targets: &Targets) -> Vec<Name> {
    match targets {
        Targets::Users(names) => names.iter().cloned().map(Name::User).collect(),
        Targets::Devices(names) => names.iter().cloned().map(Name::Device).collect(),
        Targets::Pairs(_) | Targets::Broadcast(_) => Vec::new(),
    }
}

impl Works {
    /// What is known after the store fell back to a state, and lost deliveries.
    pub fn of(state: &State, lost: BTreeSet<(NotificationId, Target)>) -> Self {
        let mut works = Self { fell_back: true, lost, ..Self::default() };
        for id in state.notifications.keys() {
            works.learn(*id, state);
        }
        works
    }

    pub fn committed(&mut self, commit: &Commit<'_>, state: &State, people: &People) -> Result<(), String> {
        if let Commit::Claim(claim, held) = commit
            && let Some(work) = claim.work.iter().find(|work| held.contains(&work.key))
        {
            return Err(format!("a live lease of {:?} was taken over", work.key));
        }
        if matches!(commit, Commit::Record(_)) {
            recount::check(state)?;
        }
        for id in about(commit) {
            self.check_rows(id, commit, state)?;
            self.learn(id, state);
            self.check_targets(id, state, people)?;
        }
        Ok(())
    }

    /// Whose a device was when work was made for it, where it was told by number.
    pub fn owners(&self, id: NotificationId, device: DevicePk) -> BTreeSet<Option<PersonPk>> {
        self.owners.get(&(id, device)).cloned().unwrap_or_default()
    }

    fn learn(&mut self, id: NotificationId, state: &State) {
        let rows = state.works_on(id);
        let known = self.rows.insert(id, rows.map(|(work, row)| (work, Known::of(row))).collect());
        for (_, row) in state.works_on(id) {
            if let Targets::Pairs(pairs) = &row.work.targets {
                self.targets.entry(id).or_default().extend(pairs.iter().map(|pair| Target::device(pair.device)));
                for pair in pairs {
                    self.owners.entry((id, pair.device)).or_default().insert(pair.person);
                }
            }
            if known.is_none() {
                self.names.entry(id).or_default().extend(names(&row.work.targets));
            }
        }
    }

    fn check_rows(&self, id: NotificationId, commit: &Commit<'_>, state: &State) -> Result<(), String> {
        let Some(known) = self.rows.get(&id) else { return Ok(()) };
        let now: BTreeMap<WorkId, &Row> = state.works_on(id).collect();
        let mut ended = false;
        for (work, before) in known {
            match now.get(work) {
                Some(row) if row.epoch < before.epoch => return Err(format!("the epoch of {work:?} of {id} shrank")),
                Some(_) => {}
                None if ends(commit, *work, before) => ended = true,
                None => return Err(format!("{work:?} of {id} ended, and not under its epoch {}", before.epoch)),
            }
        }
        let new = now.keys().filter(|work| !known.contains_key(work));
        let unforeseen = new.filter(|work| !follows(commit, **work, ended)).count();
        if unforeseen > 0 { Err(format!("{unforeseen} rows of {id} follow nothing")) } else { Ok(()) }
    }

    /// Every target waits or has a delivery, and counters are recounts.
    fn check_targets(&self, id: NotificationId, state: &State, people: &People) -> Result<(), String> {
        let Some(new) = state.notifications.get(&id) else { return Ok(()) };
        let over = state.deliveries_of(new.day(), id).count() as u64;
        let known = Accounted::of(new, state);
        let mut targets = self.targets.get(&id).into_iter().flatten();
        if let Some(missed) = targets.find(|target| !known.targets.contains(target) && !self.lost.contains(&(id, **target))) {
            return Err(format!("{missed:?} of {id} neither waits nor has a delivery"));
        }
        let mut names = self.names.get(&id).into_iter().flatten();
        // a person whom the store forgot comes back under another number
        if let Some(lost) = names.find(|name| !self.fell_back && !known.has(name, (new.app, state), people)) {
            return Err(format!("{lost:?} of {id} neither waits nor has a delivery"));
        }
        let (taken, targeted) = (known.targets.len() as u64, state.runs.get(&id).and_then(|run| run.targeted));
        let lost = self.lost.iter().filter(|(of, target)| *of == id && !known.targets.contains(target)).count() as u64;
        // what was recorded of work that the store forgot comes before that work is made again
        let recounts = |targeted: u64| if self.fell_back { targeted <= taken + lost } else { targeted == taken };
        if !targeted.is_none_or(recounts) {
            return Err(format!("{id} counts {targeted:?} targets of its audience, and has {taken}"));
        }
        let counted: u64 = state.counts.iter().filter(|((of, _, _), _)| *of == id).map(|(_, n)| n).sum();
        if new.fan_out && counted != over {
            return Err(format!("{id} counts {counted} deliveries, and has {over}"));
        }
        Ok(())
    }

    /// Nothing waits any more, and every run is at its end.
    pub fn over(&self, state: &State, people: &People) -> Result<(), String> {
        for (id, run) in &state.runs {
            if !matches!(run.status, RunStatus::Done | RunStatus::Cancelled) {
                return Err(format!("the run of {id} is {} for ever", run.status));
            }
        }
        state.notifications.keys().try_for_each(|id| self.check_targets(*id, state, people))
    }
}

/// Which notifications a commit is about.
fn about(commit: &Commit<'_>) -> BTreeSet<NotificationId> {
    match commit {
        Commit::Accept(submissions) => {
            submissions.iter().flat_map(|submission| &submission.items).map(|item| item.notification.id).collect()
        }
        Commit::Claim(claim, _) => claim.work.iter().map(|work| work.key.notification).collect(),
        Commit::Record(Record { deliveries, deaths, finished, .. }) => {
            let facts = deliveries.iter().map(|delivery| delivery.notification);
            let verdicts = deaths.iter().map(|death| death.delivery.notification);
            facts.chain(verdicts).chain(finished.iter().map(|work| work.key.notification)).collect()
        }
        Commit::Page(key, _) => BTreeSet::from([key.notification]),
        Commit::Turn(id) => BTreeSet::from([*id]),
    }
}

/// Whether a commit may end a row.
fn ends(commit: &Commit<'_>, work: WorkId, before: &Known) -> bool {
    match commit {
        Commit::Record(record) => record.finished.iter().any(|ended| ended.key.work == work && ended.epoch == before.epoch),
        Commit::Page(key, epoch) => key.work == work && *epoch == before.epoch,
        Commit::Turn(_) => before.expands,
        Commit::Accept(_) | Commit::Claim(..) => false,
    }
}

/// Whether a commit may make a row.
fn follows(commit: &Commit<'_>, work: WorkId, ended: bool) -> bool {
    match commit {
        Commit::Record(record) => ended && record.finished.iter().flat_map(|ended| &ended.follow_ups).any(|next| next.id == work),
        Commit::Page(..) | Commit::Accept(_) => true,
        Commit::Turn(_) | Commit::Claim(..) => false,
    }
}

/// Whom of a notification something is known of: by name, by person and by number.
struct Accounted<'a> {
    users: BTreeSet<&'a str>,
    devices: BTreeSet<&'a str>,
    people: BTreeSet<PersonPk>,
    targets: BTreeSet<Target>,
}

impl<'a> Accounted<'a> {
    fn of(new: &NewNotification, state: &'a State) -> Self {
        let mut known = Self { users: BTreeSet::new(), devices: BTreeSet::new(), people: BTreeSet::new(), targets: BTreeSet::new() };
        for (target, row) in state.deliveries_of(new.day(), new.id) {
            known.targets.insert(target);
            known.people.extend(row.delivery.person);
        }
        for (_, row) in state.works_on(new.id) {
            match &row.work.targets {
                Targets::Users(names) => known.users.extend(names.iter().map(String::as_str)),
                Targets::Devices(names) => known.devices.extend(names.iter().map(String::as_str)),
                Targets::Pairs(pairs) => {
                    known.targets.extend(pairs.iter().map(|pair| Target::device(pair.device)));
                    known.people.extend(pairs.iter().filter_map(|pair| pair.person));
                }
                Targets::Broadcast(_) => drop(known.targets.insert(Target::BROADCAST)),
            }
        }
        known
    }

    /// A name waits, or what it stood for waits or is over.
    fn has(&self, name: &Name, (app, state): (AppId, &State), people: &People) -> bool {
        match name {
            Name::User(user) => {
                let person = state.person_names.get(&(app, user.clone())).copied();
                // a device that got it as somebody else's does not get it again
                let as_other = |person| people.devices_ever(person).any(|device| self.targets.contains(&Target::device(device)));
                self.users.contains(user.as_str()) || person.is_some_and(|person| self.people.contains(&person) || as_other(person))
            }
            Name::Device(device) => {
                let number = state.device_names.get(&(app, device.clone())).map(|pk| Target::device(*pk));
                self.devices.contains(device.as_str()) || number.is_some_and(|number| self.targets.contains(&number))
            }
        }
    }
}
