//! Apps, and whether the store is well.

use async_trait::async_trait;

use super::super::{Apps, Result};
use super::batch::{execute, fetch, nothing};
use super::row::Cells;
use super::tx::{Tx, transaction};
use super::{PostgresStore, prune, retention};
use crate::domain::id::AppId;

/// In alphabetical order, so that nodes which start at the same time wait for each other in one direction only.
pub(super) const ADD: &str = "INSERT INTO app (name) SELECT DISTINCT new.name FROM unnest($1::text[]) AS new (name) \
                   WHERE NOT EXISTS (SELECT 1 FROM app a WHERE a.name = new.name) ORDER BY new.name ON CONFLICT (name) DO NOTHING";
pub(super) const NUMBERS: &str = "SELECT a.id FROM unnest($1::text[]) WITH ORDINALITY AS ask (name, n) \
                       CROSS JOIN LATERAL (SELECT id FROM app WHERE app.name = ask.name LIMIT 1) a ORDER BY ask.n";
/// Changes nothing, and is refused wherever nothing can be changed: by a standby, and by a database that was set read-only.
const TOUCH: &str = "UPDATE app SET name = name WHERE false";

#[async_trait]
impl Apps for PostgresStore {
    async fn ensure_apps(&self, names: &[String]) -> Result<Vec<AppId>> {
        transaction!(self.callers, tx => ensure(&mut tx, names))
    }

    async fn ping(&self) -> Result<()> {
        transaction!(self.callers, tx => execute(&mut tx, TOUCH, nothing))?;
        Ok(())
    }

    async fn prune(&self) -> Result<()> {
        while !transaction!(self.callers, tx => prune::prune(&mut tx))? {}
        retention::drop_over(self).await
    }
}

async fn ensure(tx: &mut Tx, names: &[String]) -> Result<Vec<AppId>> {
    execute(tx, ADD, |binds| {
        binds.push(names);
    })
    .await?;
    let rows = fetch(tx, NUMBERS, |binds| {
        binds.push(names);
    });
    rows.await?.iter().map(|row| Cells::new(row, "app", 0).get(0, "id").map(AppId)).collect()
}
