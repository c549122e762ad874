//! The Firms service: applications, their review, and what is sealed of them.

mod convert;

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};
use zeroize::Zeroizing;

use crate::face::grpc::change::Intent;
use crate::face::grpc::shared::{Shared, answer};
use crate::face::grpc::{name, page};
use crate::model::firm::{StepKind, Text, WantedPrefix};
use crate::model::{Caller, FirmId, Reason, Refusal};
use crate::node::{
    Application, Change, FirmAction, FirmView, OfficeChange, Page, Paper, firm_of, parse_etag,
};
use crate::wire::proto::v1::firms_server::Firms;
use crate::wire::proto::v1::{
    ActivateFirmRequest, ApplyFirmRequest, ApplyFirmResponse, ApproveFirmRequest,
    AttachDocumentRequest, DetachDocumentRequest, EditFirmRequest, EraseFirmPeopleRequest, Firm,
    FirmDocumentContent, FirmPeople, GetFirmDocumentRequest, GetFirmPeopleRequest, GetFirmRequest,
    ListFirmsRequest, ListFirmsResponse, ReinstateFirmRequest, RejectFirmRequest,
    RetireFirmRequest, SubmitFirmRequest, SuspendFirmRequest, VerifyFirmRequest,
};

/// The Firms service.
pub(super) struct FirmsService(pub(super) Arc<Shared>);

/// A step, as every request for one tells it.
struct StepRequest {
    name: String,
    note: String,
    etag: String,
    request_id: String,
    validate_only: bool,
}

/// Takes a request for a step apart; what its text is called differs.
macro_rules! step {
    ($request:expr, $message:ident, $note:ident) => {{
        let $message {
            name,
            $note: note,
            etag,
            request_id,
            validate_only,
        } = $request;
        StepRequest {
            name,
            note,
            etag,
            request_id,
            validate_only,
        }
    }};
}

impl FirmsService {
    /// Makes a step of a firm's life.
    async fn step(
        &self,
        caller: &Caller,
        kind: StepKind,
        request: StepRequest,
    ) -> Result<Firm, Refusal> {
        let StepRequest {
            name,
            note,
            etag,
            request_id,
            validate_only,
        } = request;
        let change = || {
            let action = FirmAction::Step {
                kind,
                note,
                etag: parse_etag(&etag)?,
            };
            let id = name::firm(&name, "name")?;
            Ok(Change::Office(OfficeChange::Firm { id, action }))
        };
        let intent = change().map(|change| Intent {
            change,
            request_id,
            validate_only,
        });
        self.write(caller, intent).await
    }

    /// Makes one change and answers with the firm as it is then.
    async fn write(
        &self,
        caller: &Caller,
        intent: Result<Intent, Refusal>,
    ) -> Result<Firm, Refusal> {
        let firm = firm_of(self.0.change(caller, intent?).await?)?;
        // What was only judged is not there; its prefixes are those of before.
        let view = self.0.node.firm(caller, &firm.id);
        Ok(match view {
            Ok(FirmView {
                prefixes, is_whole, ..
            }) => convert::firm(&FirmView {
                firm,
                prefixes,
                is_whole,
            }),
            Err(_) => convert::whole(&firm),
        })
    }

    async fn apply(
        &self,
        caller: Caller,
        request: ApplyFirmRequest,
    ) -> Result<ApplyFirmResponse, Refusal> {
        let ApplyFirmRequest {
            facts,
            people,
            validate_only,
        } = request;
        let application = Application {
            facts: convert::facts_input(facts)?,
            people: convert::people_input(people)?,
        };
        if validate_only {
            let judged = self
                .0
                .blocking(move |node| node.judge_firm(&caller, application));
            let firm = convert::whole(&*judged.await??);
            return Ok(ApplyFirmResponse {
                // It was given by chance, and is nobody's.
                firm: Some(Firm {
                    name: String::new(),
                    ..firm
                }),
                owner_key: String::new(),
            });
        }
        let (firm, key) = self.0.node.apply_firm(&caller, application).await?;
        Ok(ApplyFirmResponse {
            firm: Some(convert::whole(&firm)),
            owner_key: key.to_string(),
        })
    }

    async fn edit(&self, caller: &Caller, request: EditFirmRequest) -> Result<Firm, Refusal> {
        let EditFirmRequest {
            name,
            facts,
            people,
            etag,
            request_id,
            validate_only,
        } = request;
        let id = name::firm(&name, "name")?;
        let etag = parse_etag(&etag)?;
        let facts = facts.map(|facts| convert::facts_input(Some(facts)));
        let facts = facts.transpose()?;
        let people = people.map(|people| convert::people_input(Some(people)));
        let people = people.transpose()?;
        let asking = caller.clone();
        let change = self
            .0
            .blocking(move |node| node.firm_edit(&asking, id, (facts, people.as_ref()), etag));
        let intent = Intent {
            change: change.await??,
            request_id,
            validate_only,
        };
        self.write(caller, Ok(intent)).await
    }

    /// Erases, and takes what was erased off the disk before it says so.
    async fn erase(
        &self,
        caller: &Caller,
        request: EraseFirmPeopleRequest,
    ) -> Result<Firm, Refusal> {
        let step = step!(request, EraseFirmPeopleRequest, note);
        let (id, is_judged) = (name::firm(&step.name, "name")?, step.validate_only);
        let firm = self.step(caller, StepKind::Erase, step).await?;
        if !is_judged {
            self.0.blocking(move |node| node.scrub_firm(&id)).await??;
        }
        Ok(firm)
    }

    async fn attach(
        &self,
        caller: &Caller,
        request: AttachDocumentRequest,
    ) -> Result<Firm, Refusal> {
        let AttachDocumentRequest {
            name,
            kind,
            file_name,
            content,
            etag,
            request_id,
            validate_only,
        } = request;
        let contents = Zeroizing::new(content);
        let id = name::firm(&name, "name")?;
        let etag = parse_etag(&etag)?;
        let paper = Paper {
            kind: convert::document_kind(kind)?,
            name: Text::parse(&file_name, "file_name")?,
            contents,
        };
        let asking = caller.clone();
        let change = self
            .0
            .blocking(move |node| node.firm_attachment(&asking, id, paper, etag));
        let intent = Intent {
            change: change.await??,
            request_id,
            validate_only,
        };
        self.write(caller, Ok(intent)).await
    }

    fn list(
        &self,
        caller: &Caller,
        request: &ListFirmsRequest,
    ) -> Result<ListFirmsResponse, Refusal> {
        let ListFirmsRequest {
            page_size,
            page_token,
            state,
        } = request;
        let query = page::Query {
            method: "ListFirms",
            parent: &state.to_string(),
            show_deleted: false,
            caller,
        };
        let after = query.after(page_token)?;
        let after = after.as_deref().map(String::from_utf8_lossy);
        let wanted = convert::wanted_state(*state)?;
        let size = page::size(*page_size)?;
        let firms = self.0.node.firms(caller, (after.as_deref(), size), wanted);
        let Page { items, next } = firms;
        Ok(ListFirmsResponse {
            firms: items.iter().map(convert::firm).collect(),
            next_page_token: next.map(|key| query.token(&key)).unwrap_or_default(),
        })
    }
}

/// The change that takes a document away.
fn detach(request: DetachDocumentRequest) -> Result<Intent, Refusal> {
    let DetachDocumentRequest {
        name,
        number,
        etag,
        request_id,
        validate_only,
    } = request;
    let action = FirmAction::Detach {
        number,
        etag: parse_etag(&etag)?,
    };
    intent(&name, action, (request_id, validate_only))
}

/// The change that gives a firm its prefix.
fn activate(request: ActivateFirmRequest) -> Result<Intent, Refusal> {
    let ActivateFirmRequest {
        name,
        prefix,
        quota,
        note,
        etag,
        request_id,
        validate_only,
    } = request;
    let prefix = match prefix.as_str() {
        "" => None,
        text => {
            let parsed = WantedPrefix::parse(text);
            Some(parsed.map_err(|refusal| refusal.field("prefix"))?)
        }
    };
    let negative = |quota: i64| {
        Refusal::new(Reason::FieldInvalid)
            .field("quota")
            .value(quota)
            .limit("0 or more")
    };
    let quota = quota.map(|quota| u64::try_from(quota).map_err(|_| negative(quota)));
    let action = FirmAction::Activate {
        prefix,
        quota: quota.transpose()?,
        note,
        etag: parse_etag(&etag)?,
    };
    intent(&name, action, (request_id, validate_only))
}

fn intent(
    name: &str,
    action: FirmAction,
    (request_id, validate_only): (String, bool),
) -> Result<Intent, Refusal> {
    let id: FirmId = name::firm(name, "name")?;
    Ok(Intent {
        change: Change::Office(OfficeChange::Firm { id, action }),
        request_id,
        validate_only,
    })
}

#[async_trait]
impl Firms for FirmsService {
    async fn apply_firm(
        &self,
        request: Request<ApplyFirmRequest>,
    ) -> Result<Response<ApplyFirmResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.apply(caller, request).await)
    }

    async fn get_firm(&self, request: Request<GetFirmRequest>) -> Result<Response<Firm>, Status> {
        let (caller, GetFirmRequest { name }) = self.0.open(request)?;
        let id = name::firm(&name, "name");
        let view = id.and_then(|id| self.0.node.firm(&caller, &id));
        answer(view.map(|view| convert::firm(&view)))
    }

    async fn list_firms(
        &self,
        request: Request<ListFirmsRequest>,
    ) -> Result<Response<ListFirmsResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.list(&caller, &request))
    }

    async fn edit_firm(&self, request: Request<EditFirmRequest>) -> Result<Response<Firm>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.edit(&caller, request).await)
    }

    async fn attach_document(
        &self,
        request: Request<AttachDocumentRequest>,
    ) -> Result<Response<Firm>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.attach(&caller, request).await)
    }

    async fn detach_document(
        &self,
        request: Request<DetachDocumentRequest>,
    ) -> Result<Response<Firm>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.write(&caller, detach(request)).await)
    }

    async fn submit_firm(
        &self,
        request: Request<SubmitFirmRequest>,
    ) -> Result<Response<Firm>, Status> {
        let (caller, request) = self.0.open(request)?;
        let step = step!(request, SubmitFirmRequest, note);
        answer(self.step(&caller, StepKind::Submit, step).await)
    }

    async fn verify_firm(
        &self,
        request: Request<VerifyFirmRequest>,
    ) -> Result<Response<Firm>, Status> {
        let (caller, request) = self.0.open(request)?;
        let step = step!(request, VerifyFirmRequest, note);
        answer(self.step(&caller, StepKind::Verify, step).await)
    }

    async fn approve_firm(
        &self,
        request: Request<ApproveFirmRequest>,
    ) -> Result<Response<Firm>, Status> {
        let (caller, request) = self.0.open(request)?;
        let step = step!(request, ApproveFirmRequest, note);
        answer(self.step(&caller, StepKind::Approve, step).await)
    }

    async fn reject_firm(
        &self,
        request: Request<RejectFirmRequest>,
    ) -> Result<Response<Firm>, Status> {
        let (caller, request) = self.0.open(request)?;
        let step = step!(request, RejectFirmRequest, reason);
        answer(self.step(&caller, StepKind::Reject, step).await)
    }

    async fn activate_firm(
        &self,
        request: Request<ActivateFirmRequest>,
    ) -> Result<Response<Firm>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.write(&caller, activate(request)).await)
    }

    async fn suspend_firm(
        &self,
        request: Request<SuspendFirmRequest>,
    ) -> Result<Response<Firm>, Status> {
        let (caller, request) = self.0.open(request)?;
        let step = step!(request, SuspendFirmRequest, reason);
        answer(self.step(&caller, StepKind::Suspend, step).await)
    }

    async fn reinstate_firm(
        &self,
        request: Request<ReinstateFirmRequest>,
    ) -> Result<Response<Firm>, Status> {
        let (caller, request) = self.0.open(request)?;
        let step = step!(request, ReinstateFirmRequest, note);
        answer(self.step(&caller, StepKind::Reinstate, step).await)
    }

    async fn retire_firm(
        &self,
        request: Request<RetireFirmRequest>,
    ) -> Result<Response<Firm>, Status> {
        let (caller, request) = self.0.open(request)?;
        let step = step!(request, RetireFirmRequest, reason);
        answer(self.step(&caller, StepKind::Retire, step).await)
    }

    async fn get_firm_people(
        &self,
        request: Request<GetFirmPeopleRequest>,
    ) -> Result<Response<FirmPeople>, Status> {
        let (caller, GetFirmPeopleRequest { name }) = self.0.open(request)?;
        let people = match name::firm(&name, "name") {
            Ok(id) => self.0.node.firm_people(&caller, &id).await,
            Err(refusal) => Err(refusal),
        };
        answer(people.map(|people| convert::people(&people)))
    }

    async fn get_firm_document(
        &self,
        request: Request<GetFirmDocumentRequest>,
    ) -> Result<Response<FirmDocumentContent>, Status> {
        let (caller, GetFirmDocumentRequest { name, number }) = self.0.open(request)?;
        let opened = match name::firm(&name, "name") {
            Ok(id) => self.0.node.firm_document(&caller, &id, number).await,
            Err(refusal) => Err(refusal),
        };
        answer(opened.map(|(document, contents)| FirmDocumentContent {
            document: Some(convert::document(&document)),
            content: contents.to_vec(),
        }))
    }

    async fn erase_firm_people(
        &self,
        request: Request<EraseFirmPeopleRequest>,
    ) -> Result<Response<Firm>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.erase(&caller, request).await)
    }
}
