//! Apple: "Handling notification responses from APNs"; of broadcasts, "Handling error responses from Apple Push Notification service".

use super::answer::{To, UNKNOWN, answer, bare, fault, page};
use super::carrier::Carrier;
use super::row::Device::{Active, Dead, Mismatched, Moved, Nobody};
use super::row::Lane::{Paused, Rests, Runs};
use super::row::{AWAY, DEAD, HELD_UP, MISMATCHED, REJECTED, Row, SENT, THROTTLED, TOO_LARGE};
use super::stage::acted_out;

/// Milliseconds since the epoch, before any of the devices was registered.
const LONG_AGO: i64 = 1_600_000_000_000;

#[tokio::test]
async fn every_answer_of_apples_has_its_consequences() {
    acted_out(Carrier::Apns, [of_the_message(), of_the_credential(), of_the_moment(), unknown(), broadcasts()].concat()).await;
}

/// What is wrong with the message or the token.
fn of_the_message() -> Vec<Row> {
    vec![
        (answer(400, "BadCollapseId"), REJECTED, 1, Active, Runs),
        (answer(400, "BadExpirationDate"), REJECTED, 1, Active, Runs),
        (answer(400, "BadMessageId"), REJECTED, 1, Active, Runs),
        (answer(400, "BadPriority"), REJECTED, 1, Active, Runs),
        (answer(400, "DuplicateHeaders"), REJECTED, 1, Active, Runs),
        (answer(400, "InvalidPushType"), REJECTED, 1, Active, Runs),
        (answer(400, "MissingDeviceToken"), REJECTED, 1, Active, Runs),
        (answer(400, "PayloadEmpty"), REJECTED, 1, Active, Runs),
        (answer(404, "BadPath"), REJECTED, 1, Active, Runs),
        (answer(405, "MethodNotAllowed"), REJECTED, 1, Active, Runs),
        (answer(413, "PayloadTooLarge"), TOO_LARGE, 1, Active, Runs),
        // neither environment knows it; the other one does; too little is known of the lane
        (answer(400, "BadDeviceToken"), MISMATCHED, 2, Mismatched, Runs),
        (answer(400, "BadDeviceToken").once(), SENT, 2, Moved, Runs),
        (answer(400, "BadDeviceToken").first(), MISMATCHED, 2, Active, Runs),
        (answer(400, "DeviceTokenNotForTopic"), MISMATCHED, 1, Mismatched, Runs),
        (answer(400, "DeviceTokenNotForTopic").first(), MISMATCHED, 1, Active, Runs),
        // dead since now, or since before it was registered
        (answer(410, "ExpiredToken"), DEAD, 1, Dead, Runs),
        (answer(410, "ExpiredToken").with("timestamp", LONG_AGO), DEAD, 1, Active, Runs),
        (answer(410, "Unregistered"), DEAD, 1, Dead, Runs),
        (answer(410, "Unregistered").with("timestamp", LONG_AGO), DEAD, 1, Active, Runs),
    ]
}

/// What is wrong with key, certificate or topic. What may heal is repeated once, at once.
fn of_the_credential() -> Vec<Row> {
    vec![
        (answer(400, "BadTopic"), HELD_UP, 1, Active, Paused),
        (answer(400, "MissingTopic"), HELD_UP, 1, Active, Paused),
        (answer(400, "TopicDisallowed"), HELD_UP, 2, Active, Paused),
        (answer(400, "TopicDisallowed").once(), SENT, 2, Active, Runs),
        (answer(403, "BadCertificate"), HELD_UP, 1, Active, Paused),
        (answer(403, "BadCertificateEnvironment"), HELD_UP, 1, Active, Paused),
        (answer(403, "ExpiredProviderToken"), HELD_UP, 2, Active, Paused),
        (answer(403, "ExpiredProviderToken").once(), SENT, 2, Active, Runs),
        (answer(403, "Forbidden"), HELD_UP, 1, Active, Paused),
        (answer(403, "InvalidProviderToken"), HELD_UP, 2, Active, Paused),
        (answer(403, "InvalidProviderToken").once(), SENT, 2, Active, Runs),
        (answer(403, "MissingProviderToken"), HELD_UP, 1, Active, Paused),
        (answer(403, "UnrelatedKeyIdInToken"), HELD_UP, 2, Active, Paused),
        (answer(403, "UnrelatedKeyIdInToken").once(), SENT, 2, Active, Runs),
        // as Apple's page has it, and as its servers say it
        (answer(403, "BadEnvironmentKeyIdInToken"), HELD_UP, 1, Active, Paused),
        (answer(403, "BadEnvironmentKeyInToken"), HELD_UP, 1, Active, Paused),
        (answer(403, "BadCertificate").now_or_never(), ("expired", "credential_refused"), 1, Active, Paused),
    ]
}

/// What passes: the pace, and a service or connection that fails.
fn of_the_moment() -> Vec<Row> {
    vec![
        (answer(429, "TooManyProviderTokenUpdates").waited_for(1200), THROTTLED, 2, Active, Rests),
        (answer(429, "TooManyProviderTokenUpdates").once(), SENT, 2, Active, Runs),
        // too many for this device: no other waits
        (answer(429, "TooManyRequests"), THROTTLED, 1, Active, Runs),
        (answer(429, "TooManyRequests").retry_after(1200), THROTTLED, 1, Active, Runs),
        (answer(429, "TooManyRequests").now_or_never(), ("expired", "throttled"), 1, Active, Runs),
        (answer(400, "IdleTimeout"), AWAY, 2, Active, Runs),
        (answer(400, "IdleTimeout").once(), SENT, 2, Active, Runs),
        (answer(500, "InternalServerError").waited_for(900), AWAY, 1, Active, Runs),
        (answer(503, "ServiceUnavailable").waited_for(900), AWAY, 1, Active, Runs),
        (answer(503, "ServiceUnavailable").retry_after(1200), AWAY, 1, Active, Runs),
        (answer(503, "ServiceUnavailable").now_or_never(), ("expired", "unavailable"), 1, Active, Runs),
        (answer(503, "Shutdown").waited_for(900), AWAY, 2, Active, Runs),
        (answer(503, "Shutdown").once(), SENT, 2, Active, Runs),
        (fault("goaway").once(), SENT, 2, Active, Runs),
        (fault("reset"), AWAY, 1, Active, Runs),
        (fault("reset_connection"), AWAY, 1, Active, Runs),
        (fault("stall"), AWAY, 1, Active, Runs),
    ]
}

/// What Apple does not document goes by its status, and costs nobody a device: with another word, without one, and where it is not Apple that answers.
fn unknown() -> Vec<Row> {
    let in_every_form =
        |(status, delivery, lane)| [answer(status, UNKNOWN), bare(status), page(status)].map(|answer| (answer, delivery, 1, Active, lane));
    [
        (400, REJECTED, Runs),
        (401, HELD_UP, Paused),
        (403, HELD_UP, Paused),
        (404, REJECTED, Runs),
        (405, REJECTED, Runs),
        (410, REJECTED, Runs),
        (413, TOO_LARGE, Runs),
        (418, REJECTED, Runs),
        (429, THROTTLED, Runs),
        (302, AWAY, Runs),
        (408, AWAY, Runs),
        (500, AWAY, Runs),
        (502, AWAY, Runs),
        (503, AWAY, Runs),
    ]
    .into_iter()
    .flat_map(in_every_form)
    .collect()
}

/// What is said of a channel: it costs no device, for there is none.
fn broadcasts() -> Vec<Row> {
    let of_a_channel = |(status, word, delivery, lane)| (answer(status, word).at(To::Channel), delivery, 1, Nobody, lane);
    [
        (400, "FeatureNotEnabled", REJECTED, Runs),
        (400, "MissingChannelId", REJECTED, Runs),
        (400, "BadChannelId", REJECTED, Runs),
        (400, "ChannelNotRegistered", REJECTED, Runs),
        (400, "BadRequestParams", REJECTED, Runs),
        (400, "BadRequestPayload", REJECTED, Runs),
        (400, "MissingPushType", REJECTED, Runs),
        (400, "InvalidPushType", REJECTED, Runs),
        (400, "CannotCreateChannelConfig", REJECTED, Runs),
        (403, "TopicMismatch", REJECTED, Runs),
        (413, "PayloadTooLarge", TOO_LARGE, Runs),
        (500, "InternalServerError", AWAY, Runs),
        (503, "Service Unavailable", AWAY, Runs),
        (400, UNKNOWN, REJECTED, Runs),
    ]
    .into_iter()
    .map(of_a_channel)
    .collect()
}
