//! What a preview says of when a draft would be sent, and in which words.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono_tz::Tz;
use serde_json::json;

use super::variants::{campaign, variants};
use super::world::{World, draft};
use crate::dispatch::draft::{Draft, To};
use crate::dispatch::preview::{Asked, Preview, preview};
use crate::domain::Timestamp;
use crate::domain::cap::FrequencyCap;
use crate::domain::category::Category;
use crate::domain::content::Content;
use crate::domain::device::{Change, DeviceChange, TagChange};
use crate::domain::id::{NotificationId, Target};
use crate::domain::notification::{IfPast, When};
use crate::store::cap::Reservation;
use crate::store::{Caps, Categories, Devices, People};

const PLAIN: Asked = Asked { validate: false, when_due: false };
const WHEN_DUE: Asked = Asked { validate: false, when_due: true };

async fn previewed(world: &World, draft: Draft, asked: Asked) -> Preview {
    let node = world.hand().node;
    let app = node.directory.app(world.app).unwrap();
    preview(&node, &app, draft, asked).await.unwrap()
}

fn decisions(preview: &Preview) -> Vec<(&str, u64)> {
    preview.decisions.iter().map(|(word, n)| (word.as_str(), *n)).collect()
}

fn timeline(preview: &Preview) -> Vec<(String, Tz, u64)> {
    preview.timeline.iter().map(|moment| (moment.at.format("%dT%H:%M").to_string(), moment.timezone, moment.devices)).collect()
}

fn moment(at: &str, zone: Tz, devices: u64) -> (String, Tz, u64) {
    (at.to_owned(), zone, devices)
}

/// Ann and Bob are in Paris, Cem in Tokyo, Dora nobody knows where. Bob sleeps until noon.
async fn world() -> World {
    let world = World::new().await;
    world.store.put_category(world.app, "news", &Category::default(), None).await.unwrap();
    world.iphones(&["ann", "bob", "cem", "dora"]).await;
    for (user, zone) in [("ann", "Europe/Paris"), ("bob", "Europe/Paris"), ("cem", "Asia/Tokyo")] {
        let change = DeviceChange { timezone: Change::Set(zone.to_owned()), ..DeviceChange::default() };
        drop(world.store.put_device(world.app, &format!("phone-of-{user}"), change, None).await.unwrap());
    }
    let sleeps = json!({"quiet_hours": [{"start": "22:00", "end": "12:00"}]});
    world.store.put_preferences(world.app, "bob", &serde_json::from_value(sleeps).unwrap(), None).await.unwrap();
    world
}

fn news(when: impl Into<Option<When>>) -> Draft {
    Draft { when: when.into(), category: Some("news".to_owned()), ..campaign(To::All, Vec::new()) }
}

fn local(time: &str, if_past: IfPast) -> When {
    When::Local { time: time.parse().unwrap(), if_past }
}

/// It is nine o'clock UTC on the 2nd of November.
#[tokio::test]
async fn a_preview_tells_what_becomes_of_each_and_when() {
    let world = world().await;
    let tomorrow_at_nine = local("2026-11-03T09:00:00", IfPast::Skip);
    let (paris, tokyo, nowhere) = (Tz::Europe__Paris, Tz::Asia__Tokyo, Tz::UTC);
    let held = vec![("quiet_hours", 1), ("send", 3)];
    for (name, draft, asked, expected, moments) in [
        (
            "at once",
            news(None),
            PLAIN,
            held.clone(),
            vec![moment("02T09:00", tokyo, 1), moment("02T09:00", paris, 1), moment("02T09:00", nowhere, 1), moment("02T11:00", paris, 1)],
        ),
        (
            "at an instant in the afternoon, when due",
            news(When::At("2026-11-02T14:00:00Z".parse().unwrap())),
            WHEN_DUE,
            vec![("send", 4)],
            vec![moment("02T14:00", tokyo, 1), moment("02T14:00", paris, 2), moment("02T14:00", nowhere, 1)],
        ),
        (
            "at each one's own time, when due",
            news(tomorrow_at_nine),
            WHEN_DUE,
            held,
            vec![moment("03T00:00", tokyo, 1), moment("03T08:00", paris, 1), moment("03T09:00", nowhere, 1), moment("03T11:00", paris, 1)],
        ),
        (
            "at each one's own time, at present",
            news(tomorrow_at_nine),
            PLAIN,
            vec![("scheduled", 4)],
            vec![moment("03T00:00", tokyo, 1), moment("03T08:00", paris, 1), moment("03T09:00", nowhere, 1), moment("03T11:00", paris, 1)],
        ),
        (
            "at a time that had passed in Tokyo",
            news(local("2026-11-02T10:30:00", IfPast::Skip)),
            WHEN_DUE,
            vec![("quiet_hours", 1), ("send", 2), ("skipped_past_local_time", 1)],
            vec![moment("02T09:30", paris, 1), moment("02T10:30", nowhere, 1), moment("02T11:00", paris, 1)],
        ),
        (
            "the same, sent all the same",
            news(local("2026-11-02T10:30:00", IfPast::Send)),
            WHEN_DUE,
            vec![("quiet_hours", 1), ("send", 3)],
            vec![moment("02T09:00", tokyo, 1), moment("02T09:30", paris, 1), moment("02T10:30", nowhere, 1), moment("02T11:00", paris, 1)],
        ),
    ] {
        let preview = previewed(&world, draft, asked).await;
        assert_eq!((preview.targeted, decisions(&preview)), (4, expected), "{name}");
        assert_eq!(timeline(&preview), moments, "{name}");
    }
}

/// Places come free while a push waits. Ann's is taken for three more hours, Bob's for one, Dora's for good.
#[tokio::test]
async fn caps_are_told_for_the_instant_of_each_send() {
    let world = world().await;
    let cap = FrequencyCap { count: 1, per_seconds: 86_400 };
    world.store.put_category(world.app, "news", &Category { frequency_cap: Some(cap), ..Category::default() }, None).await.unwrap();
    let take = async |user: &str| {
        let device = world.store.device(world.app, &format!("phone-of-{user}")).await.unwrap().unwrap();
        let holder = Target::person(device.person.unwrap());
        let notification = NotificationId(uuid::Uuid::from_u128(1));
        world.store.reserve(&[Reservation { holder, category: "news".to_owned(), notification, cap }]).await.unwrap();
    };
    let hours = |n| Duration::from_hours(n);
    take("bob").await;
    world.clock.pass(hours(2));
    take("ann").await;
    world.clock.pass(hours(20));
    take("dora").await;
    world.clock.pass(hours(1));
    // eight o'clock UTC on the 3rd: Bob sleeps for three more hours, when his place is free, Ann's is free after two
    let preview = previewed(&world, news(None), PLAIN).await;
    assert_eq!(decisions(&preview), [("frequency_cap", 2), ("quiet_hours", 1), ("send", 1)]);
    let at = |text: &str| When::At(text.parse::<Timestamp>().unwrap());
    for (when, expected) in [
        (at("2026-11-03T10:59:59Z"), vec![("frequency_cap", 2), ("quiet_hours", 1), ("send", 1)]),
        (at("2026-11-03T11:00:01Z"), vec![("frequency_cap", 1), ("send", 3)]),
        (at("2026-11-04T08:00:00Z"), vec![("quiet_hours", 1), ("send", 3)]),
        (local("2026-11-03T11:30:00", IfPast::Send), vec![("frequency_cap", 2), ("quiet_hours", 1), ("send", 1)]),
        (local("2026-11-03T12:30:00", IfPast::Send), vec![("frequency_cap", 1), ("send", 3)]),
    ] {
        let preview = previewed(&world, news(when), WHEN_DUE).await;
        assert_eq!(decisions(&preview), expected, "{when:?}");
        let told: u64 = preview.timeline.iter().map(|moment| moment.devices).sum();
        assert_eq!(told, preview.targeted - preview.decisions.get("frequency_cap").copied().unwrap_or_default());
    }
}

#[tokio::test]
async fn every_variant_is_shown_in_its_locales() {
    let world = world().await;
    let titled = |title: &str| Content { title: Some(title.to_owned()), ..Content::default() };
    let localized = BTreeMap::from([("de".to_owned(), titled("all-de"))]);
    let mut two = variants(&["a", "b"]);
    two[1].localized.insert("ja".to_owned(), titled("b-ja"));
    two[1].content.title = None;
    let shown = async |variants| {
        let preview = previewed(&world, Draft { localized: localized.clone(), ..campaign(To::All, variants) }, WHEN_DUE).await;
        let one =
            |one: crate::dispatch::preview::RenderedPreview| (one.variant, one.locale, one.payload["title"].as_str().unwrap().to_owned());
        preview.rendered.into_iter().map(one).collect::<BTreeSet<_>>()
    };
    let set = |all: &[(Option<&str>, Option<&str>, &str)]| {
        let text = |text: Option<&str>| text.map(str::to_owned);
        all.iter().map(|(variant, locale, title)| (text(*variant), text(*locale), (*title).to_owned())).collect::<BTreeSet<_>>()
    };
    let (a, b) = (Some("a"), Some("b"));
    let expected = set(&[
        (a, None, "a"),
        (a, Some("de"), "a"),
        (a, Some("fr"), "a-fr"),
        (b, None, "t"),
        (b, Some("de"), "all-de"),
        (b, Some("fr"), "b-fr"),
        (b, Some("ja"), "b-ja"),
    ]);
    assert_eq!(shown(two).await, expected);
    assert_eq!(shown(Vec::new()).await, set(&[(None, None, "t"), (None, Some("de"), "all-de")]));
}

/// A broadcast goes to no device that has a zone.
#[tokio::test]
async fn who_is_not_sent_to_is_at_no_time() {
    let world = world().await;
    let nobody = previewed(&world, draft(To::Users(vec!["nobody".to_owned()])), WHEN_DUE).await;
    assert_eq!((decisions(&nobody), timeline(&nobody)), (vec![("no_active_device", 1)], Vec::new()));
}

/// Of Ann and Bob nothing is known to fill it with, Bob would be sent to later; for Dora it is too long. It is shown as Cem would get it.
#[tokio::test]
async fn what_cannot_be_rendered_for_one_is_told() {
    let world = world().await;
    for (user, name) in [("cem", "cem ".to_owned()), ("dora", "x".repeat(512))] {
        let tags = TagChange::Replace(BTreeMap::from([("name".to_owned(), json!(name))]));
        let change = DeviceChange { tags, ..DeviceChange::default() };
        drop(world.store.put_device(world.app, &format!("phone-of-{user}"), change, None).await.unwrap());
    }
    let title = "{% for n in range(9) %}{{ device.tags.name }}{% endfor %}";
    let template = json!({"id": "t", "words": {"content": {"title": title}, "localized": {}}});
    let filled = Draft { template: Some(serde_json::from_value(template).unwrap()), content: Content::default(), ..news(None) };
    for (asked, draft) in [(PLAIN, filled.clone()), (WHEN_DUE, filled)] {
        let preview = previewed(&world, draft, asked).await;
        assert_eq!(decisions(&preview), [("payload_too_large", 1), ("render_failed", 2), ("send", 1)]);
        assert_eq!(timeline(&preview), [moment("02T09:00", Tz::Asia__Tokyo, 1)]);
        let titles: Vec<_> = preview.rendered.iter().map(|one| one.payload["title"].as_str().unwrap()).collect();
        assert_eq!(titles, ["cem ".repeat(9)]);
    }
}
