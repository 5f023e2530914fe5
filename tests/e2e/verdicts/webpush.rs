//! Push services: RFC 8030; Apple, "Sending web push notifications in web apps and browsers"; Mozilla's autopush, "Error Codes".

use super::answer::{Answer, UNKNOWN, answer, bare, fault, page};
use super::carrier::Carrier;
use super::row::Device::{Active, Dead, Mismatched};
use super::row::Lane::{Paused, Runs};
use super::row::{AWAY, DEAD, HELD_UP, MISMATCHED, REJECTED, Row, SENT, THROTTLED, TOO_LARGE};
use super::stage::acted_out;

/// As Google says that a subscription was made with another key.
const OTHER_KEY: &str =
    "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.";

#[tokio::test]
async fn every_answer_of_a_push_service_has_its_consequences() {
    acted_out(Carrier::Webpush, [statuses(), apples(), mozillas(), faults()].concat()).await;
}

/// A status without a word, as the standard has it.
fn statuses() -> Vec<Row> {
    let elsewhere = |status| bare(status).with("location", "https://localhost/elsewhere");
    vec![
        (bare(200), SENT, 1, Active, Runs),
        (bare(201), SENT, 1, Active, Runs),
        (bare(202), SENT, 1, Active, Runs),
        // not followed
        (elsewhere(301), REJECTED, 1, Active, Runs),
        (elsewhere(302), REJECTED, 1, Active, Runs),
        (elsewhere(307), REJECTED, 1, Active, Runs),
        (elsewhere(308), REJECTED, 1, Active, Runs),
        (bare(400), REJECTED, 1, Active, Runs),
        // the key: it was taken before, so that it is not what is wrong; or nobody took it yet, and one subscription proves nothing; or it
        // is another than the subscription's
        (bare(401), REJECTED, 1, Active, Runs),
        (bare(401).first(), AWAY, 1, Active, Runs),
        (bare(403), REJECTED, 1, Active, Runs),
        (bare(403).first(), AWAY, 1, Active, Runs),
        (bare(403).with("message", OTHER_KEY), MISMATCHED, 1, Mismatched, Runs),
        (bare(403).with("message", OTHER_KEY).first(), MISMATCHED, 1, Active, Runs),
        (bare(404), DEAD, 1, Dead, Runs),
        (bare(405), REJECTED, 1, Active, Runs),
        (bare(406), THROTTLED, 1, Active, Runs),
        (bare(408), AWAY, 1, Active, Runs),
        (bare(410), DEAD, 1, Dead, Runs),
        (bare(413), TOO_LARGE, 1, Active, Runs),
        (bare(415), REJECTED, 1, Active, Runs),
        // one subscription's: no other waits
        (bare(429), THROTTLED, 1, Active, Runs),
        (bare(429).retry_after(900), THROTTLED, 1, Active, Runs),
        (bare(429).now_or_never(), ("expired", "throttled"), 1, Active, Runs),
        (bare(500), AWAY, 1, Active, Runs),
        (bare(502), AWAY, 1, Active, Runs),
        (bare(503), AWAY, 1, Active, Runs),
        (bare(503).retry_after(900), AWAY, 1, Active, Runs),
        (bare(503).now_or_never(), ("expired", "unavailable"), 1, Active, Runs),
        (bare(504), AWAY, 1, Active, Runs),
        // nobody has to say it in JSON
        (page(400), REJECTED, 1, Active, Runs),
        (page(404), DEAD, 1, Dead, Runs),
        (page(410), DEAD, 1, Dead, Runs),
        (page(413), TOO_LARGE, 1, Active, Runs),
        (page(429), THROTTLED, 1, Active, Runs),
        (page(502), AWAY, 1, Active, Runs),
    ]
}

/// Apple's words.
fn apples() -> Vec<Row> {
    vec![
        (answer(400, "BadTtl"), REJECTED, 1, Active, Runs),
        (answer(400, "BadUrgency"), REJECTED, 1, Active, Runs),
        (answer(400, "BadWebPushRequest"), REJECTED, 1, Active, Runs),
        (answer(400, "BadWebPushTopic"), REJECTED, 1, Active, Runs),
        (answer(400, "VapidPkHashMismatch"), MISMATCHED, 1, Mismatched, Runs),
        (answer(400, "VapidPkHashMismatch").first(), MISMATCHED, 1, Active, Runs),
        (answer(403, "BadAuthorizationHeader"), HELD_UP, 1, Active, Paused),
        (answer(403, "BadJwtToken"), HELD_UP, 1, Active, Paused),
        (answer(403, "BadVapidPublicKey"), HELD_UP, 1, Active, Paused),
        (answer(403, "BadJwtToken").now_or_never(), ("expired", "credential_refused"), 1, Active, Paused),
        (answer(404, "BadPath"), REJECTED, 1, Active, Runs),
        (answer(405, "MethodNotAllowed"), REJECTED, 1, Active, Runs),
        (answer(410, "Unregistered"), DEAD, 1, Dead, Runs),
        (answer(413, "PayloadTooLarge"), TOO_LARGE, 1, Active, Runs),
        (answer(429, "TooManyRequests"), THROTTLED, 1, Active, Runs),
        (answer(400, "IdleTimeout"), AWAY, 1, Active, Runs),
        (answer(500, "InternalServerError"), AWAY, 1, Active, Runs),
        (answer(503, "ServiceUnavailable"), AWAY, 1, Active, Runs),
        (answer(503, "Shutdown"), AWAY, 1, Active, Runs),
        // what is unknown goes by its status
        (answer(400, UNKNOWN), REJECTED, 1, Active, Runs),
        (answer(403, UNKNOWN).first(), AWAY, 1, Active, Runs),
        (answer(410, UNKNOWN), DEAD, 1, Dead, Runs),
        (answer(429, UNKNOWN), THROTTLED, 1, Active, Runs),
        (answer(500, UNKNOWN), AWAY, 1, Active, Runs),
    ]
}

/// A status with one of Mozilla's numbers.
fn numbered(status: u16, errno: u16) -> Answer {
    answer(status, &errno.to_string()).kept_as(&format!("errno {errno}"))
}

/// Mozilla's numbers.
fn mozillas() -> Vec<Row> {
    vec![
        (numbered(400, 101), REJECTED, 1, Active, Runs),
        (numbered(404, 102), DEAD, 1, Dead, Runs),
        (numbered(404, 103), DEAD, 1, Dead, Runs),
        (numbered(413, 104), TOO_LARGE, 1, Active, Runs),
        (numbered(410, 105), DEAD, 1, Dead, Runs),
        (numbered(410, 106), DEAD, 1, Dead, Runs),
        (numbered(401, 109), REJECTED, 1, Active, Runs),
        (numbered(401, 109).first(), AWAY, 1, Active, Runs),
        (numbered(401, 109).with("message", "VAPID public key mismatch"), MISMATCHED, 1, Mismatched, Runs),
        (numbered(400, 110), REJECTED, 1, Active, Runs),
        (numbered(400, 111), REJECTED, 1, Active, Runs),
        (numbered(400, 112), REJECTED, 1, Active, Runs),
        (numbered(400, 113), REJECTED, 1, Active, Runs),
        (numbered(503, 201), AWAY, 1, Active, Runs),
        (numbered(503, 202), AWAY, 1, Active, Runs),
        (numbered(502, 900), AWAY, 1, Active, Runs),
        (numbered(502, 901), AWAY, 1, Active, Runs),
        (numbered(502, 902), AWAY, 1, Active, Runs),
        (numbered(502, 903), AWAY, 1, Active, Runs),
        // what is unknown goes by its status
        (numbered(400, 999).kept_as("status 400"), REJECTED, 1, Active, Runs),
        (numbered(500, 999), AWAY, 1, Active, Runs),
    ]
}

/// No answer at all.
fn faults() -> Vec<Row> {
    vec![
        (fault("goaway").once(), SENT, 2, Active, Runs),
        (fault("reset"), AWAY, 1, Active, Runs),
        (fault("reset_connection"), AWAY, 1, Active, Runs),
        (fault("stall"), AWAY, 1, Active, Runs),
    ]
}
