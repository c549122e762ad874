//! The Sharing service: groups of firms, and share links.

use std::collections::BTreeSet;
use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};

use crate::face::grpc::convert::time;
use crate::face::grpc::shared::{Shared, answer};
use crate::face::grpc::{change, name, page};
use crate::model::{Caller, FirmId, Group, Reason, Refusal, Share, Target, Timestamp};
use crate::node::{self, Asked, GroupAction, MadeShare, Page, ShareInput};
use crate::wire::proto::v1::sharing_server::Sharing;
use crate::wire::proto::v1::{
    self, CreateGroupRequest, CreateShareRequest, CreateShareResponse, DeleteGroupRequest,
    GetGroupRequest, GetShareRequest, ListGroupsRequest, ListGroupsResponse, ListSharesRequest,
    ListSharesResponse, UpdateGroupRequest, WithdrawShareRequest,
};

/// The Sharing service.
pub(super) struct SharingService(pub(super) Arc<Shared>);

#[async_trait]
impl Sharing for SharingService {
    async fn create_group(
        &self,
        request: Request<CreateGroupRequest>,
    ) -> Result<Response<v1::Group>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.make_group(&caller, request).await)
    }

    async fn get_group(
        &self,
        request: Request<GetGroupRequest>,
    ) -> Result<Response<v1::Group>, Status> {
        let (caller, request) = self.0.open(request)?;
        let group = name::group(&request.name);
        let group = group.and_then(|id| self.0.node.group(&caller, &id));
        answer(group.map(|group| group_message(&group)))
    }

    async fn list_groups(
        &self,
        request: Request<ListGroupsRequest>,
    ) -> Result<Response<ListGroupsResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.groups(&caller, &request))
    }

    async fn update_group(
        &self,
        request: Request<UpdateGroupRequest>,
    ) -> Result<Response<v1::Group>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.replace_group(&caller, request).await)
    }

    async fn delete_group(
        &self,
        request: Request<DeleteGroupRequest>,
    ) -> Result<Response<()>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.remove_group(&caller, request).await)
    }

    async fn create_share(
        &self,
        request: Request<CreateShareRequest>,
    ) -> Result<Response<CreateShareResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.make_share(&caller, request).await)
    }

    async fn get_share(
        &self,
        request: Request<GetShareRequest>,
    ) -> Result<Response<v1::Share>, Status> {
        let (caller, request) = self.0.open(request)?;
        let share = name::share(&request.name);
        let share = share.and_then(|id| self.0.node.share(&caller, &id));
        answer(share.map(|share| share_message(&share)))
    }

    async fn list_shares(
        &self,
        request: Request<ListSharesRequest>,
    ) -> Result<Response<ListSharesResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.shares(&caller, &request))
    }

    async fn withdraw_share(
        &self,
        request: Request<WithdrawShareRequest>,
    ) -> Result<Response<()>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.take_back(&caller, request).await)
    }
}

impl SharingService {
    async fn make_group(
        &self,
        caller: &Caller,
        request: CreateGroupRequest,
    ) -> Result<v1::Group, Refusal> {
        let CreateGroupRequest {
            group,
            request_id,
            validate_only,
        } = request;
        let group = group.ok_or_else(|| Refusal::new(Reason::FieldRequired).field("group"))?;
        let within = |refusal: Refusal| refusal.within("group");
        let owner = name::firm(&group.owner, "owner").map_err(within)?;
        let members = members(&group.members).map_err(within)?;
        let asked = asked(&request_id, validate_only)?;
        let made = (owner, group.display_name, members);
        let made = self.0.node.create_group(caller, made, asked).await?;
        Ok(group_message(&made))
    }

    async fn replace_group(
        &self,
        caller: &Caller,
        request: UpdateGroupRequest,
    ) -> Result<v1::Group, Refusal> {
        let UpdateGroupRequest {
            group,
            request_id,
            validate_only,
        } = request;
        let group = group.ok_or_else(|| Refusal::new(Reason::FieldRequired).field("group"))?;
        let within = |refusal: Refusal| refusal.within("group");
        let id = name::group(&group.name).map_err(within)?;
        let action = GroupAction::Update {
            name: Some(group.display_name),
            members: Some(members(&group.members).map_err(within)?),
            etag: node::parse_etag(&group.etag).map_err(within)?,
        };
        let asked = asked(&request_id, validate_only)?;
        let changed = self.0.node.change_group(caller, (id, action), asked);
        Ok(group_message(&*changed.await?))
    }

    async fn remove_group(
        &self,
        caller: &Caller,
        request: DeleteGroupRequest,
    ) -> Result<(), Refusal> {
        let DeleteGroupRequest {
            name,
            etag,
            request_id,
            validate_only,
        } = request;
        let id = name::group(&name)?;
        let action = GroupAction::Delete {
            etag: node::parse_etag(&etag)?,
        };
        let asked = asked(&request_id, validate_only)?;
        self.0
            .node
            .change_group(caller, (id, action), asked)
            .await?;
        Ok(())
    }

    fn groups(
        &self,
        caller: &Caller,
        request: &ListGroupsRequest,
    ) -> Result<ListGroupsResponse, Refusal> {
        let ListGroupsRequest {
            parent,
            page_size,
            page_token,
        } = request;
        let owner = name::firm(parent, "parent")?;
        let query = query("ListGroups", &owner, caller);
        let after = query.after(page_token)?;
        let size = page::size(*page_size)?;
        let node = &self.0.node;
        let Page { items, next } = node.list_groups(caller, &owner, after.as_deref(), size)?;
        Ok(ListGroupsResponse {
            groups: items.iter().map(|group| group_message(group)).collect(),
            next_page_token: next.map(|id| query.token(&id)).unwrap_or_default(),
        })
    }

    async fn make_share(
        &self,
        caller: &Caller,
        request: CreateShareRequest,
    ) -> Result<CreateShareResponse, Refusal> {
        let CreateShareRequest {
            share,
            request_id,
            validate_only,
        } = request;
        let share = share.ok_or_else(|| Refusal::new(Reason::FieldRequired).field("share"))?;
        let input = share_input(share).map_err(|refusal| refusal.within("share"))?;
        let asked = asked(&request_id, validate_only)?;
        let made = self.0.node.create_share(caller, input, asked).await?;
        let MadeShare { share, token } = made;
        Ok(CreateShareResponse {
            share: Some(share_message(&share)),
            token: token.unwrap_or_default(),
        })
    }

    async fn take_back(
        &self,
        caller: &Caller,
        request: WithdrawShareRequest,
    ) -> Result<(), Refusal> {
        let WithdrawShareRequest {
            name,
            etag,
            request_id,
            validate_only,
        } = request;
        let share = (name::share(&name)?, node::parse_etag(&etag)?);
        let asked = asked(&request_id, validate_only)?;
        self.0.node.withdraw_share(caller, share, asked).await?;
        Ok(())
    }

    fn shares(
        &self,
        caller: &Caller,
        request: &ListSharesRequest,
    ) -> Result<ListSharesResponse, Refusal> {
        let ListSharesRequest {
            parent,
            page_size,
            page_token,
        } = request;
        let owner = name::firm(parent, "parent")?;
        let query = query("ListShares", &owner, caller);
        let after = query.after(page_token)?;
        let size = page::size(*page_size)?;
        let node = &self.0.node;
        let Page { items, next } = node.list_shares(caller, &owner, after.as_deref(), size)?;
        Ok(ListSharesResponse {
            shares: items.iter().map(|share| share_message(share)).collect(),
            next_page_token: next.map(|id| query.token(&id)).unwrap_or_default(),
        })
    }
}

fn query<'q>(method: &'q str, owner: &'q FirmId, caller: &'q Caller) -> page::Query<'q> {
    page::Query {
        method,
        parent: owner.as_str(),
        show_deleted: false,
        caller,
    }
}

fn asked(request_id: &str, validate_only: bool) -> Result<Asked, Refusal> {
    Ok(Asked {
        request_id: change::request_id(request_id)?,
        validate_only,
    })
}

fn members(names: &[String]) -> Result<BTreeSet<FirmId>, Refusal> {
    names
        .iter()
        .map(|text| name::firm(text, "members"))
        .collect()
}

fn share_input(share: v1::Share) -> Result<ShareInput, Refusal> {
    let v1::Share {
        name: _,
        owner,
        purpose,
        targets,
        indices,
        expire_time,
        etag: _,
        create_time: _,
    } = share;
    let expires =
        expire_time.ok_or_else(|| Refusal::new(Reason::FieldRequired).field("expire_time"))?;
    let target = |(at, text): (usize, &String)| {
        Target::parse(text).map_err(|refusal| refusal.field(format!("targets[{at}]")))
    };
    Ok(ShareInput {
        owner: name::firm(&owner, "owner")?,
        purpose,
        targets: targets
            .iter()
            .enumerate()
            .map(target)
            .collect::<Result<_, _>>()?,
        indices,
        // What is before 1970 has passed as well.
        expires: Timestamp::from_millis(
            u64::try_from(expires.seconds)
                .unwrap_or_default()
                .saturating_mul(1000),
        ),
    })
}

fn group_message(group: &Group) -> v1::Group {
    let Group {
        id,
        owner,
        name: display_name,
        members,
        revision,
        created,
        changed,
    } = group;
    v1::Group {
        name: name::of_group(id),
        owner: name::of_firm(owner),
        display_name: display_name.clone(),
        members: members.iter().map(name::of_firm).collect(),
        etag: node::etag(*revision),
        create_time: Some(time(*created)),
        update_time: Some(time(*changed)),
    }
}

fn share_message(share: &Share) -> v1::Share {
    let Share {
        id,
        owner,
        hash: _,
        purpose,
        targets,
        indices,
        expires,
        revision,
        created,
        changed: _,
    } = share;
    v1::Share {
        name: name::of_share(id),
        owner: name::of_firm(owner),
        purpose: purpose.clone(),
        targets: targets.iter().map(Target::to_string).collect(),
        indices: indices.clone(),
        expire_time: Some(time(*expires)),
        etag: node::etag(*revision),
        create_time: Some(time(*created)),
    }
}
