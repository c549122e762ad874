//! Whether those who are named as readers are there.

use crate::model::{
    Firm, FirmId, Group, PrefixEntry, Reader, Readers, Reason, Record, Refusal, Value,
};
use crate::store::Batch;

/// What of a record names readers.
pub(super) struct Named<'a> {
    /// Its values.
    pub(super) values: &'a [Value],
    /// Its own.
    pub(super) readers: Option<&'a Readers>,
}

impl Named<'_> {
    /// Refuses readers that are not there: firms that nobody knows of, groups that
    /// are not of the firm that holds the prefix. Those that were named `before`
    /// stay, whatever became of them.
    ///
    /// # Errors
    /// [`Reason::FirmNotFound`], [`Reason::GroupNotFound`].
    pub(super) fn check(
        &self,
        batch: &Batch<'_>,
        prefix: &PrefixEntry,
        before: Option<&Record>,
    ) -> Result<(), Refusal> {
        let holder = prefix.holder.as_ref();
        let stood = before.and_then(|before| before.readers.as_deref());
        if self.readers != stood {
            check_each(batch, holder, self.readers)?;
        }
        for value in self.values {
            let stood = before.and_then(|before| before.value(value.index));
            let stood = stood.and_then(|value| value.readers.as_deref());
            if value.readers.as_deref() != stood {
                check_each(batch, holder, value.readers.as_deref())?;
            }
        }
        Ok(())
    }
}

fn check_each(
    batch: &Batch<'_>,
    holder: Option<&FirmId>,
    readers: Option<&Readers>,
) -> Result<(), Refusal> {
    let refuse = |reason| Refusal::new(reason).field("readers");
    for reader in readers.iter().flat_map(|readers| readers.each()) {
        match &reader {
            Reader::Firm(firm) if !is_known(batch, firm) => {
                return Err(refuse(Reason::FirmNotFound).value(firm));
            }
            Reader::Group(group) => {
                let owner = batch.entry::<Group>(group.as_str());
                let owner = owner.map(|group| group.owner.clone());
                if owner.is_none() || owner.as_ref() != holder {
                    return Err(refuse(Reason::GroupNotFound).value(group));
                }
            }
            Reader::Firm(_) => {}
        }
    }
    Ok(())
}

/// Whether a firm is one that everyone may know of. That somebody has begun an
/// application nobody learns here.
pub(super) fn is_known(batch: &Batch<'_>, firm: &FirmId) -> bool {
    let firm = batch.entry::<Firm>(firm.as_str());
    firm.is_some_and(|firm| firm.state.is_public())
}
