//! Templates, and what of people and devices is read for them.

use std::collections::HashSet;

use futures_util::future::join_all;
use herald::domain::device::{DeviceChange, TagChange};
use herald::domain::profile::{Profile, Tags};
use herald::domain::template::Template;
use herald::store::engine::{Ask, Facts};
use herald::store::template::{StoredTemplate, TemplatePut};
use serde_json::json;

use crate::kit::{SECOND, devices, pairs, users};
use crate::world::World;

fn words(title: &str) -> Template {
    serde_json::from_value(json!({"content": {"title": title}, "localized": {"fr-CA": {"body": "b \u{1f37d} \"{{ x }}\""}}})).unwrap()
}

async fn put(world: &World, name: &str, title: &str, if_match: Option<i64>) -> TemplatePut {
    world.store().put_template(world.app, name, &words(title), if_match).await.unwrap()
}

fn stored(put: TemplatePut) -> StoredTemplate {
    match put {
        TemplatePut::Created(stored) | TemplatePut::Updated(stored) => stored,
        TemplatePut::Stale => panic!("it is stale"),
    }
}

pub async fn a_template_is_stored_read_and_deleted(world: &mut World) {
    let first = stored(put(world, "lunch", "a", None).await);
    assert_eq!((first.definition.clone(), first.created_at), (words("a"), world.now()));
    world.pass(SECOND);
    let TemplatePut::Updated(second) = put(world, "lunch", "b", None).await else { panic!("it was there") };
    assert!(second.version > first.version && second.created_at == first.created_at);
    assert_eq!(put(world, "lunch", "c", Some(first.version)).await, TemplatePut::Stale);
    assert_eq!(put(world, "dinner", "c", Some(first.version)).await, TemplatePut::Stale);
    assert_eq!(world.store().template(world.app, "lunch").await.unwrap(), Some(second.clone()));
    assert!(matches!(put(world, "lunch", "c", Some(second.version)).await, TemplatePut::Updated(_)));
    assert!(world.store().delete_template(world.app, "lunch").await.unwrap());
    assert!(!world.store().delete_template(world.app, "lunch").await.unwrap());
    assert_eq!(world.store().template(world.app, "lunch").await.unwrap(), None);
}

pub async fn the_newest_template_is_listed_first(world: &mut World) {
    for name in ["b", "a", "c"] {
        put(world, name, name, None).await;
        world.pass(SECOND);
    }
    put(world, "b", "anew", None).await;
    let names = world.store().templates(world.app).await.unwrap().into_iter().map(|one| one.name).collect::<Vec<_>>();
    assert_eq!(names, ["c", "a", "b"]);
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert!(world.store().templates(other).await.unwrap().is_empty());
    assert_eq!(world.store().template(other, "a").await.unwrap(), None);
}

pub async fn of_many_who_store_a_template_none_has_the_version_of_another(world: &mut World) {
    let puts = join_all((0..20).map(|_| put(world, "lunch", "a", None))).await;
    assert_eq!(puts.iter().filter(|put| matches!(put, TemplatePut::Created(_))).count(), 1);
    assert_eq!(puts.into_iter().map(|put| stored(put).version).collect::<HashSet<_>>().len(), 20);
}

fn tags(name: &str, value: serde_json::Value) -> Tags {
    Tags::from([(name.to_owned(), value)])
}

/// Whatever the targets were named by, and only where it is asked for.
pub async fn what_templates_show_of_people_is_read_where_it_is_asked_for(world: &mut World) {
    let phone = world.device("phone", Some("ann")).await;
    let kiosk = world.device("kiosk", None).await;
    let change = DeviceChange { tags: TagChange::Replace(tags("beta", json!(true))), ..DeviceChange::default() };
    world.store().patch_device(world.app, "phone", change, None).await.unwrap();
    let profile = Profile { tags: tags("plan", json!("pro")), locale: None };
    world.store().put_profile(world.app, "ann", &profile, None).await.unwrap();
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let anns = Facts { user: Some("ann".to_owned()), user_tags: profile.tags, device_tags: tags("beta", json!(true)) };
    for targets in [users(&["ann"]), devices(&["phone", "kiosk"]), pairs(&[&phone, &kiosk])] {
        for facts in [true, false] {
            let answer = world.answer(Ask { targets: targets.clone(), facts, ..world.ask(&work) }).await;
            for recipient in answer.candidates.into_iter().filter_map(|candidate| candidate.recipient) {
                let expected = if recipient.name == "phone" { anns.clone() } else { Facts::default() };
                assert_eq!(recipient.facts.as_deref(), facts.then_some(&expected), "{targets:?}");
            }
        }
    }
}
