//! Campaigns: what is refused, where they go, and what of them is answered.

use std::time::Duration;

use chrono::TimeDelta;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::kit::{Reply, World};
use crate::dispatch::draft::To;
use crate::domain::category::Category;
use crate::domain::clock::Clock;
use crate::domain::notification::{IfPast, InQuietHours, When};
use crate::domain::pace::Pace;
use crate::store::Categories;

const PATH: &str = "/v1/campaigns";

async fn world() -> World {
    let world = World::new().await;
    world.store.put_category(world.app, "news", &Category::default(), None).await.unwrap();
    world
}

/// A campaign with changes by JSON Pointer; null takes a member out.
fn campaign(changes: &[(&str, Value)]) -> Value {
    let mut body = json!({
        "name": "Autumn",
        "notification": {"category": "news", "content": {"title": "Sale"}},
        "segment": {"everyone": true},
    });
    for (pointer, value) in changes {
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        let parent = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            parent.remove(member);
        } else {
            parent.insert(member.to_owned(), value.clone());
        }
    }
    body
}

async fn created(world: &World, changes: &[(&str, Value)]) -> String {
    let reply = world.post(PATH, campaign(changes)).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    reply.json()["id"].as_str().unwrap().to_owned()
}

async fn step(world: &World, id: &str, step: &str) -> Reply {
    world.post(&format!("{PATH}/{id}/{step}"), "").await
}

fn status(reply: &Reply) -> String {
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    reply.json()["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let world = world().await;
    let variant = |name: &str, weight: u32| json!({"name": name, "weight": weight, "content": {"title": name}});
    for (changes, field, code) in [
        (vec![("/name", Value::Null)], "name", "required"),
        (vec![("/name", json!(""))], "name", "invalid"),
        (vec![("/name", json!("x".repeat(201)))], "name", "invalid"),
        (vec![("/colour", json!("red"))], "colour", "unknown_field"),
        (vec![("/notification", Value::Null)], "notification", "required"),
        (vec![("/notification", json!([]))], "notification", "invalid"),
        (vec![("/notification/category", Value::Null)], "notification.category", "required"),
        (vec![("/notification/category", json!("none"))], "notification.category", "unknown_category"),
        (vec![("/notification/content", Value::Null)], "notification.content", "required"),
        (vec![("/notification/content/badge", json!(-1))], "notification.content.badge", "invalid"),
        (vec![("/notification/colour", json!("red"))], "notification.colour", "unknown_field"),
        (vec![("/notification/to", json!({"all": true}))], "notification.to", "unknown_field"),
        (vec![("/notification/send_at", json!("2026-12-01T09:00:00Z"))], "notification.send_at", "unknown_field"),
        (vec![("/notification/test", json!(true))], "notification.test", "unknown_field"),
        (vec![("/segment", Value::Null)], "segment", "required"),
        (vec![("/segment", json!({"any": []}))], "segment.any", "invalid"),
        (vec![("/segment", json!({}))], "segment", "invalid"),
        (vec![("/per_second", json!(0))], "per_second", "invalid"),
        (vec![("/per_second", json!(100_001))], "per_second", "invalid"),
        (vec![("/max_targets", json!(0))], "max_targets", "invalid"),
        (vec![("/if_past", json!("send"))], "if_past", "invalid"),
        (vec![("/schedule", json!({}))], "schedule", "invalid"),
        (vec![("/schedule", json!({"at": "2026-12-01T09:00:00Z", "cron": "0 9 * * *", "timezone": "UTC"}))], "schedule", "invalid"),
        (vec![("/schedule", json!({"at": "2026-12-01T09:00:00"}))], "schedule.at", "invalid"),
        (vec![("/schedule", json!({"at": "2028-12-01T09:00:00Z"}))], "schedule.at", "invalid"),
        (vec![("/schedule", json!({"at_local": "2028-12-01T09:00:00"}))], "schedule.at_local", "invalid"),
        (vec![("/schedule", json!({"at": "2026-12-01T09:00:00Z", "timezone": "UTC"}))], "schedule.timezone", "invalid"),
        (vec![("/schedule", json!({"cron": "every day"}))], "schedule.cron", "invalid"),
        (vec![("/schedule", json!({"cron": "0 9 * * *", "timezone": "Mars/Olympus"}))], "schedule.timezone", "unknown_timezone"),
        (vec![("/schedule", json!({"cron": "every day", "timezone": "UTC"}))], "schedule.cron", "invalid"),
        (vec![("/schedule", json!({"cron": "0 0 30 2 *", "timezone": "UTC"}))], "schedule.cron", "invalid"),
        (
            vec![("/schedule", json!({"cron": "0 9 * * *", "timezone": "UTC", "until": "2026-11-01T00:00:00Z"}))],
            "schedule.until",
            "invalid",
        ),
        (
            vec![
                ("/schedule", json!({"cron": "0 9 * * *", "timezone": "UTC"})),
                ("/notification/expires_at", json!("2026-11-03T09:00:00Z")),
            ],
            "notification.expires_at",
            "invalid",
        ),
        (vec![("/variants", json!([]))], "variants", "invalid"),
        (vec![("/variants", json!([variant("a", 1), variant("a", 1)]))], "variants[1].name", "invalid"),
        (vec![("/variants", json!([variant("a b", 1)]))], "variants[0].name", "invalid"),
        (vec![("/variants", json!([{"name": "a", "content": {"title": "t"}}]))], "variants[0].weight", "required"),
        (vec![("/variants", json!([variant("a", 0)]))], "variants", "invalid"),
        (vec![("/variants", json!([variant("a", 1_000_001)]))], "variants[0].weight", "invalid"),
        (
            vec![("/variants", json!([{"name": "a", "weight": 1, "content": {"image_url": "http://e.example/"}}]))],
            "variants[0].content.image_url",
            "invalid",
        ),
        (
            vec![("/variants", json!([{"name": "a", "weight": 1, "localized": {"in French": {"title": "t"}}}]))],
            "variants[0].localized.in French",
            "invalid",
        ),
        (
            vec![("/notification", json!({"category": "news", "silent": true})), ("/variants", json!([variant("a", 1)]))],
            "variants",
            "invalid",
        ),
    ] {
        let reply = world.post(PATH, campaign(&changes)).await;
        assert_eq!(reply.problem().0, 422, "{changes:?}");
        assert_eq!(reply.field(), (field.to_owned(), code.to_owned()), "{changes:?}: {:?}", reply.json());
    }
    assert_eq!(world.get(PATH).await.json()["items"], json!([]));
}

#[tokio::test]
async fn all_that_is_wrong_is_named_at_once() {
    let world = world().await;
    let body =
        campaign(&[("/name", json!("")), ("/notification/content/badge", json!(-1)), ("/per_second", json!(0)), ("/segment", Value::Null)]);
    let reply = world.post(PATH, body).await.json();
    let fields: Vec<&str> = reply["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["name", "segment", "per_second", "notification.content.badge"]);
}

#[tokio::test]
async fn a_campaign_is_answered_as_it_was_given() {
    let world = world().await;
    let changes = [
        ("/schedule", json!({"at_local": "2026-12-01T09:00:00"})),
        ("/if_past", json!("send")),
        ("/per_second", json!(500)),
        ("/max_targets", json!(1000)),
        ("/variants", json!([{"name": "a", "weight": 1, "content": {"title": "A"}}])),
    ];
    let reply = world.post(PATH, campaign(&changes)).await;
    assert_eq!(reply.status, StatusCode::CREATED);
    let shown = reply.json();
    for (pointer, value) in campaign(&changes).as_object().unwrap() {
        assert_eq!(shown[pointer], *value, "{pointer}");
    }
    assert_eq!((&shown["status"], &shown["reason"], &shown["next_run_at"]), (&json!("draft"), &Value::Null, &Value::Null));
    let draft = world.path.last();
    let campaign = draft.campaign.clone().unwrap();
    assert_eq!((draft.pace, campaign.max_targets, campaign.variants.len()), (Pace::new(500), Some(1000), 1));
    assert_eq!(campaign.id.to_string(), shown["id"].as_str().unwrap());
    assert!(matches!((&draft.to, draft.when), (To::Segment(_), Some(When::Local { if_past: IfPast::Send, .. }))));
    let path = format!("{PATH}/{}", campaign.id);
    let read = world.get(&path).await;
    assert_eq!((read.json(), read.header("etag")), (shown, reply.header("etag")));
    let known = world.ask(Method::GET, &path, &[("if-none-match", reply.header("etag"))], "").await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn a_key_makes_one_campaign() {
    let world = world().await;
    let make = async |body: Value| {
        world.ask(Method::POST, PATH, &[("content-type", "application/json"), ("idempotency-key", "k1")], body.to_string()).await
    };
    let first = make(campaign(&[])).await;
    let second = make(campaign(&[])).await;
    assert_eq!((first.status, second.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!((second.json(), second.header("idempotency-replayed")), (first.json(), "true"));
    assert_eq!(make(campaign(&[("/name", json!("Other"))])).await.problem(), (422, "idempotency_key_reused".to_owned()));
    assert_eq!(world.get(PATH).await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn words_may_be_the_variants_alone() {
    let world = world().await;
    let variants = json!([{"name": "a", "weight": 1, "content": {"title": "A"}}, {"name": "b", "weight": 1, "content": {"title": "B"}}]);
    created(&world, &[("/notification/content", Value::Null), ("/variants", variants)]).await;
    let one_is_empty = json!([{"name": "a", "weight": 1, "content": {"title": "A"}}, {"name": "b", "weight": 1}]);
    let reply = world.post(PATH, campaign(&[("/notification/content", Value::Null), ("/variants", one_is_empty)])).await;
    assert_eq!(reply.field().0, "notification.content");
}

#[tokio::test]
async fn it_goes_its_way_and_no_other() {
    let world = world().await;
    let at = json!({"at": "2026-12-01T09:00:00Z"});
    let id = created(&world, &[("/schedule", at)]).await;
    for refused in ["pause", "resume", "cancel"] {
        assert_eq!(step(&world, &id, refused).await.problem(), (409, "invalid_transition".to_owned()), "{refused}");
    }
    let started = step(&world, &id, "start").await;
    assert_eq!((status(&started), &started.json()["next_run_at"]), ("scheduled".to_owned(), &json!("2026-12-01T09:00:00Z")));
    assert_eq!(step(&world, &id, "start").await.problem(), (409, "invalid_transition".to_owned()));
    assert_eq!(world.delete(&format!("{PATH}/{id}")).await.problem(), (409, "campaign_started".to_owned()));
    assert_eq!(status(&step(&world, &id, "pause").await), "paused");
    assert_eq!(status(&step(&world, &id, "resume").await), "scheduled");
    assert_eq!(status(&step(&world, &id, "cancel").await), "cancelled");
    assert_eq!(step(&world, &id, "resume").await.problem(), (409, "invalid_transition".to_owned()));
    let edited = world.put(&format!("{PATH}/{id}"), campaign(&[])).await;
    assert_eq!(edited.problem(), (409, "campaign_started".to_owned()));

    let draft = created(&world, &[]).await;
    assert_eq!(world.delete(&format!("{PATH}/{draft}")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.get(&format!("{PATH}/{draft}")).await.problem(), (404, "not_found".to_owned()));
    assert_eq!(step(&world, &draft, "start").await.problem(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn one_without_a_schedule_runs_when_it_is_started() {
    let world = world().await;
    let id = created(&world, &[]).await;
    let runs = format!("{PATH}/{id}/runs");
    assert_eq!(world.get(&runs).await.json()["items"], json!([]));
    let started = step(&world, &id, "start").await;
    assert_eq!((status(&started), &started.json()["next_run_at"]), ("running".to_owned(), &Value::Null));
    let run = world.get(&runs).await.json()["items"][0].clone();
    let notification = world.get(&format!("/v1/notifications/{}", run["notification_id"].as_str().unwrap())).await.json();
    assert_eq!((&run["status"], &run["started_at"]), (&notification["status"], &notification["accepted_at"]));
    assert_eq!(run["counts"], notification["counts"]);
    let stats = world.get(&format!("{PATH}/{id}/stats?run={}", run["id"].as_str().unwrap())).await.json();
    assert_eq!(stats["latency_ms"], json!({"p50": null, "p95": null, "p99": null}));
    assert_eq!(stats["counts"]["sent"], 0);
    let unknown = world.get(&format!("{PATH}/{id}/stats?run={id}")).await;
    assert_eq!(unknown.problem(), (404, "not_found".to_owned()));
    assert_eq!(world.get(&format!("{PATH}/{id}/stats?run=x")).await.field().0, "run");
}

#[tokio::test]
async fn what_is_scheduled_can_be_edited() {
    let world = world().await;
    let id = created(&world, &[("/schedule", json!({"cron": "0 9 * * MON", "timezone": "Europe/Paris"}))]).await;
    let path = format!("{PATH}/{id}");
    let started = step(&world, &id, "start").await;
    assert_eq!(started.json()["next_run_at"], "2026-11-09T08:00:00Z");
    let tag = world.get(&path).await.header("etag").to_owned();
    let sooner = campaign(&[("/schedule", json!({"cron": "0 9 * * TUE", "timezone": "Europe/Paris"}))]);
    let edited = world.ask(Method::PUT, &path, &[("content-type", "application/json"), ("if-match", &tag)], sooner.to_string()).await;
    assert_eq!((edited.status, &edited.json()["next_run_at"]), (StatusCode::OK, &json!("2026-11-03T08:00:00Z")));
    let stale = world.ask(Method::PUT, &path, &[("content-type", "application/json"), ("if-match", &tag)], sooner.to_string()).await;
    assert_eq!(stale.problem(), (412, "stale".to_owned()));
    // without a schedule it would go out at once, which nobody asked for
    assert_eq!(world.put(&path, campaign(&[])).await.field(), ("schedule".to_owned(), "required".to_owned()));
}

/// The app's devices that have no zone are in Lima, five hours behind UTC.
#[tokio::test]
async fn a_pattern_without_a_zone_is_in_the_apps() {
    let world = world().await;
    let id = created(&world, &[("/schedule", json!({"cron": "0 9 * * MON"}))]).await;
    let started = step(&world, &id, "start").await;
    assert_eq!(started.json()["next_run_at"], "2026-11-02T14:00:00Z");
    assert_eq!(started.json()["schedule"], json!({"cron": "0 9 * * MON"}), "as given");
}

#[tokio::test]
async fn a_schedule_that_is_over_cannot_be_started() {
    let world = world().await;
    let until = (world.clock.now() + TimeDelta::days(1)).to_rfc3339();
    let id = created(&world, &[("/schedule", json!({"cron": "0 12 * * *", "timezone": "UTC", "until": until}))]).await;
    world.clock.pass(Duration::from_hours(48));
    assert_eq!(step(&world, &id, "start").await.problem(), (409, "invalid_transition".to_owned()));
}

#[tokio::test]
async fn a_test_goes_to_a_few_at_once() {
    let world = world().await;
    let variants = json!([{"name": "a", "weight": 1, "content": {"title": "A"}}, {"name": "b", "weight": 1, "content": {"title": "B"}}]);
    let id = created(&world, &[("/schedule", json!({"at": "2026-12-01T09:00:00Z"})), ("/variants", variants)]).await;
    let path = format!("{PATH}/{id}/test");
    for (body, field) in [
        (json!({}), "to"),
        (json!({"to": {}}), "to"),
        (json!({"to": {"user_ids": ["ann"], "device_ids": ["d1"]}}), "to"),
        (json!({"to": {"user_ids": []}}), "to.user_ids"),
        (json!({"to": {"device_ids": vec!["d"; 21]}}), "to.device_ids"),
        (json!({"to": {"user_ids": ["ann"]}, "variant": "c"}), "variant"),
        (json!({"to": {"all": true}}), "to.all"),
    ] {
        let reply = world.post(&path, &body).await;
        assert_eq!((reply.problem().0, reply.field().0), (422, field.to_owned()), "{body}");
    }
    let reply = world.post(&path, json!({"to": {"user_ids": ["ann"]}, "variant": "b"})).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
    let draft = world.path.last();
    assert_eq!((draft.test, draft.when, draft.in_quiet_hours), (true, None, InQuietHours::Ignore));
    assert_eq!(draft.to, To::Users(vec!["ann".to_owned()]));
    assert_eq!(draft.campaign.unwrap().variants.iter().map(|one| one.name.clone()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(world.get(&format!("{PATH}/{id}/runs")).await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_preview_is_of_what_is_there_or_of_what_is_given() {
    let world = world().await;
    let path = format!("{PATH}/preview");
    let id = created(&world, &[("/schedule", json!({"at": "2026-12-01T09:00:00Z"}))]).await;
    let when = Some(When::At("2026-12-01T09:00:00Z".parse().unwrap()));
    for (body, when) in
        [(json!({"id": id}), when), (campaign(&[("/schedule", json!({"at": "2026-12-01T09:00:00Z"}))]), when), (campaign(&[]), None)]
    {
        let reply = world.post(&path, &body).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        assert_eq!(reply.json()["targeted"], 1);
        assert_eq!(world.path.last().when, when, "{body}");
    }
    for (body, field) in [(json!({"id": "x"}), "id"), (json!({"id": id, "name": "x"}), "name"), (json!({}), "name")] {
        assert_eq!(world.post(&path, &body).await.field().0, field, "{body}");
    }
    let unknown = json!({"id": "01900000-0000-7000-8000-000000000000"});
    assert_eq!(world.post(&path, unknown).await.problem(), (404, "not_found".to_owned()));
}

/// What is tried, looked at and checked is what a run will say.
#[tokio::test]
async fn a_template_that_was_stored_anew_is_the_one_that_counts() {
    let world = world().await;
    let template = "/v1/templates/sale";
    let stored = async |title: &str| assert!(world.put(template, json!({"content": {"title": title}})).await.status.is_success());
    stored("Old").await;
    let id = created(&world, &[("/notification/content", Value::Null), ("/notification/template", json!({"id": "sale"}))]).await;
    stored("New").await;
    let (preview, test) = (format!("{PATH}/preview"), format!("{PATH}/{id}/test"));
    let asked = [(preview, json!({"id": id}), StatusCode::OK), (test, json!({"to": {"user_ids": ["ann"]}}), StatusCode::ACCEPTED)];
    for (path, body, status) in &asked {
        let reply = world.post(path, body).await;
        assert_eq!(reply.status, *status, "{reply:?}");
        let words = world.path.last().template.unwrap().words;
        assert_eq!(words.content.title.as_deref(), Some("New"), "{path}");
    }
    assert_eq!(world.delete(template).await.status, StatusCode::NO_CONTENT);
    let gone = ("notification.template.id".to_owned(), "unknown_template".to_owned());
    for (path, body, _) in &asked {
        assert_eq!(world.post(path, body).await.field(), gone, "{path}");
    }
    assert_eq!(step(&world, &id, "start").await.field(), gone);
}

#[tokio::test]
async fn notifications_are_listed_by_campaign() {
    let world = world().await;
    let (first, second) = (created(&world, &[]).await, created(&world, &[]).await);
    let mut sent = Vec::new();
    for id in [&first, &second] {
        let reply = world.post(&format!("{PATH}/{id}/test"), json!({"to": {"user_ids": ["ann"]}})).await;
        sent.push(reply.json()["id"].clone());
    }
    for (campaign, id) in [(first, &sent[0]), (second, &sent[1])] {
        let listed = world.get(&format!("/v1/notifications?campaign_id={campaign}")).await.json();
        let ids: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
        assert_eq!(ids, [id]);
    }
    assert_eq!(world.get("/v1/notifications?campaign_id=autumn").await.field().0, "campaign_id");
}

#[tokio::test]
async fn campaigns_are_listed_newest_first() {
    let world = world().await;
    let (first, second) = (created(&world, &[]).await, created(&world, &[("/name", json!("Winter"))]).await);
    step(&world, &first, "start").await;
    let names = async |query: &str| {
        let list = world.get(&format!("{PATH}{query}")).await.json();
        list["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, [second.clone(), first.clone()]);
    assert_eq!(names("?status=draft").await, [second]);
    assert_eq!(names("?status=running").await, [first]);
    assert_eq!(world.get(&format!("{PATH}?status=asleep")).await.field().0, "status");
}
