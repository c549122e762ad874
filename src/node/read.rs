//! Reading: resolution, lists, export, and what the DNS face must know of names.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::access::{
    Action, Denied, Operation, Reading, permit, permit_record, reading, sight, sight_below,
};
use crate::model::owner_name::{is_plain, label_count};
use crate::model::{
    Caller, Identifier, Prefix, PrefixEntry, PrefixState, Reason, Record, Refusal, SuffixCase,
    Value, Verb, Who,
};
use crate::node::refused::Subject;
use crate::node::{Listed, Node, Page, PrefixView, told};
use crate::registry::audit;
use crate::resolve::{Query, Stamp, Unresolved, resolve, stored_seen};
use crate::store::{Error, PrefixRow, Row, Sight, Span};

impl Node {
    /// Resolves an identifier as `caller` may see it. Reads the disk on a miss.
    ///
    /// The record of a prefix that is active here, `0.NA/88.118.7`, tells the
    /// node's site beside what is stored of it; see [`Node::set_site`].
    ///
    /// # Errors
    /// `PrefixNotHomed`, `PrefixSuspended`, `RecordNotFound`; `Internal`.
    pub fn resolve(&self, caller: &Caller, query: &Query) -> Result<Record, Refusal> {
        let mut record = self.visible(caller, self.found(caller, query)?);
        record.values.retain(|value| query.selects(value));
        Ok(record)
    }

    /// Resolves an identifier as [`Node::resolve`] does, and tells whether everyone
    /// gets the same answer.
    ///
    /// # Errors
    /// As [`Node::resolve`].
    pub fn resolve_shared(
        &self,
        caller: &Caller,
        query: &Query,
    ) -> Result<(Record, bool), Refusal> {
        let found = self.found(caller, query)?;
        let is_for_all = is_for_all(&found);
        let mut record = match is_for_all {
            true => found,
            false => self.visible(caller, found),
        };
        record.values.retain(|value| query.selects(value));
        Ok((record, is_for_all))
    }

    /// The record of an identifier that is there for `caller`, with all its values.
    fn found(&self, caller: &Caller, query: &Query) -> Result<Record, Refusal> {
        let site = self.inner.site.load();
        read(resolve(
            &self.inner.store,
            site.as_deref(),
            &|row| self.sight(caller, row, &query.identifier),
            &query.identifier,
        ))
    }

    /// Resolves an identifier as [`Node::resolve`] does, and counts the values
    /// that were asked for and are not shown to `caller`, but to administrators.
    /// Values with readers do not count: they are absent for all others.
    ///
    /// # Errors
    /// As [`Node::resolve`].
    pub fn resolve_counting(
        &self,
        caller: &Caller,
        query: &Query,
    ) -> Result<(Record, usize), Refusal> {
        let found = self.found(caller, query)?;
        let counted = |value: &&Value| {
            let permissions = value.permissions;
            let is_readable = permissions.public_read() || permissions.admin_read();
            query.selects(value) && is_readable && value.readers.is_none()
        };
        let asked_count = found.values.iter().filter(counted).count();
        let mut record = self.visible(caller, found);
        record.values.retain(|value| query.selects(value));
        let shown_count = record.values.iter().filter(counted).count();
        Ok((record, asked_count.saturating_sub(shown_count)))
    }

    /// Reads the record that is stored of an identifier, as `caller` may see it:
    /// what a change of it begins from.
    ///
    /// # Errors
    /// As [`Node::resolve`].
    pub fn stored(&self, caller: &Caller, identifier: &Identifier) -> Result<Record, Refusal> {
        Ok(self.visible(caller, self.whole(caller, identifier)?))
    }

    /// The record that is stored of an identifier, if it is there for `caller`, with
    /// all its values.
    pub(super) fn whole(
        &self,
        caller: &Caller,
        identifier: &Identifier,
    ) -> Result<Record, Refusal> {
        let seen = |row: &PrefixRow| self.sight(caller, row, identifier);
        read(stored_seen(&self.inner.store, &seen, identifier))
    }

    /// Whether `caller` may read any value that the public may not.
    pub fn may_read_private(&self, caller: &Caller) -> bool {
        permit(caller, Action::ReadPrivate).is_ok()
    }

    /// Checks that `caller` may read what the public may not.
    fn permit_private(&self, caller: &Caller) -> Result<(), Refusal> {
        permit(caller, Action::ReadPrivate).inspect_err(|refusal| {
            self.note(
                caller,
                audit::Action::ReadPrivate,
                Subject::Other(Vec::new()),
                refusal,
            );
        })
    }

    /// Drops from `record`, which has all its values, what `caller` may not read.
    /// Reads the disk for an identity.
    pub fn visible(&self, caller: &Caller, mut record: Record) -> Record {
        if is_for_all(&record) {
            return record;
        }
        let reading = self.reading(caller, &record);
        let values = std::mem::take(&mut record.values);
        let shown = values
            .into_iter()
            .filter(|value| reading.shows(&record, value));
        record.values = shown.collect();
        if !reading.shows_readers() {
            record.readers = None;
            for value in &mut record.values {
                value.readers = None;
            }
        }
        record
    }

    /// What `caller` reads of `record`; what everyone does if that cannot be told.
    fn reading(&self, caller: &Caller, record: &Record) -> Reading {
        let asked = (&*self.inner.store, self.now());
        reading(caller, asked, record).unwrap_or_else(|error| {
            let _refusal = told(&error);
            Reading::Public
        })
    }

    /// Which restricted identifiers `caller` sees when it asks for `identifier`.
    fn sight(
        &self,
        caller: &Caller,
        row: &PrefixRow,
        identifier: &Identifier,
    ) -> Result<Sight, Error> {
        let asked = (&*self.inner.store, self.now());
        sight(caller, asked, &row.entry, identifier)
    }

    /// Which restricted identifiers `caller` sees when it lists those of a prefix.
    fn sight_below(&self, caller: &Caller, row: &PrefixRow) -> Result<Sight, Refusal> {
        if !row.counts.has_restricted() {
            return Ok(Sight::Nothing);
        }
        let store = &*self.inner.store;
        sight_below(caller, store, self.now(), &row.entry).map_err(|error| told(&error))
    }

    /// The entry of a prefix in whatever state. In memory.
    pub fn prefix(&self, canonical: &str) -> Option<Arc<PrefixEntry>> {
        self.inner
            .store
            .prefixes()
            .get(canonical)
            .map(|row| Arc::clone(&row.entry))
    }

    /// Whether a homed prefix stands properly below `canonical`: for `88.118`,
    /// whether there is any `88.118.*`. In memory.
    pub fn has_prefix_below(&self, canonical: &str) -> bool {
        let homed = |state: &PrefixState| *state != PrefixState::Registered;
        self.inner.store.prefixes().has_below(canonical, homed)
    }

    /// Whether an identifier below a prefix resolves for everyone. In memory.
    pub fn has_identifiers(&self, prefix: &PrefixEntry) -> bool {
        let canonical = prefix.prefix.canonical();
        let prefixes = self.inner.store.prefixes();
        let open = prefixes.get(&canonical).map_or(0, |row| row.counts.open());
        // Its own record is there from the moment it is active.
        open > 0 || self.tells_site(&prefix.prefix) && prefix.state == PrefixState::Active
    }

    /// Whether any identifier below a prefix is there for some only. In memory.
    pub fn has_restricted(&self, prefix: &Prefix) -> bool {
        let prefixes = self.inner.store.prefixes();
        let row = prefixes.get(&prefix.canonical());
        row.is_some_and(|row| row.counts.has_restricted())
    }

    /// Whether the records of `prefix` are those of prefixes, and tell the site.
    fn tells_site(&self, prefix: &Prefix) -> bool {
        prefix.holds_prefix_records() && self.inner.site.load().is_some()
    }

    /// Whether an identifier is there for everyone whose suffix is `suffix`, a dot, and
    /// more: whether the plain owner name of `suffix` is a non-terminal. Never
    /// under a case-sensitive prefix, which has no plain names.
    ///
    /// # Errors
    /// `Internal` if the store fails.
    pub fn has_plain_below(&self, prefix: &PrefixEntry, suffix: &str) -> Result<bool, Refusal> {
        if prefix.case == SuffixCase::Sensitive {
            return Ok(false);
        }
        let is_active = |state: &PrefixState| *state == PrefixState::Active;
        if self.tells_site(&prefix.prefix) {
            let above = suffix.to_ascii_lowercase();
            if self.inner.store.prefixes().has_below(&above, is_active) {
                return Ok(true);
            }
        }
        let canonical = prefix.prefix.canonical();
        let labels_max = {
            let prefixes = self.inner.store.prefixes();
            prefixes.get(&canonical).and_then(|row| row.labels_max)
        };
        // Names that do not exist come in floods: a range is looked for where it may be.
        if labels_max.is_some_and(|most| most <= label_count(suffix)) {
            return Ok(false);
        }
        let mut beginning = format!("{canonical}/{suffix}.");
        beginning.make_ascii_lowercase();
        let plain = |suffix: &[u8]| {
            std::str::from_utf8(suffix).is_ok_and(|suffix| is_plain(suffix, prefix.case))
        };
        let found = self
            .inner
            .store
            .has_key_that_begins(beginning.as_bytes(), &plain);
        found.map_err(|error| told(&error))
    }

    /// Whether an escaped owner name of several chunks ends (to the right) with
    /// these `labels`, leftmost first, and begins with more.
    ///
    /// # Errors
    /// `Internal` if the store fails.
    pub fn has_escaped_below(
        &self,
        prefix: &PrefixEntry,
        labels: &[&str],
    ) -> Result<bool, Refusal> {
        let mut beginning = format!("{}/", prefix.prefix.canonical());
        for label in labels.iter().rev() {
            beginning.push_str(label);
            beginning.push('.');
        }
        beginning.make_ascii_lowercase();
        let found = self.inner.store.has_tail_that_begins(beginning.as_bytes());
        found.map_err(|error| told(&error))
    }

    /// A mark of what is known of `subject` below `canonical_prefix` (a suffix,
    /// or the labels of an escaped name joined by "."; case does not matter).
    /// Take it before reading; see [`Node::is_current`].
    pub fn stamp(&self, canonical_prefix: &str, subject: &[u8]) -> Stamp {
        self.inner.stamps.stamp(canonical_prefix, subject)
    }

    /// Whether nothing that an answer made after `stamp` was taken depends on
    /// has changed since: the subject itself, anything below it in the DNS, or
    /// its prefix. Exact at once: false before the change is acknowledged.
    pub fn is_current(&self, stamp: &Stamp) -> bool {
        self.inner.stamps.is_current(stamp)
    }

    /// Log position of the last applied change.
    pub fn applied_position(&self) -> u64 {
        self.inner.store.position()
    }

    /// Prefixes in canonical order, from behind `after`, at most `limit`, as
    /// `caller` may see them.
    pub fn list_prefixes(
        &self,
        caller: &Caller,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Page<PrefixView> {
        let after = after.map(String::from_utf8_lossy);
        let prefixes = self.inner.store.prefixes();
        let mut rows = prefixes.after(after.as_deref());
        let mut last = None;
        let items = rows
            .by_ref()
            .take(limit)
            .map(|(canonical, row)| {
                last = Some(canonical.as_bytes().to_vec());
                view(caller, row)
            })
            .collect();
        let next = last.filter(|_| rows.next().is_some());
        Page { items, next }
    }

    /// One prefix as `caller` may see it.
    ///
    /// # Errors
    /// `PrefixNotHomed` if the node does not know it.
    pub fn prefix_view(&self, caller: &Caller, prefix: &Prefix) -> Result<PrefixView, Refusal> {
        Ok(view(caller, &self.row(prefix)?))
    }

    /// How many identifiers a list of all those below `prefix` has for `caller`,
    /// at most.
    ///
    /// # Errors
    /// `PrefixNotHomed` if the node does not know it; `Internal`.
    pub fn listed_count(&self, caller: &Caller, prefix: &Prefix) -> Result<u64, Refusal> {
        let row = self.row(prefix)?;
        Ok(match self.sight_below(caller, &row)? {
            Sight::Everything => row.counts.active,
            // What is shared with a firm is seldom much.
            Sight::Nothing | Sight::Shared(_) => row.counts.open(),
        })
    }

    fn row(&self, prefix: &Prefix) -> Result<PrefixRow, Refusal> {
        let prefixes = self.inner.store.prefixes();
        let row = prefixes.get(&prefix.canonical()).cloned();
        row.ok_or_else(|| {
            Refusal::new(Reason::PrefixNotHomed)
                .field("name")
                .value(prefix)
        })
    }

    /// Records of a prefix in canonical order, from behind the key `after`, at
    /// most `limit`. Blocks on the store.
    ///
    /// # Errors
    /// `PrefixNotHomed`, `PrefixSuspended` (not for operators), `KeyRequired`
    /// with `show_deleted`, `Internal`.
    #[expect(
        clippy::too_many_arguments,
        reason = "one query of one caller, made in one place"
    )]
    pub fn list_records(
        &self,
        caller: &Caller,
        prefix: &Prefix,
        after: Option<&[u8]>,
        limit: usize,
        show_deleted: bool,
    ) -> Result<Page<Listed>, Refusal> {
        permit(caller, Action::List)?;
        if show_deleted {
            self.permit_deleted(caller, prefix)?;
        }
        let (canonical, sight) = self.listable(caller, prefix)?;
        let mut page = Page {
            items: Vec::new(),
            next: None,
        };
        let mut last = Vec::new();
        let mut take = |key: &[u8], row: Row| {
            if page.items.len() == limit {
                page.next = Some(std::mem::take(&mut last));
                return ControlFlow::Break(());
            }
            last = key.to_vec();
            page.items.push(match row {
                Row::Active(record) => Listed::Active(self.visible(caller, record)),
                Row::Deleted(tombstone) => Listed::Deleted(tombstone),
            });
            ControlFlow::Continue(())
        };
        let span = Span {
            prefix: Some(&canonical),
            after,
            deleted: show_deleted,
            sight: &sight,
        };
        let read = self.inner.store.each_row(&span, &mut take);
        read.map_err(|error| told(&error))?;
        Ok(page)
    }

    /// Identifiers of a prefix in canonical order, from behind the key `after`, at
    /// most `limit`. Blocks on the store.
    ///
    /// # Errors
    /// As [`Node::list_records`].
    pub fn list_identifiers(
        &self,
        caller: &Caller,
        prefix: &Prefix,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<Identifier>, Refusal> {
        permit(caller, Action::List)?;
        let (canonical, sight) = self.listable(caller, prefix)?;
        let mut page = Page {
            items: Vec::new(),
            next: None,
        };
        let mut last = Vec::new();
        let mut take = |key: &[u8], row: Row| {
            if page.items.len() == limit {
                page.next = Some(std::mem::take(&mut last));
                return ControlFlow::Break(());
            }
            last = key.to_vec();
            page.items.push(match row {
                Row::Active(record) => record.identifier,
                Row::Deleted(tombstone) => tombstone.identifier,
            });
            ControlFlow::Continue(())
        };
        let span = Span {
            prefix: Some(&canonical),
            after,
            deleted: false,
            sight: &sight,
        };
        let read = self.inner.store.each_row(&span, &mut take);
        read.map_err(|error| told(&error))?;
        Ok(page)
    }

    /// Gives all records (of one prefix, or all) as of one moment to `sink`, in
    /// chunks of at most `chunk`, until it breaks. Blocks on the store.
    ///
    /// # Errors
    /// `PrefixNotHomed`, `PrefixSuspended` (not for operators), `KeyRequired` for
    /// all prefixes without a key, `Internal`.
    #[expect(
        clippy::too_many_arguments,
        reason = "one query of one caller, made in one place"
    )]
    pub fn export(
        &self,
        caller: &Caller,
        prefix: Option<&Prefix>,
        after: Option<&Identifier>,
        chunk: usize,
        sink: &mut dyn FnMut(Vec<Record>) -> ControlFlow<()>,
    ) -> Result<(), Refusal> {
        let (canonical, sight) = match prefix {
            Some(prefix) => {
                permit(caller, Action::List)?;
                let (canonical, sight) = self.listable(caller, prefix)?;
                (Some(canonical), sight)
            }
            None => {
                self.permit_private(caller)?;
                (None, Sight::Everything)
            }
        };
        let after = after.map(|identifier| {
            let entry = self.prefix(&identifier.prefix().canonical());
            identifier.key(entry.map_or(SuffixCase::Folded, |entry| entry.case))
        });
        let mut records = Vec::new();
        let mut broken = false;
        let mut take = |_: &[u8], row| {
            let Row::Active(record) = row else {
                return ControlFlow::Continue(());
            };
            records.push(self.visible(caller, record));
            if records.len() < chunk {
                return ControlFlow::Continue(());
            }
            let flow = sink(std::mem::take(&mut records));
            broken = flow.is_break();
            flow
        };
        let after = after.as_ref().map(|key| key.as_bytes());
        let span = Span {
            prefix: canonical.as_deref(),
            after,
            deleted: false,
            sight: &sight,
        };
        let read = self.inner.store.each_row(&span, &mut take);
        read.map_err(|error| told(&error))?;
        if !broken && !records.is_empty() {
            let _done = sink(records);
        }
        Ok(())
    }

    /// Checks that `caller` may know which identifiers below `prefix` were deleted.
    fn permit_deleted(&self, caller: &Caller, prefix: &Prefix) -> Result<(), Refusal> {
        let Err(refusal) = permit(caller, Action::ReadPrivate) else {
            return Ok(());
        };
        let listed = Operation::ReadBelow(prefix, Verb::List);
        match (
            &caller.who,
            permit_record(caller, &*self.inner.store, listed),
        ) {
            (Who::Member(_), Ok(())) => Ok(()),
            _ => {
                let subject = Subject::Prefix(prefix.clone());
                self.note(caller, audit::Action::ReadPrivate, subject, &refusal);
                Err(refusal)
            }
        }
    }

    /// The canonical form of a prefix whose identifiers `caller` may list, and
    /// which restricted ones it sees there: an identity if it is named an
    /// administrator who may, everybody else anyway.
    fn listable(&self, caller: &Caller, prefix: &Prefix) -> Result<(String, Sight), Refusal> {
        let row = self.row(prefix)?;
        if !self.may_read_private(caller) {
            row.entry.serving()?;
        }
        if matches!(caller.who, Who::Identity(_)) {
            let listed = permit_record(caller, &*self.inner.store, Operation::List(prefix));
            listed.map_err(|denied| match denied {
                Denied::Refused(refusal) => {
                    let subject = Subject::Prefix(prefix.clone());
                    self.note(caller, audit::Action::ReadPrivate, subject, &refusal);
                    refusal.field("parent")
                }
                Denied::Store(error) => told(&error),
            })?;
        }
        let sight = self.sight_below(caller, &row)?;
        Ok((prefix.canonical(), sight))
    }
}

/// What was read, or what a caller is told.
pub(super) fn read(found: Result<Record, Unresolved>) -> Result<Record, Refusal> {
    found.map_err(|unresolved| match unresolved {
        Unresolved::Refused(refusal) => refusal,
        Unresolved::Store(error) => told(&error),
    })
}

/// The prefix with its counts, which are for its holder and for operators: they
/// count what others may not know of.
/// Whether everyone may read all of a record.
fn is_for_all(record: &Record) -> bool {
    let is_open = |value: &Value| value.permissions.public_read() && value.readers.is_none();
    !record.is_restricted() && record.values.iter().all(is_open)
}

fn view(caller: &Caller, row: &PrefixRow) -> PrefixView {
    let PrefixRow { entry, counts, .. } = row;
    let is_counted = match &caller.who {
        Who::Operator(_) => true,
        Who::Identity(_) => caller.is_operator(),
        Who::Member(member) => entry.holder.as_ref() == Some(&member.firm),
        Who::Anonymous | Who::Guest(_) => false,
    };
    let shown = |count: u64| if is_counted { count } else { 0 };
    PrefixView {
        entry: Arc::clone(entry),
        active_count: shown(counts.active),
        deleted_count: shown(counts.deleted),
    }
}
