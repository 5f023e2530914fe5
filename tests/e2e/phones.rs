//! Phones with client tokens: signing in, staying signed in, signing out.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::daemon::{Client, Dev, apns_token, herald, until};

/// What a phone has.
#[derive(Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Tokens {
    fn of(pair: &Value) -> Self {
        let text = |name: &str| pair[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

/// Signs in for whom the body says.
pub(crate) async fn sign_in(backend: &Client, body: &Value) -> Tokens {
    Tokens::of(&backend.post("/v1/client-tokens", body).await.expect(201))
}

/// A phone on which this user is signed in.
pub(crate) async fn phone_of(backend: &Client, user: &str) -> Client {
    backend.with_key(&sign_in(backend, &json!({ "user_id": user })).await.access)
}

/// Without any credential.
async fn refresh(client: &Client, token: &str) -> Answer {
    let http = reqwest::Client::new();
    client.send(http.post(format!("{}/v1/client-tokens/refresh", client.url)).json(&json!({ "refresh_token": token }))).await
}

async fn revoke(client: &Client, token: &str) -> Answer {
    let http = reqwest::Client::new();
    client.send(http.post(format!("{}/v1/client-tokens/revoke", client.url)).json(&json!({ "refresh_token": token }))).await
}

#[tokio::test]
async fn a_lost_answer_signs_nobody_out() {
    let dev = Dev::start();
    let first = sign_in(&dev, &json!({"user_id": "ann"})).await;
    let lost = Tokens::of(&refresh(&dev, &first.refresh).await.expect(200));
    let again = Tokens::of(&refresh(&dev, &first.refresh).await.expect(200));
    assert_eq!(lost.refresh, again.refresh, "all have the same successor");
    assert_ne!(first.refresh, again.refresh);
    dev.with_key(&again.access).get("/v1/me/devices").await.expect(200);
    // the new pair has been used: whoever comes with the old one stole it, or was stolen from
    refresh(&dev, &first.refresh).await.problem(401, "refresh_token_reused");
    for tokens in [&first, &lost, &again] {
        dev.with_key(&tokens.access).get("/v1/me/devices").await.problem(401, "token_revoked");
        refresh(&dev, &tokens.refresh).await.problem(401, "token_revoked");
    }
    // other sign-ins are not concerned
    let other = sign_in(&dev, &json!({"user_id": "ann"})).await;
    dev.with_key(&other.access).get("/v1/me/devices").await.expect(200);
}

#[tokio::test]
async fn refreshes_at_the_same_time_agree() {
    let dev = Dev::unlimited();
    let mut tokens = sign_in(&dev, &json!({"user_id": "ann", "device_id": "phone"})).await;
    for _ in 0..5 {
        let answers = join_all((0..10).map(|_| refresh(&dev, &tokens.refresh))).await;
        let pairs: Vec<Tokens> = answers.into_iter().map(|answer| Tokens::of(&answer.expect(200))).collect();
        assert!(pairs.iter().all(|pair| pair.refresh == pairs[0].refresh));
        tokens = pairs[7].clone();
        dev.with_key(&tokens.access).get("/v1/me/devices").await.expect(200);
    }
    // a spent one revokes, however many come with it, and beside the rightful one
    let spent = tokens.clone();
    let newest = Tokens::of(&refresh(&dev, &spent.refresh).await.expect(200));
    dev.with_key(&newest.access).get("/v1/me/devices").await.expect(200);
    let thieves = join_all((0..10).map(|_| refresh(&dev, &spent.refresh))).await;
    for answer in thieves {
        let code = answer.body["code"].as_str().unwrap().to_owned();
        assert!(answer.status == 401 && ["refresh_token_reused", "token_revoked"].contains(&code.as_str()), "{}", answer.body);
    }
    refresh(&dev, &newest.refresh).await.problem(401, "token_revoked");
    dev.with_key(&newest.access).get("/v1/me/devices").await.problem(401, "token_revoked");
}

#[tokio::test]
async fn an_access_token_dies_within_its_lifetime() {
    let dev = Dev::start_with(&[("HERALD__CLIENT_TOKENS__ACCESS_SECONDS", "2")]);
    let tokens = sign_in(&dev, &json!({"user_id": "ann"})).await;
    let phone = dev.with_key(&tokens.access);
    until("the access token has expired", async || {
        let answer = phone.get("/v1/me/devices").await;
        (answer.body["code"] == "token_expired").then(|| assert!(answer.header("www-authenticate").contains("invalid_token")))
    })
    .await;
    let next = Tokens::of(&refresh(&dev, &tokens.refresh).await.expect(200));
    dev.with_key(&next.access).get("/v1/me/devices").await.expect(200);
}

#[tokio::test]
async fn tokens_outlive_the_daemon() {
    let dev = Dev::start();
    let tokens = sign_in(&dev, &json!({"user_id": "ann"})).await;
    let registered = dev.with_key(&tokens.access).put("/v1/devices/phone", &json!({"platform": "android", "token": "well-1"})).await;
    let receipt_token = registered.expect(201)["receipt_token"].as_str().unwrap().to_owned();
    let keys = dev.get("/.well-known/jwks.json").await.expect(200);
    let dir = dev.dir;
    assert!(dev.process.terminate().await.success());
    let again = Dev::spawn(dir.path(), &[]);
    let client = Client::new(&again.url, crate::daemon::DEV_KEY);
    assert_eq!(client.get("/.well-known/jwks.json").await.expect(200), keys);
    client.with_key(&tokens.access).get("/v1/devices/phone").await.expect(200);
    client.with_key(&receipt_token).post("/v1/receipts", &json!({"receipts": []})).await.expect(202);
    refresh(&client, &tokens.refresh).await.expect(200);
}

#[tokio::test]
async fn whoever_signs_out_is_signed_out() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    let body = json!({"platform": "ios", "token": token});
    let tokens = sign_in(&dev, &json!({"user_id": "ann", "device_id": "phone"})).await;
    let phone = dev.with_key(&tokens.access);
    phone.put("/v1/devices/phone", &body).await.expect(201);
    // by deleting the device
    phone.get("/v1/me/devices").await.expect(200);
    phone.delete("/v1/devices/phone").await.expect(204);
    phone.get("/v1/me/devices").await.problem(401, "token_revoked");
    refresh(&dev, &tokens.refresh).await.problem(401, "token_revoked");
    // by revoking
    let tokens = sign_in(&dev, &json!({"user_id": "ann", "device_id": "phone"})).await;
    let phone = dev.with_key(&tokens.access);
    phone.put("/v1/devices/phone", &body).await.expect(201);
    for token in [&tokens.refresh, &tokens.refresh, "nonsense"] {
        revoke(&dev, token).await.expect(204);
    }
    phone.get("/v1/devices/phone").await.problem(401, "token_revoked");
    // by another who signs in on the phone
    let anns = sign_in(&dev, &json!({"user_id": "ann", "device_id": "phone"})).await;
    dev.with_key(&anns.access).get("/v1/devices/phone").await.expect(200);
    let bobs = sign_in(&dev, &json!({"user_id": "bob", "device_id": "phone"})).await;
    dev.with_key(&bobs.access).put("/v1/devices/phone", &body).await.expect(200);
    refresh(&dev, &anns.refresh).await.problem(401, "token_revoked");
    assert_eq!(dev.get("/v1/devices/phone").await.expect(200)["user_id"], "bob");
    // nobody is signed in any more: the installation goes on alone
    let nobodys = dev.with_key(&sign_in(&dev, &json!({"device_id": "phone"})).await.access);
    assert_eq!(nobodys.put("/v1/devices/phone", &body).await.expect(200)["user_id"], Value::Null);
    refresh(&dev, &bobs.refresh).await.problem(401, "token_revoked");
    nobodys.get("/v1/devices/phone").await.expect(200);
    nobodys.get("/v1/me/preferences").await.expect(200);
}

#[tokio::test]
async fn what_somebody_switched_off_before_signing_in_is_off_until_then() {
    let dev = Dev::start();
    dev.put("/v1/categories/news", &json!({})).await.expect(201);
    let (token, body) = (apns_token("a1", 1), json!({"platform": "ios", "token": apns_token("a1", 1)}));
    let nobodys = dev.with_key(&sign_in(&dev, &json!({"device_id": "phone"})).await.access);
    nobodys.put("/v1/devices/phone", &body).await.expect(201);
    nobodys.patch("/v1/me/preferences", &json!({"categories": {"news": {"push": false}}})).await.expect(200);
    let push = |title: &str| json!({"to": {"device_ids": ["phone"]}, "category": "news", "content": {"title": title}});
    dev.send_and_wait(&push("off")).await;
    assert_eq!(dev.pushes(&token).await, [] as [Value; 0]);
    let ann = dev.with_key(&sign_in(&dev, &json!({"user_id": "ann", "device_id": "phone"})).await.access);
    ann.put("/v1/devices/phone", &body).await.expect(200);
    dev.send_and_wait(&push("on")).await;
    assert_eq!(dev.pushes(&token).await.len(), 1);
}

/// The phone of somebody who is erased goes on for a while, and makes nothing of theirs anew.
#[tokio::test]
async fn whoever_is_erased_stays_so() {
    let dev = Dev::start();
    let phone = phone_of(&dev, "ann").await;
    phone.put("/v1/me/preferences", &json!({"timezone": "Europe/Paris"})).await.expect(200);
    dev.delete("/v1/users/ann").await.expect(204);
    phone.put("/v1/me/preferences", &json!({"timezone": "Europe/Paris"})).await.problem(401, "token_revoked");
    phone.put("/v1/devices/phone", &json!({"platform": "android", "token": "well-1"})).await.problem(401, "token_revoked");
}

#[tokio::test]
async fn a_user_is_signed_out_everywhere_from_the_command_line() {
    let dev = Dev::start();
    let tokens = [sign_in(&dev, &json!({"user_id": "a/b c"})).await, sign_in(&dev, &json!({"user_id": "a/b c", "device_id": "pad"})).await];
    let other = sign_in(&dev, &json!({"user_id": "bob"})).await;
    let mut command = herald();
    command.args(["user", "revoke-tokens", "a/b c"]).env("HERALD_URL", &dev.url).env("HERALD_API_KEY", crate::daemon::DEV_KEY);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for tokens in &tokens {
        dev.with_key(&tokens.access).get("/v1/me/devices").await.problem(401, "token_revoked");
        refresh(&dev, &tokens.refresh).await.problem(401, "token_revoked");
    }
    refresh(&dev, &other.refresh).await.expect(200);
}

/// Who is on a phone is told by its push token: nobody gets another's pushes, nor silences them, by a name that he heard.
#[tokio::test]
async fn a_device_is_taken_over_with_its_push_token_only() {
    for (knows_id, knows_token, status, owner) in
        [(true, false, 409, "ann"), (false, true, 201, "bob"), (true, true, 200, "bob"), (false, false, 201, "ann")]
    {
        let dev = Dev::start();
        let (real, other) = (apns_token("a1", 1), apns_token("b1", 2));
        let ann = phone_of(&dev, "ann").await;
        ann.put("/v1/devices/phone", &json!({"platform": "ios", "token": real, "tags": {"diary": "private"}})).await.expect(201);
        let bob = phone_of(&dev, "bob").await;
        let name = if knows_id { "/v1/devices/phone" } else { "/v1/devices/bobs" };
        let at = format!("{knows_id} {knows_token}");
        if knows_id {
            for method in [Method::GET, Method::PATCH, Method::DELETE] {
                bob.send(bob.request(method, name).json(&json!({}))).await.problem(404, "not_found");
            }
            bob.put(&format!("{name}/tokens/voip"), &json!({"token": other})).await.problem(404, "not_found");
        }
        let answer = bob.put(name, &json!({"platform": "ios", "token": if knows_token { &real } else { &other }})).await;
        assert_eq!(answer.status, status, "{at}: {}", answer.body);
        assert!(!answer.body.to_string().contains("private"), "{at}: {}", answer.body);
        if status == 409 {
            answer.problem(409, "device_of_another_user");
        }
        for user in ["ann", "bob"] {
            dev.send_and_wait(&json!({"to": {"user_id": user}, "content": {"title": format!("for {user}")}})).await;
        }
        let shown = |pushes: Vec<Value>| {
            pushes.iter().map(|push| push["body"]["aps"]["alert"]["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(shown(dev.pushes(&real).await), [format!("for {owner}")], "{at}");
        let at_other = if status == 201 && !knows_token { vec!["for bob".to_owned()] } else { vec![] };
        assert_eq!(shown(dev.pushes(&other).await), at_other, "{at}");
    }
}

/// A client token gets nowhere but where the description says that it may.
#[tokio::test]
async fn every_route_that_is_not_for_phones_refuses_them() {
    let dev = Dev::unlimited();
    let phone = phone_of(&dev, "ann").await;
    let registered = phone.put("/v1/devices/phone", &json!({"platform": "ios", "token": apns_token("a1", 1)})).await.expect(201);
    let reporter = dev.with_key(registered["receipt_token"].as_str().unwrap());
    let document = dev.get("/openapi.json").await.expect(200);
    let (mut refused, mut own) = (0, 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let ways = operation["security"].as_array().cloned().unwrap_or_default();
            let takes = |scheme: &str| ways.iter().any(|way| way.get(scheme).is_some());
            if ways.is_empty() || ways.contains(&json!({})) {
                continue;
            }
            for (caller, scheme) in [(&phone, "client_token"), (&reporter, "receipt_token")] {
                if takes(scheme) {
                    own += 1;
                    continue;
                }
                let answer = ask(caller, method, path).await;
                assert!([403, 404].contains(&answer.status.as_u16()), "{scheme} {method} {path}: {} {}", answer.status, answer.body);
                refused += 1;
            }
        }
    }
    assert!(refused > 100 && own >= 12, "{refused} {own}");
    phone.get("/v1/devices/phone").await.expect(200);
}

async fn ask(caller: &Client, method: &str, path: &str) -> Answer {
    let path = path
        .replace("{id}", "01890a5d-ac96-774b-bcce-b302099a8057")
        .replace("{device_id}", "phone")
        .replace("{user_id}", "ann")
        .replace("{topic}", "news")
        .replace("{kind}", "voip")
        .replace("{provider}", "apns");
    let mut request = caller.request(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), &path);
    if ["put", "patch", "post"].contains(&method) {
        let kind = if path.contains("import") { "application/x-ndjson" } else { "application/json" };
        request = request.header("content-type", kind).body("{}");
    }
    caller.send(request).await
}

/// Receipts of a phone are those of its own devices.
#[tokio::test]
async fn a_phone_reports_of_its_own_devices() {
    let dev = Dev::start();
    let (ann, bob) = (phone_of(&dev, "ann").await, phone_of(&dev, "bob").await);
    let registered = ann.put("/v1/devices/anns", &json!({"platform": "ios", "token": apns_token("a1", 1)})).await.expect(201);
    let extension = dev.with_key(registered["receipt_token"].as_str().unwrap());
    bob.put("/v1/devices/bobs", &json!({"platform": "ios", "token": apns_token("a1", 2)})).await.expect(201);
    let id = dev.send_and_wait(&json!({"to": {"user_ids": ["ann", "bob"]}, "content": {"title": "t"}})).await["id"].clone();
    let report = |device: &str, kind: &str| json!({"receipts": [{"notification_id": id, "device_id": device, "type": kind, "newer": 1}]});
    for (caller, device, accepted) in
        [(&bob, "anns", 0), (&extension, "bobs", 0), (&extension, "anns", 1), (&bob, "bobs", 1), (&ann, "anns", 1)]
    {
        let answer = caller.post("/v1/receipts", &report(device, "delivered")).await.expect(202);
        assert_eq!(answer["accepted"], accepted, "{device}: {answer}");
        assert_eq!(answer["rejected"].as_array().unwrap().len(), 1 - accepted, "{device}: {answer}");
    }
    let counts = dev.get(&format!("/v1/notifications/{}", id.as_str().unwrap())).await.expect(200)["counts"].clone();
    assert_eq!(counts["delivered"], 2, "{counts}");
    // the next who signs in on the phone has another receipt token
    dev.put("/v1/devices/anns", &json!({"user_id": "bob"})).await.expect(200);
    extension.post("/v1/receipts", &report("anns", "opened")).await.problem(401, "token_revoked");
}

/// Nothing that lets anybody in is in the log, at its loudest.
#[tokio::test]
async fn tokens_do_not_reach_the_log() {
    let dev = Dev::logging("trace");
    let first = sign_in(&dev, &json!({"user_id": "ann"})).await;
    let next = Tokens::of(&refresh(&dev, &first.refresh).await.expect(200));
    let phone = dev.with_key(&next.access);
    let registered = phone.put("/v1/devices/phone", &json!({"platform": "android", "token": "well-1"})).await.expect(201);
    let receipt_token = registered["receipt_token"].as_str().unwrap().to_owned();
    dev.with_key(&receipt_token).post("/v1/receipts", &json!({"receipts": []})).await.expect(202);
    refresh(&dev, &first.refresh).await.problem(401, "refresh_token_reused");
    revoke(&dev, &next.refresh).await.expect(204);
    let metrics = dev.get("/metrics").await.body.to_string();
    let log = dev.stop_and_read().await;
    assert!(log.contains("client-tokens"), "the log is there");
    for secret in [first.access, first.refresh, next.access, next.refresh, receipt_token] {
        let signature = secret.rsplit('.').next().unwrap().to_owned();
        assert!(!log.contains(&signature) && !metrics.contains(&signature), "{signature}");
    }
}
