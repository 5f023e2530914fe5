//! Devices' other addresses: registered, read for work, judged, and gone with their device and its user.

use herald::domain::delivery::Ending;
use herald::domain::device::{Change, Device, DeviceChange, DeviceStatus, Environment, InactiveReason, Platform, PushToken, TokenHash};
use herald::domain::id::Target;
use herald::domain::principal::Principal;
use herald::domain::reason::FailReason;
use herald::domain::token_kind::{DeviceToken, MAX_ACTIVITY_TOKENS, TokenKind};
use herald::domain::work::TakenWork;
use herald::store::device_token::{Addressed, TokenChange};
use herald::store::engine::{Ask, Correction, Death, Record};

use crate::kit::{SECOND, devices, iphone, users};
use crate::world::World;

fn activity(id: &str) -> TokenKind {
    TokenKind::LiveActivity(id.to_owned())
}

fn change(token: &str) -> TokenChange {
    TokenChange { by: Principal::Backend, token: PushToken::Apns(token.to_owned()), environment: None }
}

fn hash(token: &str) -> TokenHash {
    TokenHash::of(&PushToken::Apns(token.to_owned()))
}

async fn put(world: &World, device: &str, kind: &TokenKind, token: &str) -> Addressed {
    world.store().put_token(world.app, device, kind, change(token), None).await.unwrap()
}

async fn tokens(world: &World, device: &str) -> Vec<DeviceToken> {
    world.store().tokens(world.app, device).await.unwrap()
}

async fn kinds(world: &World, device: &str) -> Vec<String> {
    tokens(world, device).await.into_iter().map(|token| token.kind.to_string()).collect()
}

async fn get(world: &World, name: &str) -> Device {
    world.store().device(world.app, name).await.unwrap().unwrap()
}

pub async fn a_device_has_one_address_of_a_kind(world: &mut World) {
    let phone = world.device("phone", Some("ann")).await;
    world.pass(SECOND);
    let Addressed::Created(device, first) = put(world, "phone", &TokenKind::Voip, "aa").await else { panic!() };
    let expected =
        DeviceToken { kind: TokenKind::Voip, token_hash: hash("aa"), environment: Environment::Production, seen_at: world.now() };
    assert_eq!(first, expected);
    // it is a change of the device, which was seen, and nothing else of it
    let seen = Device { version: phone.version + 1, updated_at: world.now(), last_seen_at: world.now(), ..phone };
    assert_eq!((&*device, get(world, "phone").await), (&seen, seen.clone()));
    world.pass(SECOND);
    let Addressed::Updated(_, second) = put(world, "phone", &TokenKind::Voip, "bb").await else { panic!() };
    assert_eq!((second.token_hash, second.seen_at), (hash("bb"), world.now()));
    put(world, "phone", &activity("a1"), "cc").await;
    put(world, "phone", &TokenKind::LiveActivityStart("Ride".to_owned()), "dd").await;
    put(world, "phone", &TokenKind::Location, "ee").await;
    assert_eq!(kinds(world, "phone").await, ["live_activity.a1", "live_activity_start.Ride", "location", "voip"]);
    assert_eq!(tokens(world, "phone").await[3], second);
    let version = get(world, "phone").await.version;
    assert!(world.store().delete_token(world.app, "phone", &TokenKind::Voip, &Principal::Backend).await.unwrap());
    assert!(!world.store().delete_token(world.app, "phone", &TokenKind::Voip, &Principal::Backend).await.unwrap());
    assert_eq!(kinds(world, "phone").await, ["live_activity.a1", "live_activity_start.Ride", "location"]);
    assert_eq!(get(world, "phone").await.version, version + 1);
}

pub async fn an_address_needs_its_device(world: &mut World) {
    assert_eq!(put(world, "phone", &TokenKind::Voip, "aa").await, Addressed::NoDevice);
    assert!(!world.store().delete_token(world.app, "phone", &TokenKind::Voip, &Principal::Backend).await.unwrap());
    assert!(tokens(world, "phone").await.is_empty());
    let android = DeviceChange {
        user: Change::Clear,
        platform: Some(Platform::Android),
        token: Some(PushToken::Fcm("x".to_owned())),
        ..DeviceChange::default()
    };
    world.store().put_device(world.app, "tablet", android, None).await.unwrap();
    assert_eq!(put(world, "tablet", &TokenKind::Voip, "aa").await, Addressed::TokenOfOtherProvider);
    let phone = world.device("phone", None).await;
    let guarded = async |version| world.store().put_token(world.app, "phone", &TokenKind::Voip, change("aa"), Some(version)).await.unwrap();
    assert_eq!(guarded(phone.version + 1).await, Addressed::Stale);
    assert!(tokens(world, "phone").await.is_empty());
    assert!(matches!(guarded(phone.version).await, Addressed::Created(..)));
}

pub async fn an_address_belongs_to_one_device(world: &mut World) {
    world.device("one", Some("ann")).await;
    world.device("two", Some("ben")).await;
    put(world, "one", &TokenKind::Voip, "aa").await;
    put(world, "one", &activity("a1"), "bb").await;
    // an app that tells the same address for several things is taken at its word
    put(world, "one", &activity("a2"), "bb").await;
    let before = get(world, "one").await;
    world.pass(SECOND);
    put(world, "two", &activity("a1"), "bb").await;
    assert_eq!((kinds(world, "one").await, kinds(world, "two").await), (vec!["voip".to_owned()], vec!["live_activity.a1".to_owned()]));
    let after = get(world, "one").await;
    assert_eq!((after.version, after.updated_at, after.last_seen_at), (before.version + 2, world.now(), before.last_seen_at));
}

pub async fn a_device_keeps_the_latest_live_activities(world: &mut World) {
    world.device("phone", Some("ann")).await;
    put(world, "phone", &TokenKind::Voip, "voip").await;
    put(world, "phone", &TokenKind::LiveActivityStart("Ride".to_owned()), "start").await;
    for n in 0..MAX_ACTIVITY_TOKENS + 2 {
        world.pass(SECOND);
        put(world, "phone", &activity(&format!("a{n:02}")), &format!("token {n}")).await;
        if n == MAX_ACTIVITY_TOKENS - 1 {
            // the first one is seen again
            put(world, "phone", &activity("a00"), "token 0").await;
        }
    }
    let kept = kinds(world, "phone").await;
    assert_eq!(kept.len(), MAX_ACTIVITY_TOKENS + 2);
    let gone: Vec<bool> = ["a00", "a01", "a02", "a03"].map(|id| !kept.contains(&format!("live_activity.{id}"))).to_vec();
    assert_eq!(gone, [false, true, true, false]);
    assert!(kept.contains(&"voip".to_owned()) && kept.contains(&"live_activity_start.Ride".to_owned()));
}

pub async fn addresses_go_with_their_device_and_its_user(world: &mut World) {
    world.device("phone", Some("ann")).await;
    let addressed = async || {
        put(world, "phone", &TokenKind::Voip, "aa").await;
        put(world, "phone", &activity("a1"), "bb").await;
    };
    addressed().await;
    world.store().put_device(world.app, "phone", iphone(Some("ann"), "new"), None).await.unwrap();
    assert_eq!(kinds(world, "phone").await.len(), 2, "the same user");
    world.device("phone", Some("ben")).await;
    assert!(kinds(world, "phone").await.is_empty(), "another user");
    addressed().await;
    let signed_out = DeviceChange { user: Change::Clear, ..DeviceChange::default() };
    world.store().patch_device(world.app, "phone", signed_out, None).await.unwrap();
    assert!(kinds(world, "phone").await.is_empty(), "nobody");
    addressed().await;
    let lines = vec![("phone".to_owned(), iphone(Some("ann"), "new")), ("other".to_owned(), iphone(Some("ann"), "newer"))];
    world.store().put_devices(world.app, lines).await.unwrap();
    assert!(kinds(world, "phone").await.is_empty(), "many at once");
    addressed().await;
    world.store().delete_device(world.app, "phone", &Principal::Backend).await.unwrap();
    world.device("phone", Some("ann")).await;
    assert!(kinds(world, "phone").await.is_empty(), "made anew");
}

/// What a worker reads: the token's hash and its environment, and whether there is one of the kind.
async fn read(world: &World, ask: Ask) -> Vec<(TokenHash, Environment, bool)> {
    let candidates = world.answer(ask).await.candidates;
    let told = |one: herald::store::engine::Candidate| {
        let recipient = one.recipient.unwrap();
        assert_eq!(recipient.token_hash, TokenHash::of(&recipient.token));
        (recipient.token_hash, recipient.environment, one.lacks_token)
    };
    candidates.into_iter().map(told).collect()
}

pub async fn work_is_read_with_the_address_it_is_for(world: &mut World) {
    let (one, two) = (world.device("one", Some("ann")).await, world.device("two", Some("ann")).await);
    let sandbox = TokenChange { environment: Some(Environment::Sandbox), ..change("aa") };
    world.store().put_token(world.app, "one", &TokenKind::Voip, sandbox, None).await.unwrap();
    put(world, "two", &activity("a1"), "bb").await;
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let production = Environment::Production;
    for (kind, expected) in [
        (None, [(one.token_hash, production, false), (two.token_hash, production, false)]),
        (Some(TokenKind::Voip), [(hash("aa"), Environment::Sandbox, false), (two.token_hash, production, true)]),
        (Some(activity("a1")), [(one.token_hash, production, true), (hash("bb"), production, false)]),
        (Some(activity("a2")), [(one.token_hash, production, true), (two.token_hash, production, true)]),
    ] {
        let ask = Ask { token_kind: kind.clone(), ..world.ask(&work) };
        assert_eq!(read(world, ask.clone()).await, expected, "{kind:?}");
        let by_name = Ask { targets: devices(&["one", "two"]), ..ask };
        assert_eq!(read(world, by_name).await, expected, "{kind:?}");
    }
    // several kinds of work in one read
    let asks = [None, Some(TokenKind::Voip), Some(activity("a1"))].map(|token_kind| Ask { token_kind, ..world.ask(&work) });
    let answers = world.store().read_targets(&asks).await.unwrap();
    let lacking: Vec<Vec<bool>> = answers.iter().map(|answer| answer.candidates.iter().map(|one| one.lacks_token).collect()).collect();
    assert_eq!(lacking, [[false, false], [false, true], [true, false]]);
}

/// Addresses that a device had at Apple are none once somebody else carries its pushes.
pub async fn a_device_of_another_provider_has_no_other_addresses(world: &mut World) {
    world.device("phone", Some("ann")).await;
    put(world, "phone", &TokenKind::Voip, "aa").await;
    let firebase = DeviceChange {
        provider: Some(herald::domain::device::ProviderKind::Fcm),
        token: Some(PushToken::Fcm("x".to_owned())),
        ..DeviceChange::default()
    };
    world.store().put_device(world.app, "phone", firebase, None).await.unwrap();
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let ask = Ask { token_kind: Some(TokenKind::Voip), ..world.ask(&work) };
    assert!(world.answer(ask).await.candidates[0].lacks_token);
}

fn death(world: &World, work: &TakenWork, device: &Device, token: &str) -> Death {
    Death {
        delivery: world.delivery(work.key.notification, Target::device(device.pk), Ending::Failed(FailReason::TokenDead)),
        token_hash: hash(token),
        token_kind: Some(TokenKind::Voip),
        since: world.now(),
        deactivate: Some(InactiveReason::TokenDead),
    }
}

fn of(deaths: Vec<Death>) -> Record {
    Record { deaths, ..Record::default() }
}

pub async fn a_dead_address_goes_and_its_device_stays(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    put(world, "phone", &TokenKind::Voip, "aa").await;
    put(world, "phone", &activity("a1"), "bb").await;
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let spared = Death { deactivate: None, ..death(world, &work, &device, "aa") };
    let recorded = world.store().record(&of(vec![spared])).await.unwrap();
    assert_eq!((recorded.inserted, recorded.deactivated, kinds(world, "phone").await.len()), (1, 0, 2));
    let before = get(world, "phone").await;
    let recorded = world.store().record(&of(vec![death(world, &work, &device, "aa")])).await.unwrap();
    assert_eq!((recorded.inserted, recorded.deactivated, recorded.outlived.len()), (0, 0, 0));
    assert_eq!(kinds(world, "phone").await, ["live_activity.a1"]);
    let after = get(world, "phone").await;
    assert_eq!((after.status, after.version), (DeviceStatus::Active, before.version + 1));
    // an address that is gone can die
    let recorded = world.store().record(&of(vec![death(world, &work, &device, "aa")])).await.unwrap();
    assert_eq!((recorded.outlived.len(), get(world, "phone").await), (0, after));
}

pub async fn an_address_registered_since_survives_the_verdict(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    put(world, "phone", &TokenKind::Voip, "aa").await;
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let verdict = death(world, &work, &device, "aa");
    world.pass(SECOND);
    put(world, "phone", &TokenKind::Voip, "aa").await;
    let recorded = world.store().record(&of(vec![verdict])).await.unwrap();
    assert_eq!((recorded.inserted, kinds(world, "phone").await), (1, vec!["voip".to_owned()]), "the same, seen again");
    // another: that one was not asked about
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    put(world, "phone", &TokenKind::Voip, "bb").await;
    let recorded = world.store().record(&of(vec![death(world, &work, &device, "aa")])).await.unwrap();
    assert_eq!((recorded.inserted, recorded.outlived), (0, vec![(work.key.notification, Target::device(device.pk))]));
    assert_eq!(tokens(world, "phone").await[0].token_hash, hash("bb"));
}

pub async fn an_address_is_moved_to_the_service_that_knows_it(world: &mut World) {
    let device = world.device("phone", Some("ann")).await;
    put(world, "phone", &TokenKind::Voip, "aa").await;
    let correction =
        |token: &str, token_kind| Correction { device: device.pk, token_hash: hash(token), token_kind, environment: Environment::Sandbox };
    let before = get(world, "phone").await;
    let corrections = vec![correction("bb", Some(TokenKind::Voip)), correction("aa", Some(TokenKind::Location))];
    world.store().record(&Record { corrections, ..Record::default() }).await.unwrap();
    assert_eq!((tokens(world, "phone").await[0].environment, get(world, "phone").await), (Environment::Production, before.clone()));
    let corrections = vec![correction("aa", Some(TokenKind::Voip)), correction("aa", Some(TokenKind::Voip))];
    world.store().record(&Record { corrections, ..Record::default() }).await.unwrap();
    assert_eq!(tokens(world, "phone").await[0].environment, Environment::Sandbox);
    let after = get(world, "phone").await;
    assert_eq!((after.environment, after.version), (Environment::Production, before.version + 1));
    // what was found out is kept when the phone tells the same address again, and forgotten with another
    put(world, "phone", &TokenKind::Voip, "aa").await;
    assert_eq!(tokens(world, "phone").await[0].environment, Environment::Sandbox);
    put(world, "phone", &TokenKind::Voip, "cc").await;
    assert_eq!(tokens(world, "phone").await[0].environment, Environment::Production);
}

pub async fn ordinary_and_other_addresses_are_judged_together(world: &mut World) {
    let (one, two) = (world.device("one", Some("ann")).await, world.device("two", Some("ann")).await);
    put(world, "one", &TokenKind::Voip, "aa").await;
    put(world, "two", &TokenKind::Voip, "bb").await;
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let ordinary = Death { token_hash: two.token_hash, token_kind: None, ..death(world, &work, &two, "bb") };
    let recorded = world.store().record(&of(vec![death(world, &work, &one, "aa"), ordinary])).await.unwrap();
    assert_eq!((recorded.inserted, recorded.deactivated), (2, 1));
    assert_eq!((get(world, "one").await.status, get(world, "two").await.status), (DeviceStatus::Active, DeviceStatus::Inactive));
    assert_eq!((kinds(world, "one").await.len(), kinds(world, "two").await.len()), (0, 1));
}
