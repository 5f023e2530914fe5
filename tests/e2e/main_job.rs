//! The main job: a POST becomes a push.

use serde_json::json;

use crate::daemon::{Dev, apns_token};

#[tokio::test]
async fn a_post_becomes_a_push_on_every_device_of_the_user() {
    let dev = Dev::start();
    let (apple, android) = (apns_token("a1", 1), "fcm-token-1:APA91b".to_owned());
    dev.ios("phone", "ann", &apple).await;
    dev.android("tablet", "ann", &android).await;
    let done = dev
        .send_and_wait(&json!({
            "to": {"user_id": "ann"}, "category": "messages",
            "content": {"title": "Ben", "body": "Lunch?", "link": "myapp://chat/9", "data": {"chat": "9"}},
        }))
        .await;
    let id = done["id"].as_str().unwrap();
    assert_eq!(done["counts"]["targeted"], 2);
    assert_eq!(done["counts"]["sent"], 2);

    let pushes = dev.pushes(&apple).await;
    assert_eq!(pushes.len(), 1, "{pushes:?}");
    let push = &pushes[0];
    assert_eq!(push["provider"], "apns");
    assert_eq!(push["environment"], "production");
    assert_eq!(push["status"], 200);
    assert_eq!(push["headers"]["apns-push-type"], "alert");
    assert_eq!(push["headers"]["apns-priority"], "10");
    assert_eq!(push["headers"]["apns-collapse-id"], id);
    assert_eq!(push["body"]["aps"]["alert"], json!({"title": "Ben", "body": "Lunch?"}));
    assert_eq!(push["body"]["herald_id"], id);
    assert_eq!(push["body"]["herald_link"], "myapp://chat/9");
    assert_eq!(push["body"]["chat"], "9");

    let pushes = dev.pushes(&android).await;
    assert_eq!(pushes.len(), 1, "{pushes:?}");
    let message = &pushes[0]["body"]["message"];
    assert_eq!(pushes[0]["provider"], "fcm");
    assert_eq!(message["token"], android.as_str());
    assert_eq!(message["data"]["herald_id"], id);
    assert_eq!(message["data"]["chat"], "9");
    assert_eq!(message["android"]["priority"], "HIGH");
    assert_eq!(message["android"]["notification"]["tag"], id);

    let delivery = dev.delivery(id, "phone").await;
    assert_eq!(delivery["status"], "sent");
    assert_eq!(delivery["provider"], "apns");
    assert_eq!(delivery["user_id"], "ann");
    assert_eq!(delivery["attempts"], 1);
    assert_eq!(delivery["channel"], "push");
    assert_eq!(delivery["provider_message_id"], push["headers"]["apns-id"]);
    assert!(dev.delivery(id, "tablet").await["provider_message_id"].as_str().unwrap().starts_with("projects/"));
}

#[tokio::test]
async fn an_instant_is_read_as_it_was_answered() {
    let dev = Dev::start();
    let body = json!({"to": {"user_id": "ann"}, "content": {"title": "t"}});
    let accepted = dev.post("/v1/notifications", &body).await.expect(202);
    let read = dev.get(&format!("/v1/notifications/{}", accepted["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(accepted["accepted_at"], read["accepted_at"]);
}
