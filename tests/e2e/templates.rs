//! Templates: words with blanks, stored once and filled for those who get them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::clock::{in_seconds, text};
use crate::daemon::{Client, Dev, apns_token, until};

const LUNCH: &str = "/v1/templates/lunch";

/// A phone of a user's, with a locale and tags.
async fn phone(dev: &Client, user: &str, locale: Option<&str>, tags: &Value, number: usize) -> String {
    let token = apns_token("a1", number);
    let body = json!({"user_id": user, "platform": "ios", "token": token, "locale": locale, "tags": tags});
    dev.put(&format!("/v1/devices/phone-of-{user}"), &body).await.expect(201);
    token
}

/// What a phone showed, as title and body.
async fn shown(dev: &Client, token: &str) -> (String, String) {
    let push = dev.push(token).await;
    let alert = &push["body"]["aps"]["alert"];
    (alert["title"].as_str().unwrap_or_default().to_owned(), alert["body"].as_str().unwrap_or_default().to_owned())
}

fn with(template: &Value, to: &[&str]) -> Value {
    json!({"to": {"user_ids": to}, "template": template})
}

fn pair(title: &str, body: &str) -> (String, String) {
    (title.to_owned(), body.to_owned())
}

#[tokio::test]
async fn a_template_is_stored_read_and_deleted() {
    let dev = Dev::start();
    let body = json!({"content": {"title": "Hi {{ name }}", "data": {"k": "{{ v }}"}}, "localized": {"fr": {"title": "Salut {{ name }}"}}});
    let stored = dev.put(LUNCH, &body).await;
    let (tag, created) = (stored.header("etag").to_owned(), stored.expect(201));
    assert_eq!((&created["id"], &created["content"], &created["localized"]), (&json!("lunch"), &body["content"], &body["localized"]));
    assert_eq!(dev.get(LUNCH).await.expect(200), created);
    assert_eq!(dev.send(dev.request(Method::GET, LUNCH).header("if-none-match", &tag)).await.status, 304);
    dev.put(LUNCH, &json!({"content": {"title": "anew"}})).await.expect(200);
    dev.send(dev.request(Method::PUT, LUNCH).header("if-match", &tag).json(&body)).await.problem(412, "stale");
    dev.put("/v1/templates/dinner", &body).await.expect(201);
    let ids: Vec<Value> = dev.items("/v1/templates").await.iter().map(|one| one["id"].clone()).collect();
    assert_eq!(ids, ["dinner", "lunch"]);
    dev.delete(LUNCH).await.expect(204);
    dev.get(LUNCH).await.problem(404, "not_found");
    dev.delete(LUNCH).await.problem(404, "not_found");
}

#[tokio::test]
async fn what_is_wrong_with_a_template_is_told_when_it_is_stored() {
    let dev = Dev::start();
    for (body, field, message) in [
        (json!({"content": {"title": "{{ a"}}), "content.title", "line 1"),
        (json!({"content": {"title": "a"}, "localized": {"fr-CA": {"body": "\n{% if %}"}}}), "localized.fr-CA.body", "line 2"),
        (json!({"content": {"title": "{{ 'x' * 100000000 }}"}}), "content.title", "line 1"),
        (json!({"content": {"title": "{{ x|nosuch }}"}}), "content.title", "line 1"),
        (json!({"content": {"title": "x".repeat(8193)}}), "content.title", "at most 8192 bytes"),
    ] {
        let problem = dev.put(LUNCH, &body).await.problem(422, "invalid");
        let error = &problem["errors"][0];
        assert!(error["field"] == field && error["message"].as_str().unwrap().contains(message), "{problem}");
    }
    dev.get(LUNCH).await.problem(404, "not_found");
}

/// `fr-CA`, then `fr`, then the default, field by field; a notification's own words go over all of them.
#[tokio::test]
async fn the_nearest_words_are_filled() {
    let dev = Dev::start();
    let template = json!({
        "content": {"title": "Hi {{ name }}", "body": "Lunch in {{ minutes }} minutes{% if place is defined %} at {{ place }}{% endif %}?"},
        "localized": {"fr": {"title": "Salut {{ name }}", "body": "On mange ?"}, "fr-CA": {"body": "On dîne, {{ variables.name }} ?"}},
    });
    dev.put(LUNCH, &template).await.expect(201);
    let mut tokens = Vec::new();
    for (number, (user, locale)) in
        [("ann", Some("fr-CA")), ("ben", Some("fr_fr")), ("cem", Some("de")), ("dag", None)].into_iter().enumerate()
    {
        tokens.push(phone(&dev, user, locale, &json!({}), number).await);
    }
    let all = ["ann", "ben", "cem", "dag"];
    let used = json!({"id": "lunch", "variables": {"name": "all <b>&</b>", "minutes": 5}});
    assert_eq!(dev.send_and_wait(&with(&used, &all)).await["counts"]["sent"], 4);
    assert_eq!(shown(&dev, &tokens[0]).await, pair("Salut all <b>&</b>", "On dîne, all <b>&</b> ?"));
    assert_eq!(shown(&dev, &tokens[1]).await, pair("Salut all <b>&</b>", "On mange ?"));
    for token in &tokens[2..] {
        assert_eq!(shown(&dev, token).await, pair("Hi all <b>&</b>", "Lunch in 5 minutes?"));
    }
    dev.delete("/simulator/pushes").await.expect(204);
    let mut body = with(&used, &["ann", "cem"]);
    body["content"] = json!({"title": "Given {{ name }}"});
    body["platforms"] = json!({"ios": {"body": "On a phone"}});
    assert_eq!(dev.send_and_wait(&body).await["counts"]["sent"], 2);
    assert_eq!(shown(&dev, &tokens[0]).await, pair("Given {{ name }}", "On a phone"));
}

#[tokio::test]
async fn everybody_gets_their_own() {
    let dev = Dev::start();
    let body = "{{ user_id }}: {{ n }} new{% if device.tags.beta is defined %}, beta{% endif %}";
    dev.put(LUNCH, &json!({"content": {"title": "{{ greeting }} {{ name }}", "body": body}})).await.expect(201);
    let ann = phone(&dev, "ann", None, &json!({"beta": true}), 1).await;
    let ben = phone(&dev, "ben", None, &json!({}), 2).await;
    dev.android("tablet-of-ann", "ann", "well-1").await;
    let used = json!({"id": "lunch", "variables": {"greeting": "Hi", "name": "you", "n": 0}, "per_user": {"ann": {"name": "Ann", "n": 2}}});
    assert_eq!(dev.send_and_wait(&with(&used, &["ann", "ben"])).await["counts"]["sent"], 3);
    assert_eq!(shown(&dev, &ann).await, pair("Hi Ann", "ann: 2 new, beta"));
    assert_eq!(shown(&dev, &ben).await, pair("Hi you", "ben: 0 new"));
    assert!(dev.push("well-1").await["body"].to_string().contains("ann: 2 new\""));
}

#[tokio::test]
async fn what_has_no_value_is_told_where_it_is_known() {
    let dev = Dev::start();
    dev.put(LUNCH, &json!({"content": {"title": "Hi {{ name }}"}, "localized": {"fr": {"title": "\n{{ nom }}"}}})).await.expect(201);
    phone(&dev, "ann", None, &json!({}), 1).await;
    for (used, field, told) in [
        (json!({"id": "lunch"}), "template.variables", vec!["lunch", "content.title", "line 1", "name"]),
        (json!({"id": "lunch", "variables": {"name": "s3cret"}}), "template.variables", vec!["localized.fr.title", "line 2", "nom"]),
        (
            json!({"id": "lunch", "variables": {"name": "a"}, "per_user": {"ann": {"name": "s3cret"}}}),
            "template.per_user.ann",
            vec!["localized.fr.title", "nom"],
        ),
        (json!({"id": "lunch", "variables": {"name": null, "nom": "b"}}), "template.variables", vec!["content.title", "name"]),
    ] {
        for path in ["/v1/notifications", "/v1/notifications/preview"] {
            let problem = dev.post(path, &with(&used, &["ann"])).await.problem(422, "invalid");
            let error = &problem["errors"][0];
            let message = error["message"].as_str().unwrap();
            assert_eq!((&error["field"], &error["code"]), (&json!(field), &json!("render_failed")), "{problem}");
            assert!(told.iter().all(|word| message.contains(word)) && !message.contains("s3cret"), "{problem}");
        }
    }
}

/// What only the device or the store knows fails the delivery that lacks it, and no other.
#[tokio::test]
async fn what_has_no_value_fails_that_delivery_alone() {
    let dev = Dev::start();
    dev.put(LUNCH, &json!({"content": {"title": "{{ device.tags.plan }}"}})).await.expect(201);
    let ann = phone(&dev, "ann", None, &json!({"plan": "pro"}), 1).await;
    phone(&dev, "ben", None, &json!({}), 2).await;
    let done = dev.send_and_wait(&with(&json!({"id": "lunch"}), &["ann", "ben"])).await;
    assert_eq!((&done["counts"]["sent"], &done["reasons"]["failed"]), (&json!(1), &json!({"render_failed": 1})), "{done}");
    assert_eq!(shown(&dev, &ann).await.0, "pro");
    let delivery = dev.delivery(done["id"].as_str().unwrap(), "phone-of-ben").await;
    assert_eq!((&delivery["reason"], &delivery["attempts"]), (&json!("render_failed"), &json!(0)), "{delivery}");
}

#[tokio::test]
async fn what_variables_make_too_large_is_refused_or_fails() {
    let dev = Dev::start();
    dev.put(LUNCH, &json!({"content": {"title": "{{ text }}"}})).await.expect(201);
    phone(&dev, "ann", None, &json!({}), 1).await;
    let (short, long) = (json!({"text": "t"}), json!({"text": "t".repeat(5000)}));
    dev.post("/v1/notifications", &with(&json!({"id": "lunch", "variables": long}), &["ann"])).await.problem(413, "payload_too_large");
    let own = json!({"id": "lunch", "variables": short, "per_user": {"ann": long}});
    let done = dev.send_and_wait(&with(&own, &["ann"])).await;
    assert_eq!(done["reasons"]["failed"], json!({"payload_too_large": 1}), "{done}");
}

/// What was accepted keeps the words of its moment, also where the template is gone by then.
#[tokio::test]
async fn what_was_accepted_keeps_its_words() {
    let dev = Dev::start();
    dev.put(LUNCH, &json!({"content": {"title": "before {{ x }}"}})).await.expect(201);
    let token = phone(&dev, "ann", None, &json!({}), 1).await;
    let mut body = with(&json!({"id": "lunch", "variables": {"x": 1}}), &["ann"]);
    body["send_at"] = json!(text(in_seconds(2)));
    let id = dev.notify(&body).await;
    dev.put(LUNCH, &json!({"content": {"title": "after"}})).await.expect(200);
    dev.delete(LUNCH).await.expect(204);
    dev.post("/v1/notifications", &body).await.invalid("template.id", "unknown_template");
    dev.done(&id).await;
    until("it is shown", async || (!dev.pushes(&token).await.is_empty()).then_some(())).await;
    assert_eq!(shown(&dev, &token).await.0, "before 1");
}

#[tokio::test]
async fn a_preview_is_filled() {
    let dev = Dev::start();
    let words =
        json!({"content": {"title": "{{ user_id }} {{ name }} {{ device.tags.plan }}"}, "localized": {"fr": {"title": "fr {{ name }}"}}});
    dev.put(LUNCH, &words).await.expect(201);
    phone(&dev, "ann", None, &json!({"plan": "pro"}), 1).await;
    let used = json!({"id": "lunch", "variables": {"name": "you"}, "per_user": {"ann": {"name": "Ann"}}});
    let preview = dev.post("/v1/notifications/preview", &with(&used, &["ann"])).await.expect(200);
    let title = |locale: Value| {
        let rendered = preview["rendered"].as_array().unwrap();
        let one = rendered.iter().find(|one| one["provider"] == "apns" && one["locale"] == locale).unwrap_or_else(|| panic!("{preview}"));
        one["payload"]["aps"]["alert"]["title"].as_str().unwrap().to_owned()
    };
    assert_eq!((title(Value::Null), title(json!("fr"))), ("ann Ann pro".to_owned(), "fr Ann".to_owned()));
    assert_eq!(preview["decisions"], json!({"send": 1}));
}

#[tokio::test]
async fn what_cannot_stand_beside_a_template_is_named() {
    let dev = Dev::start();
    dev.put(LUNCH, &json!({"content": {"title": "a"}})).await.expect(201);
    for (name, value, field) in [
        ("localized", json!({"fr": {"title": "t"}}), "localized"),
        ("silent", json!(true), "silent"),
        ("push_type", json!("voip"), "push_type"),
        ("template", json!({}), "template.id"),
        ("template", json!({"id": "lunch", "variables": [1]}), "template.variables"),
        ("template", json!({"id": "lunch", "variables": {"user": 1}}), "template.variables.user"),
        ("template", json!({"id": "lunch", "per_user": {"ann": {"loop": 1}}}), "template.per_user.ann.loop"),
        ("template", json!({"id": "lunch", "variables": {"x": "y".repeat(8200)}}), "template.variables"),
    ] {
        let mut body = with(&json!({"id": "lunch"}), &["ann"]);
        body[name] = value;
        let problem = dev.post("/v1/notifications", &body).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
}
