//! The Accounts service: signing in, and keeping principals.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tonic::{Request, Response, Status, async_trait};
use zeroize::Zeroizing;

use crate::face::grpc::account_convert::{self as convert, Fields};
use crate::face::grpc::page;
use crate::face::grpc::shared::{Shared, answer, bearer, source};
use crate::face::grpc::status::status;
use crate::model::limits::NOTE_CHARS_MAX;
use crate::model::{Caller, FirmId, Principal, PrincipalId, Reason, Refusal};
use crate::node::{Page, PrincipalAction, SignIn, SignedIn, WithSecret, parse_etag};
use crate::wire::proto::v1::accounts_server::Accounts;
use crate::wire::proto::v1::{
    self, ChangePasswordRequest, CreateCertificateRequest, CreateKeyRequest, CreateKeyResponse,
    CreatePersonRequest, CreatePersonResponse, DisablePrincipalRequest, EnablePrincipalRequest,
    GetPrincipalRequest, ListPrincipalsRequest, ListPrincipalsResponse, ResetPasswordRequest,
    ResetPasswordResponse, RevokePrincipalRequest, RotateKeyRequest, RotateKeyResponse,
    SetOneTimeCodeRequest, SetOneTimeCodeResponse, SignInRequest, SignInResponse, SignOutRequest,
    SignOutResponse, UnlockPrincipalRequest, UpdatePrincipalRequest, WhoAmIRequest, WhoAmIResponse,
};

/// What may be named in an update mask.
const PATHS: &str = "display_name, firm_role, scope";

/// The Accounts service.
pub(super) struct AccountsService(pub(super) Arc<Shared>);

impl AccountsService {
    fn message(&self, principal: &Principal) -> v1::Principal {
        let locked_for = self.0.node.locked_for(&principal.id);
        convert::principal(principal, locked_for)
    }

    /// Makes one change and answers with the principal as it is then.
    async fn change(
        &self,
        caller: &Caller,
        name: &str,
        action: Result<PrincipalAction, Refusal>,
    ) -> Result<v1::Principal, Refusal> {
        let id = convert::id_of(name)?;
        let changed = self.0.node.change_principal(caller, &id, action?);
        Ok(self.message(&*changed.await?))
    }

    async fn sign_in_with(
        &self,
        request: SignInRequest,
        source: Option<IpAddr>,
    ) -> Result<SignInResponse, Refusal> {
        let SignInRequest {
            login,
            password,
            one_time_code,
            new_password,
        } = request;
        let request = SignIn {
            login,
            password: password.into(),
            one_time_code: one_time_code.into(),
            new_password: new_password.into(),
        };
        let SignedIn { session, principal } = self.0.node.sign_in(request, source).await?;
        Ok(SignInResponse {
            token: session.token.as_str().to_owned(),
            idle_timeout: Some(convert::duration(session.idle)),
            lifetime: Some(convert::duration(session.age)),
            principal: Some(self.message(&principal)),
        })
    }

    fn list(
        &self,
        caller: &Caller,
        request: &ListPrincipalsRequest,
    ) -> Result<ListPrincipalsResponse, Refusal> {
        let ListPrincipalsRequest {
            parent,
            page_size,
            page_token,
            show_revoked,
        } = request;
        let firm = convert::firm_of(parent, "parent")?;
        let query = page::Query {
            method: "ListPrincipals",
            parent: firm.as_ref().map_or("", FirmId::as_str),
            show_deleted: *show_revoked,
            caller,
        };
        let after = query.after(page_token)?;
        let place = (after.as_deref(), page::size(*page_size)?);
        let node = &self.0.node;
        let Page { items, next } =
            node.list_principals(caller, firm.as_ref(), place, *show_revoked)?;
        Ok(ListPrincipalsResponse {
            principals: items.iter().map(|item| self.message(item)).collect(),
            next_page_token: next.map(|key| query.token(&key)).unwrap_or_default(),
        })
    }

    async fn set_one_time_code_of(
        &self,
        caller: &Caller,
        request: SetOneTimeCodeRequest,
    ) -> Result<SetOneTimeCodeResponse, Refusal> {
        let SetOneTimeCodeRequest {
            name,
            enabled,
            etag,
        } = request;
        let (id, etag) = (convert::id_of(&name)?, parse_etag(&etag)?);
        if !enabled {
            let action = PrincipalAction::SetOneTimeCode { sealed: None, etag };
            let principal = self.0.node.change_principal(caller, &id, action).await?;
            return Ok(SetOneTimeCodeResponse {
                principal: Some(self.message(&principal)),
                one_time_code_uri: String::new(),
            });
        }
        let made = self.0.node.renew_one_time_code(caller, &id, etag).await?;
        Ok(SetOneTimeCodeResponse {
            principal: Some(self.message(&made.principal)),
            one_time_code_uri: made.one_time_code_uri.as_str().to_owned(),
        })
    }
}

/// What `UpdatePrincipal` asks for.
fn update(principal: &v1::Principal, paths: &[String]) -> Result<PrincipalAction, Refusal> {
    let Fields {
        name, role, scope, ..
    } = convert::fields(principal)?;
    let is_whole = paths.is_empty() || paths.iter().any(|path| path == "*");
    let known = ["*", "display_name", "firm_role", "scope"];
    if let Some(unknown) = paths.iter().find(|path| !known.contains(&path.as_str())) {
        return Err(Refusal::new(Reason::FieldMaskInvalid)
            .field("update_mask")
            .value(unknown)
            .limit(PATHS));
    }
    let is_named = |path: &str| is_whole || paths.iter().any(|named| named == path);
    Ok(PrincipalAction::Update {
        name: match is_named("display_name") {
            true => Some(name?),
            false => None,
        },
        // A principal of the node has none, which is not a change.
        role: role.filter(|_| is_named("firm_role")),
        scope: match is_named("scope") {
            true => Some(scope?),
            false => None,
        },
        etag: parse_etag(&principal.etag)?,
    })
}

fn checked_reason(reason: String) -> Result<String, Refusal> {
    let is_sound = reason.chars().count() <= NOTE_CHARS_MAX;
    if is_sound {
        return Ok(reason);
    }
    Err(Refusal::new(Reason::NoteTooLong)
        .field("reason")
        .limit(NOTE_CHARS_MAX))
}

#[async_trait]
impl Accounts for AccountsService {
    async fn sign_in(
        &self,
        request: Request<SignInRequest>,
    ) -> Result<Response<SignInResponse>, Status> {
        // A session that ended is no reason to refuse a new one.
        let source = source(&request);
        answer(self.sign_in_with(request.into_inner(), source).await)
    }

    async fn sign_out(
        &self,
        request: Request<SignOutRequest>,
    ) -> Result<Response<SignOutResponse>, Status> {
        let token = bearer(request.metadata()).map_err(|refusal| status(&refusal))?;
        let ended = token.ok_or_else(|| Refusal::new(Reason::KeyRequired));
        let ended = ended.and_then(|token| self.0.node.sign_out(token, source(&request)));
        answer(ended.map(|()| SignOutResponse {}))
    }

    async fn who_am_i(
        &self,
        request: Request<WhoAmIRequest>,
    ) -> Result<Response<WhoAmIResponse>, Status> {
        let (caller, WhoAmIRequest {}) = self.0.open(request)?;
        let principal = self.0.node.own_principal(&caller);
        Ok(Response::new(WhoAmIResponse {
            actor: caller.name().to_owned(),
            principal: principal.map(|principal| self.message(&principal)),
            source: caller.source.map(|ip| ip.to_string()).unwrap_or_default(),
        }))
    }

    async fn change_password(
        &self,
        request: Request<ChangePasswordRequest>,
    ) -> Result<Response<v1::Principal>, Status> {
        let token = bearer(request.metadata()).map_err(|refusal| status(&refusal))?;
        let token = Zeroizing::new(token.unwrap_or_default().to_owned());
        let (caller, request) = self.0.open(request)?;
        let ChangePasswordRequest {
            password,
            new_password,
        } = request;
        let passwords = (password.into(), new_password.into());
        let changed = self.0.node.change_password(&caller, passwords, &token);
        answer(changed.await.map(|principal| self.message(&principal)))
    }

    async fn create_person(
        &self,
        request: Request<CreatePersonRequest>,
    ) -> Result<Response<CreatePersonResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        let CreatePersonRequest {
            principal,
            one_time_code,
        } = request;
        let account = convert::account(principal).map_err(|refusal| status(&refusal))?;
        let made = self.0.node.create_person(&caller, account, one_time_code);
        answer(made.await.map(|made| CreatePersonResponse {
            principal: Some(self.message(&made.principal)),
            first_password: made.secret.as_str().to_owned(),
            one_time_code_uri: made.one_time_code_uri.as_str().to_owned(),
        }))
    }

    async fn reset_password(
        &self,
        request: Request<ResetPasswordRequest>,
    ) -> Result<Response<ResetPasswordResponse>, Status> {
        let (caller, ResetPasswordRequest { name, etag }) = self.0.open(request)?;
        let made: Result<WithSecret, Refusal> = async {
            let (id, etag) = (convert::id_of(&name)?, parse_etag(&etag)?);
            self.0.node.reset_password(&caller, &id, etag).await
        }
        .await;
        answer(made.map(|made| ResetPasswordResponse {
            principal: Some(self.message(&made.principal)),
            first_password: made.secret.as_str().to_owned(),
        }))
    }

    async fn set_one_time_code(
        &self,
        request: Request<SetOneTimeCodeRequest>,
    ) -> Result<Response<SetOneTimeCodeResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.set_one_time_code_of(&caller, request).await)
    }

    async fn create_key(
        &self,
        request: Request<CreateKeyRequest>,
    ) -> Result<Response<CreateKeyResponse>, Status> {
        let (caller, CreateKeyRequest { principal }) = self.0.open(request)?;
        let account = convert::account(principal).map_err(|refusal| status(&refusal))?;
        let made = self.0.node.create_key(&caller, account).await;
        answer(made.map(|made| CreateKeyResponse {
            principal: Some(self.message(&made.principal)),
            key: made.secret.as_str().to_owned(),
        }))
    }

    async fn rotate_key(
        &self,
        request: Request<RotateKeyRequest>,
    ) -> Result<Response<RotateKeyResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        let RotateKeyRequest {
            name,
            overlap,
            etag,
        } = request;
        let made: Result<WithSecret, Refusal> = async {
            let (id, etag) = (convert::id_of(&name)?, parse_etag(&etag)?);
            let overlap: Option<Duration> = overlap.map(convert::overlap).transpose()?;
            self.0.node.rotate_key(&caller, &id, overlap, etag).await
        }
        .await;
        answer(made.map(|made| RotateKeyResponse {
            principal: Some(self.message(&made.principal)),
            key: made.secret.as_str().to_owned(),
        }))
    }

    async fn create_certificate(
        &self,
        request: Request<CreateCertificateRequest>,
    ) -> Result<Response<v1::Principal>, Status> {
        let (caller, request) = self.0.open(request)?;
        let CreateCertificateRequest {
            principal,
            certificate,
        } = request;
        let account = convert::account(principal).map_err(|refusal| status(&refusal))?;
        let made = self
            .0
            .node
            .create_certificate(&caller, account, &certificate);
        answer(made.await.map(|principal| self.message(&principal)))
    }

    async fn get_principal(
        &self,
        request: Request<GetPrincipalRequest>,
    ) -> Result<Response<v1::Principal>, Status> {
        let (caller, GetPrincipalRequest { name }) = self.0.open(request)?;
        let found = convert::id_of(&name).and_then(|id| self.0.node.principal(&caller, &id));
        answer(found.map(|principal| self.message(&principal)))
    }

    async fn list_principals(
        &self,
        request: Request<ListPrincipalsRequest>,
    ) -> Result<Response<ListPrincipalsResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.list(&caller, &request))
    }

    async fn update_principal(
        &self,
        request: Request<UpdatePrincipalRequest>,
    ) -> Result<Response<v1::Principal>, Status> {
        let (caller, request) = self.0.open(request)?;
        let UpdatePrincipalRequest {
            principal,
            update_mask,
        } = request;
        let principal = principal.unwrap_or_default();
        let paths = update_mask.map(|mask| mask.paths).unwrap_or_default();
        let action = update(&principal, &paths);
        answer(self.change(&caller, &principal.name, action).await)
    }

    async fn disable_principal(
        &self,
        request: Request<DisablePrincipalRequest>,
    ) -> Result<Response<v1::Principal>, Status> {
        let (caller, request) = self.0.open(request)?;
        let DisablePrincipalRequest { name, reason, etag } = request;
        let action = checked_reason(reason).and_then(|reason| {
            let etag = parse_etag(&etag)?;
            Ok(PrincipalAction::Disable { reason, etag })
        });
        answer(self.change(&caller, &name, action).await)
    }

    async fn enable_principal(
        &self,
        request: Request<EnablePrincipalRequest>,
    ) -> Result<Response<v1::Principal>, Status> {
        let (caller, EnablePrincipalRequest { name, etag }) = self.0.open(request)?;
        let action = parse_etag(&etag).map(|etag| PrincipalAction::Enable { etag });
        answer(self.change(&caller, &name, action).await)
    }

    async fn revoke_principal(
        &self,
        request: Request<RevokePrincipalRequest>,
    ) -> Result<Response<v1::Principal>, Status> {
        let (caller, RevokePrincipalRequest { name, etag }) = self.0.open(request)?;
        let action = parse_etag(&etag).map(|etag| PrincipalAction::Revoke { etag });
        answer(self.change(&caller, &name, action).await)
    }

    async fn unlock_principal(
        &self,
        request: Request<UnlockPrincipalRequest>,
    ) -> Result<Response<v1::Principal>, Status> {
        let (caller, UnlockPrincipalRequest { name }) = self.0.open(request)?;
        let unlock = |id: PrincipalId| self.0.node.unlock(&caller, &id);
        let unlocked = convert::id_of(&name).and_then(unlock);
        answer(unlocked.map(|principal| self.message(&principal)))
    }
}
