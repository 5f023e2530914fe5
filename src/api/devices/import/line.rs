//! From a device object to a registration, checked.

use crate::api::checks::Checks;
use crate::api::devices::change;
use crate::api::devices::dto::ImportLine;
use crate::api::devices::token::Allows;
use crate::api::json::Reading;
use crate::api::problem::Problem;
use crate::api::tags::Tags;
use crate::domain::Timestamp;
use crate::domain::device::{DeviceChange, DeviceStatus, Imported};
use crate::domain::name::check_device_id;
use crate::domain::principal::Principal;

/// The device's name, and the change.
pub(super) fn registration(reading: Reading<ImportLine>, now: Timestamp, allows: Allows<'_>) -> Result<(String, DeviceChange), Problem> {
    let mut checks = Checks::with(reading.errors);
    let mut line = reading.value;
    let name = line.device_id.take();
    match &name {
        Some(name) => checks.name("device_id", name, check_device_id),
        None => checks.required("device_id"),
    }
    for (field, at) in [("created_at", line.created_at), ("last_seen_at", line.last_seen_at)] {
        if at.is_some_and(|at| at.0 > now) {
            checks.invalid(field, "must not lie in the future");
        }
    }
    let imported = Imported {
        created_at: line.created_at.map(|at| at.0),
        last_seen_at: line.last_seen_at.map(|at| at.0),
        inactive: line.status == Some(DeviceStatus::Inactive),
    };
    let request = Reading { value: line.into_request(), errors: checks.into_errors() };
    let change = change::change(request, Principal::Backend, Tags::Replace, None, allows)?;
    Ok((name.unwrap_or_default(), DeviceChange { imported: Some(imported), ..change }))
}
