//! The gRPC face from outside: what it answers, and what it refuses and how.

mod changes;
mod load;
mod refusals;
mod streams;
mod transport;

use idnode::wire::proto::v1::{self, GetStatusRequest};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::Clients;

/// The prefix under which these tests register.
const PREFIX: &str = "88.118.7";

/// Asserts that `status` is the refusal `reason`: with its code, in English and
/// Chinese, and with `field` as the violated one ("" for none).
#[track_caller]
pub(crate) fn assert_refused<T: std::fmt::Debug>(
    result: Result<T, Status>,
    (code, reason, field): (Code, &str, &str),
) {
    let status = result.expect_err(reason);
    let details = status.get_error_details();
    let info = details.error_info().expect("ErrorInfo");
    assert_eq!(
        (status.code(), info.reason.as_str()),
        (code, reason),
        "{status:?}"
    );
    assert_eq!(info.domain, "idnode");
    let chinese = details.localized_message().expect("LocalizedMessage");
    assert_eq!(chinese.locale, "zh-CN");
    assert!(!chinese.message.is_ascii(), "{}", chinese.message);
    assert!(!status.message().is_empty(), "{status:?}");
    let violations = details.bad_request().map(|bad| &bad.field_violations);
    let violated = violations.map_or("", |violations| violations[0].field.as_str());
    assert_eq!(violated, field, "{status:?}");
}

/// Log position of the node's last change: stays, if nothing changed.
async fn position(clients: &Clients) -> i64 {
    let status = clients.node().get_status(GetStatusRequest {}).await;
    status.unwrap().into_inner().applied_position
}

fn create(record: v1::Record) -> v1::CreateRecordRequest {
    v1::CreateRecordRequest {
        record: Some(record),
        ..v1::CreateRecordRequest::default()
    }
}

/// The same value for operators only.
fn private(value: v1::Value) -> v1::Value {
    let permissions = v1::Permissions {
        admin_read: true,
        admin_write: true,
        ..v1::Permissions::default()
    };
    v1::Value {
        permissions: Some(permissions),
        ..value
    }
}

fn identifier(suffix: impl std::fmt::Display) -> String {
    format!("{PREFIX}/{suffix}")
}

/// The text of the value at `index`; empty if there is none.
fn data(record: &v1::Record, index: u32) -> String {
    let value = record.values.iter().find(|value| value.index == index);
    match value.and_then(|value| value.data.clone()) {
        Some(v1::value::Data::Text(text)) => text,
        _ => String::new(),
    }
}
