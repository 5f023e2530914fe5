//! The look-alike of Google's token endpoint: exchanges a service account's assertion (RFC 7523)
//! for an access token, every time for another one, and knows those that still hold.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use parking_lot::RwLock;

use http::header::RETRY_AFTER;
use http::{Method, StatusCode};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use percent_encoding::percent_decode;
use serde::Deserialize;
use serde_json::json;

use super::behaviour::{Conduct, Fault, Provider, Respond, RetryAfter};
use super::conduct::Shared;
use super::keys::ServiceAccount;
use super::look_alike::{Answer, Arrived, Ending, Verdict};

/// The path of the endpoint.
pub(super) const PATH: &str = "/token";
/// The scope that an assertion must ask for, or the one above it.
const SCOPES: [&str; 2] = ["https://www.googleapis.com/auth/firebase.messaging", "https://www.googleapis.com/auth/cloud-platform"];
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The longest life of an assertion in seconds.
const MAX_LIFE: i64 = 3600;
/// How far an assertion's `iat` may lie ahead, in seconds.
const SKEW: i64 = 300;
/// Tokens that can hold at a time; those that end first go first.
const MAX_TOKENS: usize = 10_000;

/// The endpoint and the tokens it has handed out.
pub(super) struct OAuth {
    /// One account with its keys.
    accounts: RwLock<Vec<ServiceAccount>>,
    expires_in: u32,
    /// Token → the instant it ends, in milliseconds since the epoch.
    issued: Mutex<HashMap<Box<[u8]>, i64>>,
}

/// The token that a connection has used last, and when it ends.
#[derive(Debug, Default)]
pub(super) struct Bearer(Option<(Box<[u8]>, i64)>);

#[derive(Deserialize)]
struct Claims {
    iss: String,
    scope: String,
    aud: String,
    iat: i64,
    exp: i64,
}

/// Why an assertion is refused: Google's `error` and `error_description`.
type Refusal = (&'static str, &'static str);

impl OAuth {
    /// Hands out tokens that hold for `expires_in` seconds.
    pub(super) fn new(account: ServiceAccount, expires_in: u32) -> Self {
        Self { accounts: RwLock::new(vec![account]), expires_in, issued: Mutex::default() }
    }

    /// Takes another key of the account, with those before or in their place. Tokens that were handed out hold until their end.
    pub(super) fn rotate(&self, account: ServiceAccount, revoke: bool) {
        let mut accounts = self.accounts.write();
        if revoke {
            accounts.clear();
        }
        accounts.push(account);
    }

    /// Whether an `authorization` header carries a token that holds.
    pub(super) fn is_valid(&self, bearer: &mut Bearer, authorization: Option<&[u8]>, now_ms: i64) -> bool {
        let Some((scheme, token)) = authorization.and_then(|value| value.split_at_checked(7)) else {
            return false;
        };
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return false;
        }
        if let Some((known, ends_ms)) = &bearer.0
            && **known == *token
        {
            return now_ms < *ends_ms;
        }
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ends_ms) = issued.get(token).copied() else {
            return false;
        };
        bearer.0 = Some((token.into(), ends_ms));
        now_ms < ends_ms
    }

    /// Answers a request for a token.
    pub(super) fn decide(&self, shared: &Shared, request: &Arrived) -> Verdict {
        let (delay, conduct) = shared.behaviours.find(Provider::Oauth, "");
        let ending = match conduct.unwrap_or_default() {
            Conduct::Good => Ending::Answer(self.exchange(shared, request)),
            Conduct::Respond(respond) if respond.is_success() => Ending::Answer(self.exchange(shared, request)),
            Conduct::Respond(respond) => Ending::Answer(scripted(&respond)),
            Conduct::Fault(Fault::Goaway) => Ending::Goaway,
            Conduct::Fault(Fault::Reset) => Ending::Reset,
            Conduct::Fault(Fault::ResetConnection) => Ending::ResetConnection,
            Conduct::Fault(Fault::Stall) => Ending::Stall,
        };
        Verdict { delay, booking: None, ending }
    }

    fn exchange(&self, shared: &Shared, request: &Arrived) -> Answer {
        match self.check(request) {
            Ok(()) => {
                let token = self.issue(request.received_ms);
                shared.book.count_oauth_token();
                json_answer(
                    StatusCode::OK,
                    &json!({
                        "access_token": token,
                        "expires_in": self.expires_in,
                        "token_type": "Bearer",
                    }),
                )
            }
            Err((error, description)) => json_answer(StatusCode::BAD_REQUEST, &json!({"error": error, "error_description": description})),
        }
    }

    fn check(&self, request: &Arrived) -> Result<(), Refusal> {
        if request.parts.method != Method::POST {
            return Err(("invalid_request", "A token is asked for with POST."));
        }
        match form_value(&request.body, "grant_type") {
            None => return Err(("invalid_request", "Missing parameter: grant_type")),
            Some(grant) if grant != GRANT => {
                return Err(("unsupported_grant_type", "Invalid grant_type"));
            }
            Some(_) => {}
        }
        let assertion = form_value(&request.body, "assertion").ok_or(("invalid_request", "Missing parameter: assertion"))?;
        self.check_assertion(&assertion, request.received_ms / 1000)
    }

    fn check_assertion(&self, assertion: &str, now_s: i64) -> Result<(), Refusal> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let unsigned = ("invalid_grant", "Invalid JWT Signature.");
        let accounts = self.accounts.read();
        let kid = decode_header(assertion).map_err(|_| unsigned)?.kid;
        let account = accounts.iter().find(|account| kid.as_ref().is_none_or(|kid| *kid == account.private_key_id)).ok_or(unsigned)?;
        let claims = decode::<Claims>(assertion, &account.public, &validation).map_err(|_| unsigned)?.claims;
        if claims.iss != account.client_email {
            return Err(("invalid_grant", "Invalid grant: account not found"));
        }
        if claims.aud != account.token_uri {
            return Err(("invalid_grant", "Invalid JWT: wrong audience."));
        }
        if !claims.scope.split(' ').any(|scope| SCOPES.contains(&scope)) {
            return Err(("invalid_scope", "Invalid OAuth scope or ID token audience provided."));
        }
        let life = claims.exp.saturating_sub(claims.iat);
        let is_timely = claims.iat <= now_s + SKEW && claims.exp > now_s;
        if !is_timely || !(1..=MAX_LIFE).contains(&life) {
            return Err((
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a \
                 reasonable timeframe. Check your iat and exp values in the JWT claim.",
            ));
        }
        Ok(())
    }

    fn issue(&self, now_ms: i64) -> String {
        let token = format!("ya29.simulated.{}", uuid::Uuid::new_v4().simple());
        let ends_ms = now_ms + i64::from(self.expires_in) * 1000;
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.retain(|_, ends_ms| *ends_ms > now_ms);
        if issued.len() >= MAX_TOKENS {
            let first = issued.iter().min_by_key(|(_, ends_ms)| **ends_ms);
            if let Some(token) = first.map(|(token, _)| token.clone()) {
                issued.remove(&token);
            }
        }
        issued.insert(token.as_bytes().into(), ends_ms);
        token
    }
}

/// A value of a form (`application/x-www-form-urlencoded`).
fn form_value(body: &[u8], name: &str) -> Option<String> {
    body.split(|byte| *byte == b'&').find_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (key, value) = pair.split_at_checked(equals)?;
        if key != name.as_bytes() {
            return None;
        }
        let value: Vec<u8> = value.iter().skip(1).copied().map(plus_to_space).collect();
        let text = percent_decode(&value).decode_utf8().ok()?;
        Some(text.into_owned())
    })
}

fn plus_to_space(byte: u8) -> u8 {
    if byte == b'+' { b' ' } else { byte }
}

/// An answer as a script asks for it.
fn scripted(respond: &Respond) -> Answer {
    let status = StatusCode::from_u16(respond.status).unwrap_or_default();
    let mut body = serde_json::Map::new();
    if let Some(reason) = &respond.reason {
        body.insert("error".to_owned(), json!(reason));
    }
    if let Some(message) = &respond.message {
        body.insert("error_description".to_owned(), json!(message));
    }
    let mut answer = match &respond.body {
        Some(text) => Answer::text(status, text),
        None => json_answer(status, &body.into()),
    };
    if let Some(value) = respond.retry_after.as_ref().and_then(RetryAfter::header) {
        answer.head.headers_mut().insert(RETRY_AFTER, value);
    }
    answer
}

fn json_answer(status: StatusCode, body: &serde_json::Value) -> Answer {
    Answer::json(status, body.to_string().into_bytes())
}

#[cfg(test)]
mod tests;
