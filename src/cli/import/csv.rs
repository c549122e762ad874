//! CSV: long form, several adjacent rows a record, or wide form, one row a
//! record. A record of which one cell is wrong is not taken; every wrong cell
//! is reported.

use std::io::Read;
use std::rc::Rc;

use crate::cli::failure::Failure;
use crate::cli::import::columns::{Columns, Names, Role};
use crate::cli::import::encoding::{Utf8Reader, Watch};
use crate::cli::import::rows::{BadRow, Parsed, Rows, identifier_below, value_position};
use crate::cli::import::table::Table;
use crate::cli::shape::{base64, checked, data_of_text, expire_time, permissions_from_text};
use crate::model::limits::VALUES_PER_RECORD_MAX;
use crate::model::{
    Identifier, Permissions, Prefix, Reason, Reference, Refusal, Timestamp, Ttl, Value, ValueType,
};
use crate::wire::proto::v1;

/// Characters at the beginning of a cell that make spreadsheets run it.
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Records of a CSV file.
pub struct CsvRows<R> {
    table: Table<R>,
    columns: Columns,
    prefix: Option<Prefix>,
    pending: Option<Group>,
    ended: bool,
}

/// The rows of one record, as far as they are read.
struct Group {
    /// The cell that names it, by which rows belong together.
    name: String,
    row: u64,
    identifier: Option<Identifier>,
    values: Vec<Value>,
    /// Row and column that each value comes from.
    origins: Vec<(u64, String)>,
    bad: Vec<BadRow>,
}

impl<R: Read> CsvRows<R> {
    /// Reads what `reader` decodes; its first row is the header.
    ///
    /// # Errors
    /// If the header says nothing sure.
    pub fn new(
        reader: Utf8Reader<R>,
        watch: Rc<Watch>,
        delimiter: u8,
        names: Names,
    ) -> Result<Self, Failure> {
        let table = Table::new(reader, watch, delimiter)?;
        let columns = Columns::parse(table.header().iter().map(String::as_str), &names)?;
        Ok(Self {
            table,
            columns,
            prefix: names.prefix,
            pending: None,
            ended: false,
        })
    }

    fn cell<'a>(&'a self, role: &Role) -> Option<&'a str> {
        let at = self.columns.iter().position(|(other, _)| other == role)?;
        Some(self.table.cell(at))
    }

    /// The group that the row in `self.row` begins, with its identifier.
    fn group(&self, line: u64, name: String) -> Group {
        let suffix = self.columns.iter().any(|(role, _)| *role == Role::Suffix);
        let text = match &self.prefix {
            Some(prefix) if suffix => format!("{prefix}/{name}"),
            _ => name.clone(),
        };
        let mut bad = Vec::new();
        let identifier = identifier_below(&text, self.prefix.as_ref())
            .map_err(|refusal| {
                let role = if suffix {
                    Role::Suffix
                } else {
                    Role::Identifier
                };
                let column = self.columns.name_of(&role);
                bad.push(BadRow::new(line, column, &name, &refusal));
            })
            .ok();
        Group {
            name,
            row: line,
            identifier,
            values: Vec::new(),
            origins: Vec::new(),
            bad,
        }
    }

    /// Adds the one value of a row in the long form.
    fn add_long(&self, line: u64, group: &mut Group) {
        let cell = |role: &Role| self.cell(role).unwrap_or_default();
        let (index, type_name) = (cell(&Role::Index).trim(), cell(&Role::Type).trim());
        if index.is_empty() && type_name.is_empty() && cell(&Role::Data).is_empty() {
            // A record without values has a row all the same.
            return;
        }
        let mut note = |role: &Role, refusal: Refusal| {
            let column = self.columns.name_of(role);
            let bad = BadRow::new(line, column, cell(role), &refusal);
            group.bad.push(bad);
        };
        let index: u32 = index.parse().unwrap_or_else(|_| {
            let rule = "must be a number from 1 to 4294967295";
            note(&Role::Index, invalid("index", index, rule));
            u32::MAX
        });
        let value_type = ValueType::parse(type_name)
            .map_err(|refusal| note(&Role::Type, refusal))
            .ok();
        let default = Permissions::default_of(type_name);
        let data = match cell(&Role::Encoding).trim() {
            "" => data_of_text(type_name, cell(&Role::Data)),
            "base64" => base64(cell(&Role::Data).trim()),
            other => {
                note(
                    &Role::Encoding,
                    invalid("encoding", other, "must be empty or base64"),
                );
                Ok(Vec::new())
            }
        };
        let data = data.map_err(|refusal| note(&Role::Data, refusal)).ok();
        let ttl = ttl(cell(&Role::Ttl))
            .map_err(|refusal| note(&Role::Ttl, refusal))
            .ok();
        let permissions = permissions(cell(&Role::Permissions))
            .map(|given| given.unwrap_or(default))
            .map_err(|refusal| note(&Role::Permissions, refusal))
            .ok();
        let references = references(cell(&Role::References))
            .map_err(|refusal| note(&Role::References, refusal))
            .ok();
        let parts = (value_type, data, ttl, permissions, references);
        let (Some(value_type), Some(data), Some(ttl), Some(permissions), Some(references)) = parts
        else {
            return;
        };
        // One more than may be is enough for the rule to speak.
        if group.values.len() <= VALUES_PER_RECORD_MAX {
            group.origins.push((line, String::new()));
            group.values.push(Value {
                index,
                value_type,
                data,
                ttl,
                permissions,
                readers: None,
                changed: Timestamp::default(),
                references,
            });
        }
    }

    /// Adds the values of a row in the wide form: its cells that hold any.
    fn add_wide(&self, line: u64, group: &mut Group) {
        let shared = |role: &Role| self.cell(role).unwrap_or_default();
        let mut note = |role: &Role, refusal: Refusal| {
            let column = self.columns.name_of(role);
            let bad = BadRow::new(line, column, shared(role), &refusal);
            group.bad.push(bad);
        };
        let ttl = ttl(shared(&Role::Ttl)).unwrap_or_else(|refusal| {
            note(&Role::Ttl, refusal);
            Ttl::DEFAULT
        });
        let permissions = permissions(shared(&Role::Permissions)).unwrap_or_else(|refusal| {
            note(&Role::Permissions, refusal);
            None
        });
        for ((role, name), cell) in self.columns.iter().zip(self.table.cells()) {
            let (Role::Item(index, value_type), false) = (role, cell.is_empty()) else {
                continue;
            };
            let data = match data_of_text(value_type.as_str(), unguarded(cell)) {
                Ok(data) => data,
                Err(refusal) => {
                    group.bad.push(BadRow::new(line, name, cell, &refusal));
                    continue;
                }
            };
            group.origins.push((line, name.to_owned()));
            group.values.push(Value {
                index: *index,
                value_type: value_type.clone(),
                data,
                ttl,
                permissions: permissions
                    .unwrap_or_else(|| Permissions::default_of(value_type.as_str())),
                readers: None,
                changed: Timestamp::default(),
                references: Vec::new(),
            });
        }
    }

    /// What became of a group whose rows are all read.
    fn close(&self, group: Group) -> Parsed<v1::Record> {
        let Group {
            name,
            row,
            identifier,
            values,
            origins,
            mut bad,
        } = group;
        match (checked(values), identifier) {
            (Ok(values), Some(identifier)) if bad.is_empty() => {
                let record = v1::Record {
                    name: format!("records/{identifier}"),
                    values,
                    ..v1::Record::default()
                };
                return Parsed::Item(row, record);
            }
            (Err(refusal), _) => {
                bad.push(self.placed(&refusal, row, &name, &origins));
            }
            (Ok(_), _) => {}
        }
        Parsed::Bad(bad)
    }

    /// Puts a rule that the values of a record break where it was broken: to the
    /// value's own row and column.
    fn placed(&self, refusal: &Refusal, row: u64, name: &str, origins: &[(u64, String)]) -> BadRow {
        let Some((position, field)) = value_position(refusal.field_path()) else {
            return BadRow::new(row, "", name, refusal);
        };
        let origin = origins.get(position);
        let (row, column) = origin.map_or((row, ""), |(row, column)| (*row, column));
        let role = match field {
            "data" => Role::Data,
            "ttl" => Role::Ttl,
            "permissions" => Role::Permissions,
            "references" => Role::References,
            "type" => Role::Type,
            _ => Role::Index,
        };
        let value = match refusal.reason() {
            Reason::IndexZero => "0",
            _ => refusal.shown_value(),
        };
        let column = match column {
            "" => self.columns.name_of(&role),
            column => column,
        };
        BadRow::new(row, column, value, refusal)
    }
}

impl<R: Read> Rows for CsvRows<R> {
    type Item = v1::Record;

    fn next(&mut self) -> Result<Option<Parsed<v1::Record>>, Failure> {
        while !self.ended {
            let Some(line) = self.table.read()? else {
                self.ended = true;
                break;
            };
            let name = self
                .cell(&Role::Identifier)
                .or_else(|| self.cell(&Role::Suffix));
            let name = name.unwrap_or_default().to_owned();
            let long = self.columns.is_long();
            let same = |group: &Group| long && group.name == name;
            let (mut group, done) = match self.pending.take() {
                Some(group) if same(&group) => (group, None),
                other => (self.group(line, name), other),
            };
            self.table.check_cells(line, &mut group.bad);
            if long {
                self.add_long(line, &mut group);
            } else {
                self.add_wide(line, &mut group);
            }
            self.pending = Some(group);
            if let Some(done) = done {
                return Ok(Some(self.close(done)));
            }
        }
        Ok(self.pending.take().map(|group| self.close(group)))
    }
}

/// The delimiter of a header: that of `,`, `;` and tab that stands in it most
/// often outside quotes; `,` if none does.
pub fn delimiter(header: &str) -> u8 {
    let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in header
        .bytes()
        .take_while(|byte| !matches!(byte, b'\n' | b'\r'))
    {
        quoted ^= byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(d, _)| *d == byte && !quoted) {
            *count += 1;
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let first = counts.iter().find(|(_, count)| *count == most);
    first.map_or(b',', |(delimiter, _)| *delimiter)
}

/// A cell as spreadsheets may show it: one that they would run gets a `'`
/// before it, and so does one that has such a `'` already.
pub fn guarded(cell: &str) -> String {
    let inner = cell.trim_start_matches('\'');
    if inner.starts_with(FORMULA_STARTS) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

/// The inverse of [`guarded`].
pub fn unguarded(cell: &str) -> &str {
    let inner = cell.trim_start_matches('\'');
    if inner.starts_with(FORMULA_STARTS) {
        cell.strip_prefix('\'').unwrap_or(cell)
    } else {
        cell
    }
}

fn ttl(cell: &str) -> Result<Ttl, Refusal> {
    let cell = cell.trim();
    if cell.is_empty() {
        return Ok(Ttl::DEFAULT);
    }
    if let Ok(secs) = cell.parse() {
        return Ok(Ttl::Relative(secs));
    }
    expire_time(cell)
        .map_err(|_| invalid("ttl", cell, "seconds, or a time as 2026-12-31T16:00:00Z"))
}

/// The permissions that a cell gives, if it gives any.
fn permissions(cell: &str) -> Result<Option<Permissions>, Refusal> {
    match cell.trim() {
        "" => Ok(None),
        text => permissions_from_text(text).map(Some),
    }
}

fn references(cell: &str) -> Result<Vec<Reference>, Refusal> {
    let cell = cell.trim();
    if cell.is_empty() {
        return Ok(Vec::new());
    }
    let texts: Vec<String> = serde_json::from_str(cell).map_err(|_| {
        invalid(
            "references",
            cell,
            "a JSON list: [\"300:88.118.7/App_erp\"]",
        )
    })?;
    texts.iter().map(|text| Reference::parse(text)).collect()
}

fn invalid(field: &'static str, value: &str, rule: &str) -> Refusal {
    Refusal::new(Reason::FieldInvalid)
        .field(field)
        .value(value)
        .limit(rule)
}

impl<R> std::fmt::Debug for CsvRows<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CsvRows").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
