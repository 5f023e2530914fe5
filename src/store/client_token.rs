//! Client tokens, as far as the store knows them: families whose newest refresh token has a number and a hash.

use async_trait::async_trait;
use chrono::TimeDelta;
use uuid::Uuid;

use super::Result;
use crate::domain::Timestamp;
use crate::domain::id::AppId;

/// For how long a spent refresh token is answered again, while its successor has not been seen: an answer may have got lost.
pub const GRACE: TimeDelta = TimeDelta::seconds(60);
/// Families of one user, or of nobody, bound to one device, at most; the oldest goes.
pub const MAX_DEVICE_FAMILIES: usize = 10;
/// Families of one user, at most; the oldest goes.
pub const MAX_USER_FAMILIES: usize = 100;

/// Tokens that descend from one sign-in on one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its id, not secret.
    pub id: Uuid,
    /// The app that it belongs to.
    pub app: AppId,
    /// Whose it is; `None` where nobody is signed in.
    pub user: Option<String>,
    /// The installation that it is bound to, if it is to one.
    pub device: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// From when on none of its tokens is taken.
    pub expires_at: Timestamp,
}

/// What an exchange of a refresh token came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The presented token was the newest: `next` is it now.
    Renewed {
        /// Its family, with its new end.
        family: Family,
        /// The number of the newest token.
        generation: i64,
    },
    /// The presented token was spent, its successor has not been seen and [`GRACE`] has not passed: the successor stays as it is and is
    /// answered again.
    Again {
        /// Its family.
        family: Family,
        /// The number of the newest token.
        generation: i64,
    },
    /// It was spent: the family is revoked by this.
    Reused(Family),
    /// The family is revoked or over, or there is none.
    Gone,
}

/// How a family stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its tokens are taken.
    Stands,
    /// It was revoked.
    Revoked,
    /// It is over, or the app has none of this id.
    Gone,
}

/// Families of client tokens. Those bound to a device are revoked when it is deleted, those of its user when it gets another.
#[async_trait]
pub trait ClientTokens: Send + Sync {
    /// Begins a family at generation 1; `refresh` is the SHA-256 of its first refresh token.
    ///
    /// Rows of the person and the device are made where there are none, as for names in a send. Beyond [`MAX_DEVICE_FAMILIES`] of its user on
    /// its device and [`MAX_USER_FAMILIES`] of its user the oldest are forgotten, those that do not stand any more before all others.
    async fn begin_family(&self, family: &Family, refresh: [u8; 32]) -> Result<()>;

    /// Exchanges a refresh token that the caller knows to be one of this family's, by its tag.
    ///
    /// `presented` is its SHA-256, `generation` its number, `next` the SHA-256 of its successor, which must be a pure function of it, and
    /// `expires_at` the family's new end. Of concurrent exchanges one renews and the others answer [`Refreshed::Again`]. A token of a later
    /// generation than the store knows of renews as well: it was given out before the store lost what it had committed last.
    async fn refresh(&self, family: Uuid, generation: i64, presented: [u8; 32], next: [u8; 32], expires_at: Timestamp)
    -> Result<Refreshed>;

    /// An access or refresh token of this generation was seen: where it is the newest, the one before has no grace any more. Answers how
    /// the family stands. Writes only the first time.
    async fn seen(&self, app: AppId, family: Uuid, generation: i64) -> Result<Standing>;

    /// Revokes a family; whether it stood.
    async fn revoke_family(&self, family: Uuid) -> Result<bool>;

    /// Revokes all of a user's; how many stood.
    async fn revoke_user(&self, app: AppId, user: &str) -> Result<u64>;
}
