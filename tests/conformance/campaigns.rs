//! Campaigns: what they say, and the steps from one status to another.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use herald::domain::campaign::CampaignStatus::{self, Cancelled, Done, Draft, Paused, Running, Scheduled};
use herald::domain::id::{CampaignId, NotificationId, RunId};
use herald::store::campaign::{CampaignRun, Definition, Made, NewRun, Remember, StoredCampaign, Turned};
use herald::store::engine::{IdempotencyKey, NewNotification};
use herald::store::{Error, PageRequest};
use serde_json::json;

use crate::kit::{DAY, SECOND};
use crate::world::World;

pub const ALL: PageRequest = PageRequest { limit: 500, after: None };

/// What a campaign of this name says.
pub fn definition(name: &str) -> Definition {
    Definition {
        name: name.to_owned(),
        given: json!({"name": name, "per_second": 2.5, "segment": {"everyone": true}}),
        plan: name.to_owned().into(),
    }
}

pub fn done(turned: Turned) -> StoredCampaign {
    match turned {
        Turned::Done(campaign) => *campaign,
        other => panic!("{other:?}"),
    }
}

impl World {
    pub fn campaign_id(&self) -> CampaignId {
        CampaignId(self.notification_id().0)
    }

    pub async fn draft(&self, name: &str) -> StoredCampaign {
        let made = self.store().create_campaign(self.app, self.campaign_id(), &definition(name), None).await.unwrap();
        let Made::New(campaign) = made else { panic!("{made:?}") };
        *campaign
    }

    /// One whose first run is due now.
    pub async fn due(&self, name: &str) -> StoredCampaign {
        let campaign = self.draft(name).await;
        done(self.store().start_campaign(self.app, campaign.id, campaign.version, self.now()).await.unwrap())
    }

    /// Its next run, which sends this.
    pub fn run_of(&self, campaign: CampaignId, notification: Option<NewNotification>) -> NewRun {
        let notification = notification.map(|new| NewNotification { campaign: Some(campaign), ..new });
        let id = RunId(self.notification_id().0);
        NewRun { run: CampaignRun { id, occurrence: self.now(), notification: notification.as_ref().map(|new| new.id) }, notification }
    }

    /// Begins a run of a campaign that is due now.
    pub async fn fire(&self, campaign: CampaignId, new: NewNotification, next: Option<Duration>) -> (RunId, NotificationId) {
        let (run, version) = (self.run_of(campaign, Some(new)), self.campaign(campaign).await.version);
        let known = (run.run.id, run.run.notification.unwrap());
        assert!(self.store().fire_campaign(self.app, campaign, version, vec![run], next.map(|next| self.later(next))).await.unwrap());
        known
    }

    pub async fn campaign(&self, id: CampaignId) -> StoredCampaign {
        self.store().campaign(self.app, id).await.unwrap().unwrap()
    }

    async fn in_status(&self, status: CampaignStatus) -> StoredCampaign {
        let (app, store) = (self.app, self.store());
        if status == Draft {
            return self.draft("draft").await;
        }
        let campaign = self.due("started").await;
        if status == Scheduled {
            return campaign;
        }
        let next = (status != Done).then(|| self.later(DAY));
        assert!(store.fire_campaign(app, campaign.id, campaign.version, vec![self.run_of(campaign.id, None)], next).await.unwrap());
        match status {
            Paused => done(store.pause_campaign(app, campaign.id).await.unwrap()),
            Cancelled => done(store.cancel_campaign(app, campaign.id).await.unwrap()),
            Done => {
                assert_eq!(store.settle_campaigns().await.unwrap(), 1);
                self.campaign(campaign.id).await
            }
            _ => self.campaign(campaign.id).await,
        }
    }
}

pub async fn a_campaign_is_kept_as_it_was_given(world: &mut World) {
    let made = world.draft("spring").await;
    let expected = StoredCampaign {
        id: made.id,
        definition: definition("spring"),
        status: Draft,
        reason: None,
        next_fire: None,
        version: 1,
        created_at: world.now(),
        updated_at: world.now(),
    };
    assert_eq!((&made, world.campaign(made.id).await), (&expected, expected.clone()));
    world.pass(SECOND);
    let put = world.store().put_campaign(world.app, made.id, &definition("summer"), Some(world.now()), None).await.unwrap();
    let expected = StoredCampaign { definition: definition("summer"), version: 2, updated_at: world.now(), ..expected };
    assert_eq!((put, world.campaign(made.id).await), (Turned::Done(Box::new(expected.clone())), expected));
    let twice = world.store().create_campaign(world.app, made.id, &definition("twice"), None).await;
    assert!(matches!(twice, Err(Error::Refused(_))), "{twice:?}");
}

pub async fn campaigns_are_listed_newest_first(world: &mut World) {
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(if n % 2 == 0 { world.draft("draft").await } else { world.due("due").await }.id);
    }
    made.reverse();
    let list = async |status, limit| {
        let (mut ids, mut page) = (Vec::new(), PageRequest { limit, after: None });
        loop {
            let listed = world.store().campaigns(world.app, status, &page).await.unwrap();
            assert!(listed.items.len() <= limit);
            ids.extend(listed.items.into_iter().map(|campaign| campaign.id));
            page.after = listed.next;
            if page.after.is_none() {
                return ids;
            }
        }
    };
    for limit in [1, 2, 5, 50] {
        assert_eq!(list(None, limit).await, made);
        assert_eq!(list(Some(Scheduled), limit).await, [made[1], made[3]]);
        assert!(list(Some(Running), limit).await.is_empty());
    }
    let foreign = world.store().campaigns(world.app, None, &PageRequest { limit: 1, after: Some("nowhere".to_owned()) }).await;
    assert!(matches!(foreign, Err(Error::ForeignCursor)), "{foreign:?}");
}

pub async fn a_campaign_is_its_apps(world: &mut World) {
    let (store, app) = (world.shared(), world.app);
    let mine = world.due("mine").await;
    let other = store.ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert_eq!(store.campaign(other, mine.id).await.unwrap(), None);
    assert!(store.campaigns(other, None, &ALL).await.unwrap().items.is_empty());
    assert_eq!(store.campaign_runs(other, mine.id, &ALL).await.unwrap(), None);
    assert_eq!(store.campaign_stats(other, mine.id, None).await.unwrap(), None);
    assert_eq!(store.put_campaign(other, mine.id, &definition("theirs"), None, None).await.unwrap(), Turned::Unknown);
    assert_eq!(store.start_campaign(other, mine.id, 1, world.now()).await.unwrap(), Turned::Unknown);
    for turned in [
        store.delete_campaign(other, mine.id).await,
        store.pause_campaign(other, mine.id).await,
        store.resume_campaign(other, mine.id).await,
        store.cancel_campaign(other, mine.id).await,
    ] {
        assert_eq!(turned.unwrap(), Turned::Unknown);
    }
    assert!(!store.fire_campaign(other, mine.id, mine.version, Vec::new(), None).await.unwrap());
    assert!(!store.stop_campaign(other, mine.id, mine.version, "empty").await.unwrap());
    assert_eq!(store.campaign(app, mine.id).await.unwrap(), Some(mine.clone()));
    assert!(store.due_campaigns(&[other], 10).await.unwrap().is_empty());
    assert_eq!(store.due_campaigns(&[other, app], 10).await.unwrap(), [(app, mine)]);
}

/// From where each step is taken, and where it leads.
pub async fn each_step_is_taken_from_some_statuses_only(world: &mut World) {
    type Row = (&'static str, &'static [(CampaignStatus, CampaignStatus)]);
    let table: [Row; 5] = [
        ("put", &[(Draft, Draft), (Scheduled, Scheduled)]),
        ("start", &[(Draft, Scheduled)]),
        ("pause", &[(Scheduled, Paused), (Running, Paused)]),
        ("resume", &[(Paused, Running)]),
        ("cancel", &[(Scheduled, Cancelled), (Running, Cancelled), (Paused, Cancelled)]),
    ];
    let (store, app) = (world.shared(), world.app);
    for (step, leads) in table {
        for from in CampaignStatus::ALL {
            let before = world.in_status(*from).await;
            assert_eq!(before.status, *from);
            let (id, now) = (before.id, world.now());
            let turned = match step {
                "put" => store.put_campaign(app, id, &definition("new"), Some(now), None).await,
                "start" => store.start_campaign(app, id, before.version, now).await,
                "pause" => store.pause_campaign(app, id).await,
                "resume" => store.resume_campaign(app, id).await,
                _ => store.cancel_campaign(app, id).await,
            };
            let after = world.campaign(id).await;
            if let Some((_, to)) = leads.iter().find(|(status, _)| status == from) {
                assert_eq!((after.status, after.version), (*to, before.version + 1), "{step} from {from}");
                assert_eq!(turned.unwrap(), Turned::Done(Box::new(after)));
            } else {
                assert_eq!(after, before, "{step} from {from}");
                assert_eq!(turned.unwrap(), Turned::Refused(Box::new(after)), "{step} from {from}");
            }
        }
    }
}

/// The same key makes one campaign, whoever asks at the same time.
pub async fn a_key_makes_one_campaign(world: &mut World) {
    let (store, app) = (world.shared(), world.app);
    let key = |body: u8| IdempotencyKey { app, route: "campaigns", key: "k".to_owned(), body_hash: [body; 32] };
    let remember = |body| Remember { key: key(body), answer: Arc::new(|campaign| Bytes::from(campaign.id.to_string())) };
    let make = |_| {
        let (store, id) = (Arc::clone(&store), world.campaign_id());
        async move { store.create_campaign(app, id, &definition("once"), Some(remember(1))).await.unwrap() }
    };
    let made = join_all((0..6).map(make)).await;
    let new: Vec<&StoredCampaign> =
        made.iter().filter_map(|made| if let Made::New(campaign) = made { Some(&**campaign) } else { None }).collect();
    assert_eq!(new.len(), 1, "{made:?}");
    let answer = Made::Replayed(Bytes::from(new[0].id.to_string()));
    assert_eq!(made.iter().filter(|made| **made == answer).count(), 5, "{made:?}");
    assert_eq!(make(0).await, answer);
    let other = store.create_campaign(app, world.campaign_id(), &definition("other"), Some(remember(2))).await.unwrap();
    assert_eq!(other, Made::Reused);
    assert_eq!(store.campaigns(app, None, &ALL).await.unwrap().items.len(), 1);
}

pub async fn only_a_draft_is_deleted(world: &mut World) {
    for from in CampaignStatus::ALL {
        let campaign = world.in_status(*from).await;
        let deleted = world.store().delete_campaign(world.app, campaign.id).await.unwrap();
        let left = world.store().campaign(world.app, campaign.id).await.unwrap();
        if *from == Draft {
            assert_eq!((deleted, left), (Turned::Done(Box::new(campaign)), None));
        } else {
            assert_eq!((deleted, left), (Turned::Refused(Box::new(campaign.clone())), Some(campaign)));
        }
    }
}

pub async fn a_campaign_changes_only_in_the_version_that_is_named(world: &mut World) {
    let (store, app) = (world.shared(), world.app);
    let campaign = world.draft("draft").await;
    let put = async |version| store.put_campaign(app, campaign.id, &definition("put"), None, Some(version)).await.unwrap();
    assert_eq!(put(2).await, Turned::Stale);
    assert_eq!(done(put(1).await).version, 2);
    assert_eq!(store.start_campaign(app, campaign.id, 1, world.now()).await.unwrap(), Turned::Stale);
    assert_eq!(done(store.start_campaign(app, campaign.id, 2, world.now()).await.unwrap()).version, 3);
    assert!(matches!(store.start_campaign(app, campaign.id, 2, world.now()).await.unwrap(), Turned::Refused(_)));
}

pub async fn a_scheduled_one_that_is_edited_is_due_when_that_says(world: &mut World) {
    let (store, app) = (world.shared(), world.app);
    let campaign = world.due("due").await;
    let put = async |at| done(store.put_campaign(app, campaign.id, &definition("put"), at, None).await.unwrap()).next_fire;
    assert_eq!(put(Some(world.later(DAY))).await, Some(world.later(DAY)));
    assert_eq!(put(None).await, Some(world.later(DAY)));
    assert!(store.due_campaigns(&[world.app], 10).await.unwrap().is_empty());
    let draft = world.draft("draft").await;
    assert_eq!(done(store.put_campaign(app, draft.id, &definition("put"), Some(world.now()), None).await.unwrap()).next_fire, None);
}

pub async fn those_that_wait_longest_are_due_first(world: &mut World) {
    let (store, app) = (world.shared(), world.app);
    let mut made = Vec::new();
    for seconds in [3, 1, 2, 9] {
        let draft = world.draft("draft").await;
        let at = world.later(SECOND * seconds);
        made.push(done(store.start_campaign(app, draft.id, 1, at).await.unwrap()).id);
    }
    world.draft("draft").await;
    let held = world.due("held").await;
    store.pause_campaign(app, held.id).await.unwrap();
    let due = async |limit| {
        store.due_campaigns(&[world.app], limit).await.unwrap().into_iter().map(|(_, campaign)| campaign.id).collect::<Vec<_>>()
    };
    assert!(due(10).await.is_empty());
    world.pass(SECOND * 3);
    assert_eq!(due(10).await, [made[1], made[2], made[0]]);
    assert_eq!(due(2).await, [made[1], made[2]]);
    let version = world.campaign(made[1]).await.version;
    assert!(store.fire_campaign(app, made[1], version, vec![world.run_of(made[1], None)], None).await.unwrap());
    assert_eq!(due(10).await, [made[2], made[0]]);
}
