//! Topics and who follows them, and what else segments look at.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use async_trait::async_trait;
use herald::domain::Timestamp;
use herald::domain::device::Device;
use herald::domain::id::{AppId, DevicePk, PersonPk};
use herald::domain::segment::{Facts, Segment};
use herald::store::engine::Selection;
use herald::store::topic::{Followed, Follower, Topic, Topics};
use herald::store::{Page, PageRequest, Result};

use super::MemoryStore;
use super::page::page;
use super::state::{State, TopicRow};

/// Who follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    Device(DevicePk),
    Person(PersonPk),
}

impl State {
    fn follower(&self, app: AppId, follower: &Follower) -> Option<Member> {
        match follower {
            Follower::Device(name) => {
                let pk = *self.device_names.get(&(app, name.clone()))?;
                self.device(pk).map(|_| Member::Device(pk))
            }
            Follower::User(name) => self.person_names.get(&(app, name.clone())).copied().map(Member::Person),
        }
    }

    fn follow(&mut self, app: AppId, topic: &str, follower: &Follower, now: Timestamp) -> bool {
        if let Follower::User(name) = follower {
            self.ensure_person(app, name);
        }
        let Some(member) = self.follower(app, follower) else { return false };
        let key = (app, topic.to_owned());
        if !self.topics.contains_key(&key) {
            self.last_topic += 1;
            self.topics.insert(key.clone(), TopicRow { pk: self.last_topic, created_at: now, members: BTreeSet::new() });
        }
        self.topics.get_mut(&key).unwrap().members.insert(member);
        true
    }

    /// A person's subscriptions go with them.
    pub fn forget_follower(&mut self, person: PersonPk) {
        for topic in self.topics.values_mut() {
            topic.members.remove(&Member::Person(person));
        }
    }

    /// A device's own subscriptions go with it, and with its user.
    pub fn unsubscribe(&mut self, device: DevicePk) {
        for topic in self.topics.values_mut() {
            topic.members.remove(&Member::Device(device));
        }
    }

    /// How many subscriptions a topic has.
    pub fn followers(&self, app: AppId, topic: &str) -> usize {
        self.topics.get(&(app, topic.to_owned())).map_or(0, |topic| topic.members.len())
    }

    fn follows(&self, app: AppId, topic: &str, device: &Device) -> bool {
        self.topics.get(&(app, topic.to_owned())).is_some_and(|topic| {
            let of_user = device.person.is_some_and(|person| topic.members.contains(&Member::Person(person)));
            of_user || topic.members.contains(&Member::Device(device.pk))
        })
    }

    /// Whether a segment means the device.
    pub fn is_meant(&self, device: &Device, segment: &Segment, as_of: Timestamp) -> bool {
        let person = device.person.and_then(|person| self.people.get(&person));
        segment.matches(&Facts::of(device, person.map(|person| &person.profile.tags)), as_of)
    }

    /// Whether an audience takes the device.
    pub fn is_taken(&self, app: AppId, device: &Device, selection: &Selection) -> bool {
        selection.topic.as_ref().is_none_or(|topic| self.follows(app, topic, device))
            && selection.segments.iter().all(|segment| self.is_meant(device, segment, selection.as_of))
    }
}

fn told(name: &str, row: &TopicRow) -> Topic {
    Topic { name: name.to_owned(), created_at: row.created_at }
}

#[async_trait]
impl Topics for MemoryStore {
    async fn topics(&self, app: AppId, request: &PageRequest) -> Result<Page<Topic>> {
        let mut rows: Vec<_> = self.read(|state, _| {
            let of_app = state.topics.iter().filter(|((of, _), _)| *of == app);
            of_app.map(|((_, name), row)| (Reverse((row.created_at, row.pk)), told(name, row))).collect()
        });
        rows.sort_by_key(|(place, _)| *place);
        page(rows, request)
    }

    async fn topic(&self, app: AppId, name: &str) -> Result<Option<Followed>> {
        Ok(self.read(|state, _| {
            let row = state.topics.get(&(app, name.to_owned()))?;
            let devices = row.members.iter().filter(|member| matches!(member, Member::Device(_))).count() as u64;
            Some(Followed { topic: told(name, row), devices, users: row.members.len() as u64 - devices })
        }))
    }

    async fn follow(&self, app: AppId, topic: &str, follower: &Follower) -> Result<bool> {
        Ok(self.commit(|state, now| state.follow(app, topic, follower, now)))
    }

    async fn unfollow(&self, app: AppId, topic: &str, follower: &Follower) -> Result<bool> {
        Ok(self.commit(|state, _| {
            let Some(member) = state.follower(app, follower) else { return false };
            state.topics.get_mut(&(app, topic.to_owned())).is_some_and(|topic| topic.members.remove(&member))
        }))
    }

    async fn followed_by(&self, app: AppId, follower: &Follower) -> Result<Vec<String>> {
        Ok(self.read(|state, _| {
            let Some(member) = state.follower(app, follower) else { return Vec::new() };
            let followed = state.topics.iter().filter(|((of, _), topic)| *of == app && topic.members.contains(&member));
            followed.map(|((_, name), _)| name.clone()).collect()
        }))
    }

    async fn delete_topic(&self, app: AppId, name: &str) -> Result<bool> {
        Ok(self.commit(|state, _| state.topics.remove(&(app, name.to_owned())).is_some()))
    }
}
