//! Google's error body: a `google.rpc.Status` whose details come in any number and order.
//!
//! Its members are read in the spelling of protocol buffers' JSON and in that of their definition alike.

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
    /// `ErrorInfo.reason`: what Google's front door says, where FCM itself did not answer (`SERVICE_DISABLED`, `RATE_LIMIT_EXCEEDED`).
    pub(super) info: Option<String>,
    /// The fields that `BadRequest` names.
    pub(super) fields: Vec<String>,
    /// `ApnsError.reason`: what Apple said of an iOS token.
    pub(super) apns_reason: Option<String>,
    /// All that `QuotaFailure` and `ErrorInfo` say of a quota.
    pub(super) quotas: Vec<String>,
}

impl ErrorBody {
    /// Reads a body member by member: an odd one is as good as absent, and spoils no other.
    pub(super) fn parse(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let Some(error) = body.get("error") else { return Self::default() };
        let mut read = Self { status: text(error, ["status"]), message: text(error, ["message"]).unwrap_or_default(), ..Self::default() };
        for detail in error.get("details").and_then(Value::as_array).into_iter().flatten() {
            read.add(detail);
        }
        read
    }

    fn add(&mut self, detail: &Value) {
        let kind = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
        match kind.rsplit(['.', '/']).next() {
            Some("FcmError") => self.code = text(detail, ["errorCode", "error_code"]).or(self.code.take()),
            Some("ApnsError") => self.apns_reason = text(detail, ["reason"]).or(self.apns_reason.take()),
            Some("BadRequest") => {
                let violations = items(detail, ["fieldViolations", "field_violations"]);
                self.fields.extend(violations.filter_map(|violation| text(violation, ["field"])));
            }
            Some("QuotaFailure") => items(detail, ["violations"]).for_each(|violation| self.add_quota(violation)),
            Some("ErrorInfo") => {
                self.info = text(detail, ["reason"]).or(self.info.take());
                let metadata = detail.get("metadata").unwrap_or(&Value::Null);
                self.quotas.extend(["quota_metric", "quota_limit", "quota_unit"].into_iter().filter_map(|name| text(metadata, [name])));
            }
            Some(_) | None => {}
        }
    }

    fn add_quota(&mut self, violation: &Value) {
        let said = [["subject"; 2], ["description"; 2], ["quotaMetric", "quota_metric"], ["quotaId", "quota_id"]];
        self.quotas.extend(said.into_iter().filter_map(|names| text(violation, names)));
        let dimensions = member(violation, ["quotaDimensions", "quota_dimensions"]).and_then(Value::as_object);
        self.quotas.extend(dimensions.into_iter().flat_map(serde_json::Map::keys).cloned());
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

fn member<'a, const N: usize>(of: &'a Value, names: [&str; N]) -> Option<&'a Value> {
    names.into_iter().find_map(|name| of.get(name))
}

fn text<const N: usize>(of: &Value, names: [&str; N]) -> Option<String> {
    member(of, names)?.as_str().map(ToOwned::to_owned)
}

fn items<'a, const N: usize>(of: &'a Value, names: [&str; N]) -> impl Iterator<Item = &'a Value> {
    member(of, names).and_then(Value::as_array).into_iter().flatten()
}
