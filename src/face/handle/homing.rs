//! What prefixes are here: homing them, and lists (RFC 3652 §3.4).

use crate::face::handle::convert::{put_count, put_name};
use crate::face::handle::reply::{Asked, Reply};
use crate::face::handle::service::{Later, Made, Service, Step, Transport};
use crate::face::handle::status::Asking;
use crate::model::limits::PAGE_ITEMS_MAX;
use crate::model::{Identifier, Prefix, PrefixState, Reason, Refusal, SuffixCase, Who};
use crate::node::{Change, Node, Page, PrefixAction, Write};
use crate::wire::handle::{
    Flags, HandleRequest, LIST_HANDLES_PER_MESSAGE, Message, OpCode, ResponseCode,
};

/// Names of a list over HTTP.
const HTTP_NAMES_MAX: u64 = 10_000;

impl Service {
    /// Homes or unhomes a prefix.
    pub(super) async fn home(&self, asked: &Asked, message: Message<'_>) -> Step {
        let prefix = match described_prefix(&message) {
            Ok(prefix) => prefix,
            Err(reply) => return Step::Reply(reply),
        };
        if asked.caller.is_anonymous() {
            return Step::Challenge;
        }
        let action = match (
            message.header.op_code,
            self.node().prefix(&prefix.canonical()),
        ) {
            (OpCode::UNHOME_PREFIX, _) => PrefixAction::Unhome { etag: None },
            (_, Some(_)) => PrefixAction::Home { etag: None },
            (_, None) => PrefixAction::Create {
                firm: prefix.to_string(),
                case: SuffixCase::Folded,
                quota: None,
                home: true,
            },
        };
        let subject = prefix.canonical();
        let write = Write {
            change: Change::Prefix { prefix, action },
            request_id: None,
        };
        let homes = message.header.op_code == OpCode::HOME_PREFIX;
        Step::Reply(match self.node().execute(&asked.caller, write).await {
            Ok(_) => Reply::done(Vec::new()),
            // It is as asked already; a suspended one is not.
            Err(refusal)
                if homes
                    && refusal.reason() == Reason::PrefixState
                    && is_homed(self.node(), &subject) =>
            {
                Reply::done(Vec::new())
            }
            Err(refusal) if refusal.reason() == Reason::PrefixState => {
                Reply::failed(ResponseCode::SERVER_NOT_RESPONSIBLE, &refusal.to_string())
            }
            Err(refusal) => Reply::refused(&refusal, Asking::Write),
        })
    }

    /// Lists the prefixes homed here, for operators.
    pub(super) fn list_prefixes(&self, asked: &Asked) -> Step {
        if asked.caller.is_anonymous() {
            return Step::Challenge;
        }
        if let Err(refusal) = self.node().permit_operation(&asked.caller) {
            return Step::Reply(Reply::refused(&refusal, Asking::Read));
        }
        let mut names = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .node()
                .list_prefixes(&asked.caller, after.as_deref(), PAGE_ITEMS_MAX);
            for view in page.items {
                if view.entry.state == PrefixState::Active {
                    names.push(format!("0.NA/{}", view.entry.prefix));
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Step::Replies(listed(&names, true)),
            }
        }
    }

    /// Lists the identifiers below a prefix.
    pub(super) fn list_handles(&self, asked: &Asked, message: &Message<'_>) -> Step {
        let prefix = match described_prefix(message) {
            Ok(prefix) => prefix,
            Err(reply) => return Step::Reply(reply),
        };
        let count = match self.node().listed_count(&asked.caller, &prefix) {
            Ok(count) => count,
            Err(refusal) => return Step::Reply(Reply::refused(&refusal, Asking::Read)),
        };
        match &asked.caller.who {
            // One answer over HTTP is made whole before it is sent.
            Who::Operator(_) | Who::Identity(_) | Who::Member(_) | Who::Guest(_)
                if asked.transport == Transport::Http && count > HTTP_NAMES_MAX =>
            {
                let text = format!(
                    "prefix {prefix} has {count} identifiers; over HTTP the limit of a list is {HTTP_NAMES_MAX}: ask over TCP"
                );
                let code = ResponseCode::OPERATION_NOT_SUPPORTED;
                Step::Reply(Reply::failed(code, &text))
            }
            Who::Anonymous => Step::Challenge,
            Who::Operator(_) | Who::Identity(_) | Who::Member(_) | Who::Guest(_) => {
                Step::List(prefix)
            }
        }
    }

    /// The part of a list behind the key `after`: a page of it. The next is made
    /// when this was sent, so that a list of any length takes no more memory.
    pub(super) fn list_part(self, asked: Asked, prefix: Prefix, after: Option<Vec<u8>>) -> Later {
        Box::pin(async move {
            let page = match self.page(&asked, &prefix, after).await {
                Ok(page) => page,
                Err(reply) => return self.sealed(asked, reply).await.into(),
            };
            let names: Vec<String> = page.items.iter().map(ToString::to_string).collect();
            let replies = listed(&names, page.next.is_none());
            let (bytes, is_whole) = self.sealed_all(&asked, replies).await;
            let next = page.next.filter(|_| is_whole);
            let rest = next.map(|next| self.list_part(asked, prefix, Some(next)));
            Made { bytes, rest }
        })
    }

    async fn page(
        &self,
        asked: &Asked,
        prefix: &Prefix,
        after: Option<Vec<u8>>,
    ) -> Result<Page<Identifier>, Reply> {
        let (node, caller, prefix) = (self.node().clone(), asked.caller.clone(), prefix.clone());
        let list =
            move || node.list_identifiers(&caller, &prefix, after.as_deref(), PAGE_ITEMS_MAX);
        let page = self.heavy(asked.transport).run(asked.source(), list).await;
        let page = page.ok_or_else(Reply::busy)?;
        page.map_err(|refusal| Reply::refused(&refusal, Asking::Read))
    }
}

fn is_homed(node: &Node, canonical: &str) -> bool {
    node.prefix(canonical)
        .is_some_and(|entry| entry.state == PrefixState::Active)
}

/// The prefix whose record a request names: `0.NA/88.118.7`.
fn described_prefix(message: &Message<'_>) -> Result<Prefix, Reply> {
    let request = HandleRequest::decode(message.body).map_err(|m| Reply::malformed(&m))?;
    let text = std::str::from_utf8(request.handle).unwrap_or_default();
    let prefix = text
        .split_once('/')
        .filter(|(zero, _)| zero.eq_ignore_ascii_case("0.NA"))
        .map(|(_, prefix)| prefix);
    let Some(prefix) = prefix else {
        let shown = String::from_utf8_lossy(request.handle);
        let refusal = Refusal::new(Reason::FieldInvalid)
            .field("handle")
            .value(shown)
            .limit("it is not a prefix handle, as 0.NA/88.118.7");
        let text = refusal.to_string();
        return Err(Reply::failed(ResponseCode::INVALID_HANDLE, &text));
    };
    Prefix::parse(prefix).map_err(|refusal| Reply::refused(&refusal, Asking::Write))
}

/// The names in messages of [`LIST_HANDLES_PER_MESSAGE`]. All but the last say
/// that more follow, and so does that one unless `is_end`.
fn listed(names: &[String], is_end: bool) -> Vec<Reply> {
    let message_count = names.len().div_ceil(LIST_HANDLES_PER_MESSAGE).max(1);
    let replies = (0..message_count).map(|number| {
        let from = number * LIST_HANDLES_PER_MESSAGE;
        let chunk = names.iter().skip(from).take(LIST_HANDLES_PER_MESSAGE);
        let mut body = Vec::new();
        put_count(chunk.len(), &mut body);
        for name in chunk {
            put_name(name.as_bytes(), &mut body);
        }
        let mut reply = Reply::done(body);
        if number + 1 < message_count || !is_end {
            reply.flags = Flags::CONTINUOUS;
        }
        reply
    });
    replies.collect()
}
