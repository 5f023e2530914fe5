use serde_json::json;

use super::super::render::render as render_alone;
use super::*;
use crate::domain::content::Content;
use crate::domain::device::Environment;
use crate::providers::Piece;
use crate::providers::testing::{ID, message};

const ALL: [Platform; 3] = [Platform::Android, Platform::Ios, Platform::Web];

fn topic() -> Broadcast {
    Broadcast::FcmTopic("news".to_owned().try_into().unwrap())
}

fn words() -> Content {
    Content {
        title: Some("Ann".to_owned()),
        body: Some("Lunch?".to_owned()),
        action_set: Some("chat".to_owned()),
        data: Some([("chat".to_owned(), "9".to_owned())].into()),
        ..Content::default()
    }
}

/// The message, with 7 for the time left and a token where one goes.
fn filled(rendered: &Rendered) -> Value {
    let Body::Spliced(pieces) = &rendered.body else { panic!("{rendered:?}") };
    let bytes = pieces.iter().flat_map(|piece| match piece {
        Piece::Shared(bytes) => bytes.to_vec(),
        Piece::SecondsLeft | Piece::ExpiresAt => b"7".to_vec(),
        Piece::Address => br#""token":"x""#.to_vec(),
    });
    serde_json::from_slice::<Value>(&bytes.collect::<Vec<u8>>()).unwrap()["message"].take()
}

fn render(to: &Broadcast, content: &Content) -> Result<Rendered, RenderError> {
    render_broadcast(to, &ALL.map(|platform| message(content, platform)), (Display::System, false))
}

fn patched(patch: &Value) -> Result<Rendered, RenderError> {
    let content = words();
    let sources = ALL.map(|platform| Message { overrides: Some(patch), ..message(&content, platform) });
    render_broadcast(&topic(), &sources, (Display::System, false))
}

#[test]
fn every_platform_has_its_part_as_if_it_were_sent_to_alone() {
    let content = words();
    for display in [Display::System, Display::App] {
        let sources = ALL.map(|platform| message(&content, platform));
        let whole = filled(&render_broadcast(&topic(), &sources, (display, true)).unwrap());
        let names: Vec<_> = whole.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["android", "apns", "data", "topic", "webpush"]);
        for (source, part) in sources.iter().zip(["android", "apns", "webpush"]) {
            let alone = filled(&render_alone(source, display, true).unwrap());
            let mut shared = whole[part].clone();
            let own = shared.as_object_mut().unwrap().remove("data");
            assert_eq!((&shared, own.as_ref().unwrap_or(&whole["data"])), (&alone[part], &alone["data"]), "{part}");
        }
    }
}

#[test]
fn data_that_differs_stands_with_its_platform() {
    let whole = filled(&render(&topic(), &words()).unwrap());
    assert_eq!(whole["data"], json!({"chat": "9", "herald_id": ID}));
    assert_eq!(whole["android"]["data"], json!({"chat": "9", "herald_id": ID, "herald_actions": "chat"}));
    assert_eq!(whole["webpush"].get("data"), None);
}

#[test]
fn a_topic_and_a_condition_stand_where_a_token_would() {
    let condition = "'a' in topics && !('b' in topics)";
    for (to, name, text) in
        [(topic(), "topic", "news"), (Broadcast::FcmCondition(condition.to_owned().try_into().unwrap()), "condition", condition)]
    {
        let whole = filled(&render(&to, &words()).unwrap());
        assert_eq!((&whole[name], whole.get("token")), (&json!(text), None));
    }
    let channel = Broadcast::ApnsChannel { channel: "AAAA".to_owned().try_into().unwrap(), environment: Environment::Production };
    assert_eq!(render(&channel, &words()).err(), Some(RenderError::Unsupported));
}

#[test]
fn all_parts_together_have_half_the_room_of_a_push() {
    let of_size = |letters: usize| Content { title: None, body: Some("x".repeat(letters)), ..Content::default() };
    let size = |letters| render(&topic(), &of_size(letters)).map(|rendered| rendered.size);
    let frame = size(1).unwrap() - 3;
    // the text stands in each of the three parts
    let most = (LIMIT - frame) / 3;
    assert_eq!(size(most), Ok(frame + 3 * most));
    assert_eq!(size(most + 1), Err(RenderError::TooLarge { size: frame + 3 * (most + 1), limit: 2048 }));
}

#[test]
fn a_silent_one_has_no_part_for_browsers() {
    let content = Content { data: words().data, ..Content::default() };
    let sources = ALL.map(|platform| Message { silent: true, ..message(&content, platform) });
    let whole = filled(&render_broadcast(&topic(), &sources, (Display::System, false)).unwrap());
    assert_eq!(whole.get("webpush"), None);
    assert_eq!(whole["apns"]["payload"]["aps"], json!({"content-available": 1}));
    assert_eq!(whole["android"].get("notification"), None);
}

#[test]
fn a_patch_goes_over_all_parts_and_names_no_target() {
    let patch = json!({"fcm_options": {"analytics_label": "l"}, "android": {"notification": {"color": "#ff0000"}}});
    let whole = filled(&patched(&patch).unwrap());
    assert_eq!(whole["fcm_options"], json!({"analytics_label": "l"}));
    assert_eq!(whole["android"]["notification"]["color"], "#ff0000");
    for name in ["token", "fid", "topic", "condition"] {
        let patch = json!({name: "other"});
        let refused = patched(&patch).err();
        assert_eq!(refused, Some(RenderError::Forbidden { field: format!("fcm.{name}") }));
    }
    // what Apple would refuse is refused here
    let patch = json!({"apns": {"headers": {"apns-priority": "7"}}});
    let refused = patched(&patch);
    assert!(matches!(refused, Err(RenderError::Invalid { field, .. }) if field == "fcm.apns.headers.apns-priority"));
}
