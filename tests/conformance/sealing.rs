//! What is sealed at rest: nobody reads it in a copy, keys are replaced in use, and nobody opens a store without them.

use herald::domain::device::{Change, DeviceChange, Platform, PushToken};
use herald::domain::preferences::Contacts;
use herald::domain::principal::Principal;
use herald::domain::token_kind::TokenKind;
use herald::store::device_token::TokenChange;
use herald::store::engine::Ask;
use herald::store::sealing::SealedAnew;
use herald::store::{Error, Store};

use crate::kit::{iphone, record, users};
use crate::world::{KEY as ONE, World};

const TWO: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

const IPHONE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const VOIP: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";
const ANDROID: &str = "fcm-token-of-anns-android:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx";
const ENDPOINT: &str = "https://push.example.com/subscription/of-anns-browser";
const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
const EMAIL: &str = "ann@example.com";
const PHONE: &str = "+4915112345678";
const SECRET: &[u8] = b"a secret of thirty-two bytes or so";

fn android() -> DeviceChange {
    DeviceChange { platform: Some(Platform::Android), token: Some(PushToken::Fcm(ANDROID.to_owned())), ..iphone(Some("ann"), "") }
}

fn browser() -> DeviceChange {
    let [endpoint, p256dh, auth] = [ENDPOINT, P256DH, AUTH].map(str::to_owned);
    DeviceChange { platform: Some(Platform::Web), token: Some(PushToken::Webpush { endpoint, p256dh, auth }), ..iphone(Some("ann"), "") }
}

/// One of each value that is sealed, registered alone and with others; six.
async fn fill(world: &World) {
    let (app, store) = (world.app, world.store());
    store.put_device(app, "iphone", iphone(Some("ann"), IPHONE), None).await.unwrap();
    let many = vec![("android".to_owned(), android()), ("browser".to_owned(), browser())];
    store.put_devices(app, many).await.unwrap();
    let change = TokenChange { by: Principal::Backend, token: PushToken::Apns(VOIP.to_owned()), environment: None };
    store.put_token(app, "iphone", &TokenKind::Voip, change, None).await.unwrap();
    store.put_contacts(app, "ann", &contacts(), None).await.unwrap().unwrap();
    store.keep_secret("pepper", SECRET).await.unwrap();
}

fn contacts() -> Contacts {
    Contacts { email: Some(EMAIL.to_owned()), phone: Some(PHONE.to_owned()) }
}

async fn token(store: &dyn Store, world: &World, device: &str) -> PushToken {
    store.device(world.app, device).await.unwrap().unwrap().token
}

/// All of it can be read, in each of the ways.
async fn reads(world: &World) {
    let store = world.store();
    assert_eq!(token(store, world, "iphone").await, iphone(None, IPHONE).token.unwrap());
    assert_eq!(token(store, world, "android").await, android().token.unwrap());
    assert_eq!(token(store, world, "browser").await, browser().token.unwrap());
    assert_eq!(store.contacts(world.app, "ann").await.unwrap().value, contacts());
    assert_eq!(store.secrets("pepper").await.unwrap()[0].value.as_slice(), SECRET);
    world.accept(world.direct(users(&["ann"]))).await;
    let work = world.only_taken().await;
    let answer = world.answer(world.ask(&work)).await;
    assert_eq!(answer.candidates.iter().filter(|candidate| candidate.recipient.is_some()).count(), 3);
    let voip = world.answer(Ask { token_kind: Some(TokenKind::Voip), ..world.ask(&work) }).await;
    let mut tokens = voip.candidates.iter().filter_map(|candidate| Some(&candidate.recipient.as_ref()?.token));
    assert!(tokens.any(|token| *token == PushToken::Apns(VOIP.to_owned())));
    store.record(&record(&work, Vec::new(), Vec::new())).await.unwrap();
}

/// What of it stands in a copy in the clear.
async fn readable(world: &World) -> Vec<String> {
    let copy = world.copy().await;
    let secret = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, SECRET);
    let mut wanted: Vec<String> = [IPHONE, VOIP, ANDROID, ENDPOINT, P256DH, AUTH, EMAIL, PHONE, &secret].map(str::to_owned).into();
    wanted.push(String::from_utf8(SECRET.to_vec()).unwrap());
    let is_there = |text: &str| {
        let texts = [text.as_bytes().to_vec(), hex::encode(text).into_bytes()];
        texts.iter().any(|text| copy.windows(text.len()).any(|part| part == text.as_slice()))
    };
    wanted.into_iter().filter(|text| is_there(text)).collect()
}

/// Seals anew until it is over; how many values.
async fn seal_anew(store: &dyn Store) -> u64 {
    let mut values = 0;
    loop {
        match store.seal_anew(2).await.unwrap() {
            SealedAnew::Part(some) => values += some,
            SealedAnew::Over => return values,
            SealedAnew::Nothing => panic!("it is not over"),
        }
    }
}

/// A new process with these keys.
async fn restart_with(world: &mut World, keys: &str) {
    world.give_keys(keys);
    world.restart().await;
}

/// Why no process with these keys is let in.
async fn refused(world: &mut World, keys: &str) -> String {
    world.close().await;
    world.give_keys(keys);
    world.beside().await.err().unwrap()
}

pub async fn nothing_personal_or_secret_can_be_read_in_a_copy_of_a_sealed_store(world: &mut World) {
    restart_with(world, ONE).await;
    fill(world).await;
    world.store().put_device(world.app, "iphone", iphone(Some("ann"), IPHONE), None).await.unwrap();
    world.store().patch_device(world.app, "android", android(), None).await.unwrap().unwrap();
    world.store().put_devices(world.app, vec![("browser".to_owned(), browser())]).await.unwrap();
    reads(world).await;
    assert_eq!(readable(world).await, [""; 0]);
    assert_eq!(seal_anew(world.store()).await, 0);
    world.close().await;
    assert_eq!(readable(world).await, [""; 0]);
    world.restart().await;
    reads(world).await;
}

pub async fn what_was_written_before_there_was_a_key_is_sealed(world: &mut World) {
    fill(world).await;
    assert_eq!(world.store().seal_anew(2).await.unwrap(), SealedAnew::Nothing);
    world.close().await;
    assert_eq!(readable(world).await.len(), 9, "a copy would tell");
    restart_with(world, ONE).await;
    reads(world).await;
    assert_eq!(seal_anew(world.store()).await, 6);
    assert_eq!(world.store().seal_anew(2).await.unwrap(), SealedAnew::Nothing);
    reads(world).await;
    world.close().await;
    assert_eq!(readable(world).await, [""; 0]);
    assert!(refused(world, "").await.contains("no key is given"));
    restart_with(world, ONE).await;
    reads(world).await;
}

pub async fn a_key_is_replaced_while_the_store_is_in_use(world: &mut World) {
    restart_with(world, ONE).await;
    fill(world).await;
    assert_eq!(seal_anew(world.store()).await, 0);
    assert!(refused(world, TWO).await.contains("is not among the keys"));
    let both = format!("{TWO}\n{ONE}");
    restart_with(world, &both).await;
    reads(world).await;
    world.store().put_device(world.app, "iphone", iphone(Some("ann"), IPHONE), None).await.unwrap();
    reads(world).await;
    // the phone's registration brought its token under the new key
    assert_eq!(seal_anew(world.store()).await, 5);
    reads(world).await;
    assert!(refused(world, ONE).await.contains("is not among the keys"));
    restart_with(world, TWO).await;
    reads(world).await;
}

pub async fn what_is_sealed_can_be_opened_for_good(world: &mut World) {
    restart_with(world, ONE).await;
    fill(world).await;
    restart_with(world, &format!("plain\n{ONE}")).await;
    reads(world).await;
    assert!(refused(world, "").await.contains("no key is given"));
    restart_with(world, &format!("plain\n{ONE}")).await;
    assert_eq!(seal_anew(world.store()).await, 6);
    restart_with(world, "").await;
    reads(world).await;
    world.close().await;
    assert_eq!(readable(world).await.len(), 9);
    world.restart().await;
}

pub async fn sealing_goes_on_where_it_was_and_loses_no_registration(world: &mut World) {
    for n in 0..7 {
        world.device(&format!("d{n}"), None).await;
    }
    restart_with(world, ONE).await;
    assert_eq!(world.store().seal_anew(4).await.unwrap(), SealedAnew::Part(4));
    world.restart().await;
    world.store().put_device(world.app, "d5", iphone(None, "newer"), None).await.unwrap();
    let moved = DeviceChange { user: Change::Set("bob".to_owned()), ..iphone(None, "moved") };
    world.store().put_device(world.app, "d1", moved, None).await.unwrap();
    assert_eq!(seal_anew(world.store()).await, 2, "what is left of the second part");
    for (n, expected) in ["token-d0", "moved", "token-d2", "token-d3", "token-d4", "newer", "token-d6"].into_iter().enumerate() {
        assert_eq!(token(world.store(), world, &format!("d{n}")).await, PushToken::Apns(expected.to_owned()));
    }
}

pub async fn a_sealed_value_opens_nowhere_else(world: &mut World) {
    restart_with(world, ONE).await;
    world.device("mine", Some("ann")).await;
    world.device("theirs", Some("bob")).await;
    world.run("UPDATE device SET token = (SELECT token FROM device WHERE name = 'theirs') WHERE name = 'mine'").await;
    let read = world.store().device(world.app, "mine").await;
    assert!(matches!(read, Err(Error::Unreadable { table: "device", column: "token", .. })), "{read:?}");
    assert_eq!(token(world.store(), world, "theirs").await, PushToken::Apns("token-theirs".to_owned()));
}

/// A node that still has the older key first goes on sealing with it.
pub async fn nodes_with_older_keys_are_caught_up_with(world: &mut World) {
    let (older, newer) = (format!("{ONE}\n{TWO}"), format!("{TWO}\n{ONE}"));
    restart_with(world, &older).await;
    world.device("d1", None).await;
    world.give_keys(&newer);
    let node = world.beside().await.unwrap();
    assert_eq!(world.store().seal_anew(2).await.unwrap(), SealedAnew::Nothing, "the newer key's node does it");
    assert_eq!(seal_anew(&*node).await, 1);
    world.device("d2", None).await;
    assert_eq!(token(&*node, world, "d2").await, PushToken::Apns("token-d2".to_owned()));
    // it says that its key is in use, so that nobody is let in without it
    assert_eq!(world.store().seal_anew(2).await.unwrap(), SealedAnew::Nothing);
    world.give_keys(TWO);
    assert!(world.beside().await.err().unwrap().contains("is not among the keys"));
    assert_eq!(seal_anew(&*node).await, 1);
    world.beside().await.unwrap();
}

/// A node that can open what is sealed and seals nothing goes on so until it is started anew.
pub async fn nodes_that_sealed_nothing_are_caught_up_with(world: &mut World) {
    let plain = format!("plain\n{ONE}");
    restart_with(world, &plain).await;
    world.give_keys(ONE);
    let node = world.beside().await.unwrap();
    assert_eq!(seal_anew(&*node).await, 0);
    for n in 0..4 {
        world.device(&format!("d{n}"), None).await;
    }
    world.beside().await.unwrap();
    assert_eq!(seal_anew(&*node).await, 4, "after it was over");
    drop(node);
    restart_with(world, &plain).await;
    world.give_keys(ONE);
    let node = world.beside().await.unwrap();
    assert_eq!(node.seal_anew(3).await.unwrap(), SealedAnew::Part(0));
    world.store().put_device(world.app, "d0", iphone(None, "newer"), None).await.unwrap();
    world.beside().await.unwrap();
    assert_eq!(seal_anew(&*node).await, 1, "behind where it was under way");
}
