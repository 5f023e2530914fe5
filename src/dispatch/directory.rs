//! The apps of this node: their settings, their providers, and their categories as the store has them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parking_lot::RwLock;

use crate::domain::category::Category;
use crate::domain::clock::Clock;
use crate::domain::decision::AppDefaults;
use crate::domain::device::ProviderKind;
use crate::domain::id::AppId;
use crate::domain::phone_settings::PhoneSettings;
use crate::domain::staleness::Staleness;
use crate::providers::Provider;
use crate::store::{self, Store};

/// How old a cached list of categories may be: another node's change holds here after this.
const CATEGORY_AGE: Duration = Duration::from_secs(1);

/// One app.
pub struct App {
    /// Its number in the store.
    pub id: AppId,
    /// Its name in the configuration.
    pub name: String,
    /// What holds for its people who said nothing else.
    pub defaults: AppDefaults,
    /// From when on its devices are stale.
    pub staleness: Staleness,
    /// What its phones are told.
    pub phones: Arc<PhoneSettings>,
    /// Its providers, by kind.
    pub providers: BTreeMap<ProviderKind, Arc<dyn Provider>>,
    /// That of its newest provider, which grows whenever one is made anew: what was rendered or decided by those before is told from what is
    /// by these.
    pub generation: u64,
}

/// An app's categories, by name.
pub type CategoryMap = Arc<BTreeMap<String, Category>>;

/// All apps of this node.
pub struct Directory {
    apps: RwLock<HashMap<AppId, Arc<App>>>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    categories: Mutex<HashMap<AppId, (Duration, CategoryMap)>>,
}

impl Directory {
    /// The directory of these apps.
    pub fn new(apps: Vec<App>, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { apps: RwLock::new(by_id(apps)), store, clock, categories: Mutex::default() }
    }

    /// One app; `None` where the configuration no longer has it.
    pub fn app(&self, id: AppId) -> Option<Arc<App>> {
        self.apps.read().get(&id).cloned()
    }

    /// The app of a name in the configuration.
    pub fn named(&self, name: &str) -> Option<AppId> {
        self.apps.read().values().find(|app| app.name == name).map(|app| app.id)
    }

    /// All of them.
    pub fn apps(&self) -> Vec<Arc<App>> {
        self.apps.read().values().cloned().collect()
    }

    /// These take the place of all there were. Sends under way keep the provider they began with.
    pub(super) fn replace(&self, apps: Vec<App>) {
        *self.apps.write() = by_id(apps);
    }

    /// An app's categories, at most a second old.
    pub async fn categories(&self, app: AppId) -> Result<CategoryMap, store::Error> {
        let now = self.clock.monotonic();
        if let Some((read_at, categories)) = self.cached().get(&app)
            && now.saturating_sub(*read_at) < CATEGORY_AGE
        {
            return Ok(Arc::clone(categories));
        }
        let categories: CategoryMap = Arc::new(self.store.categories(app).await?.into_iter().collect());
        self.cached().insert(app, (now, Arc::clone(&categories)));
        Ok(categories)
    }

    /// Forgets what is cached, after a change through this node.
    pub fn forget_categories(&self, app: AppId) {
        self.cached().remove(&app);
    }

    fn cached(&self) -> std::sync::MutexGuard<'_, HashMap<AppId, (Duration, CategoryMap)>> {
        self.categories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn by_id(apps: Vec<App>) -> HashMap<AppId, Arc<App>> {
    apps.into_iter().map(|app| (app.id, Arc::new(app))).collect()
}
