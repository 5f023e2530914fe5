//! Every push that was handed over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use herald::domain::clock::Clock;
use herald::domain::collapse;
use herald::domain::decision::{AppDefaults, Decision, DeviceFacts, Push as Asked, Question};
use herald::domain::device::{Device, PushToken};
use herald::domain::gate;
use herald::domain::id::{DevicePk, NotificationId, Target};
use herald::domain::notification::Priority;
use herald::domain::push_type::PushType;
use herald::domain::reason::WaitReason;
use herald::providers::Push;
use herald::store::engine::{NewNotification, Record};

use super::blame::WORKS_ON;
use super::{Book, By};
use crate::callers::{CALLS, CAPPED};
use crate::clock::WallClock;
use crate::memory::state::State;

/// What was heard of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is over, and to be recorded.
    Final,
    /// The same, unless the device has another token by now.
    OfTheToken,
    /// It is tried again.
    Again,
}

/// One push.
#[derive(Debug)]
struct Sent {
    of: (NotificationId, DevicePk),
    at: Duration,
    process: u64,
    token: PushToken,
    heard: Option<Heard>,
    is_recorded: bool,
}

/// All of a run.
pub struct Pushes {
    sent: Vec<Sent>,
    latest: BTreeMap<(NotificationId, DevicePk), usize>,
    recorded: BTreeMap<(NotificationId, Target), Duration>,
    /// Those of which a verdict was recorded, which may have been a delivery.
    judged: BTreeSet<(NotificationId, Target)>,
    permits: usize,
}

impl Pushes {
    pub fn of(permits: usize) -> Self {
        Self { sent: Vec::new(), latest: BTreeMap::new(), recorded: BTreeMap::new(), judged: BTreeSet::new(), permits }
    }

    pub fn recorded(&mut self, at: Duration, record: &Record) {
        let outcomes = record.deliveries.iter().map(|delivery| (delivery, true));
        let verdicts = record.deaths.iter().map(|death| (&death.delivery, false));
        for (delivery, is_fact) in outcomes.chain(verdicts) {
            if is_fact {
                self.recorded.entry((delivery.notification, delivery.target)).or_insert(at);
            } else {
                self.judged.insert((delivery.notification, delivery.target));
            }
            for sent in self.sent.iter_mut().filter(|sent| Some(sent.of.1) == delivery.target.as_device()) {
                sent.is_recorded |= sent.of.0 == delivery.notification;
            }
        }
    }

    /// Targets that had a delivery, and have none in this state.
    pub fn lost(&self, state: &State) -> BTreeSet<(NotificationId, Target)> {
        let is_there = |(id, target): &(NotificationId, Target)| {
            let day = state.notifications.get(id).map(NewNotification::day);
            day.is_some_and(|day| state.deliveries.contains_key(&(day, *id, *target)))
        };
        self.recorded.keys().chain(&self.judged).filter(|of| !is_there(of)).copied().collect()
    }

    /// A process has no more sends whose outcome is not recorded than it has permits.
    fn within_permits(&self, process: u64) -> Result<(), String> {
        let open = |sent: &&Sent| sent.process == process && !sent.is_recorded && sent.heard != Some(Heard::Again);
        let open = self.sent.iter().filter(open).count();
        if open > self.permits {
            Err(format!("p{process} has {open} sends that are not recorded, and {} permits", self.permits))
        } else {
            Ok(())
        }
    }
}

/// What is checked of one push.
struct Begun<'a> {
    at: Duration,
    process: u64,
    /// What it was decided on is no older.
    since: Duration,
    of: (NotificationId, DevicePk),
    state: &'a State,
    clock: &'a WallClock,
}

impl Book {
    /// A push is handed over; its number.
    pub fn begun(&mut self, (at, process): By, (id, push): (NotificationId, &Push), state: &State, clock: &WallClock) -> usize {
        let number = self.pushes.sent.len();
        let Some(device) = state.devices.keys().find(|pk| collapse::apns_id(id, **pk) == push.id).copied() else {
            self.fail(format!("push {number} of {id} is for a device that is not there"));
            return number;
        };
        let begun = Begun { at, process, since: self.oldest((at, process)), of: (id, device), state, clock };
        let addressed = self.is_addressed(id, &push.token);
        for checked in [self.is_meant(&begun), addressed, self.is_wanted(&begun), self.is_open(&begun), self.is_first(&begun, &push.token)]
        {
            self.check(checked.map_err(|what| format!("p{process} push {number} of {id} to {device:?}: {what}")));
        }
        let checked = self.is_within_cap(&begun);
        self.check(checked.map_err(|what| format!("p{process} push {number} of {id} to {device:?}: {what}")));
        let sent = Sent { of: (id, device), at, process, token: push.token.clone(), heard: None, is_recorded: false };
        self.pushes.latest.insert(sent.of, number);
        self.pushes.sent.push(sent);
        let checked = self.pushes.within_permits(process);
        self.check(checked);
        number
    }

    /// A push has its outcome.
    pub fn ended(&mut self, number: usize, heard: Heard) {
        if let Some(sent) = self.pushes.sent.get_mut(number) {
            sent.heard = Some(heard);
        }
    }

    pub fn pushed(&self) -> usize {
        self.pushes.sent.len()
    }

    /// The instants at which pushes to such tokens began, each with how long after its acceptance that was.
    pub fn began(&self, to: impl Fn(&PushToken) -> bool) -> Vec<(Duration, Duration)> {
        let sent = self.pushes.sent.iter().filter(|sent| to(&sent.token));
        sent.map(|sent| (sent.at, sent.at.saturating_sub(self.people.accepted_at(sent.of.0)))).collect()
    }

    /// The instants at which pushes of such notifications began.
    pub fn began_of(&self, of: impl Fn(NotificationId) -> bool) -> Vec<Duration> {
        self.pushes.sent.iter().filter(|sent| of(sent.of.0)).map(|sent| sent.at).collect()
    }

    /// A call goes to an address for calls, and nothing else does.
    fn is_addressed(&self, id: NotificationId, token: &PushToken) -> Result<(), String> {
        let Some(accepted) = self.people.content(id) else { return Ok(()) };
        let is_call = accepted.content.push_type == PushType::Voip;
        if is_call == token.identity().starts_with(CALLS) { Ok(()) } else { Err("it goes to an address of another kind".to_owned()) }
    }

    fn is_meant(&self, begun: &Begun<'_>) -> Result<(), String> {
        let (id, device) = begun.of;
        let worked_for = self.works.owners(id, device);
        let meant = self.people.is_meant((id, device), begun.since, (&worked_for, begun.state));
        // whether a named device changed hands since is told by the clock of the day
        let by_clock = self.people.names_devices(id) && self.stepped_at.is_some();
        if meant || by_clock || self.blames.lost_everything() { Ok(()) } else { Err("the device is somebody else's".to_owned()) }
    }

    /// Nobody gets what they do not want, or not now.
    fn is_wanted(&self, begun: &Begun<'_>) -> Result<(), String> {
        let (id, pk) = begun.of;
        let Some(device) = begun.state.device(pk) else { return Ok(()) };
        let Some(accepted) = self.people.content(id) else { return Ok(()) };
        if self.missed_step(begun.process, begun.since) || self.people.changed_since(pk, device.person, begun.since) {
            return Ok(());
        }
        let Some(start_at) = begun.state.notifications.get(&id).map(|new| new.start_at) else { return Ok(()) };
        let person = device.person.and_then(|person| begun.state.people.get(&person));
        let question = Question {
            push: Asked::of(&accepted.content, None, start_at),
            preferences: person.and_then(|person| person.preferences.as_ref()),
            device: facts(device),
            defaults: &AppDefaults::default(),
        };
        match gate::decide(begun.clock.now(), &question) {
            Decision::Defer { reason: WaitReason::QuietHours, .. } | Decision::Suppress(_) => Err("it is quiet there".to_owned()),
            Decision::Send { .. } | Decision::Defer { .. } | Decision::Expire => Ok(()),
        }
    }

    /// Whom it counts for is who owned the device all the time since it was decided on.
    fn is_within_cap(&mut self, begun: &Begun<'_>) -> Result<(), String> {
        let (id, pk) = begun.of;
        let (Some(device), Some(accepted)) = (begun.state.device(pk), self.people.content(id)) else { return Ok(()) };
        let content = &accepted.content;
        let counts = content.priority != Priority::Critical && !content.is_silent();
        if content.category.as_deref() != Some(CAPPED) || !counts || self.people.changed_since(pk, device.person, begun.since) {
            return Ok(());
        }
        let holder = device.person.map_or(Target::device(pk), Target::person);
        self.caps.begun(holder, id, begun.at)
    }

    /// Nothing is sent of what was stopped or is over.
    fn is_open(&self, begun: &Begun<'_>) -> Result<(), String> {
        let (id, device) = begun.of;
        if self.people.was_stopped(id, begun.since) {
            return Err("it was cancelled or paused".to_owned());
        }
        if self.fell_back_at.is_some_and(|at| at >= self.people.accepted_at(id)) {
            // its work may be claimed a second time for the first time, and whoever does that looks for no deliveries
            return Ok(());
        }
        if self.stepped_at.is_some_and(|at| at + WORKS_ON >= begun.at) {
            // its lease seemed to have lapsed, to one that stood still over two steps that undo each other
            return Ok(());
        }
        let recorded = self.pushes.recorded.get(&(id, Target::device(device)));
        if recorded.is_some_and(|at| *at < begun.since) { Err("it has a delivery".to_owned()) } else { Ok(()) }
    }

    /// What was sent is sent again only where that is how it goes on, or something went wrong.
    fn is_first(&mut self, begun: &Begun<'_>, token: &PushToken) -> Result<(), String> {
        let Some(before) = self.pushes.latest.get(&begun.of).and_then(|number| self.pushes.sent.get(*number)) else { return Ok(()) };
        let goes_on = match before.heard {
            Some(Heard::Again) => true,
            Some(Heard::OfTheToken) => before.token != *token,
            Some(Heard::Final) | None => false,
        };
        if goes_on {
            return Ok(());
        }
        self.repeats += 1;
        let explained = self.blames.explain((before.at, before.process), begun.at);
        explained.map_err(|what| format!("it was sent by p{} at {:?}: {what}", before.process, before.at))
    }
}

fn facts(device: &Device) -> DeviceFacts<'_> {
    DeviceFacts {
        platform: device.platform,
        provider: device.provider,
        permission: device.permission,
        timezone: device.timezone.as_deref(),
    }
}
