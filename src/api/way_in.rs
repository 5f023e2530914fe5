//! What the API asks of the dispatch path, as a trait, so that routes can be tested without one.

use std::sync::Arc;

use async_trait::async_trait;
use chrono_tz::Tz;

use crate::dispatch::accept::Prepared;
use crate::dispatch::directory::CategoryMap;
use crate::dispatch::draft::{Draft, Rejected};
use crate::dispatch::handle::{Asked, Dispatch, Explained, LaneView, Meant, Preview, Question};
use crate::domain::device::ProviderKind;
use crate::domain::endpoint::Endpoint;
use crate::domain::id::{AppId, CampaignId, NotificationId};
use crate::domain::phone_settings::PhoneSettings;
use crate::domain::segment::Segment;
use crate::store;
use crate::store::campaign::StoredCampaign;
use crate::store::engine::{Submission, Verdict};

/// The way into the path; each method is [`Dispatch`]'s of the same name.
#[async_trait]
pub(super) trait WayIn: Send + Sync {
    /// Whether this node still has the app.
    fn has_app(&self, app: AppId) -> bool;

    /// An app's name in the configuration.
    fn app_name(&self, app: AppId) -> Option<String>;

    /// The app of a name.
    fn app_named(&self, name: &str) -> Option<AppId>;

    /// The zone of an app's devices and people that have none.
    fn default_zone(&self, app: AppId) -> Tz;

    /// What an app tells its phones.
    fn phone_settings(&self, app: AppId) -> Arc<PhoneSettings>;

    /// The public key with which an app's pages subscribe.
    fn application_server_key(&self, app: AppId) -> Option<String>;

    /// An app's categories, at most a second old.
    async fn categories(&self, app: AppId) -> Result<CategoryMap, store::Error>;

    /// Forgets them, after a change.
    fn forget_categories(&self, app: AppId);

    /// Whether a subscription of an app's may be there.
    fn allows(&self, app: AppId, endpoint: &Endpoint) -> bool;

    async fn prepare(&self, app: AppId, draft: Draft) -> Result<Prepared, Rejected>;

    async fn submit(&self, submission: Submission) -> Result<Verdict, store::Error>;

    async fn cancel(&self, app: AppId, id: NotificationId) -> Result<bool, store::Error>;

    async fn preview(&self, app: AppId, draft: Draft, asked: Asked) -> Result<Preview, Rejected>;

    async fn check(&self, app: AppId, draft: Draft) -> Result<(), Rejected>;

    fn campaign_id(&self) -> CampaignId;

    async fn begin(&self, app: AppId, campaign: StoredCampaign) -> Result<bool, Rejected>;

    async fn count_segment(&self, app: AppId, segment: Segment) -> Result<Meant, Rejected>;

    async fn explain(&self, app: AppId, question: &Question) -> Result<Option<Vec<Explained>>, Rejected>;

    async fn erase_user(&self, app: AppId, user: &str) -> Result<bool, store::Error>;

    fn lanes(&self, app: AppId) -> Vec<LaneView>;

    async fn resume_lanes(&self, app: AppId, provider: ProviderKind) -> Result<Option<Vec<LaneView>>, store::Error>;
}

/// The path of this node.
pub(super) struct Path(pub(super) Arc<Dispatch>);

#[async_trait]
impl WayIn for Path {
    fn has_app(&self, app: AppId) -> bool {
        self.0.directory().app(app).is_some()
    }

    fn app_name(&self, app: AppId) -> Option<String> {
        self.0.directory().app(app).map(|app| app.name.clone())
    }

    fn app_named(&self, name: &str) -> Option<AppId> {
        self.0.directory().named(name)
    }

    fn default_zone(&self, app: AppId) -> Tz {
        self.0.directory().app(app).map(|app| app.defaults.timezone).unwrap_or_default()
    }

    fn phone_settings(&self, app: AppId) -> Arc<PhoneSettings> {
        self.0.directory().app(app).map(|app| Arc::clone(&app.phones)).unwrap_or_default()
    }

    fn application_server_key(&self, app: AppId) -> Option<String> {
        self.0.application_server_key(app)
    }

    async fn categories(&self, app: AppId) -> Result<CategoryMap, store::Error> {
        self.0.directory().categories(app).await
    }

    fn forget_categories(&self, app: AppId) {
        self.0.directory().forget_categories(app);
    }

    fn allows(&self, app: AppId, endpoint: &Endpoint) -> bool {
        self.0.allows(app, endpoint)
    }

    async fn prepare(&self, app: AppId, draft: Draft) -> Result<Prepared, Rejected> {
        self.0.prepare(app, draft).await
    }

    async fn submit(&self, submission: Submission) -> Result<Verdict, store::Error> {
        self.0.submit(submission).await
    }

    async fn cancel(&self, app: AppId, id: NotificationId) -> Result<bool, store::Error> {
        self.0.cancel(app, id).await
    }

    async fn preview(&self, app: AppId, draft: Draft, asked: Asked) -> Result<Preview, Rejected> {
        self.0.preview(app, draft, asked).await
    }

    async fn check(&self, app: AppId, draft: Draft) -> Result<(), Rejected> {
        self.0.check(app, draft).await
    }

    fn campaign_id(&self) -> CampaignId {
        self.0.campaign_id()
    }

    async fn begin(&self, app: AppId, campaign: StoredCampaign) -> Result<bool, Rejected> {
        self.0.begin(app, campaign).await
    }

    async fn count_segment(&self, app: AppId, segment: Segment) -> Result<Meant, Rejected> {
        self.0.count_segment(app, segment).await
    }

    async fn explain(&self, app: AppId, question: &Question) -> Result<Option<Vec<Explained>>, Rejected> {
        self.0.explain(app, question).await
    }

    async fn erase_user(&self, app: AppId, user: &str) -> Result<bool, store::Error> {
        self.0.erase_user(app, user).await
    }

    fn lanes(&self, app: AppId) -> Vec<LaneView> {
        self.0.lanes(app)
    }

    async fn resume_lanes(&self, app: AppId, provider: ProviderKind) -> Result<Option<Vec<LaneView>>, store::Error> {
        self.0.resume_lanes(app, provider).await
    }
}
