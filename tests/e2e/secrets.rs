//! A run of everything in which there is something to keep secret, and what of it nobody may find anywhere.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::daemon::{Client, Simulator, apns_token};

/// A key of the store's, as its file has it: what it seals nobody reads.
pub(crate) const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Secrets by what they are.
#[derive(Debug, Default)]
pub(crate) struct Secrets(BTreeMap<String, String>);

impl Secrets {
    fn add(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= 12, "{what} is too short to be looked for");
        self.0.insert(what.to_owned(), secret.to_owned());
    }

    fn add_pair(&mut self, what: &str, pair: &Value) -> (String, String) {
        let text = |name: &str| pair[name].as_str().unwrap().to_owned();
        let (access, refresh) = (text("access_token"), text("refresh_token"));
        self.add(&format!("the signature of {what}'s access token"), access.rsplit('.').next().unwrap());
        self.add(&format!("{what}'s refresh token"), &refresh);
        (access, refresh)
    }

    /// The lines of a private key's text, in whatever file it is.
    fn add_key(&mut self, what: &str, pem: &str) {
        let lines = pem.lines().filter(|line| !line.starts_with('-') && line.len() > 20);
        for (number, line) in lines.enumerate() {
            self.add(&format!("line {number} of {what}"), line);
        }
    }

    fn add_credentials(&mut self, folder: &Path) {
        let of = |ending: &str| {
            let mut files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            let file = files.find(|path| path.to_string_lossy().ends_with(ending)).unwrap();
            std::fs::read_to_string(file).unwrap()
        };
        self.add_key("Apple's key", &of(".p8"));
        self.add_key("the VAPID key", &of("vapid.pem"));
        let account: Value = serde_json::from_str(&of("service-account.json")).unwrap();
        self.add_key("Google's key", account["private_key"].as_str().unwrap());
    }

    /// Those that stand in these bytes: as they are, in hex, or in the base64 of their text.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> Vec<&str> {
        let text = String::from_utf8_lossy(bytes);
        let forms =
            |secret: &String| [secret.clone(), hex(secret), base64::Engine::encode(&base64::engine::general_purpose::STANDARD, secret)];
        let is_there = |secret: &String| forms(secret).iter().any(|form| text.contains(form.trim_end_matches('=')));
        self.0.iter().filter(|(_, secret)| is_there(secret)).map(|(what, _)| what.as_str()).collect()
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Lets a daemon do all that has to do with secrets, with a key that may do everything; `simulator` is what it sends to.
pub(crate) async fn run(backend: &Client, simulator: &Simulator) -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add("the API key", &backend.key);
    secrets.add("the encryption key", ENCRYPTION_KEY);
    secrets.add_credentials(simulator.dir.path());
    backend.put("/v1/categories/news", &json!({})).await.expect(201);
    keys(backend, &mut secrets).await;
    phones(backend, &mut secrets).await;
    register(backend, &simulator.client, &mut secrets).await;
    people(backend, &mut secrets).await;
    refused(backend, &mut secrets).await;
    send(backend, &simulator.client, &mut secrets).await;
    secrets
}

async fn keys(backend: &Client, secrets: &mut Secrets) {
    let made = backend.post("/v1/keys", &json!({"name": "reader", "scopes": ["read"]})).await.expect(201);
    secrets.add("a key that was made", made["key"].as_str().unwrap());
    let path = format!("/v1/keys/{}/rotate", made["id"].as_str().unwrap());
    let next = backend.post(&path, &json!({"overlap_seconds": 60})).await.expect(201);
    secrets.add("a key that took its place", next["key"].as_str().unwrap());
    for key in [&made["key"], &next["key"]] {
        backend.with_key(key.as_str().unwrap()).get("/v1/devices").await.expect(200);
    }
    secrets.add("a wrong key", "hk_wrong_but_somebodys_secret_elsewhere");
    backend.with_key("hk_wrong_but_somebodys_secret_elsewhere").get("/v1/devices").await.problem(401, "key_invalid");
}

/// Somebody signs in, registers a phone, goes on, is robbed, and signs in again; somebody else's phone is without a user.
async fn phones(backend: &Client, secrets: &mut Secrets) {
    let refresh = async |token: &str| backend.post("/v1/client-tokens/refresh", &json!({ "refresh_token": token })).await;
    let (_, first) = secrets.add_pair("the first", &backend.post("/v1/client-tokens", &json!({"user_id": "ann"})).await.expect(201));
    let (access, _) = secrets.add_pair("the second", &refresh(&first).await.expect(200));
    let phone = backend.with_key(&access);
    secrets.add("ann's Android token", "token-of-anns-android:APA91bHun4MxP5egoKMwt");
    let registration = json!({"platform": "android", "token": "token-of-anns-android:APA91bHun4MxP5egoKMwt"});
    let registered = phone.put("/v1/devices/anns-android", &registration).await.expect(201);
    let receipt = registered["receipt_token"].as_str().unwrap();
    secrets.add("the signature of a receipt token", receipt.rsplit('.').next().unwrap());
    backend.with_key(receipt).post("/v1/receipts", &json!({"receipts": []})).await.expect(202);
    phone.get("/v1/me/devices").await.expect(200);
    phone.put("/v1/me/preferences", &json!({"timezone": "Europe/Paris"})).await.expect(200);
    refresh(&first).await.problem(401, "refresh_token_reused");
    phone.get("/v1/me/devices").await.problem(401, "token_revoked");
    let (_, alone) = secrets.add_pair("a device's", &backend.post("/v1/client-tokens", &json!({"device_id": "tv"})).await.expect(201));
    backend.post("/v1/client-tokens/revoke", &json!({ "refresh_token": alone })).await.expect(204);
}

async fn register(backend: &Client, simulator: &Client, secrets: &mut Secrets) {
    for (what, prefix, device) in [("ann's iPhone's token", "a1c5e7", "anns-iphone"), ("a dead token", "dead0c5e7", "anns-old-iphone")] {
        secrets.add(what, &apns_token(prefix, 0xbeef));
        backend.ios(device, "ann", &apns_token(prefix, 0xbeef)).await;
    }
    secrets.add("an address for calls", &apns_token("b1c5e7", 0xbeef));
    backend.put("/v1/devices/anns-iphone/tokens/voip", &json!({"token": apns_token("b1c5e7", 0xbeef)})).await.expect(201);
    let subscription = simulator.post("/simulator/subscriptions", &json!({"id": "endpoint-of-anns-browser"})).await.expect(201);
    let keys = &subscription["keys"];
    for (what, secret) in [
        ("an endpoint", "endpoint-of-anns-browser"),
        ("its key", keys["p256dh"].as_str().unwrap()),
        ("its auth", keys["auth"].as_str().unwrap()),
    ] {
        secrets.add(what, secret);
    }
    backend.put("/v1/devices/anns-browser", &json!({"user_id": "ann", "platform": "web", "token": subscription})).await.expect(201);
    secrets.add("an imported token", "token-of-bens-android:imported");
    let line = json!({"device_id": "bens-android", "user_id": "ben", "platform": "android", "token": "token-of-bens-android:imported"});
    backend.import("", &format!("{line}\n")).await.expect(200);
}

async fn people(backend: &Client, secrets: &mut Secrets) {
    for (user, email, phone) in [("ann", "ann.secret@example.com", "+33699999991"), ("ben", "ben.secret@example.com", "+33699999992")] {
        secrets.add(&format!("{user}'s e-mail"), email);
        secrets.add(&format!("{user}'s telephone"), phone);
        backend.put(&format!("/v1/users/{user}/contacts"), &json!({"email": email, "phone": phone})).await.expect(200);
        backend.get(&format!("/v1/users/{user}/contacts")).await.expect(200);
    }
    backend.get("/v1/users/ann/export").await.expect(200);
    backend.get("/v1/audit").await.expect(200);
}

/// What is wrong is refused, and its secrets are as secret.
async fn refused(backend: &Client, secrets: &mut Secrets) {
    secrets.add("a token that is none", "not-hex-but-a-secret");
    let bad = json!({"user_id": "ann", "platform": "ios", "token": "not-hex-but-a-secret"});
    backend.put("/v1/devices/bad", &bad).await.invalid("token", "invalid");
    secrets.add("a token of a broken line", "token-of-a-broken-line");
    backend.import("", "{\"token\": \"token-of-a-broken-line\"\n").await.expect(200);
    secrets.add("an e-mail that is none", "no-mail-but-a-secret");
    let answer = backend.put("/v1/users/ann/contacts", &json!({"email": "no-mail-but-a-secret"})).await;
    assert!(answer.status.is_client_error(), "{}", answer.body);
    let forged = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbm4ifQ.forgedforgedforged";
    secrets.add("a forged signature", "forgedforgedforged");
    backend.with_key(forged).get("/v1/me/devices").await.problem(401, "token_invalid");
    backend.post("/v1/client-tokens/refresh", &json!({"refresh_token": forged})).await.problem(401, "token_invalid");
    secrets.add("half a request's token", "token-in-half-a-request");
    backend.post_text("/v1/devices/import", "{\"token\": \"token-in-half-a-request\"").await;
    backend.post_text("/v1/client-tokens/refresh", "{\"refresh_token\": \"token-in-half-a-request").await;
}

async fn send(backend: &Client, simulator: &Client, secrets: &mut Secrets) {
    simulator.behave(json!([{"provider": "fcm", "respond": {"status": 503, "reason": "UNAVAILABLE"}, "times": 1}])).await;
    let both = json!({"to": {"user_ids": ["ann", "ben"]}, "category": "news", "content": {"title": "t"}});
    let done = backend.send_and_wait(&both).await;
    assert_eq!((&done["counts"]["sent"], &done["counts"]["failed"]), (&json!(4), &json!(1)), "{done}");
    let called = backend.send_and_wait(&json!({"to": {"device_ids": ["anns-iphone"]}, "push_type": "voip"})).await;
    assert_eq!(called["counts"]["sent"], 1, "{called}");
    let receipts = json!({"receipts": [{"notification_id": done["id"], "device_id": "anns-iphone", "type": "opened"}]});
    backend.post("/v1/receipts", &receipts).await.expect(202);
    simulator.behave(json!([{"provider": "apns", "respond": {"status": 403, "reason": "InvalidProviderToken"}, "times": 5}])).await;
    let waits = backend.notify(&json!({"to": {"device_ids": ["anns-iphone"]}, "content": {"title": "t"}})).await;
    backend.waits(&waits, "anns-iphone", "lane_paused").await;
    for (what, token) in [
        ("what signs in at Apple", apns_token("a1c5e7", 0xbeef)),
        ("what signs in at Google", "token-of-anns-android:APA91bHun4MxP5egoKMwt".to_owned()),
        ("what signs in at a push service", "endpoint-of-anns-browser".to_owned()),
    ] {
        let pushes = simulator.pushes(&token).await;
        let given = pushes[0]["headers"]["authorization"].as_str().unwrap();
        let (_, credential) = given.split_once(' ').unwrap();
        let credential = credential.split(',').next().unwrap().trim_start_matches("t=");
        secrets.add(what, credential.rsplit('.').next().unwrap());
    }
    backend.delete("/v1/users/ben").await;
}
