//! The apps of a configuration with their providers, and what of them changes when it is read again.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;

use super::source::{Section, Source};
use crate::api::SignIn;
use crate::config;
use crate::dispatch::directory;
use crate::domain::decision::AppDefaults;
use crate::domain::device::ProviderKind;
use crate::domain::id::AppId;
use crate::domain::phone_settings::PhoneSettings;
use crate::domain::sign_in::SignInSettings;
use crate::domain::staleness::Staleness;
use crate::providers::apns::Signers;
use crate::providers::{self, Provider};
use crate::store::Store;

/// Makes apps, and keeps what it made of each section: what did not change keeps its provider and its connections, which Apple wants to
/// last.
pub(super) struct Loader {
    store: Arc<dyn Store>,
    signers: Signers,
    context: providers::Context,
    kept: BTreeMap<(String, ProviderKind), Kept>,
    /// Configurations taken so far.
    loads: u64,
}

#[derive(Clone)]
struct Kept {
    source: Source,
    provider: Arc<dyn Provider>,
    /// Which configuration it was made of, counted from 1.
    generation: u64,
}

/// What came of a configuration.
pub(super) struct Loaded {
    pub(super) apps: Vec<directory::App>,
    /// Whose tokens are taken in the place of client tokens.
    pub(super) sign_ins: Vec<(AppId, SignIn)>,
    /// The providers that were made anew.
    pub(super) renewed: Vec<(AppId, ProviderKind)>,
}

impl Loader {
    pub(super) fn new(store: Arc<dyn Store>, signers: Signers, context: providers::Context) -> Self {
        Self { store, signers, context, kept: BTreeMap::new(), loads: 0 }
    }

    /// All of them, or an error and nothing is changed.
    pub(super) async fn load(&mut self, configured: &config::Apps) -> anyhow::Result<Loaded> {
        let generation = self.loads + 1;
        let mut kept = BTreeMap::new();
        for (name, app) in configured {
            for section in Section::all(app) {
                let kind = section.kind();
                let provider = self.keep_or_make(name, section, generation).with_context(|| format!("apps.{name}.{}", kind.as_str()))?;
                kept.insert((name.clone(), kind), provider);
            }
        }
        let names: Vec<String> = configured.keys().cloned().collect();
        let ids = self.store.ensure_apps(&names).await?;
        let mut loaded = Loaded { apps: Vec::with_capacity(names.len()), sign_ins: Vec::new(), renewed: Vec::new() };
        for ((name, app), id) in configured.iter().zip(ids) {
            if let Some(settings) = &app.sign_in {
                loaded.sign_ins.push((id, sign_in(name, settings)?));
            }
            let of_app = kept.iter().filter(|((of, _), _)| of == name);
            let renewed = of_app.clone().filter(|(_, made)| made.generation == generation);
            loaded.renewed.extend(renewed.map(|((_, kind), _)| (id, *kind)));
            loaded.apps.push(directory::App {
                id,
                name: name.clone(),
                defaults: AppDefaults { timezone: app.default_timezone, quiet_hours: app.default_quiet_hours.clone() },
                staleness: Staleness { leave_out_after: app.stale_after_days, deactivate_after: app.deactivate_after_days },
                phones: Arc::new(phones(app)),
                generation: of_app.clone().map(|(_, made)| made.generation).max().unwrap_or_default(),
                providers: of_app.map(|((_, kind), made)| (*kind, Arc::clone(&made.provider))).collect(),
            });
        }
        (self.kept, self.loads) = (kept, generation);
        Ok(loaded)
    }

    fn keep_or_make(&self, name: &str, section: Section, generation: u64) -> anyhow::Result<Kept> {
        let source = Source::read(section)?;
        match self.kept.get(&(name.to_owned(), source.section().kind())).filter(|kept| kept.source == source) {
            Some(kept) => Ok(kept.clone()),
            None => Ok(Kept { provider: source.section().provider(&self.signers, &self.context)?, source, generation }),
        }
    }
}

fn phones(app: &config::App) -> PhoneSettings {
    PhoneSettings { min_app_version: app.min_app_version.clone(), upgrade_url: app.upgrade_url.clone(), poll: app.poll }
}

/// An app's sign-in, with the keys that are in its file now.
pub(super) fn sign_in(app: &str, settings: &SignInSettings) -> anyhow::Result<SignIn> {
    let file = &settings.jwks_file;
    let at = || format!("apps.{app}.sign_in.jwks_file {}", file.display());
    let key_set = std::fs::read(file).with_context(at)?;
    SignIn::new(settings.clone(), &key_set).with_context(at)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rcgen::KeyPair;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::config::Apps;
    use crate::domain::clock::Clock;
    use crate::store::sqlite::{Options, SqliteStore};
    use crate::system::{SystemClock, SystemRng};

    async fn loader(folder: &Path) -> Loader {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = SqliteStore::open(&Options::new(folder.join("herald.db")), Arc::clone(&clock), &TaskTracker::new()).await.unwrap();
        let context = providers::Context {
            clock,
            rng: Arc::new(SystemRng),
            tasks: TaskTracker::new(),
            cancel: CancellationToken::new(),
            send_timeout: std::time::Duration::from_secs(10),
            provider_floors: true,
        };
        Loader::new(store, Signers::default(), context)
    }

    /// Two apps, each with a new key in its file.
    fn apps(folder: &Path, bundle_of_a: &str) -> Apps {
        let app = |name: &str, bundle: &str| {
            let file = folder.join(format!("{name}.p8"));
            if !file.exists() {
                std::fs::write(&file, KeyPair::generate().unwrap().serialize_pem()).unwrap();
            }
            let section =
                format!("apns = {{ bundle_id = {bundle:?}, key_file = {file:?}, key_id = \"ABC123DEFG\", team_id = \"DEF123GHIJ\" }}");
            (name.to_owned(), toml::from_str(&section).unwrap())
        };
        Apps::from([app("a", bundle_of_a), app("b", "com.example.b")])
    }

    fn provider(loaded: &Loaded, app: usize) -> &Arc<dyn Provider> {
        &loaded.apps[app].providers[&ProviderKind::Apns]
    }

    #[tokio::test]
    async fn what_did_not_change_keeps_its_provider_and_its_generation() {
        let folder = tempfile::tempdir().unwrap();
        let mut loader = loader(folder.path()).await;
        let first = loader.load(&apps(folder.path(), "com.example.a")).await.unwrap();
        let [a, b] = [first.apps[0].id, first.apps[1].id].map(|id| (id, ProviderKind::Apns));

        let again = loader.load(&apps(folder.path(), "com.example.a")).await.unwrap();
        assert!(again.renewed.is_empty());
        let other_setting = loader.load(&apps(folder.path(), "com.example.other")).await.unwrap();
        assert_eq!(other_setting.renewed, [a]);
        std::fs::remove_file(folder.path().join("b.p8")).unwrap();
        let other_content = loader.load(&apps(folder.path(), "com.example.other")).await.unwrap();
        assert_eq!(other_content.renewed, [b]);

        assert!(Arc::ptr_eq(provider(&first, 0), provider(&again, 0)));
        assert!(!Arc::ptr_eq(provider(&first, 0), provider(&other_setting, 0)));
        assert!(Arc::ptr_eq(provider(&first, 1), provider(&other_setting, 1)));
        let generations =
            [&first, &again, &other_setting, &other_content].map(|loaded| (loaded.apps[0].generation, loaded.apps[1].generation));
        assert_eq!(generations, [(1, 1), (1, 1), (3, 1), (3, 4)]);
    }

    #[tokio::test]
    async fn one_fault_and_nothing_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let mut loader = loader(folder.path()).await;
        let first = loader.load(&apps(folder.path(), "com.example.a")).await.unwrap();
        let configured = apps(folder.path(), "com.example.other");
        std::fs::write(folder.path().join("b.p8"), "no key").unwrap();
        let error = loader.load(&configured).await.err().unwrap();
        assert!(format!("{error:#}").starts_with("apps.b.apns: key_file: no EC P-256 private key"), "{error:#}");
        std::fs::remove_file(folder.path().join("b.p8")).unwrap();
        let mended = loader.load(&apps(folder.path(), "com.example.a")).await.unwrap();
        assert!(Arc::ptr_eq(provider(&first, 0), provider(&mended, 0)));
    }
}
