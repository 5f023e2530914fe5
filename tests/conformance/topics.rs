//! Topics: who follows them, and who is taken.

use herald::domain::principal::Principal;
use herald::store::PageRequest;
use herald::store::device::DeviceFilter;
use herald::store::engine::Selection;
use herald::store::topic::{Followed, Follower, Topic};

use crate::kit::{SECOND, iphone};
use crate::world::World;

fn device(name: &str) -> Follower {
    Follower::Device(name.to_owned())
}

fn user(name: &str) -> Follower {
    Follower::User(name.to_owned())
}

async fn follow(world: &World, topic: &str, follower: &Follower) {
    assert!(world.store().follow(world.app, topic, follower).await.unwrap(), "{topic} {follower:?}");
}

async fn counts(world: &World, topic: &str) -> Option<(u64, u64)> {
    world.store().topic(world.app, topic).await.unwrap().map(|found| (found.devices, found.users))
}

/// The devices that a topic takes, by name, in parts of `limit`.
async fn taken(world: &World, topic: &str, limit: usize) -> Vec<String> {
    let selection = Selection { topic: Some(topic.to_owned()), ..world.everyone() };
    let all = world.store().devices(world.app, &DeviceFilter::default(), &PageRequest { limit: 100, after: None }).await.unwrap().items;
    let (mut names, mut after) = (Vec::new(), 0);
    loop {
        let scan = world.store().read_devices(world.app, after, limit, &selection).await.unwrap();
        let name = |pk| all.iter().find(|device| device.pk == pk).unwrap().name.clone();
        names.extend(scan.devices.iter().map(|member| name(member.pair.device)));
        if scan.last {
            return names;
        }
        after = scan.to;
    }
}

pub async fn a_topic_is_there_from_its_first_follower(world: &mut World) {
    world.device("phone", Some("ann")).await;
    assert_eq!(counts(world, "news").await, None);
    assert!(!world.store().follow(world.app, "news", &device("nothing")).await.unwrap());
    assert_eq!(counts(world, "news").await, None, "a device that is not there makes no topic");
    let made_at = world.now();
    for _ in 0..2 {
        follow(world, "news", &device("phone")).await;
        follow(world, "news", &user("bob")).await;
        world.pass(SECOND);
    }
    let topic = Topic { name: "news".to_owned(), created_at: made_at };
    assert_eq!(world.store().topic(world.app, "news").await.unwrap(), Some(Followed { topic, devices: 1, users: 1 }));
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert_eq!(world.store().topic(other, "news").await.unwrap(), None);
    for (follower, left) in [(device("phone"), (0, 1)), (user("bob"), (0, 0))] {
        assert!(!world.store().unfollow(other, "news", &follower).await.unwrap());
        assert!(!world.store().unfollow(world.app, "other", &follower).await.unwrap());
        assert!(world.store().unfollow(world.app, "news", &follower).await.unwrap());
        assert!(!world.store().unfollow(world.app, "news", &follower).await.unwrap());
        assert_eq!(counts(world, "news").await, Some(left), "it stays without followers");
    }
}

pub async fn a_topic_goes_with_its_subscriptions(world: &mut World) {
    world.device("phone", Some("ann")).await;
    for topic in ["news", "sport"] {
        follow(world, topic, &device("phone")).await;
        follow(world, topic, &user("ann")).await;
    }
    let other = world.store().ensure_apps(&["other".to_owned()]).await.unwrap()[0];
    assert!(!world.store().delete_topic(other, "news").await.unwrap());
    assert!(world.store().delete_topic(world.app, "news").await.unwrap());
    assert!(!world.store().delete_topic(world.app, "news").await.unwrap());
    assert_eq!((counts(world, "news").await, counts(world, "sport").await), (None, Some((1, 1))));
    follow(world, "news", &user("bob")).await;
    assert_eq!(counts(world, "news").await, Some((0, 1)), "one of the same name starts without followers");
    assert!(taken(world, "news", 10).await.is_empty());
}

pub async fn topics_are_listed_newest_first(world: &mut World) {
    for (n, topic) in ["a", "c", "b", "d"].into_iter().enumerate() {
        follow(world, topic, &user("ann")).await;
        if n % 2 == 0 {
            world.pass(SECOND);
        }
    }
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = world.store().topics(world.app, &PageRequest { limit: 2, after }).await.unwrap();
        names.push(page.items.into_iter().map(|topic| topic.name).collect::<String>());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["db", "ca"]);
}

pub async fn a_topic_takes_its_followers_devices(world: &mut World) {
    for (name, owner) in [("d0", Some("ann")), ("d1", Some("ann")), ("d2", Some("bob")), ("d3", None), ("d4", Some("cid"))] {
        world.device(name, owner).await;
    }
    assert!(taken(world, "news", 10).await.is_empty(), "nobody follows what is not there");
    follow(world, "news", &user("ann")).await;
    follow(world, "news", &device("d1")).await;
    follow(world, "news", &device("d3")).await;
    follow(world, "sport", &device("d2")).await;
    // of few followers and of more than are looked at in one part
    for limit in [1, 2, 3, 4, 10] {
        assert_eq!(taken(world, "news", limit).await, ["d0", "d1", "d3"], "{limit}");
    }
    world.device("d5", Some("ann")).await;
    for limit in [2, 10] {
        assert_eq!(taken(world, "news", limit).await, ["d0", "d1", "d3", "d5"], "a later device counts as well");
    }
    // a token that moves makes the device inactive
    world.store().put_device(world.app, "thief", iphone(None, "token-d3"), None).await.unwrap();
    assert_eq!(taken(world, "news", 10).await, ["d0", "d1", "d5"]);
}

pub async fn a_device_whose_user_changes_follows_nothing_of_its_own(world: &mut World) {
    for name in ["phone", "tablet", "old"] {
        world.device(name, Some("ann")).await;
        follow(world, "news", &device(name)).await;
    }
    follow(world, "news", &user("ann")).await;
    follow(world, "news", &user("bob")).await;
    follow(world, "sport", &device("phone")).await;
    world.device("phone", Some("ann")).await;
    assert_eq!(counts(world, "news").await, Some((3, 2)), "the same user again changes nothing");
    world.device("phone", Some("bob")).await;
    assert_eq!((counts(world, "news").await, counts(world, "sport").await), (Some((2, 2)), Some((0, 0))));
    assert_eq!(taken(world, "news", 10).await, ["phone", "tablet", "old"], "it follows what its new user follows");
    world.device("phone", None).await;
    assert_eq!(taken(world, "news", 10).await, ["tablet", "old"]);
    assert!(world.store().delete_device(world.app, "tablet", &Principal::Backend).await.unwrap());
    assert_eq!(counts(world, "news").await, Some((1, 2)));
}
