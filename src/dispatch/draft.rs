//! A draft: what a caller asked for, in domain types, before the category's defaults and the checks that need the present.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::broadcast::Broadcast;
use crate::domain::content::Content;
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::id::{AppId, CampaignId};
use crate::domain::notification::{InQuietHours, Lifetime, Overrides, Priority, When};
use crate::domain::pace::Pace;
use crate::domain::push_type::PushType;
use crate::domain::segment::Segment;
use crate::domain::template::UsedTemplate;
use crate::domain::variant::Variant;
use crate::store::Templates;

/// Whom a draft is for. Names are checked, not yet sorted; one named twice is targeted once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// Users by `user_id`, at most 10 000.
    Users(Vec<String>),
    /// Devices by `device_id`, at most 10 000.
    Devices(Vec<String>),
    /// Every active device of the app.
    All,
    /// The active devices that it means.
    Segment(Arc<Segment>),
    /// The active devices that follow it, themselves or through their user.
    Topic(String),
    /// Whoever subscribed with the provider, which fans it out.
    Broadcast(Broadcast),
}

/// What a campaign adds to what it sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfCampaign {
    /// Which.
    pub id: CampaignId,
    /// Its variants.
    pub variants: Vec<Variant>,
    /// More targets than these are not sent to: the run is paused before its first push.
    pub max_targets: Option<u64>,
}

/// A notification as asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// Whom for.
    pub to: To,
    /// Each user's latest seen device only.
    pub latest_device_only: bool,
    /// Device names that are left out.
    pub except_devices: Vec<String>,
    /// Of those devices, only active ones that it means.
    pub only: Option<Arc<Segment>>,
    /// Its category; must be declared.
    pub category: Option<String>,
    /// The category's, else high, where absent.
    pub priority: Option<Priority>,
    /// The words.
    pub content: Content,
    /// Words by platform.
    pub platforms: BTreeMap<Platform, Content>,
    /// Words by locale.
    pub localized: BTreeMap<String, Content>,
    /// The caller's own, at most 8.
    pub labels: BTreeMap<String, String>,
    /// A data-only background push.
    pub silent: bool,
    /// What kind of push, and so which of an installation's addresses it goes to.
    pub push_type: PushType,
    /// `None`: at once.
    pub when: Option<When>,
    /// The category's, else a day, where absent.
    pub lifetime: Option<Lifetime>,
    /// At most 64 bytes.
    pub collapse_key: Option<String>,
    /// What in quiet hours.
    pub in_quiet_hours: InQuietHours,
    /// Merged last.
    pub overrides: Overrides,
    /// A test send, to at most 20 devices.
    pub test: bool,
    /// How fast an audience that is not named is sent to; `None`: as fast as it can be.
    pub pace: Option<Pace>,
    /// The template, with its words as they are now.
    pub template: Option<UsedTemplate>,
    /// The campaign that it is a run of, or a test of.
    #[serde(default)]
    pub campaign: Option<OfCampaign>,
}

impl Draft {
    /// Puts the words of its template into it, as they are now. There must be such a template.
    pub async fn read_template(&mut self, templates: &(impl Templates + ?Sized), app: AppId) -> Result<(), Rejected> {
        let Some(used) = &mut self.template else { return Ok(()) };
        let Some(stored) = templates.template(app, &used.id).await? else {
            let message = format!("no template {:?} is stored", used.id);
            return Err(Rejected::Invalid(vec![FieldError { field: "template.id".to_owned(), code: "unknown_template", message }]));
        };
        used.words = stored.definition;
        Ok(())
    }
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Where, from the root of the body: `to.user_ids[3]`.
    pub field: String,
    /// Stable, machine-readable: `unknown_category`, `unknown_timezone`, `invalid`, …
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl FieldError {
    /// An error of code `invalid`.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), code: "invalid", message: message.into() }
    }
}

/// Why a draft is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// Fields are wrong: 422.
    #[error("{} fields are invalid", .0.len())]
    Invalid(Vec<FieldError>),
    /// Too large for a provider after rendering: 413 `payload_too_large`.
    #[error("{size} bytes for {}, which takes {limit}", .provider.as_str())]
    TooLarge {
        /// Which one.
        provider: ProviderKind,
        /// As rendered, in bytes.
        size: usize,
        /// The provider's limit, in bytes.
        limit: usize,
    },
    /// The store, where the categories are, cannot be reached: 503.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}
