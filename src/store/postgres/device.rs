//! Devices: reads, lists, and the registration as a write.

use async_trait::async_trait;

use super::super::device::{DeviceFilter, Devices, Registered, Swept};
use super::super::rules::cursor::{from_text, to_text};
use super::super::rules::registration::Verb;
use super::super::rules::webhook_items::deleted as deleted_device;
use super::super::rules::words::status_text;
use super::super::{Page, PageRequest, Result};
use super::PostgresStore;
use super::batch::{count, execute, fetch, fetch_one};
use super::client_token;
use super::device_row::{self, device_columns};
use super::device_token;
use super::enroll::enroll;
use super::register::{locked_device, register};
use super::row::listed_at;
use super::sighting;
use super::stale;
use super::topic;
use super::tx::{Tx, reading, transaction};
use super::webhook_items;
use crate::domain::Timestamp;
use crate::domain::device::{Device, DeviceChange, Platform};
use crate::domain::id::AppId;
use crate::domain::principal::Principal;

/// One by name.
pub(super) const BY_NAME: &str = concat!("SELECT ", device_columns!(), " FROM device d WHERE d.app = $1 AND d.name = $2");
pub(super) const LIST: &str = concat!(
    "SELECT ",
    device_columns!(),
    " FROM device d WHERE d.app = $1 AND d.token IS NOT NULL AND (d.created_at, d.pk) < (coalesce($2, 'infinity'::timestamptz), $3) \
     AND ($4::text IS NULL OR d.platform = $4) AND ($5::text IS NULL OR d.status = $5) \
     ORDER BY d.created_at DESC, d.pk DESC LIMIT $6"
);
pub(super) const LIST_OF_USER: &str = concat!(
    "SELECT ",
    device_columns!(),
    " FROM device d WHERE d.person_pk = (SELECT pk FROM person WHERE app = $1 AND name = $7) AND d.token IS NOT NULL \
     AND (d.created_at, d.pk) < (coalesce($2, 'infinity'::timestamptz), $3) \
     AND ($4::text IS NULL OR d.platform = $4) AND ($5::text IS NULL OR d.status = $5) \
     ORDER BY d.created_at DESC, d.pk DESC LIMIT $6"
);
const DELETE: &str = "DELETE FROM device WHERE pk = $1";

#[async_trait]
impl Devices for PostgresStore {
    async fn put_device(&self, app: AppId, name: &str, change: DeviceChange, if_match: Option<i64>) -> Result<Registered> {
        transaction!(self.callers, tx => change_one(&mut tx, (app, name), change.clone(), (Verb::Put, if_match)))
    }

    async fn put_devices(&self, app: AppId, changes: Vec<(String, DeviceChange)>) -> Result<Vec<Registered>> {
        transaction!(self.callers, tx => enroll(&mut tx, app, &changes))
    }

    async fn patch_device(&self, app: AppId, name: &str, change: DeviceChange, if_match: Option<i64>) -> Result<Option<Registered>> {
        transaction!(self.callers, tx => async {
            if locked_device(&mut tx, app, name).await?.is_none() {
                return Ok(None);
            }
            change_one(&mut tx, (app, name), change.clone(), (Verb::Patch, if_match)).await.map(Some)
        })
    }

    async fn device(&self, app: AppId, name: &str) -> Result<Option<Device>> {
        let row = reading!(self.callers, conn => fetch_one(&mut conn, BY_NAME, |binds| {
            binds.push(app.0).push(name);
        }));
        row?.map_or(Ok(None), |row| device_row::read(&row, &self.seal))
    }

    async fn devices(&self, app: AppId, filter: &DeviceFilter, page: &PageRequest) -> Result<Page<Device>> {
        let place: Option<(i64, i64)> = page.after.as_deref().map(from_text).transpose()?;
        let (created_at, pk) = (place.map(|place| listed_at(place.0)).transpose()?, place.map_or(i64::MAX, |place| place.1));
        let text = if filter.user.is_some() { LIST_OF_USER } else { LIST };
        let rows = reading!(self.callers, conn => fetch(&mut conn, text, |binds| {
            binds.push(app.0).push(created_at).push(pk).push(filter.platform.map(Platform::as_str));
            binds.push(filter.status.map(status_text)).push(count(page.limit + 1));
            if let Some(user) = &filter.user {
                binds.push(user);
            }
        }));
        let mut items = Vec::with_capacity(page.limit);
        for row in &rows? {
            items.extend(device_row::read(row, &self.seal)?);
        }
        let more = items.len() > page.limit;
        items.truncate(page.limit);
        let last = items.last().filter(|_| more);
        let next = last.map(|device| to_text(&(device.created_at.timestamp_micros(), device.pk.0))).transpose()?;
        Ok(Page { items, next })
    }

    async fn deactivate_stale(&self, app: AppId, until: Timestamp, after: i64, limit: usize) -> Result<Swept> {
        transaction!(self.engine, tx => stale::deactivate(&mut tx, app, until, (after, limit)))
    }

    async fn saw_device(&self, app: AppId, name: &str, at: Timestamp) -> Result<()> {
        sighting::note(self, app, name, at).await
    }

    async fn delete_device(&self, app: AppId, name: &str, by: &Principal) -> Result<bool> {
        transaction!(self.callers, tx => async {
            let Some(device) = locked_device(&mut tx, app, name).await?.filter(|device| by.may_delete(device)) else { return Ok(false) };
            device_token::forget_all(&mut tx, device.pk).await?;
            topic::forget_device(&mut tx, device.pk).await?;
            client_token::revoke_device(&mut tx, device.pk).await?;
            let deleted = execute(&mut tx, DELETE, |binds| {
                binds.push(device.pk.0);
            });
            let is_deleted = deleted.await? > 0;
            let news = deleted_device(app, device, tx.now);
            webhook_items::tell(&mut tx, news.as_slice()).await?;
            Ok(is_deleted)
        })
    }
}

async fn change_one(tx: &mut Tx, (app, name): (AppId, &str), change: DeviceChange, how: (Verb, Option<i64>)) -> Result<Registered> {
    let mut news = Vec::new();
    let registered = register(tx, app, name, change, how, &mut news).await?;
    webhook_items::tell(tx, &news).await?;
    Ok(registered)
}
