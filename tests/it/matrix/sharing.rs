//! Rows of Sharing: groups are kept by owners, shares by registrars too, and neither is
//! there for whoever is not of the firm or of the node.

use idnode::wire::proto::v1::{
    CreateGroupRequest, CreateShareRequest, DeleteGroupRequest, GetGroupRequest, GetShareRequest,
    Group, ListGroupsRequest, ListSharesRequest, UpdateGroupRequest, WithdrawShareRequest,
};

use super::scene::{FIRM, group, share};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row!("Sharing/CreateGroup", "uuu ddd ddy ddd d", |_, _| {
        CreateGroupRequest {
            group: Some(group()),
            validate_only: true,
            ..CreateGroupRequest::default()
        }
    }),
    row!("Sharing/GetGroup", "-uu --- yyy yyy -", |scene, _| {
        GetGroupRequest {
            name: scene.group(),
        }
    }),
    row!("Sharing/ListGroups", "uuu ddd yyy yyy d", |_, _| {
        ListGroupsRequest {
            parent: format!("firms/{FIRM}"),
            ..ListGroupsRequest::default()
        }
    }),
    row!("Sharing/UpdateGroup", "-uu --- ddy ddd -", |scene, _| {
        UpdateGroupRequest {
            group: Some(Group {
                name: scene.group(),
                ..group()
            }),
            validate_only: true,
            ..UpdateGroupRequest::default()
        }
    }),
    row!("Sharing/DeleteGroup", "-uu --- ddy ddd -", |scene, _| {
        DeleteGroupRequest {
            name: scene.group(),
            validate_only: true,
            ..DeleteGroupRequest::default()
        }
    }),
    row!("Sharing/CreateShare", "uuu ddd dyy ddd d", |_, _| {
        CreateShareRequest {
            share: Some(share()),
            validate_only: true,
            ..CreateShareRequest::default()
        }
    }),
    row!("Sharing/GetShare", "-uu --- yyy yyy -", |scene, _| {
        GetShareRequest {
            name: scene.share(),
        }
    }),
    row!("Sharing/ListShares", "uuu ddd yyy yyy d", |_, _| {
        ListSharesRequest {
            parent: format!("firms/{FIRM}"),
            ..ListSharesRequest::default()
        }
    }),
    row!("Sharing/WithdrawShare", "-uu --- dyy ddd -", |scene, _| {
        WithdrawShareRequest {
            name: scene.share(),
            validate_only: true,
            ..WithdrawShareRequest::default()
        }
    }),
];
