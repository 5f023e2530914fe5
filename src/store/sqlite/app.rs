//! Apps, and whether the store is well.

use async_trait::async_trait;

use super::super::{Apps, Result};
use super::batch::{Binds, Tuples, fetch, no_lead};
use super::row::Cells;
use super::writer::Tx;
use super::{SqliteStore, prune, retention};
use crate::domain::id::AppId;

const ADD: Tuples = Tuples { head: "INSERT INTO app (name) VALUES ", width: 1, tail: " ON CONFLICT (name) DO NOTHING" };
const NUMBER: &str = "SELECT id FROM app WHERE name = ?1";

#[async_trait]
impl Apps for SqliteStore {
    async fn ensure_apps(&self, names: &[String]) -> Result<Vec<AppId>> {
        let names = names.to_vec();
        self.write(move |tx| Box::pin(ensure(tx, names))).await
    }

    async fn ping(&self) -> Result<()> {
        self.write(|_| Box::pin(async { Ok(()) })).await?;
        let mut tx = self.read().await?;
        fetch(&mut tx, "SELECT 1", no_lead).await?;
        Ok(())
    }

    async fn prune(&self) -> Result<()> {
        while !self.write(|tx| Box::pin(prune::prune(tx))).await? {}
        retention::forget_over(self).await
    }
}

async fn ensure(tx: Tx<'_>, names: Vec<String>) -> Result<Vec<AppId>> {
    let add = |binds: &mut Binds, name: &String| {
        binds.push(name);
    };
    ADD.execute(tx.conn, &names, no_lead, add).await?;
    let mut numbers = Vec::with_capacity(names.len());
    for name in &names {
        let rows = fetch(tx.conn, NUMBER, |binds| {
            binds.push(name);
        });
        for row in rows.await? {
            numbers.push(AppId(Cells::new(&row, "app", 0).get(0, "id")?));
        }
    }
    Ok(numbers)
}
