//! Google's error body: a `google.rpc.Status` whose details come in any number and order.

use serde_json::Value;

/// What of an error body decides.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    /// `error.status`, the canonical word.
    pub(super) status: Option<String>,
    /// `error.message`.
    pub(super) message: String,
    /// `FcmError.errorCode`.
    pub(super) code: Option<String>,
    /// The fields that `BadRequest` names.
    pub(super) fields: Vec<String>,
    /// `ApnsError.reason`: what Apple said of an iOS token.
    pub(super) apns_reason: Option<String>,
}

impl ErrorBody {
    /// Reads a body member by member: an odd one is as good as absent, and spoils no other.
    pub(super) fn parse(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let Some(error) = body.get("error") else { return Self::default() };
        let text = |name: &str| error.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let mut read = Self { status: text("status"), message: text("message").unwrap_or_default(), ..Self::default() };
        for detail in error.get("details").and_then(Value::as_array).into_iter().flatten() {
            read.add(detail);
        }
        read
    }

    fn add(&mut self, detail: &Value) {
        let text = |name: &str| detail.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let kind = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
        match kind.rsplit(['.', '/']).next() {
            Some("FcmError") => self.code = text("errorCode").or(self.code.take()),
            Some("ApnsError") => self.apns_reason = text("reason").or(self.apns_reason.take()),
            Some("BadRequest") => {
                let violations = detail.get("fieldViolations").and_then(Value::as_array);
                let fields = violations.into_iter().flatten().filter_map(|violation| violation.get("field")?.as_str());
                self.fields.extend(fields.map(ToOwned::to_owned));
            }
            Some(_) | None => {}
        }
    }

    /// Whether the error is about the address.
    pub(super) fn blames_address(&self) -> bool {
        self.fields.iter().any(|field| matches!(field.as_str(), "message.token" | "message.fid"))
            || self.apns_reason.as_deref() == Some("BadDeviceToken")
            || self.message.contains("not a valid FCM registration token")
    }

    /// Whether the error is about the size. Google has no code for it, but says "Android message is too big".
    pub(super) fn blames_size(&self) -> bool {
        self.message.contains("message is too big")
    }
}
