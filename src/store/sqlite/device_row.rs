//! A device's row: its columns in their order.

use sqlx::sqlite::SqliteRow;

use super::super::Result;
use super::super::rules::kept::{KeptToken, device_token};
use super::super::rules::words::{environment, inactive_reason, permission, platform, provider, status};
use super::super::seal::Seal;
use super::row::Cells;
use crate::domain::device::{Device, TokenHash};
use crate::domain::id::{AppId, DevicePk, PersonPk};

/// The columns of a device `d` and its person `p`, in the order of [`read`].
macro_rules! device_columns {
    () => {
        "d.pk, d.name, d.person_pk, p.name, d.platform, d.provider, d.environment, d.token, d.token_hash, d.token_seen_at, \
         d.permission, d.timezone, d.locale, d.app_version, d.os_version, d.model, d.tags, d.status, d.inactive_reason, \
         d.created_at, d.updated_at, d.last_seen_at, d.version, d.app"
    };
}
pub(super) use device_columns;

/// A row as [`device_columns`] lists it; `None` where it has no token and so is a mere name.
pub(super) fn read(row: &SqliteRow, seal: &Seal) -> Result<Option<Device>> {
    let cells = Cells::new(row, "device", 0);
    if cells.is_null(7) {
        return Ok(None);
    }
    let (app, name): (AppId, &str) = (AppId(cells.get(23, "app")?), cells.get(1, "name")?);
    let token = device_token(seal, (app, name), cells.get(7, "token")?).ok_or_else(|| cells.unreadable("token"))?;
    Ok(Some(Device {
        pk: DevicePk(cells.get(0, "pk")?),
        name: name.to_owned(),
        person: cells.get::<Option<i64>>(2, "person_pk")?.map(PersonPk),
        user: cells.get(3, "person_pk")?,
        platform: cells.word(4, "platform", platform)?,
        provider: cells.word(5, "provider", provider)?,
        environment: cells.word(6, "environment", environment)?,
        token,
        token_hash: TokenHash(cells.hash(8, "token_hash")?),
        token_seen_at: cells.instant(9, "token_seen_at")?,
        permission: cells.word(10, "permission", permission)?,
        timezone: cells.get(11, "timezone")?,
        locale: cells.get(12, "locale")?,
        app_version: cells.get(13, "app_version")?,
        os_version: cells.get(14, "os_version")?,
        model: cells.get(15, "model")?,
        tags: cells.document(16, "tags")?,
        status: cells.word(17, "status", status)?,
        inactive_reason: cells.maybe_word(18, "inactive_reason", inactive_reason)?,
        created_at: cells.instant(19, "created_at")?,
        updated_at: cells.instant(20, "updated_at")?,
        last_seen_at: cells.instant(21, "last_seen_at")?,
        version: cells.get(22, "version")?,
    }))
}

/// How the token of a device stands in its row.
pub(super) fn kept(row: &SqliteRow, device: &Device) -> Result<KeptToken> {
    Ok(KeptToken { token: device.token.clone(), text: Cells::new(row, "device", 0).get(7, "token")? })
}
