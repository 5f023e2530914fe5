//! The audit log.

use std::cmp::Reverse;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use herald::domain::id::AppId;
use herald::store::audit::{Act, AuditFilter, AuditLog, NewAct};
use herald::store::{Page, PageRequest, Result};
use uuid::Uuid;

use super::page::page;
use super::{MemoryStore, conflict};

fn is_meant(act: &Act, filter: &AuditFilter) -> bool {
    let key = act.begun.actor.key().map(|(id, _)| id);
    filter.act.as_ref().is_none_or(|wanted| *wanted == act.begun.act)
        && filter.key.is_none_or(|wanted| key == Some(wanted))
        && filter.from.is_none_or(|from| act.at >= from)
        && filter.to.is_none_or(|to| act.at < to)
}

#[async_trait]
impl AuditLog for MemoryStore {
    async fn begin_act(&self, app: AppId, act: &NewAct) -> Result<()> {
        self.commit(|state, now| {
            if state.acts.contains_key(&act.id) {
                return Err(conflict("audit"));
            }
            state.acts.insert(act.id, (app, Act { begun: act.clone(), at: now, status: None }));
            Ok(())
        })
    }

    async fn end_act(&self, app: AppId, id: Uuid, status: u16, object: Option<&str>) -> Result<()> {
        self.commit(|state, _| {
            if let Some((_, act)) = state.acts.get_mut(&id).filter(|(of, _)| *of == app) {
                act.status = Some(status);
                act.begun.object = object.map(str::to_owned).or(act.begun.object.take());
            }
        });
        Ok(())
    }

    async fn acts(&self, app: AppId, filter: &AuditFilter, request: &PageRequest) -> Result<Page<Act>> {
        let mut rows: Vec<_> = self.read(|state, _| {
            let meant = state.acts.values().filter(|(of, act)| *of == app && is_meant(act, filter));
            meant.map(|(_, act)| (Reverse((act.at, act.begun.id)), act.clone())).collect()
        });
        rows.sort_by_key(|(place, _)| *place);
        page(rows, request)
    }

    async fn prune_acts(&self, kept: Duration) -> Result<()> {
        let kept = TimeDelta::from_std(kept).unwrap_or(TimeDelta::MAX);
        self.commit(|state, now| state.acts.retain(|_, (_, act)| act.at >= now - kept));
        Ok(())
    }
}
