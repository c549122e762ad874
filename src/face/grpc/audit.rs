//! The Audit service: the audit trail, and proofs by the tree over it.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, async_trait};

use crate::face::grpc::outgoing::{End, Outgoing};
use crate::face::grpc::shared::{EXPORTS_MAX, Shared, answer, deadline};
use crate::face::grpc::{convert, page, status};
use crate::model::{Identifier, Reason, Refusal};
use crate::node::{AuditPart, AuditQuery, Audited, Consistency, Inclusion, Proven, Signed};
use crate::wire::proto::v1::audit_server::Audit;
use crate::wire::proto::v1::export_audit_entries_response::Part;
use crate::wire::proto::v1::{
    self, ExportAuditEntriesRequest, ExportAuditEntriesResponse, GetCheckpointRequest,
    GetConsistencyProofRequest, GetInclusionProofRequest, ListAuditEntriesRequest,
    ListAuditEntriesResponse, ProveRecordRequest,
};

/// The Audit service.
pub(super) struct AuditService(pub(super) Arc<Shared>);

#[async_trait]
impl Audit for AuditService {
    type ExportAuditEntriesStream = ReceiverStream<Result<ExportAuditEntriesResponse, Status>>;

    async fn list_audit_entries(
        &self,
        request: Request<ListAuditEntriesRequest>,
    ) -> Result<Response<ListAuditEntriesResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        let ListAuditEntriesRequest {
            page_size,
            page_token,
            subject,
            actor,
            refused_only,
            descending,
        } = request;
        let size = page::size(page_size).map_err(|refusal| status::status(&refusal))?;
        let parent = format!("{subject}\n{actor}\n{refused_only}");
        let query = page::Query {
            method: "ListAuditEntries",
            parent: &parent,
            show_deleted: descending,
            caller: &caller,
        };
        let after = query
            .after(&page_token)
            .map_err(|refusal| status::status(&refusal))?;
        let after = after.and_then(|key| Some(u64::from_be_bytes(key.try_into().ok()?)));
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        let asked = AuditQuery {
            subject: given(subject),
            actor: given(actor),
            refused_only,
            descending,
        };
        let reader = caller.clone();
        let listed = self
            .0
            .blocking(move |node| {
                let listed = node.list_audit(&reader, &asked, after, size)?;
                node.admit_items(&reader, listed.items.len())?;
                Ok(listed)
            })
            .await;
        answer(listed.and_then(|listed| listed).map(|listed| {
            let token = listed.next.map(|key| query.token(&key));
            ListAuditEntriesResponse {
                entries: listed.items.into_iter().map(entry).collect(),
                next_page_token: token.unwrap_or_default(),
            }
        }))
    }

    async fn export_audit_entries(
        &self,
        request: Request<ExportAuditEntriesRequest>,
    ) -> Result<Response<Self::ExportAuditEntriesStream>, Status> {
        let deadline = deadline(&request);
        let (caller, ExportAuditEntriesRequest {}) = self.0.open(request)?;
        let permit = Arc::clone(&self.0.exports).try_acquire_owned();
        let full = |_| status::status(&Refusal::new(Reason::Overloaded).limit(EXPORTS_MAX));
        let permit = permit.map_err(full)?;
        let (outgoing, receiver) = Outgoing::new(&self.0, caller, deadline);
        let shared = Arc::clone(&self.0);
        self.0.tracker.spawn_blocking(move || {
            let _permit = permit;
            let mut ended = Ok(());
            let mut sink = |found| {
                let allowed = match &found {
                    AuditPart::Entries(entries) => outgoing.wait_until_allowed(entries.len()),
                    _ => Ok(()),
                };
                let part = Some(part(found));
                let sent =
                    allowed.and_then(|()| outgoing.send(ExportAuditEntriesResponse { part }));
                match sent {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(end) => {
                        ended = Err(end);
                        ControlFlow::Break(())
                    }
                }
            };
            let exported = shared.node.export_audit(outgoing.caller(), &mut sink);
            outgoing.end(ended.and_then(|()| exported.map_err(End::Refused)));
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> Result<Response<v1::Checkpoint>, Status> {
        let (_, GetCheckpointRequest {}) = self.0.open(request)?;
        let signed = self.0.blocking(|node| node.checkpoint()).await;
        answer(signed.and_then(|signed| signed).map(checkpoint))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<GetInclusionProofRequest>,
    ) -> Result<Response<v1::InclusionProof>, Status> {
        let (_, GetInclusionProofRequest { position, size }) = self.0.open(request)?;
        let asked = number("position", position).and_then(|at| Ok((at, wanted("size", size)?)));
        let (position, size) = asked.map_err(|refusal| status::status(&refusal))?;
        let proven = self
            .0
            .blocking(move |node| node.inclusion(position, size))
            .await;
        answer(proven.and_then(|proven| proven).map(inclusion))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<GetConsistencyProofRequest>,
    ) -> Result<Response<v1::ConsistencyProof>, Status> {
        let (_, GetConsistencyProofRequest { older_size, size }) = self.0.open(request)?;
        let asked = number("older_size", older_size).and_then(|at| Ok((at, wanted("size", size)?)));
        let (older_size, size) = asked.map_err(|refusal| status::status(&refusal))?;
        let proven = self
            .0
            .blocking(move |node| node.consistency(older_size, size))
            .await;
        answer(proven.and_then(|proven| proven).map(|proven| {
            let Consistency {
                older_size,
                size,
                hashes,
            } = proven;
            v1::ConsistencyProof {
                older_size: convert::signed(older_size),
                size: convert::signed(size),
                hashes: hashes.iter().map(|hash| hash.to_vec()).collect(),
            }
        }))
    }

    async fn prove_record(
        &self,
        request: Request<ProveRecordRequest>,
    ) -> Result<Response<v1::RecordProof>, Status> {
        let (caller, ProveRecordRequest { identifier }) = self.0.open(request)?;
        let identifier =
            Identifier::parse(&identifier).map_err(|refusal| refusal.field("identifier"));
        let identifier = identifier.map_err(|refusal| status::status(&refusal))?;
        let proven = self
            .0
            .blocking(move |node| node.prove_record(&caller, &identifier))
            .await;
        answer(proven.and_then(|proven| proven).map(|proven| {
            let Proven {
                record,
                leaf,
                public_form,
                whole,
                inclusion: included,
                checkpoint: signed,
            } = proven;
            let (whole_form, salt) =
                whole.map_or_else(Default::default, |(form, salt)| (form, salt.to_vec()));
            v1::RecordProof {
                record: Some(self.0.message(record)),
                leaf,
                public_form,
                whole_form,
                salt,
                inclusion: Some(inclusion(included)),
                checkpoint: Some(checkpoint(signed)),
            }
        }))
    }
}

fn entry(audited: Audited) -> v1::AuditEntry {
    let Audited {
        position,
        time,
        actor,
        source,
        action,
        subject,
        request_id,
        refused_reason,
        before,
        after,
        omitted,
    } = audited;
    let digest = |digest: Option<[u8; 32]>| digest.map_or_else(Vec::new, Vec::from);
    v1::AuditEntry {
        position: convert::signed(position),
        time: Some(convert::time(time)),
        actor,
        source: source.map_or_else(String::new, |source| source.to_string()),
        action,
        subject,
        request_id,
        refused_reason,
        before_digest: digest(before),
        after_digest: digest(after),
        omitted_count: convert::signed(omitted),
    }
}

fn part(found: AuditPart) -> Part {
    match found {
        AuditPart::Start(log_key, trail) => Part::Start(v1::AuditExportStart { log_key, trail }),
        AuditPart::Entries(entries) => Part::Entries(v1::AuditExportEntries { entries }),
        AuditPart::Checkpoint(signed) => Part::Checkpoint(signed.note.to_string()),
    }
}

fn checkpoint(signed: Signed) -> v1::Checkpoint {
    let Signed {
        note,
        log_key,
        size: _,
    } = signed;
    v1::Checkpoint {
        note: note.to_string(),
        log_key,
    }
}

fn inclusion(proven: Inclusion) -> v1::InclusionProof {
    let Inclusion {
        position,
        size,
        leaf_hash,
        hashes,
    } = proven;
    v1::InclusionProof {
        position: convert::signed(position),
        size: convert::signed(size),
        leaf_hash: leaf_hash.to_vec(),
        hashes: hashes.iter().map(|hash| hash.to_vec()).collect(),
    }
}

/// A size that may be left out.
fn wanted(field: &'static str, asked: i64) -> Result<Option<u64>, Refusal> {
    Ok(Some(number(field, asked)?).filter(|asked| *asked > 0))
}

fn number(field: &'static str, asked: i64) -> Result<u64, Refusal> {
    u64::try_from(asked).map_err(|_| {
        Refusal::new(Reason::FieldInvalid)
            .field(field)
            .value(asked)
            .limit("0 or more")
    })
}
