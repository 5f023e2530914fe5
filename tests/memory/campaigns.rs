//! Campaigns: each step looks at the status it finds.

use std::cmp::Reverse;

use async_trait::async_trait;
use herald::domain::Timestamp;
use herald::domain::campaign::CampaignStatus;
use herald::domain::id::{AppId, CampaignId, NotificationId, RunId};
use herald::domain::webhook::EventType;
use herald::store::campaign::{CampaignRun, CampaignStats, Campaigns, Definition, Made, NewRun, Remember, StoredCampaign, Turned};
use herald::store::engine::RunStatus;
use herald::store::idempotency::Before;
use herald::store::{Page, PageRequest, Result};

use super::page::page;
use super::state::State;
use super::{MemoryStore, conflict};

const MAX_TARGETS: &str = "max_targets";

impl State {
    pub fn campaign(&self, app: AppId, id: CampaignId) -> Option<&StoredCampaign> {
        self.campaigns.get(&id).filter(|(of, _)| *of == app).map(|(_, campaign)| campaign)
    }

    /// Changes one that is in one of these statuses.
    fn change_campaign(
        &mut self,
        (app, id): (AppId, CampaignId),
        from: &[CampaignStatus],
        change: impl FnOnce(&mut StoredCampaign),
        now: Timestamp,
    ) -> Turned {
        let Some((_, campaign)) = self.campaigns.get_mut(&id).filter(|(of, _)| *of == app) else { return Turned::Unknown };
        if !from.contains(&campaign.status) {
            return Turned::Refused(Box::new(campaign.clone()));
        }
        change(campaign);
        (campaign.version, campaign.updated_at) = (campaign.version + 1, now);
        Turned::Done(Box::new(campaign.clone()))
    }

    fn open_runs(&self, id: CampaignId) -> Vec<NotificationId> {
        self.runs.iter().filter(|(_, run)| run.campaign == Some(id) && run.open).map(|(id, _)| *id).collect()
    }

    pub fn runs_of(&self, id: CampaignId) -> impl DoubleEndedIterator<Item = &CampaignRun> {
        self.campaign_runs.iter().filter(move |((of, _), _)| *of == id).map(|(_, run)| run)
    }

    fn pause_campaign(&mut self, app: AppId, id: CampaignId, now: Timestamp) -> Turned {
        let hold = |campaign: &mut StoredCampaign| (campaign.status, campaign.reason) = (CampaignStatus::Paused, None);
        let turned = self.change_campaign((app, id), &[CampaignStatus::Scheduled, CampaignStatus::Running], hold, now);
        if matches!(turned, Turned::Done(_)) {
            self.pause_runs(app, id, now);
            self.tell_campaign((app, id), EventType::CampaignPaused, (None, None), now);
        }
        turned
    }

    fn pause_runs(&mut self, app: AppId, id: CampaignId, now: Timestamp) {
        for run in self.open_runs(id) {
            if let Some(ahead) = self.runs.get_mut(&run).filter(|run| run.status == RunStatus::Scheduled) {
                ahead.status = RunStatus::Running;
            }
            self.pause(app, run, now);
        }
    }

    fn resume_campaign(&mut self, app: AppId, id: CampaignId, now: Timestamp) -> Turned {
        if let Some(too_large) = self.campaign(app, id).filter(|campaign| campaign.reason.as_deref() == Some(MAX_TARGETS)) {
            return Turned::Refused(Box::new(too_large.clone()));
        }
        let was = if self.runs_of(id).next().is_some() { CampaignStatus::Running } else { CampaignStatus::Scheduled };
        let go_on = |campaign: &mut StoredCampaign| (campaign.status, campaign.reason) = (was, None);
        let turned = self.change_campaign((app, id), &[CampaignStatus::Paused], go_on, now);
        if matches!(turned, Turned::Done(_)) {
            for run in self.open_runs(id) {
                self.resume(app, run, now);
            }
        }
        turned
    }

    fn cancel_campaign(&mut self, app: AppId, id: CampaignId, now: Timestamp) -> Turned {
        let end = |campaign: &mut StoredCampaign| {
            (campaign.status, campaign.reason, campaign.next_fire) = (CampaignStatus::Cancelled, None, None);
        };
        let from = [CampaignStatus::Scheduled, CampaignStatus::Running, CampaignStatus::Paused];
        let turned = self.change_campaign((app, id), &from, end, now);
        if matches!(turned, Turned::Done(_)) {
            for run in self.open_runs(id) {
                self.cancel(app, run, now);
            }
        }
        turned
    }

    /// Holds a run that has more targets than it may have, and its campaign with all of its runs.
    pub fn exceed(&mut self, (app, run): (AppId, NotificationId), campaign: Option<CampaignId>, now: Timestamp) {
        let Some(id) = campaign.filter(|id| self.campaigns.contains_key(id)) else {
            self.pause(app, run, now);
            return;
        };
        self.pause_runs(app, id, now);
        let was_paused = self.campaign(app, id).is_none_or(|campaign| campaign.status == CampaignStatus::Paused);
        let hold = |campaign: &mut StoredCampaign| {
            (campaign.status, campaign.reason) = (CampaignStatus::Paused, Some(MAX_TARGETS.to_owned()));
        };
        let from = [CampaignStatus::Scheduled, CampaignStatus::Running, CampaignStatus::Paused];
        if matches!(self.change_campaign((app, id), &from, hold, now), Turned::Done(_)) && !was_paused {
            self.tell_campaign((app, id), EventType::CampaignPaused, (None, Some(MAX_TARGETS)), now);
        }
    }

    fn is_due_as(&self, app: AppId, id: CampaignId, version: i64) -> bool {
        let waits = |campaign: &StoredCampaign| matches!(campaign.status, CampaignStatus::Scheduled | CampaignStatus::Running);
        self.campaign(app, id).is_some_and(|campaign| waits(campaign) && campaign.version == version && campaign.next_fire.is_some())
    }

    fn fire(
        &mut self,
        (app, id): (AppId, CampaignId),
        version: i64,
        fired: (Vec<NewRun>, Option<Timestamp>),
        now: Timestamp,
    ) -> Result<bool> {
        let (runs, next) = fired;
        if !self.is_due_as(app, id, version) {
            return Ok(false);
        }
        let fresh = || runs.iter().filter_map(|new| new.notification.as_ref());
        if fresh().any(|new| self.notifications.contains_key(&new.id)) {
            return Err(conflict("notification"));
        }
        self.check_new_work(fresh().flat_map(|new| new.work.iter().map(|work| (new.id, work.id))))?;
        if runs.iter().any(|new| self.campaign_runs.contains_key(&(id, new.run.id))) {
            return Err(conflict("campaign_run"));
        }
        let begin = |campaign: &mut StoredCampaign| (campaign.status, campaign.next_fire) = (CampaignStatus::Running, next);
        self.change_campaign((app, id), &[CampaignStatus::Scheduled, CampaignStatus::Running], begin, now);
        for new in runs {
            if new.run.notification.is_some() {
                self.tell_campaign((app, id), EventType::CampaignStarted, (Some(new.run.id), None), now);
            }
            self.campaign_runs.insert((id, new.run.id), new.run);
            if let Some(notification) = new.notification {
                self.add(notification, now)?;
            }
        }
        Ok(true)
    }

    fn stop_campaign(&mut self, (app, id): (AppId, CampaignId), version: i64, reason: &str, now: Timestamp) -> bool {
        if !self.is_due_as(app, id, version) {
            return false;
        }
        let hold = |campaign: &mut StoredCampaign| {
            (campaign.status, campaign.reason) = (CampaignStatus::Paused, Some(reason.to_owned()));
        };
        self.change_campaign((app, id), &[CampaignStatus::Scheduled, CampaignStatus::Running], hold, now);
        self.pause_runs(app, id, now);
        self.tell_campaign((app, id), EventType::CampaignPaused, (None, Some(reason)), now);
        true
    }

    fn settle_campaigns(&mut self, now: Timestamp) -> usize {
        let ended = |(id, (app, campaign)): (&CampaignId, &(AppId, StoredCampaign))| {
            let is_over = campaign.status == CampaignStatus::Running && campaign.next_fire.is_none() && self.open_runs(*id).is_empty();
            is_over.then_some((*app, *id))
        };
        let ended: Vec<(AppId, CampaignId)> = self.campaigns.iter().filter_map(ended).collect();
        for key in &ended {
            self.change_campaign(*key, &[CampaignStatus::Running], |campaign| campaign.status = CampaignStatus::Done, now);
            self.tell_campaign(*key, EventType::CampaignDone, (None, None), now);
        }
        ended.len()
    }

    fn due(&self, apps: &[AppId], limit: usize, now: Timestamp) -> Vec<(AppId, StoredCampaign)> {
        let is_due = |campaign: &StoredCampaign| campaign.next_fire.is_some_and(|at| at <= now) && self.waits_for_run(campaign);
        let mut due: Vec<(AppId, StoredCampaign)> =
            self.campaigns.values().filter(|(app, campaign)| apps.contains(app) && is_due(campaign)).cloned().collect();
        due.sort_by_key(|(_, campaign)| (campaign.next_fire, campaign.id));
        due.truncate(limit);
        due
    }

    fn waits_for_run(&self, campaign: &StoredCampaign) -> bool {
        self.campaigns.get(&campaign.id).is_some_and(|(app, _)| self.is_due_as(*app, campaign.id, campaign.version))
    }
}

#[async_trait]
impl Campaigns for MemoryStore {
    async fn create_campaign(&self, app: AppId, id: CampaignId, definition: &Definition, remember: Option<Remember>) -> Result<Made> {
        self.commit(|state, now| {
            match remember.as_ref().map(|remember| state.before(&remember.key, now)) {
                Some(Before::Same(answer)) => return Ok(Made::Replayed(answer)),
                Some(Before::Other) => return Ok(Made::Reused),
                Some(Before::Nothing) | None => {}
            }
            if state.campaigns.contains_key(&id) {
                return Err(conflict("campaign"));
            }
            let campaign = StoredCampaign {
                id,
                definition: definition.clone(),
                status: CampaignStatus::Draft,
                reason: None,
                next_fire: None,
                version: 1,
                created_at: now,
                updated_at: now,
            };
            state.campaigns.insert(id, (app, campaign.clone()));
            if let Some(Remember { key, answer }) = &remember {
                state.remember(key, answer(&campaign), now);
            }
            Ok(Made::New(Box::new(campaign)))
        })
    }

    async fn campaign(&self, app: AppId, id: CampaignId) -> Result<Option<StoredCampaign>> {
        Ok(self.read(|state, _| state.campaign(app, id).cloned()))
    }

    async fn campaigns(&self, app: AppId, status: Option<CampaignStatus>, request: &PageRequest) -> Result<Page<StoredCampaign>> {
        let rows = self.read(|state, _| {
            let of_app = state.campaigns.values().rev().filter(|(of, _)| *of == app).map(|(_, campaign)| campaign.clone());
            let wanted = of_app.filter(|campaign| status.is_none_or(|status| status == campaign.status));
            wanted.map(|campaign| (Reverse(campaign.id.0), campaign)).collect()
        });
        page(rows, request)
    }

    async fn put_campaign(
        &self,
        app: AppId,
        id: CampaignId,
        definition: &Definition,
        next_fire: Option<Timestamp>,
        if_match: Option<i64>,
    ) -> Result<Turned> {
        Ok(self.commit(|state, now| {
            if state.campaign(app, id).is_some_and(|campaign| if_match.is_some_and(|version| version != campaign.version)) {
                return Turned::Stale;
            }
            let say = |campaign: &mut StoredCampaign| {
                campaign.definition = definition.clone();
                if campaign.status == CampaignStatus::Scheduled {
                    campaign.next_fire = next_fire.or(campaign.next_fire);
                }
            };
            state.change_campaign((app, id), &[CampaignStatus::Draft, CampaignStatus::Scheduled], say, now)
        }))
    }

    async fn delete_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned> {
        Ok(self.commit(|state, _| match state.campaign(app, id).cloned() {
            None => Turned::Unknown,
            Some(campaign) if campaign.status != CampaignStatus::Draft => Turned::Refused(Box::new(campaign)),
            Some(campaign) => {
                state.campaigns.remove(&id);
                Turned::Done(Box::new(campaign))
            }
        }))
    }

    async fn start_campaign(&self, app: AppId, id: CampaignId, version: i64, next_fire: Timestamp) -> Result<Turned> {
        Ok(self.commit(|state, now| {
            let is_draft = |campaign: &&StoredCampaign| campaign.status == CampaignStatus::Draft;
            if state.campaign(app, id).filter(is_draft).is_some_and(|campaign| campaign.version != version) {
                return Turned::Stale;
            }
            let start =
                |campaign: &mut StoredCampaign| (campaign.status, campaign.next_fire) = (CampaignStatus::Scheduled, Some(next_fire));
            state.change_campaign((app, id), &[CampaignStatus::Draft], start, now)
        }))
    }

    async fn pause_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned> {
        Ok(self.commit(|state, now| state.pause_campaign(app, id, now)))
    }

    async fn resume_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned> {
        Ok(self.commit(|state, now| state.resume_campaign(app, id, now)))
    }

    async fn cancel_campaign(&self, app: AppId, id: CampaignId) -> Result<Turned> {
        Ok(self.commit(|state, now| state.cancel_campaign(app, id, now)))
    }

    async fn due_campaigns(&self, apps: &[AppId], limit: usize) -> Result<Vec<(AppId, StoredCampaign)>> {
        Ok(self.read(|state, now| state.due(apps, limit, now)))
    }

    async fn fire_campaign(&self, app: AppId, id: CampaignId, version: i64, runs: Vec<NewRun>, next: Option<Timestamp>) -> Result<bool> {
        self.commit(|state, now| state.fire((app, id), version, (runs, next), now))
    }

    async fn stop_campaign(&self, app: AppId, id: CampaignId, version: i64, reason: &str) -> Result<bool> {
        Ok(self.commit(|state, now| state.stop_campaign((app, id), version, reason, now)))
    }

    async fn settle_campaigns(&self) -> Result<usize> {
        Ok(self.commit(State::settle_campaigns))
    }

    async fn campaign_runs(&self, app: AppId, id: CampaignId, request: &PageRequest) -> Result<Option<Page<CampaignRun>>> {
        let rows = self.read(|state, _| {
            state.campaign(app, id)?;
            Some(state.runs_of(id).map(|run| (Reverse(run.id.0), run.clone())).rev().collect())
        });
        rows.map(|rows| page(rows, request)).transpose()
    }

    async fn campaign_stats(&self, app: AppId, id: CampaignId, run: Option<RunId>) -> Result<Option<CampaignStats>> {
        Ok(self.read(|state, now| state.campaign_stats(app, id, run, now)))
    }
}
