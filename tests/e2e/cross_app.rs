//! Another app's key, on every route that the description has, with the names and ids of what is somebody else's.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client, apns_token};
use crate::clock::now;
use crate::daemon::Simulator;

/// In everything of the first app that is text, so that it is found wherever it leaks.
const MARK: &str = "of-the-first-app";
const SCOPES: &str = "send,manage,read,critical";
/// Routes that are about what no app owns.
const OPEN: [&str; 3] = ["/health", "/ready", "/.well-known/jwks.json"];

/// What the first app has, by the names in paths.
struct Belongings {
    user: String,
    device: String,
    topic: String,
    template: String,
    category: String,
    notification: String,
    campaign: String,
    key: String,
    webhook: String,
}

async fn furnish(app: &Client) -> Belongings {
    let user = format!("user-{MARK}");
    let (device, topic, template, category) =
        (format!("device-{MARK}"), format!("topic-{MARK}"), format!("template-{MARK}"), format!("category-{MARK}"));
    app.put(&format!("/v1/categories/{category}"), &json!({"default_on": true})).await.expect(201);
    app.put(&format!("/v1/templates/{template}"), &json!({"content": {"body": MARK}})).await.expect(201);
    let registration = json!({"user_id": user, "platform": "ios", "token": apns_token("c0", 7), "model": MARK, "tags": {"mark": MARK}});
    app.put(&format!("/v1/devices/{device}"), &registration).await.expect(201);
    app.put(&format!("/v1/devices/{device}/tokens/voip"), &json!({"token": apns_token("c0", 8)})).await.expect(201);
    app.put(&format!("/v1/topics/{topic}/devices/{device}"), &json!({})).await.expect(204);
    app.put(&format!("/v1/topics/{topic}/users/{user}"), &json!({})).await.expect(204);
    app.put(&format!("/v1/users/{user}/preferences"), &json!({"timezone": "Pacific/Chatham"})).await.expect(200);
    app.put(&format!("/v1/users/{user}/contacts"), &json!({"email": format!("{MARK}@example.com")})).await.expect(200);
    app.patch(&format!("/v1/users/{user}"), &json!({"tags": {"mark": MARK}})).await.expect(200);
    let sent = json!({"to": {"user_id": user}, "category": category, "labels": {"mark": MARK}, "content": {"title": MARK, "body": MARK}});
    app.send_and_wait(&sent).await;
    let mut waits = sent;
    waits["send_at"] = json!(now() + TimeDelta::days(1));
    let waits = app.post("/v1/notifications", &waits).await.expect(202);
    let draft = json!({"name": MARK, "notification": {"category": category, "content": {"body": MARK}}, "segment": {"everyone": true}});
    let campaign = app.post("/v1/campaigns", &draft).await.expect(201);
    let key = app.post("/v1/keys", &json!({"name": MARK, "scopes": ["read"]})).await.expect(201);
    // of what does not happen here, so that it stays as it is
    let webhook = json!({"url": format!("https://{MARK}.invalid/"), "events": ["lane.paused"]});
    let webhook = app.post("/v1/webhooks", &webhook).await.expect(201);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Belongings {
        user,
        device,
        topic,
        template,
        category,
        notification: text(&waits["id"]),
        campaign: text(&campaign["id"]),
        key: text(&key["id"]),
        webhook: text(&webhook["id"]),
    }
}

impl Belongings {
    /// The path with what is the first app's in its places.
    fn fill(&self, path: &str) -> String {
        let id = match path {
            path if path.contains("/campaigns") => &self.campaign,
            path if path.contains("/keys") => &self.key,
            path if path.contains("/webhooks") => &self.webhook,
            path if path.contains("/templates") => &self.template,
            path if path.contains("/categories") => &self.category,
            _ => &self.notification,
        };
        path.replace("{id}", id)
            .replace("{device_id}", &self.device)
            .replace("{user_id}", &self.user)
            .replace("{topic}", &self.topic)
            .replace("{kind}", "voip")
            .replace("{provider}", "apns")
    }

    /// A body that does something where it is taken: it names what is the first app's.
    fn body(&self, path: &str) -> Value {
        match path {
            "/v1/notifications" | "/v1/notifications/preview" => json!({"to": {"device_ids": [self.device]}, "content": {"body": "b"}}),
            "/v1/notifications/batch" => json!({"notifications": [{"to": {"topic": self.topic}, "content": {"body": "b"}}]}),
            "/v1/campaigns/preview" => json!({"id": self.campaign}),
            "/v1/campaigns/{id}/test" => json!({"to": {"device_ids": [self.device]}}),
            "/v1/segments/preview" => json!({"segment": {"everyone": true}}),
            "/v1/explain" => json!({"device_id": self.device}),
            "/v1/receipts" => json!({"receipts": [{"notification_id": self.notification, "device_id": self.device, "type": "opened"}]}),
            "/v1/client-tokens" => json!({"user_id": self.user}),
            "/v1/devices/{device_id}" => json!({"user_id": "thief", "platform": "ios", "token": apns_token("c0", 7)}),
            "/v1/devices/{device_id}/tokens/{kind}" => json!({"token": apns_token("c0", 8)}),
            "/v1/templates/{id}" => json!({"content": {"body": "b"}}),
            "/v1/campaigns" | "/v1/campaigns/{id}" => {
                json!({"name": "n", "notification": {"category": self.category, "content": {"body": "b"}}, "segment": {"everyone": true}})
            }
            "/v1/users/{user_id}/contacts" => json!({"email": "thief@example.com"}),
            "/v1/users/{user_id}/preferences" => json!({"channels": {"push": false}}),
            "/v1/users/{user_id}" => json!({"locale": "xx"}),
            "/v1/keys" => json!({"name": "n", "scopes": ["read"]}),
            "/v1/webhooks" => json!({"url": "https://thief.invalid/", "events": ["delivery.sent"]}),
            "/v1/webhooks/{id}" => json!({"url": "https://thief.invalid/", "enabled": false}),
            "/v1/webhooks/{id}/replay" => json!({"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}),
            _ => json!({}),
        }
    }
}

async fn ask(caller: &Client, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let mut request = caller.request(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), path);
    if path == "/v1/devices/import" {
        request = request
            .header("content-type", "application/x-ndjson")
            .body(format!("{{\"device_id\": \"device-{MARK}\", \"model\": \"x\"}}\n"));
    } else if let Some(body) = body {
        request = request.json(body);
    }
    caller.send(request).await
}

/// All that the first app can read of itself, but for what tells when somebody last called or changes by being read.
async fn state(app: &Client, document: &Value, of: &Belongings) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let is_mine = item.get("get").is_some() && path.starts_with("/v1/") && !path.starts_with("/v1/me/");
        if is_mine && !["/v1/keys", "/v1/audit", "/v1/lanes"].contains(&path.as_str()) {
            let mut body = app.get(&of.fill(path)).await.body;
            if let Some(members) = body.as_object_mut() {
                members.remove("request_id");
                members.remove("exported_at");
            }
            all.push((path.clone(), body));
        }
    }
    all
}

/// Every operation of the description, asked with the key of another app about what the first app has: nothing of it is answered, and
/// nothing of it changes.
#[tokio::test]
async fn an_app_reaches_nothing_of_another() {
    let simulator = Simulator::start();
    simulator.add_app("second");
    let (first, second) = (simulator.key_of("demo", SCOPES), simulator.key_of("second", SCOPES));
    let daemon = simulator.serve(&[]);
    let (first, second) = (Client::new(&daemon.url, &first), Client::new(&daemon.url, &second));
    let document = first.get("/openapi.json").await.expect(200);
    let of = furnish(&first).await;
    let before = state(&first, &document, &of).await;
    assert!(before.iter().filter(|(_, body)| body.to_string().contains(MARK)).count() > 12, "there is something to leak");
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|_| !OPEN.contains(&path.as_str())) {
            let takes_body = item[method].get("requestBody").is_some();
            let body = of.body(path);
            let answer = ask(&second, method, &of.fill(path), takes_body.then_some(&body)).await;
            assert!(!answer.status.is_server_error(), "{method} {path}: {} {}", answer.status, answer.body);
            // an answer may repeat the names that it was asked with, and nothing else
            let said = [&of.user, &of.device, &of.topic, &of.template, &of.category].into_iter();
            let rest = said.fold(answer.body.to_string(), |text, name| text.replace(name.as_str(), "asked"));
            assert!(!rest.contains(MARK), "{method} {path} leaks: {rest}");
            asked += 1;
        }
    }
    assert!(asked > 70, "{asked}");
    for ((path, before), (_, after)) in before.into_iter().zip(state(&first, &document, &of).await) {
        assert_eq!(after, before, "{path} was changed by another app");
    }
}
