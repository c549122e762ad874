//! Resource names: `records/{identifier}`, `prefixes/{prefix}`,
//! `backups/{backup}`, `operations/{number}`, `firms/{firm}`, `groups/{group}`,
//! `shares/{share}` (Google AIP-122).

use crate::model::{FirmId, GroupId, Identifier, Prefix, Reason, Refusal, ShareId, TemplateId};

/// The identifier of `records/{identifier}`, given in `field`.
///
/// # Errors
/// `FieldRequired`, `FieldInvalid` for another form, and those of
/// [`Identifier::parse`].
pub(super) fn identifier(name: &str, field: &'static str) -> Result<Identifier, Refusal> {
    let text = behind(name, field, "records/", "the form is records/{identifier}")?;
    Identifier::parse(text).map_err(|refusal| refusal.field(field))
}

/// The name of a record.
pub(super) fn of_record(identifier: &Identifier) -> String {
    let (prefix, suffix) = (identifier.prefix().as_str(), identifier.suffix().as_str());
    ["records/", prefix, "/", suffix].concat()
}

/// The prefix of `prefixes/{prefix}`, given in `field`.
///
/// # Errors
/// `FieldRequired`, `FieldInvalid` for another form, and those of
/// [`Prefix::parse`].
pub(super) fn prefix(name: &str, field: &'static str) -> Result<Prefix, Refusal> {
    let text = behind(name, field, "prefixes/", "the form is prefixes/{prefix}")?;
    Prefix::parse(text).map_err(|refusal| refusal.field(field))
}

/// The name of a prefix.
pub(super) fn of_prefix(prefix: &Prefix) -> String {
    format!("prefixes/{prefix}")
}

/// The firm of `firms/{firm}`, given in `field`.
///
/// # Errors
/// `FieldRequired`, `FieldInvalid` for another form, `IdInvalid`.
pub(super) fn firm(name: &str, field: &'static str) -> Result<FirmId, Refusal> {
    let text = behind(name, field, "firms/", "the form is firms/{firm}")?;
    FirmId::parse(text).map_err(|refusal| refusal.field(field))
}

/// The template of `templates/{template}`, given in `field`.
///
/// # Errors
/// `FieldRequired`, `FieldInvalid` for another form, `IdInvalid`.
pub(super) fn template(name: &str, field: &'static str) -> Result<TemplateId, Refusal> {
    let text = behind(
        name,
        field,
        "templates/",
        "the form is templates/{template}",
    )?;
    TemplateId::parse(text).map_err(|refusal| refusal.field(field))
}

/// The id of `backups/{backup}`.
///
/// # Errors
/// `FieldRequired`, `FieldInvalid` for another form.
pub(super) fn backup(name: &str) -> Result<&str, Refusal> {
    behind(name, "name", "backups/", "the form is backups/{backup}")
}

/// The number of `operations/{number}`.
///
/// # Errors
/// `FieldRequired`, `FieldInvalid` for another form.
pub(super) fn operation(name: &str) -> Result<u64, Refusal> {
    const FORM: &str = "the form is operations/{number}";
    behind(name, "name", "operations/", FORM)?
        .parse()
        .map_err(|_| wrong(name, "name", FORM))
}

/// The name of a firm.
pub(super) fn of_firm(firm: &FirmId) -> String {
    format!("firms/{firm}")
}

/// The id of `groups/{group}`.
///
/// # Errors
/// `FieldRequired`, `FieldInvalid` for another form, `IdInvalid`.
pub(super) fn group(name: &str) -> Result<GroupId, Refusal> {
    let id = behind(name, "name", "groups/", "the form is groups/{group}")?;
    GroupId::parse(id).map_err(|refusal| refusal.field("name"))
}

/// The name of a group.
pub(super) fn of_group(group: &GroupId) -> String {
    format!("groups/{group}")
}

/// The id of `shares/{share}`.
///
/// # Errors
/// `FieldRequired`, `FieldInvalid` for another form, `IdInvalid`.
pub(super) fn share(name: &str) -> Result<ShareId, Refusal> {
    let id = behind(name, "name", "shares/", "the form is shares/{share}")?;
    ShareId::parse(id).map_err(|refusal| refusal.field("name"))
}

/// The name of a share.
pub(super) fn of_share(share: &ShareId) -> String {
    format!("shares/{share}")
}

/// What stands behind `collection` in a name, given in `field`.
///
/// # Errors
/// `FieldRequired`, `FieldInvalid` for another form.
pub(super) fn behind<'a>(
    name: &'a str,
    field: &'static str,
    collection: &str,
    form: &'static str,
) -> Result<&'a str, Refusal> {
    if name.is_empty() {
        return Err(Refusal::new(Reason::FieldRequired).field(field));
    }
    name.strip_prefix(collection)
        .ok_or_else(|| wrong(name, field, form))
}

fn wrong(name: &str, field: &'static str, form: &'static str) -> Refusal {
    Refusal::new(Reason::FieldInvalid)
        .field(field)
        .value(name)
        .limit(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Result<&str, Reason>) {
        let seen = identifier(name, "name").map(|id| id.to_string());
        if let Err(refusal) = &seen {
            assert_eq!(refusal.field_path(), "name");
        }
        let seen = seen.map_err(|refusal| refusal.reason());
        assert_eq!(seen, expected.map(str::to_owned), "{name}");
    }

    #[test]
    fn takes_identifiers_apart() {
        check("records/88.118.7/a/b", Ok("88.118.7/a/b"));
        check("", Err(Reason::FieldRequired));
        check("88.118.7/a", Err(Reason::FieldInvalid));
        check("records/", Err(Reason::IdentifierEmpty));
        check("records/88.118.7", Err(Reason::IdentifierSyntax));
        check("records/88.118.7/", Err(Reason::SuffixEmpty));
        check("records/88.x.7/a", Err(Reason::NationalPrefixSyntax));
    }

    #[test]
    fn takes_operations_apart() {
        assert_eq!(operation("operations/7"), Ok(7));
        assert!(operation("operations/x").is_err() && operation("7").is_err());
    }
}
