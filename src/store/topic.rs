//! Topics: lists of devices and of people that the backend keeps, and notifications go to.

use async_trait::async_trait;

use super::{Page, PageRequest, Result};
use crate::domain::Timestamp;
use crate::domain::id::AppId;

/// A topic. It is there from its first subscription until it is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// When it was first subscribed to.
    pub created_at: Timestamp,
}

/// A topic and how many follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The topic.
    pub topic: Topic,
    /// Devices with a subscription of their own.
    pub devices: u64,
    /// People with a subscription, which holds for all of their devices.
    pub users: u64,
}

/// Who follows a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Follower {
    /// A device by name. It must be there; its subscriptions go with it, and when its user changes.
    Device(String),
    /// A user by name: all of their devices, now and later. The row is made where there is none.
    User(String),
}

/// Topics by app.
#[async_trait]
pub trait Topics: Send + Sync {
    /// Newest first.
    async fn topics(&self, app: AppId, page: &PageRequest) -> Result<Page<Topic>>;

    /// One, counted.
    async fn topic(&self, app: AppId, name: &str) -> Result<Option<Followed>>;

    /// Subscribes; the topic is made where there is none. `false`: there is no such device. Done twice it is done once.
    async fn follow(&self, app: AppId, topic: &str, follower: &Follower) -> Result<bool>;

    /// Ends a subscription; whether there was one.
    async fn unfollow(&self, app: AppId, topic: &str, follower: &Follower) -> Result<bool>;

    /// The topics that a device or a user has subscriptions to, by name; none where there is no such device or user.
    async fn followed_by(&self, app: AppId, follower: &Follower) -> Result<Vec<String>>;

    /// Forgets a topic and its subscriptions, part by part; whether there was one. When it fails in between, some of them are left
    /// with the topic, and it can be asked for again.
    async fn delete_topic(&self, app: AppId, name: &str) -> Result<bool>;
}
