//! Devices: reads, lists, and the registration as a write.

use async_trait::async_trait;

use super::super::device::{DeviceFilter, Devices, Registered, Swept};
use super::super::rules::cursor::{from_text, to_text};
use super::super::rules::registration::Verb;
use super::super::rules::webhook_items::deleted as deleted_device;
use super::super::rules::words::status_text;
use super::super::seal::Seal;
use super::super::{Page, PageRequest, Result};
use super::SqliteStore;
use super::batch::{execute, fetch, fetch_one};
use super::client_token;
use super::device_row::{self, device_columns};
use super::device_token;
use super::enroll::enroll;
use super::register::register;
use super::row::{instant, micros};
use super::sighting;
use super::stale;
use super::topic;
use super::webhook_items;
use super::writer::Tx;
use crate::domain::Timestamp;
use crate::domain::device::{Device, DeviceChange};
use crate::domain::id::AppId;
use crate::domain::principal::Principal;

/// One by name.
pub(super) const BY_NAME: &str =
    concat!("SELECT ", device_columns!(), " FROM device d LEFT JOIN person p ON p.pk = d.person_pk WHERE d.app = ?1 AND d.name = ?2");
const LIST: &str = concat!(
    "SELECT ",
    device_columns!(),
    " FROM device d LEFT JOIN person p ON p.pk = d.person_pk \
     WHERE d.app = ?1 AND d.token IS NOT NULL AND (d.created_at, d.pk) < (?2, ?3) \
     AND (?4 IS NULL OR d.platform = ?4) AND (?5 IS NULL OR d.status = ?5) \
     ORDER BY d.created_at DESC, d.pk DESC LIMIT ?6"
);
const LIST_OF_USER: &str = concat!(
    "SELECT ",
    device_columns!(),
    " FROM device d JOIN person p ON p.pk = d.person_pk \
     WHERE d.person_pk = (SELECT pk FROM person WHERE app = ?1 AND name = ?7) AND d.token IS NOT NULL \
     AND (d.created_at, d.pk) < (?2, ?3) AND (?4 IS NULL OR d.platform = ?4) AND (?5 IS NULL OR d.status = ?5) \
     ORDER BY d.created_at DESC, d.pk DESC LIMIT ?6"
);
const DELETE: &str = "DELETE FROM device WHERE pk = ?1";

#[async_trait]
impl Devices for SqliteStore {
    async fn put_device(&self, app: AppId, name: &str, change: DeviceChange, if_match: Option<i64>) -> Result<Registered> {
        let name = name.to_owned();
        let put = async move |mut tx: Tx<'_>| {
            let mut news = Vec::new();
            let registered = register(&mut tx, app, &name, change, (Verb::Put, if_match), &mut news).await?;
            webhook_items::tell(&mut tx, &news).await?;
            Ok(registered)
        };
        self.write(move |tx| Box::pin(async move { put(tx).await })).await
    }

    async fn put_devices(&self, app: AppId, changes: Vec<(String, DeviceChange)>) -> Result<Vec<Registered>> {
        let put = async move |mut tx: Tx<'_>| enroll(&mut tx, app, changes).await;
        self.write(move |tx| Box::pin(async move { put(tx).await })).await
    }

    async fn patch_device(&self, app: AppId, name: &str, change: DeviceChange, if_match: Option<i64>) -> Result<Option<Registered>> {
        let name = name.to_owned();
        let patch = async move |mut tx: Tx<'_>| {
            if one(tx.conn, tx.seal, app, &name).await?.is_none() {
                return Ok(None);
            }
            let mut news = Vec::new();
            let registered = register(&mut tx, app, &name, change, (Verb::Patch, if_match), &mut news).await?;
            webhook_items::tell(&mut tx, &news).await?;
            Ok(Some(registered))
        };
        self.write(move |tx| Box::pin(async move { patch(tx).await })).await
    }

    async fn device(&self, app: AppId, name: &str) -> Result<Option<Device>> {
        let mut tx = self.read().await?;
        one(&mut tx, &self.seal, app, name).await
    }

    async fn devices(&self, app: AppId, filter: &DeviceFilter, page: &PageRequest) -> Result<Page<Device>> {
        let (created_at, pk): (i64, i64) = page.after.as_deref().map_or(Ok((i64::MAX, i64::MAX)), from_text)?;
        let text = if filter.user.is_some() { LIST_OF_USER } else { LIST };
        let mut tx = self.read().await?;
        let rows = fetch(&mut tx, text, |binds| {
            binds.push(app.0).push(created_at).push(pk).push(filter.platform.map(crate::domain::device::Platform::as_str));
            binds.push(filter.status.map(status_text)).push(i64::try_from(page.limit).unwrap_or(500) + 1);
            binds.push(filter.user.as_deref());
        });
        let mut items = Vec::with_capacity(page.limit);
        for row in &rows.await? {
            items.extend(device_row::read(row, &self.seal)?);
        }
        let more = items.len() > page.limit;
        items.truncate(page.limit);
        let last = items.last().filter(|_| more);
        let next = last.map(|device| to_text(&(micros(device.created_at), device.pk.0))).transpose()?;
        Ok(Page { items, next })
    }

    async fn deactivate_stale(&self, app: AppId, until: Timestamp, after: i64, limit: usize) -> Result<Swept> {
        self.write(move |tx| Box::pin(stale::deactivate(tx, app, micros(until), (after, limit)))).await
    }

    async fn saw_device(&self, app: AppId, name: &str, at: Timestamp) -> Result<()> {
        sighting::note(self, app, name, at).await
    }

    async fn delete_device(&self, app: AppId, name: &str, by: &Principal) -> Result<bool> {
        let (name, by) = (name.to_owned(), by.clone());
        let delete = async move |mut tx: Tx<'_>| {
            let Some(device) = one(tx.conn, tx.seal, app, &name).await?.filter(|device| by.may_delete(device)) else { return Ok(false) };
            device_token::forget_all(&mut tx, device.pk).await?;
            topic::forget_device(&mut tx, device.pk).await?;
            client_token::revoke_device(&mut tx, device.pk).await?;
            let deleted = execute(tx.conn, DELETE, |binds| {
                binds.push(device.pk.0);
            });
            let is_deleted = deleted.await? > 0;
            let news = deleted_device(app, device, instant(tx.now).unwrap_or_default());
            webhook_items::tell(&mut tx, news.as_slice()).await?;
            Ok(is_deleted)
        };
        self.write(move |tx| Box::pin(async move { delete(tx).await })).await
    }
}

async fn one(conn: &mut sqlx::SqliteConnection, seal: &Seal, app: AppId, name: &str) -> Result<Option<Device>> {
    let row = fetch_one(conn, BY_NAME, |binds| {
        binds.push(app.0).push(name);
    });
    row.await?.map_or(Ok(None), |row| device_row::read(&row, seal))
}
