//! Requests that change something, as the changes that they ask for. Unary
//! calls and batches share them.

use crate::face::grpc::convert::{self, RecordInput};
use crate::face::grpc::name;
use crate::model::{Reason, Refusal};
use crate::node::{self, Change, PrefixAction, RecordAction, RequestId, Write};
use crate::wire::proto::v1;

/// A change, and how it is to be made.
#[derive(Debug)]
pub(super) struct Intent {
    /// What is to change.
    pub(super) change: Change,
    /// Empty if the client named none.
    pub(super) request_id: String,
    /// Judge it only.
    pub(super) validate_only: bool,
}

impl Intent {
    /// The write, under the request's own id.
    ///
    /// # Errors
    /// `RequestIdInvalid`.
    pub(super) fn into_write(self) -> Result<Write, Refusal> {
        Ok(Write {
            change: self.change,
            request_id: request_id(&self.request_id)?,
        })
    }
}

/// Reads a request id; `None` if it is empty.
///
/// # Errors
/// `RequestIdInvalid`.
pub(super) fn request_id(text: &str) -> Result<Option<RequestId>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    RequestId::parse(text).map(Some)
}

/// Registers an identifier.
///
/// # Errors
/// The first field that breaks a rule; so for all functions here.
pub(super) fn create_record(request: v1::CreateRecordRequest) -> Result<Intent, Refusal> {
    let v1::CreateRecordRequest {
        record,
        request_id,
        validate_only,
        reuse_deleted,
    } = request;
    let RecordInput {
        identifier,
        values,
        readers,
        etag: _,
    } = record_of(record)?;
    let action = RecordAction::Create {
        values,
        readers,
        reuse_deleted,
    };
    Ok(Intent {
        change: Change::Record { identifier, action },
        request_id,
        validate_only,
    })
}

/// Replaces all values of a record.
pub(super) fn update_record(request: v1::UpdateRecordRequest) -> Result<Intent, Refusal> {
    let v1::UpdateRecordRequest {
        record,
        update_mask,
        allow_missing,
        request_id,
        validate_only,
    } = request;
    for path in update_mask.map(|mask| mask.paths).unwrap_or_default() {
        if !matches!(path.as_str(), "*" | "values") {
            return Err(unknown_path(&path, "values"));
        }
    }
    let RecordInput {
        identifier,
        values,
        readers,
        etag,
    } = record_of(record)?;
    let action = RecordAction::Replace {
        values,
        readers,
        etag,
        allow_missing,
    };
    Ok(Intent {
        change: Change::Record { identifier, action },
        request_id,
        validate_only,
    })
}

/// Deletes an identifier.
pub(super) fn delete_record(request: v1::DeleteRecordRequest) -> Result<Intent, Refusal> {
    let v1::DeleteRecordRequest {
        name,
        etag,
        request_id,
        validate_only,
    } = request;
    let identifier = name::identifier(&name, "name")?;
    let action = RecordAction::Delete {
        etag: node::parse_etag(&etag)?,
    };
    Ok(Intent {
        change: Change::Record { identifier, action },
        request_id,
        validate_only,
    })
}

/// Adds values.
pub(super) fn add_values(request: v1::AddValuesRequest) -> Result<Intent, Refusal> {
    let v1::AddValuesRequest {
        name,
        values,
        etag,
        request_id,
        validate_only,
    } = request;
    let identifier = name::identifier(&name, "name")?;
    let action = RecordAction::AddValues {
        values: convert::value_inputs(values)?,
        etag: node::parse_etag(&etag)?,
    };
    Ok(Intent {
        change: Change::Record { identifier, action },
        request_id,
        validate_only,
    })
}

/// Replaces values.
pub(super) fn modify_values(request: v1::ModifyValuesRequest) -> Result<Intent, Refusal> {
    let v1::ModifyValuesRequest {
        name,
        values,
        etag,
        request_id,
        validate_only,
    } = request;
    let identifier = name::identifier(&name, "name")?;
    let action = RecordAction::ModifyValues {
        values: convert::value_inputs(values)?,
        etag: node::parse_etag(&etag)?,
    };
    Ok(Intent {
        change: Change::Record { identifier, action },
        request_id,
        validate_only,
    })
}

/// Removes values.
pub(super) fn remove_values(request: v1::RemoveValuesRequest) -> Result<Intent, Refusal> {
    let v1::RemoveValuesRequest {
        name,
        indices,
        etag,
        request_id,
        validate_only,
    } = request;
    let identifier = name::identifier(&name, "name")?;
    let action = RecordAction::RemoveValues {
        indices,
        etag: node::parse_etag(&etag)?,
    };
    Ok(Intent {
        change: Change::Record { identifier, action },
        request_id,
        validate_only,
    })
}

/// Sets who may read a record.
pub(super) fn set_readers(request: v1::SetReadersRequest) -> Result<Intent, Refusal> {
    let v1::SetReadersRequest {
        name,
        readers,
        etag,
        request_id,
        validate_only,
    } = request;
    let identifier = name::identifier(&name, "name")?;
    let action = RecordAction::SetReaders {
        readers: readers.map(convert::readers_input).transpose()?,
        etag: node::parse_etag(&etag)?,
    };
    Ok(Intent {
        change: Change::Record { identifier, action },
        request_id,
        validate_only,
    })
}

/// The change of one item of a batch; what it says of `request_id` and
/// `validate_only` is not read.
pub(super) fn batch_item(item: v1::batch_write_request::Item) -> Result<Change, Refusal> {
    use v1::batch_write_request::item::Change as Item;
    let v1::batch_write_request::Item { change } = item;
    let intent = match change {
        None => return Err(Refusal::new(Reason::FieldRequired).field("change")),
        Some(Item::Create(request)) => create_record(request),
        Some(Item::Update(request)) => update_record(request),
        Some(Item::Delete(request)) => delete_record(request),
        Some(Item::AddValues(request)) => add_values(request),
        Some(Item::ModifyValues(request)) => modify_values(request),
        Some(Item::RemoveValues(request)) => remove_values(request),
        Some(Item::SetReaders(request)) => set_readers(request),
    };
    intent.map(|intent| intent.change)
}

/// Registers a prefix.
pub(super) fn create_prefix(request: v1::CreatePrefixRequest) -> Result<Intent, Refusal> {
    let v1::CreatePrefixRequest {
        prefix,
        home,
        request_id,
        validate_only,
    } = request;
    let message = prefix.ok_or_else(|| Refusal::new(Reason::FieldRequired).field("prefix"))?;
    let within = |refusal: Refusal| refusal.within("prefix");
    let prefix = name::prefix(&message.name, "name").map_err(within)?;
    let action = PrefixAction::Create {
        firm: message.firm,
        case: convert::case_input(message.suffix_case)
            .map_err(within)?
            .unwrap_or_default(),
        quota: convert::quota_input(message.quota).map_err(within)?,
        home,
    };
    Ok(Intent {
        change: Change::Prefix { prefix, action },
        request_id,
        validate_only,
    })
}

/// Changes the fields of a prefix that the mask names.
pub(super) fn update_prefix(request: v1::UpdatePrefixRequest) -> Result<Intent, Refusal> {
    const PATHS: [&str; 3] = ["firm", "suffix_case", "quota"];
    let v1::UpdatePrefixRequest {
        prefix,
        update_mask,
        request_id,
        validate_only,
    } = request;
    let paths = update_mask.map(|mask| mask.paths).unwrap_or_default();
    if let Some(path) = paths
        .iter()
        .find(|path| *path != "*" && !PATHS.contains(&path.as_str()))
    {
        return Err(unknown_path(path, &PATHS.join(", ")));
    }
    let named =
        |field: &str| paths.is_empty() || paths.iter().any(|path| path == "*" || path == field);
    let message = prefix.ok_or_else(|| Refusal::new(Reason::FieldRequired).field("prefix"))?;
    let within = |refusal: Refusal| refusal.within("prefix");
    let prefix = name::prefix(&message.name, "name").map_err(within)?;
    let case = convert::case_input(message.suffix_case).map_err(within)?;
    let quota = convert::quota_input(message.quota).map_err(within)?;
    let action = PrefixAction::Update {
        firm: named("firm").then_some(message.firm),
        case: case.filter(|_| named("suffix_case")),
        quota: named("quota").then_some(quota),
        etag: node::parse_etag(&message.etag).map_err(within)?,
    };
    Ok(Intent {
        change: Change::Prefix { prefix, action },
        request_id,
        validate_only,
    })
}

/// Homes a prefix.
pub(super) fn home_prefix(request: v1::HomePrefixRequest) -> Result<Intent, Refusal> {
    let v1::HomePrefixRequest {
        name,
        etag,
        request_id,
        validate_only,
    } = request;
    let prefix = name::prefix(&name, "name")?;
    let action = PrefixAction::Home {
        etag: node::parse_etag(&etag)?,
    };
    Ok(Intent {
        change: Change::Prefix { prefix, action },
        request_id,
        validate_only,
    })
}

/// Suspends a prefix.
pub(super) fn suspend_prefix(request: v1::SuspendPrefixRequest) -> Result<Intent, Refusal> {
    let v1::SuspendPrefixRequest {
        name,
        reason,
        etag,
        request_id,
        validate_only,
    } = request;
    let prefix = name::prefix(&name, "name")?;
    let action = PrefixAction::Suspend {
        reason,
        etag: node::parse_etag(&etag)?,
    };
    Ok(Intent {
        change: Change::Prefix { prefix, action },
        request_id,
        validate_only,
    })
}

/// Unhomes a prefix.
pub(super) fn unhome_prefix(request: v1::UnhomePrefixRequest) -> Result<Intent, Refusal> {
    let v1::UnhomePrefixRequest {
        name,
        etag,
        request_id,
        validate_only,
    } = request;
    let prefix = name::prefix(&name, "name")?;
    let action = PrefixAction::Unhome {
        etag: node::parse_etag(&etag)?,
    };
    Ok(Intent {
        change: Change::Prefix { prefix, action },
        request_id,
        validate_only,
    })
}

/// Ends a suspension.
pub(super) fn activate_prefix(request: v1::ActivatePrefixRequest) -> Result<Intent, Refusal> {
    let v1::ActivatePrefixRequest {
        name,
        etag,
        request_id,
        validate_only,
    } = request;
    let prefix = name::prefix(&name, "name")?;
    let action = PrefixAction::Activate {
        etag: node::parse_etag(&etag)?,
    };
    Ok(Intent {
        change: Change::Prefix { prefix, action },
        request_id,
        validate_only,
    })
}

fn record_of(record: Option<v1::Record>) -> Result<RecordInput, Refusal> {
    let record = record.ok_or_else(|| Refusal::new(Reason::FieldRequired).field("record"))?;
    convert::record_input(record).map_err(|refusal| refusal.within("record"))
}

fn unknown_path(path: &str, paths: &str) -> Refusal {
    Refusal::new(Reason::FieldMaskInvalid)
        .field("update_mask")
        .value(path)
        .limit(paths)
}

#[cfg(test)]
mod tests {
    use prost_types::FieldMask;

    use super::*;

    fn check(paths: &[&str], expected: Result<(bool, bool, bool), Reason>) {
        let request = v1::UpdatePrefixRequest {
            prefix: Some(v1::Prefix {
                name: "prefixes/88.118.7".into(),
                firm: "瓯江电器".into(),
                suffix_case: v1::SuffixCase::Sensitive.into(),
                quota: None,
                ..v1::Prefix::default()
            }),
            update_mask: Some(FieldMask {
                paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            }),
            ..v1::UpdatePrefixRequest::default()
        };
        let seen = update_prefix(request).map(|intent| match intent.change {
            Change::Prefix {
                action:
                    PrefixAction::Update {
                        firm, case, quota, ..
                    },
                ..
            } => (firm.is_some(), case.is_some(), quota == Some(None)),
            other => panic!("{other:?}"),
        });
        assert_eq!(
            seen.map_err(|refusal| refusal.reason()),
            expected,
            "{paths:?}"
        );
    }

    #[test]
    fn changes_what_the_mask_names() {
        check(&[], Ok((true, true, true)));
        check(&["*"], Ok((true, true, true)));
        check(&["firm"], Ok((true, false, false)));
        check(&["quota", "suffix_case"], Ok((false, true, true)));
        check(&["firm", "state"], Err(Reason::FieldMaskInvalid));
    }

    #[test]
    fn names_fields_from_the_request_on() {
        let request = v1::CreateRecordRequest {
            record: Some(v1::Record {
                name: "records/88.118.7/a".into(),
                values: vec![v1::Value::default()],
                ..v1::Record::default()
            }),
            ..v1::CreateRecordRequest::default()
        };
        let refusal = create_record(request).expect_err("no type");
        assert_eq!(refusal.field_path(), "record.values[0].type");
        let refusal = batch_item(v1::batch_write_request::Item::default()).expect_err("empty");
        assert_eq!(refusal.reason(), Reason::FieldRequired);
    }
}
