//! Prefixes: read one, list, change one.

use crate::face::grpc::change::Intent;
use crate::face::grpc::metrics::Operation;
use crate::face::grpc::shared::Shared;
use crate::face::grpc::{convert, name, page};
use crate::model::{Caller, Reason, Refusal};
use crate::node::{Applied, Page, PrefixView};
use crate::wire::proto::v1;

/// Reads one prefix.
pub(super) fn read(shared: &Shared, caller: &Caller, name: &str) -> Result<v1::Prefix, Refusal> {
    let prefix = name::prefix(name, "name")?;
    let view = shared.node.prefix_view(caller, &prefix)?;
    Ok(message(shared, caller, &view))
}

/// Lists prefixes.
pub(super) fn list(
    shared: &Shared,
    caller: &Caller,
    request: &v1::ListPrefixesRequest,
) -> Result<v1::ListPrefixesResponse, Refusal> {
    let v1::ListPrefixesRequest {
        page_size,
        page_token,
    } = request;
    let query = page::Query {
        method: "ListPrefixes",
        parent: "",
        show_deleted: false,
        caller,
    };
    let after = query.after(page_token)?;
    let Page { items, next } =
        shared
            .node
            .list_prefixes(caller, after.as_deref(), page::size(*page_size)?);
    Ok(v1::ListPrefixesResponse {
        prefixes: items
            .iter()
            .map(|view| message(shared, caller, view))
            .collect(),
        next_page_token: next.map(|key| query.token(&key)).unwrap_or_default(),
    })
}

/// Makes one change and answers with the prefix as it is then.
pub(super) async fn write(
    shared: &Shared,
    caller: &Caller,
    intent: Result<Intent, Refusal>,
) -> Result<v1::Prefix, Refusal> {
    let changed = match intent {
        Ok(intent) => shared.change(caller, intent).await,
        Err(refusal) => Err(refusal),
    };
    shared.metrics.changed(Operation::Prefix, &changed);
    match changed? {
        Applied::Prefix(entry) => {
            // One that was only judged is not there to be counted.
            let counts = shared.node.prefix_view(caller, &entry.prefix);
            let (active, deleted) =
                counts.map_or((0, 0), |view| (view.active_count, view.deleted_count));
            let tell_reason = shared.node.may_read_private(caller);
            Ok(convert::prefix(&entry, active, deleted, tell_reason))
        }
        Applied::Record { .. }
        | Applied::Imported(_)
        | Applied::Link { .. }
        | Applied::Entry(_) => Err(Refusal::new(Reason::Internal)),
    }
}

fn message(shared: &Shared, caller: &Caller, view: &PrefixView) -> v1::Prefix {
    let PrefixView {
        entry,
        active_count,
        deleted_count,
    } = view;
    let tell_reason = shared.node.may_read_private(caller);
    convert::prefix(entry, *active_count, *deleted_count, tell_reason)
}
