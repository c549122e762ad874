//! Generated records in the terms of the gRPC API.

use crate::model::{Identifier, Permissions, Ttl, Value};
use crate::wire::proto::v1;

/// A record to be written.
pub(super) fn record(identifier: &Identifier, values: &[Value]) -> v1::Record {
    v1::Record {
        name: record_name(identifier),
        values: values.iter().map(value).collect(),
        ..v1::Record::default()
    }
}

/// How the resource name of a record begins.
pub(super) const RECORDS: &str = "records/";

/// The resource name of a record.
pub(super) fn record_name(identifier: &Identifier) -> String {
    format!("{RECORDS}{identifier}")
}

/// Whether `seen` says what `expected` says, whenever it was set. Nothing that
/// the generator leaves at its default may differ from it.
pub(super) fn same_value(expected: &Value, seen: &v1::Value) -> bool {
    let v1::Value {
        index,
        r#type,
        data,
        ttl,
        permissions,
        update_time: _,
        references,
        handle_data: _,
        readers,
    } = seen;
    let (expected_data, expected_ttl) = (data_of(expected), ttl_of(expected.ttl));
    *index == expected.index
        && *r#type == expected.value_type.as_str()
        && *data == expected_data
        && ttl.or(ttl_of(Ttl::DEFAULT)) == expected_ttl
        && permissions.unwrap_or_else(|| permissions_of(Permissions::DEFAULT))
            == permissions_of(expected.permissions)
        && references.is_empty()
        && readers.is_none()
        && expected.references.is_empty()
}

fn value(value: &Value) -> v1::Value {
    let is_default = value.permissions == Permissions::DEFAULT;
    v1::Value {
        index: value.index,
        r#type: value.value_type.as_str().to_owned(),
        data: data_of(value),
        ttl: (value.ttl != Ttl::DEFAULT)
            .then(|| ttl_of(value.ttl))
            .flatten(),
        permissions: (!is_default).then(|| permissions_of(value.permissions)),
        update_time: None,
        references: value.references.iter().map(ToString::to_string).collect(),
        handle_data: None,
        readers: None,
    }
}

fn data_of(value: &Value) -> Option<v1::value::Data> {
    Some(match value.text() {
        Some(text) => v1::value::Data::Text(text.to_owned()),
        None => v1::value::Data::Binary(value.data.clone().into()),
    })
}

fn ttl_of(ttl: Ttl) -> Option<v1::value::Ttl> {
    match ttl {
        Ttl::Relative(secs) => Some(v1::value::Ttl::TtlSeconds(secs)),
        Ttl::Absolute(secs) => {
            let seconds = i64::try_from(secs).ok()?;
            Some(v1::value::Ttl::ExpireTime(prost_types::Timestamp {
                seconds,
                nanos: 0,
            }))
        }
    }
}

fn permissions_of(permissions: Permissions) -> v1::Permissions {
    let has = |bit| permissions.bits() & bit != 0;
    v1::Permissions {
        admin_read: has(Permissions::ADMIN_READ),
        admin_write: has(Permissions::ADMIN_WRITE),
        public_read: has(Permissions::PUBLIC_READ),
        public_write: has(Permissions::PUBLIC_WRITE),
    }
}
