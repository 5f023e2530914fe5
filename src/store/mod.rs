//! The store: the truth. Narrow traits, one per aggregate; the adapters are folders of their own.
//!
//! The app is the first argument of everything that belongs to one, so that no query can forget it.
//! Every method is one transaction. All instants are the store's clock.

pub mod analytics;
pub mod audit;
pub mod campaign;
pub mod cap;
pub mod category;
pub mod client_token;
pub mod dead_letter;
pub mod definition;
pub mod device;
pub mod device_token;
pub mod engine;
pub mod idempotency;
pub mod key;
pub mod key_hash;
pub mod notification;
pub mod pause;
pub mod person;
pub mod postgres;
pub mod receipt;
mod rules;
pub mod seal;
pub mod sealing;
pub mod sqlite;
pub mod template;
pub mod topic;
pub mod vault;
pub mod waiting;
pub mod webhook;

use async_trait::async_trait;

use crate::domain::id::AppId;

pub use analytics::Analytics;
pub use audit::AuditLog;
pub use campaign::Campaigns;
pub use cap::Caps;
pub use category::Categories;
pub use client_token::ClientTokens;
pub use dead_letter::DeadLetters;
pub use device::Devices;
pub use device_token::DeviceTokens;
pub use engine::Engine;
pub use idempotency::Replays;
pub use key::Keys;
pub use notification::Notifications;
pub use pause::Pauses;
pub use person::People;
pub use receipt::Receipts;
pub use sealing::Sealing;
pub use template::Templates;
pub use topic::Topics;
pub use vault::Vault;
pub use waiting::Waiting;
pub use webhook::Webhooks;

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or gave no answer in time. Whether a write took effect is not known.
    #[error("the store cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It is there, and what was asked stood in others' way or took too long. Nothing was written.
    #[error("the store is busy")]
    Busy(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A row holds what this version cannot read.
    #[error("{table}.{column} of row {row} cannot be read")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key, never anything personal.
        row: String,
    },
    /// A list was asked to go on where this store never was: [`PageRequest::after`] is not one of its own.
    #[error("the cursor was not made by this store")]
    ForeignCursor,
    /// It refused a statement: a fault of ours.
    #[error("the store refused a statement")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Whether nobody may have been able to read or write.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether the same call can succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Busy(_) => true,
            Self::Unreadable { .. } | Self::ForeignCursor | Self::Refused(_) => false,
        }
    }
}

/// What every method answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! store {
    ($($part:ident)*) => {
        /// A whole store.
        pub trait Store: $($part +)* {}

        impl<T: $($part +)*> Store for T {}
    };
}

store! {
    Analytics Apps AuditLog Campaigns Caps Categories ClientTokens DeadLetters DeviceTokens Devices Engine Keys Notifications Pauses People Receipts Replays Sealing
    Templates Topics Vault Waiting Webhooks
}

/// The apps and the store's own health.
#[async_trait]
pub trait Apps: Send + Sync {
    /// The numbers of these apps, in their order; new ones are made.
    async fn ensure_apps(&self, names: &[String]) -> Result<Vec<AppId>>;

    /// Answers when the store can be read and written.
    async fn ping(&self) -> Result<()>;

    /// Forgets what has had its time: idempotency keys, what was shown under collapse keys, receipts that never found their send,
    /// places under caps that are free again, families of client tokens that are over.
    /// The daemon calls it now and then.
    async fn prune(&self) -> Result<()>;
}

/// A page of a list, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many, 1 to 500.
    pub limit: usize,
    /// What [`Page::next`] of the page before was.
    pub after: Option<String>,
}

/// The answer to a [`PageRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where to go on; `None`: there is no more. Opaque, made by the adapter.
    pub next: Option<String>,
}
