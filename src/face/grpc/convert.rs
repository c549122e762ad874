//! Messages to model and back, by taking whole structs apart: a new field does
//! not compile until it is dealt with here.

use bytes::Bytes;
use prost_types::Timestamp as ProtoTimestamp;

use crate::face::grpc::handle_data;
use crate::face::grpc::name;
use crate::model::{
    FirmId, GroupId, Identifier, OwnerName, Permissions, PrefixEntry, PrefixState, Reader, Readers,
    Reason, Record, Reference, Refusal, SuffixCase, Timestamp, Tombstone, Ttl, Value, ValueType,
};
use crate::node::{self, BackupInfo};
use crate::wire::proto::{PlainRecord, PlainValue, v1};

/// The last second of the year 9999, with which `google.protobuf.Timestamp` ends.
const SECONDS_MAX: i64 = 253_402_300_799;

/// The DNS zone in which answers name identifiers.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    name: String,
    bytes: usize,
}

impl Zone {
    /// The zone `name`, as `id.example.`
    pub(super) fn new(name: String) -> Self {
        let labels = name.split('.').filter(|label| !label.is_empty());
        let bytes = labels.map(|label| label.len() + 1).sum::<usize>() + 1;
        Self { name, bytes }
    }

    fn name_of(&self, identifier: &Identifier, case: SuffixCase) -> String {
        OwnerName::text(identifier, case, (&self.name, self.bytes)).unwrap_or_default()
    }
}

/// A record as a message. `case` is the rule of its prefix.
pub(super) fn record(record: Record, zone: Option<&Zone>, case: SuffixCase) -> v1::Record {
    let Record {
        identifier,
        values,
        readers,
        revision,
        created,
        changed,
    } = record;
    v1::Record {
        name: name::of_record(&identifier),
        values: values.into_iter().map(value).collect(),
        etag: node::etag(revision),
        create_time: Some(time(created)),
        update_time: Some(time(changed)),
        dns_name: zone.map_or_else(String::new, |zone| zone.name_of(&identifier, case)),
        delete_time: None,
        readers: readers.map(|readers| self::readers(&readers)),
    }
}

/// Who may read, as a message.
pub(super) fn readers(readers: &Readers) -> v1::Readers {
    v1::Readers {
        firms: readers.firms().iter().map(FirmId::to_string).collect(),
        groups: readers.groups().iter().map(GroupId::to_string).collect(),
    }
}

/// Reads who may read.
///
/// # Errors
/// `IdInvalid`, its field as `readers.firms[0]`; `ReadersTooMany`.
pub(super) fn readers_input(readers: v1::Readers) -> Result<Box<Readers>, Refusal> {
    let v1::Readers { firms, groups } = readers;
    let place = |list: &str, at: usize| format!("readers.{list}[{at}]");
    let firms = firms.iter().enumerate().map(|(at, id)| {
        let firm = FirmId::parse(id).map_err(|refusal| refusal.field(place("firms", at)));
        firm.map(Reader::Firm)
    });
    let groups = groups.iter().enumerate().map(|(at, id)| {
        let group = GroupId::parse(id).map_err(|refusal| refusal.field(place("groups", at)));
        group.map(Reader::Group)
    });
    let readers: Vec<_> = firms.chain(groups).collect::<Result<_, _>>()?;
    Readers::new(readers).map(Box::new)
}

/// A deleted identifier as a message: without values, and with its deletion.
pub(super) fn tombstone(tombstone: Tombstone) -> v1::Record {
    let Tombstone {
        identifier,
        revision,
        created,
        deleted,
        restricted: _,
    } = tombstone;
    v1::Record {
        name: name::of_record(&identifier),
        values: Vec::new(),
        etag: node::etag(revision),
        create_time: Some(time(created)),
        update_time: Some(time(deleted)),
        dns_name: String::new(),
        delete_time: Some(time(deleted)),
        readers: None,
    }
}

fn value(value: Value) -> v1::Value {
    let Value {
        index,
        value_type,
        data,
        ttl,
        permissions,
        readers,
        changed,
        references,
    } = value;
    let handle_data = handle_data::message(value_type.as_str(), &data);
    let data = match String::from_utf8(data) {
        Ok(text) => v1::value::Data::Text(text),
        Err(error) => v1::value::Data::Binary(Bytes::from(error.into_bytes())),
    };
    let ttl = match ttl {
        Ttl::Relative(secs) => v1::value::Ttl::TtlSeconds(secs),
        Ttl::Absolute(secs) => v1::value::Ttl::ExpireTime(ProtoTimestamp {
            seconds: signed(secs).min(SECONDS_MAX),
            nanos: 0,
        }),
    };
    let bits = permissions.bits();
    v1::Value {
        index,
        r#type: value_type.into_string(),
        data: Some(data),
        ttl: Some(ttl),
        permissions: Some(v1::Permissions {
            admin_read: bits & Permissions::ADMIN_READ != 0,
            admin_write: bits & Permissions::ADMIN_WRITE != 0,
            public_read: bits & Permissions::PUBLIC_READ != 0,
            public_write: bits & Permissions::PUBLIC_WRITE != 0,
        }),
        update_time: Some(time(changed)),
        references: references.iter().map(Reference::to_string).collect(),
        handle_data,
        readers: readers.map(|readers| self::readers(&readers)),
    }
}

/// What a client says of a record: its output-only fields are not read.
#[derive(Debug)]
pub(super) struct RecordInput {
    /// The identifier of its name.
    pub(super) identifier: Identifier,
    /// Its values.
    pub(super) values: Vec<Value>,
    /// Who may read it.
    pub(super) readers: Option<Box<Readers>>,
    /// The revision that its etag asks for.
    pub(super) etag: Option<u64>,
}

/// Reads a record.
///
/// # Errors
/// The first rule that is broken, with its field.
pub(super) fn record_input(record: v1::Record) -> Result<RecordInput, Refusal> {
    let v1::Record {
        name,
        values,
        etag,
        create_time: _,
        update_time: _,
        dns_name: _,
        delete_time: _,
        readers,
    } = record;
    Ok(RecordInput {
        identifier: name::identifier(&name, "name")?,
        values: value_inputs(values)?,
        readers: readers.map(readers_input).transpose()?,
        etag: node::parse_etag(&etag)?,
    })
}

/// Reads a plain record.
///
/// # Errors
/// As [`record_input`].
pub(super) fn plain_input(record: PlainRecord<'_>) -> Result<RecordInput, Refusal> {
    let PlainRecord { name, values } = record;
    let read = |(position, value)| {
        plain_value_input(value)
            .map_err(|refusal: Refusal| refusal.within(&format!("values[{position}]")))
    };
    Ok(RecordInput {
        identifier: name::identifier(name, "name")?,
        values: values
            .iter()
            .enumerate()
            .map(read)
            .collect::<Result<_, _>>()?,
        readers: None,
        etag: None,
    })
}

fn plain_value_input(value: &PlainValue<'_>) -> Result<Value, Refusal> {
    let PlainValue {
        index,
        value_type,
        data,
        ttl_seconds,
        permissions,
    } = *value;
    let default = Permissions::default_of(value_type);
    Ok(Value {
        index,
        value_type: ValueType::parse(value_type)?,
        data: data.to_vec(),
        ttl: ttl_seconds.map_or(Ttl::DEFAULT, Ttl::Relative),
        permissions: permissions.map_or(default, permissions_input),
        readers: None,
        changed: Timestamp::default(),
        references: Vec::new(),
    })
}

/// Reads values in the order in which they stand; the registry sorts them.
///
/// # Errors
/// The first rule that is broken, its field as `values[position].…`.
pub(super) fn value_inputs(values: Vec<v1::Value>) -> Result<Vec<Value>, Refusal> {
    let read = |(position, value)| {
        value_input(value)
            .map_err(|refusal: Refusal| refusal.within(&format!("values[{position}]")))
    };
    values.into_iter().enumerate().map(read).collect()
}

fn value_input(value: v1::Value) -> Result<Value, Refusal> {
    let v1::Value {
        index,
        r#type,
        data,
        ttl,
        permissions,
        update_time: _,
        references,
        handle_data,
        readers,
    } = value;
    let data = data.map(|data| match data {
        v1::value::Data::Text(text) => text.into_bytes(),
        v1::value::Data::Binary(bytes) => bytes.into(),
    });
    let data = match handle_data {
        Some(content) => handle_data::data(&r#type, *content, data.as_deref())?,
        None => data.unwrap_or_default(),
    };
    let ttl = match ttl {
        None => Ttl::DEFAULT,
        Some(v1::value::Ttl::TtlSeconds(secs)) => Ttl::Relative(secs),
        Some(v1::value::Ttl::ExpireTime(until)) => {
            Ttl::Absolute(moment(until, "expire_time")?.secs())
        }
    };
    let reference = |(position, text): (usize, &String)| {
        Reference::parse(text).map_err(|refusal| refusal.field(format!("references[{position}]")))
    };
    let default = Permissions::default_of(&r#type);
    Ok(Value {
        index,
        value_type: ValueType::take(r#type)?,
        data,
        ttl,
        permissions: permissions.map_or(default, permissions_input),
        readers: readers.map(readers_input).transpose()?,
        changed: Timestamp::default(),
        references: references
            .iter()
            .enumerate()
            .map(reference)
            .collect::<Result<_, _>>()?,
    })
}

fn permissions_input(permissions: v1::Permissions) -> Permissions {
    let v1::Permissions {
        admin_read,
        admin_write,
        public_read,
        public_write,
    } = permissions;
    let bits = [
        (admin_read, Permissions::ADMIN_READ),
        (admin_write, Permissions::ADMIN_WRITE),
        (public_read, Permissions::PUBLIC_READ),
        (public_write, Permissions::PUBLIC_WRITE),
    ];
    let granted = bits.into_iter().filter(|(granted, _)| *granted);
    Permissions::from_bits(granted.fold(0, |all, (_, bit)| all | bit))
}

/// A prefix as a message. The reason of a suspension is shown only if
/// `tell_reason`.
pub(super) fn prefix(
    entry: &PrefixEntry,
    active_count: u64,
    deleted_count: u64,
    tell_reason: bool,
) -> v1::Prefix {
    let PrefixEntry {
        prefix,
        firm,
        holder,
        state,
        case,
        quota,
        revision,
        created,
        changed,
    } = entry;
    let (state, suspend_reason) = match state {
        PrefixState::Registered => (v1::PrefixState::Registered, ""),
        PrefixState::Active => (v1::PrefixState::Active, ""),
        PrefixState::Suspended { reason } => (v1::PrefixState::Suspended, reason.as_str()),
    };
    let shown_reason = if tell_reason { suspend_reason } else { "" };
    let suffix_case = match case {
        SuffixCase::Folded => v1::SuffixCase::Folded,
        SuffixCase::Sensitive => v1::SuffixCase::Sensitive,
    };
    v1::Prefix {
        name: name::of_prefix(prefix),
        firm: firm.clone(),
        state: state.into(),
        suffix_case: suffix_case.into(),
        quota: quota.map(signed),
        active_count: signed(active_count),
        deleted_count: signed(deleted_count),
        etag: node::etag(*revision),
        create_time: Some(time(*created)),
        holder: holder
            .as_ref()
            .map(|firm| format!("firms/{firm}"))
            .unwrap_or_default(),
        update_time: Some(time(*changed)),
        suspend_reason: shown_reason.to_owned(),
    }
}

/// Reads how suffixes compare; `None` if it is left open.
///
/// # Errors
/// `FieldInvalid` for a number that stands for no rule.
pub(super) fn case_input(case: i32) -> Result<Option<SuffixCase>, Refusal> {
    match v1::SuffixCase::try_from(case) {
        Ok(v1::SuffixCase::Unspecified) => Ok(None),
        Ok(v1::SuffixCase::Folded) => Ok(Some(SuffixCase::Folded)),
        Ok(v1::SuffixCase::Sensitive) => Ok(Some(SuffixCase::Sensitive)),
        Err(_) => Err(Refusal::new(Reason::FieldInvalid)
            .field("suffix_case")
            .value(case)
            .limit("a SuffixCase")),
    }
}

/// Reads a quota.
///
/// # Errors
/// `FieldInvalid` if it is negative.
pub(super) fn quota_input(quota: Option<i64>) -> Result<Option<u64>, Refusal> {
    let Some(quota) = quota else { return Ok(None) };
    u64::try_from(quota).map(Some).map_err(|_| {
        Refusal::new(Reason::FieldInvalid)
            .field("quota")
            .value(quota)
            .limit("0 or more")
    })
}

/// A backup as a message.
pub(super) fn backup(backup: BackupInfo) -> v1::Backup {
    let BackupInfo {
        name,
        created,
        applied_position,
        bytes,
        file_count,
    } = backup;
    v1::Backup {
        name: format!("backups/{name}"),
        create_time: Some(time(created)),
        applied_position: signed(applied_position),
        size_bytes: signed(bytes),
        file_count: signed(file_count),
    }
}

/// A time as a message.
pub(super) fn time(time: Timestamp) -> ProtoTimestamp {
    let millis = u32::try_from(time.millis() % 1000).unwrap_or_default();
    ProtoTimestamp {
        seconds: signed(time.secs()),
        nanos: i32::try_from(millis * 1_000_000).unwrap_or_default(),
    }
}

/// A count as the signed number that messages carry.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Reads a time, given in `field`; what is below a millisecond is dropped.
///
/// # Errors
/// `FieldInvalid` if it is before 1970 or after 9999.
pub(super) fn moment(time: ProtoTimestamp, field: &'static str) -> Result<Timestamp, Refusal> {
    let ProtoTimestamp { seconds, nanos } = time;
    let sound = (0..=SECONDS_MAX).contains(&seconds) && (0..1_000_000_000).contains(&nanos);
    let millis = seconds
        .saturating_mul(1000)
        .saturating_add(i64::from(nanos / 1_000_000));
    let millis = u64::try_from(millis).ok().filter(|_| sound);
    millis.map(Timestamp::from_millis).ok_or_else(|| {
        Refusal::new(Reason::FieldInvalid)
            .field(field)
            .value(seconds)
            .limit("from 1970 to 9999")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> v1::Value {
        v1::Value {
            index: 2000,
            r#type: "name".into(),
            data: Some(v1::value::Data::Text("小型断路器".into())),
            ttl: Some(v1::value::Ttl::TtlSeconds(60)),
            permissions: Some(v1::Permissions {
                admin_read: true,
                admin_write: false,
                public_read: false,
                public_write: true,
            }),
            update_time: Some(time(Timestamp::default())),
            references: vec!["300:88.118.7/App_erp".into()],
            handle_data: None,
            readers: None,
        }
    }

    fn check(change: impl FnOnce(&mut v1::Value), expected: (Reason, &str)) {
        let mut value = sample();
        change(&mut value);
        let refusal = value_inputs(vec![sample(), value]).expect_err("refused");
        assert_eq!((refusal.reason(), refusal.field_path()), expected);
    }

    #[test]
    fn values_survive_there_and_back() {
        let mut binary = sample();
        binary.data = Some(v1::value::Data::Binary(Bytes::from_static(b"\xff\x00")));
        binary.ttl = Some(v1::value::Ttl::ExpireTime(ProtoTimestamp {
            seconds: 1_800_000_000,
            nanos: 0,
        }));
        for message in [sample(), binary] {
            let back = value(value_input(message.clone()).expect("valid"));
            assert_eq!(back, message);
        }
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let read = value_input(v1::Value {
            index: 1,
            r#type: "URL".into(),
            ..v1::Value::default()
        });
        let read = read.expect("valid");
        assert_eq!(
            (read.ttl, read.permissions),
            (Ttl::DEFAULT, Permissions::DEFAULT)
        );
        assert!(read.data.is_empty() && read.references.is_empty());
    }

    #[test]
    fn names_the_field_that_breaks_a_rule() {
        check(
            |v| v.r#type = "HS_X".into(),
            (Reason::TypeUnknown, "values[1].type"),
        );
        check(
            |v| v.references.push("x".into()),
            (Reason::FieldInvalid, "values[1].references[1]"),
        );
        let before = ProtoTimestamp {
            seconds: -1,
            nanos: 0,
        };
        check(
            |v| v.ttl = Some(v1::value::Ttl::ExpireTime(before)),
            (Reason::FieldInvalid, "values[1].expire_time"),
        );
    }

    #[test]
    fn names_a_record_in_the_dns() {
        let shown = record(
            Record {
                identifier: Identifier::parse("88.118.7/DZ47-63").expect("valid"),
                values: Vec::new(),
                readers: None,
                revision: 26,
                created: Timestamp::from_millis(1_500),
                changed: Timestamp::from_millis(2_000),
            },
            Some(&Zone::new("id.example.".into())),
            SuffixCase::Folded,
        );
        assert_eq!(shown.dns_name, "dz47-63._id.7.118.88.id.example.");
        assert_eq!(
            (shown.name.as_str(), shown.etag.as_str()),
            ("records/88.118.7/DZ47-63", "r1a")
        );
        let created = ProtoTimestamp {
            seconds: 1,
            nanos: 500_000_000,
        };
        assert_eq!(shown.create_time, Some(created));
    }
}
