//! A notification in a worker's hands: read once, shared by all who send it, with what was rendered of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use moka::sync::Cache;
use parking_lot::Mutex;

use super::render::{self, Form};
use crate::domain::Timestamp;
use crate::domain::delivery::Cohort;
use crate::domain::id::{AppId, CampaignId, NotificationId};
use crate::domain::notification::Notification;
use crate::providers::{Provider, RenderError, Rendered};
use crate::store;
use crate::store::engine::{NewNotification, StoredNotification};

/// Notifications kept in memory, at most. A campaign's is used by thousands of chunks; a direct one usually once.
const CACHED: u64 = 20_000;

/// A notification, and its payloads by form.
pub struct Message {
    /// The app.
    pub app: AppId,
    /// Its id.
    pub id: NotificationId,
    /// With which others its deliveries are counted.
    pub cohort: Arc<Cohort>,
    /// What was accepted.
    pub notification: Notification,
    /// Devices that are no targets, by name.
    pub except: HashSet<String>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// From when on it may be sent.
    pub start_at: Timestamp,
    /// When its last target is over.
    pub expires_at: Timestamp,
    /// Days since 1970 of `start_at`.
    pub day: i32,
    /// Its collapse key as it goes on the wire, and the hash of the caller's key.
    pub collapse: render::Collapse,
    /// By the generation of the app's providers as well.
    rendered: Mutex<HashMap<(u64, Form), Arc<Rendered>>>,
}

impl Message {
    /// Of what accept just wrote.
    pub fn of_new(new: &NewNotification, notification: Notification) -> Self {
        Self::new((new.app, new.id, new.campaign), notification, (new.accepted_at, new.start_at, new.expires_at), new.day())
    }

    /// Of what the store has.
    pub fn of_stored(stored: &StoredNotification) -> Result<Self, store::Error> {
        let notification = serde_json::from_slice(&stored.content).map_err(|_| store::Error::Unreadable {
            table: "notification",
            column: "content",
            row: stored.id.to_string(),
        })?;
        Ok(Self::new(
            (stored.app, stored.id, stored.campaign),
            notification,
            (stored.accepted_at, stored.start_at, stored.expires_at),
            stored.day,
        ))
    }

    fn new(
        (app, id, campaign): (AppId, NotificationId, Option<CampaignId>),
        notification: Notification,
        (accepted_at, start_at, expires_at): (Timestamp, Timestamp, Timestamp),
        day: i32,
    ) -> Self {
        let collapse = render::Collapse::of(id, notification.collapse_key.as_deref());
        let except = notification.except_devices.iter().cloned().collect();
        let cohort = Cohort { app, category: notification.category.clone(), campaign, test: notification.test };
        let cohort = Arc::new(cohort);
        Self { app, id, cohort, notification, except, accepted_at, start_at, expires_at, day, collapse, rendered: Mutex::default() }
    }

    /// The payload in this form, made at most once by the providers of a generation.
    pub fn rendered(&self, provider: &dyn Provider, generation: u64, form: Form) -> Result<Arc<Rendered>, RenderError> {
        let key = (generation, form);
        if let Some(rendered) = self.rendered.lock().get(&key) {
            return Ok(Arc::clone(rendered));
        }
        let rendered = Arc::new(render::render(self, provider, &key.1)?);
        self.rendered.lock().insert(key, Arc::clone(&rendered));
        Ok(rendered)
    }
}

/// The notifications this node holds in memory.
#[derive(Clone)]
pub struct Messages(Cache<NotificationId, Arc<Message>>);

impl Default for Messages {
    fn default() -> Self {
        Self(Cache::new(CACHED))
    }
}

impl Messages {
    /// Keeps one.
    pub fn keep(&self, message: Arc<Message>) {
        self.0.insert(message.id, message);
    }

    /// One, if it is here.
    pub fn get(&self, id: NotificationId) -> Option<Arc<Message>> {
        self.0.get(&id)
    }

    /// Lets one go, when it is not going to be needed again.
    pub fn forget(&self, id: NotificationId) {
        self.0.invalidate(&id);
    }
}
