//! A notification in a worker's hands: read once, shared by all who send it, with what was rendered of it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use moka::sync::Cache;
use parking_lot::Mutex;

use super::render::{self, Form, Unrendered};
use super::template::{Addressee, Engine, Fault, Uses};
use crate::domain::Timestamp;
use crate::domain::clock::Clock;
use crate::domain::delivery::Cohort;
use crate::domain::id::{AppId, CampaignId, NotificationId, PersonPk, Target};
use crate::domain::notification::Notification;
use crate::domain::template::UsedTemplate;
use crate::domain::variant;
use crate::providers::{Provider, Rendered};
use crate::store;
use crate::store::engine::{NewNotification, StoredNotification};

/// Notifications kept in memory, at most. A campaign's is used by thousands of chunks; a direct one usually once.
const CACHED: u64 = 20_000;
/// Payloads kept of a notification that has others for each user: those of one user's devices come together.
const OWN: usize = 64;

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
    /// The names of its variants, in order.
    variants: Vec<Arc<str>>,
    rendered: Mutex<HashMap<Key, Arc<Rendered>>>,
    /// Its template, compiled when it is first needed.
    engine: OnceLock<Result<Engine, Vec<Fault>>>,
}

/// What makes two devices of a notification get the same payload by the providers of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    generation: u64,
    form: Form,
    /// Where a template says something else to each.
    user: Option<String>,
    locale: Option<String>,
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
        let variants = notification.variants.iter().map(|variant| Arc::from(variant.name.as_str())).collect();
        Self {
            app,
            id,
            cohort,
            notification,
            except,
            accepted_at,
            start_at,
            expires_at,
            day,
            collapse,
            variants,
            rendered: Mutex::default(),
            engine: OnceLock::new(),
        }
    }

    /// The place of the variant that is for a target: its person's, or its own where nobody is signed in. `None`: there are none.
    pub fn variant_for(&self, person: Option<PersonPk>, target: Target) -> Option<usize> {
        if self.variants.is_empty() {
            return None;
        }
        variant::assigned(&self.notification.variants, self.cohort.campaign?, person.map_or(target, Target::person))
    }

    /// The name of that variant.
    pub fn variant_name_for(&self, person: Option<PersonPk>, target: Target) -> Option<Arc<str>> {
        self.variant_for(person, target).and_then(|place| self.variants.get(place)).map(Arc::clone)
    }

    /// Whether it is told how long its pushes took: those of campaigns are, their tests are not.
    pub fn is_timed(&self) -> bool {
        self.cohort.campaign.is_some() && !self.cohort.test
    }

    /// Its template, ready to be filled; `None` where it has none.
    pub fn template(&self) -> Result<Option<(&UsedTemplate, &Engine)>, Fault> {
        let Some(used) = &self.notification.template else { return Ok(None) };
        let engine = self.engine.get_or_init(|| Engine::of(&used.words, &used.per_user));
        let first = |faults: &Vec<Fault>| faults.first().cloned().unwrap_or_else(Fault::unknown);
        engine.as_ref().map(|engine| Some((used, engine))).map_err(first)
    }

    /// What its template asks for beyond what everybody gets.
    pub fn uses(&self) -> Uses {
        self.template().ok().flatten().map(|(_, engine)| engine.uses()).unwrap_or_default()
    }

    /// The payload in this form, made at most once by the providers of a generation for all who get the same.
    pub fn rendered(
        &self,
        (provider, generation): (&dyn Provider, u64),
        form: Form,
        (to, clock): (Addressee<'_>, &dyn Clock),
    ) -> Result<Arc<Rendered>, Unrendered> {
        let uses = self.uses();
        if uses.device {
            return render::render(self, provider, &form, (to, clock)).map(Arc::new);
        }
        let user = to.user.filter(|_| uses.people()).map(ToOwned::to_owned);
        let locale = to.locale.filter(|_| uses.locale).map(ToOwned::to_owned);
        let key = Key { generation, form, user, locale };
        if let Some(rendered) = self.rendered.lock().get(&key) {
            return Ok(Arc::clone(rendered));
        }
        let rendered = Arc::new(render::render(self, provider, &key.form, (to, clock))?);
        let mut kept = self.rendered.lock();
        if !uses.is_shared() && kept.len() >= OWN {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&rendered));
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::dispatch::tests::provider::TestProvider;
    use crate::domain::device::{Platform, ProviderKind};
    use crate::system::SystemClock;

    fn message(text: &str, per_user: &Value) -> Message {
        let at = "2026-01-01T00:00:00Z";
        let words = json!({"content": {"title": text}, "localized": {}});
        let content = json!({
            "audience": "named", "category": null, "priority": "high", "when": {"at": at}, "lifetime": {"seconds": 60}, "accepted_at": at,
            "template": {"id": "t", "words": words, "variables": {"x": 1}, "per_user": per_user},
        });
        let (id, now) = (NotificationId(Uuid::nil()), Timestamp::default());
        let content = Bytes::from(content.to_string());
        let stored =
            StoredNotification { app: AppId(1), id, content, accepted_at: now, start_at: now, expires_at: now, day: 0, campaign: None };
        Message::of_stored(&stored).unwrap()
    }

    /// By whom the first payload of a user is shared: that user's other devices, and other users.
    #[test]
    fn a_payload_is_shared_by_all_who_get_the_same() {
        let provider = TestProvider::new();
        for (text, per_user, with_own, with_others) in [
            ("{{ x }} {{ platform }}", json!({}), true, true),
            ("{{ x }}", json!({"ann": {"y": 2}}), true, true),
            ("{{ x }}", json!({"ann": {"x": 2}}), true, false),
            ("{{ user_id }}", json!({}), true, false),
            ("{{ user.tags.a|d('') }}", json!({}), true, false),
            ("{{ device.tags.a|d('') }}", json!({}), false, false),
        ] {
            let message = message(text, &per_user);
            let rendered = |user: &str, locale: &str| {
                let to = Addressee { user: Some(user), locale: Some(locale), ..Addressee::default() };
                let form = Form { provider: ProviderKind::Apns, platform: Platform::Ios, variant: None, locale: None };
                message.rendered((&provider, 0), form, (to, &SystemClock)).unwrap()
            };
            let first = rendered("ann", "fr");
            assert_eq!(Arc::ptr_eq(&first, &rendered("ann", "de")), with_own, "{text}");
            assert_eq!(Arc::ptr_eq(&first, &rendered("ben", "fr")), with_others, "{text}");
        }
        let message = message("{{ locale }}", &json!({}));
        let rendered = |locale| {
            let to = Addressee { locale: Some(locale), ..Addressee::default() };
            let form = Form { provider: ProviderKind::Apns, platform: Platform::Ios, variant: None, locale: None };
            message.rendered((&provider, 0), form, (to, &SystemClock)).unwrap()
        };
        assert!(Arc::ptr_eq(&rendered("fr"), &rendered("fr")) && !Arc::ptr_eq(&rendered("fr"), &rendered("de")));
    }

    #[test]
    fn each_variant_has_payloads_of_its_own() {
        let (provider, message) = (TestProvider::new(), message("{{ x }}", &json!({})));
        let rendered = |variant| {
            let form = Form { provider: ProviderKind::Apns, platform: Platform::Ios, variant, locale: None };
            message.rendered((&provider, 0), form, (Addressee::default(), &SystemClock)).unwrap()
        };
        assert!(Arc::ptr_eq(&rendered(Some(0)), &rendered(Some(0))) && !Arc::ptr_eq(&rendered(Some(0)), &rendered(Some(1))));
    }

    /// However many get it, no more is kept than some users need.
    #[test]
    fn what_is_each_users_own_is_not_kept_for_all_of_them() {
        let (provider, message) = (TestProvider::new(), message("{{ user_id }}", &json!({})));
        for user in 0..1_000 {
            let user = user.to_string();
            let to = Addressee { user: Some(&user), ..Addressee::default() };
            let form = Form { provider: ProviderKind::Apns, platform: Platform::Ios, variant: None, locale: None };
            message.rendered((&provider, 0), form, (to, &SystemClock)).unwrap();
            assert!(message.rendered.lock().len() <= OWN);
        }
    }
}
