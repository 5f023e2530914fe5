//! The steps of the dispatch path, each one transaction.

use std::time::Duration;

use async_trait::async_trait;
use herald::domain::Timestamp;
use herald::domain::id::{AppId, NotificationId};
use herald::domain::work::{NewWork, WorkKey};
use herald::store::Result;
use herald::store::engine::{
    Answer, Ask, AudiencePage, Claim, Engine, Ready, Record, Recorded, RunChange, Scan, Selection, StoredNotification, Submission, Sweep,
    Verdict,
};

use super::MemoryStore;
use super::state::State;

impl State {
    fn stored(&self, (app, id): (AppId, NotificationId)) -> Option<StoredNotification> {
        let new = self.notification_of(app, id)?;
        Some(StoredNotification {
            app,
            id,
            content: new.content.clone(),
            campaign: new.campaign,
            accepted_at: new.accepted_at,
            start_at: new.start_at,
            expires_at: new.expires_at,
            day: new.day(),
        })
    }
}

#[async_trait]
impl Engine for MemoryStore {
    async fn now(&self) -> Result<Timestamp> {
        Ok(self.clock.now())
    }

    async fn accept(&self, submissions: Vec<Submission>) -> Result<Vec<Verdict>> {
        self.commit(|state, now| state.accept(submissions, now))
    }

    async fn schedule(&self, sweep: &Sweep) -> Result<Ready> {
        Ok(self.commit(|state, now| state.schedule(sweep, now)))
    }

    async fn release(&self, sweep: &Sweep) -> Result<Ready> {
        self.commit(|state, now| Ok(state.release(sweep, now)))
    }

    async fn claim(&self, keys: &[WorkKey], lease: Duration) -> Result<Claim> {
        self.commit(|state, now| Ok(state.claim(keys, lease, now)))
    }

    async fn renew(&self, held: &[(WorkKey, i64)], lease: Duration) -> Result<Vec<WorkKey>> {
        self.commit(|state, now| Ok(state.renew(held, lease, now)))
    }

    async fn read_notifications(&self, ids: &[(AppId, NotificationId)]) -> Result<Vec<StoredNotification>> {
        Ok(self.read(|state, _| ids.iter().filter_map(|id| state.stored(*id)).collect()))
    }

    async fn read_targets(&self, asks: &[Ask]) -> Result<Vec<Answer>> {
        self.commit(|state, _| Ok(state.read_targets(asks)))
    }

    async fn record(&self, record: &Record) -> Result<Recorded> {
        self.commit(|state, now| state.record(record, now))
    }

    async fn read_page(&self, key: WorkKey, limit: usize, selection: &Selection) -> Result<Option<AudiencePage>> {
        Ok(self.read(|state, _| state.read_page(key, limit, selection)))
    }

    async fn commit_page(&self, key: WorkKey, epoch: i64, page: &AudiencePage, chunks: &[NewWork]) -> Result<bool> {
        self.commit(|state, now| state.commit_page(key, epoch, page, (chunks, now)))
    }

    async fn cancel(&self, app: AppId, id: NotificationId) -> Result<bool> {
        self.commit(|state, now| Ok(state.cancel(app, id, now)))
    }

    async fn pause(&self, app: AppId, id: NotificationId) -> Result<bool> {
        self.commit(|state, now| Ok(state.pause(app, id, now)))
    }

    async fn resume(&self, app: AppId, id: NotificationId) -> Result<bool> {
        self.commit(|state, now| Ok(state.resume(app, id, now)))
    }

    async fn run_changes(&self, since: Timestamp) -> Result<Vec<RunChange>> {
        Ok(self.read(|state, _| state.run_changes(since)))
    }

    async fn hasten(&self, app: AppId, id: NotificationId) -> Result<()> {
        self.commit(|state, now| state.hasten(app, id, now));
        Ok(())
    }

    async fn hand_back(&self, held: &[(WorkKey, i64)]) -> Result<()> {
        self.commit(|state, now| state.hand_back(held, now));
        Ok(())
    }

    async fn read_devices(&self, app: AppId, after: i64, limit: usize, selection: &Selection) -> Result<Scan> {
        Ok(self.read(|state, _| state.read_devices(app, after, limit, selection)))
    }

    async fn backlog(&self) -> Result<u64> {
        Ok(self.read(|state, _| state.work.len() as u64))
    }
}
