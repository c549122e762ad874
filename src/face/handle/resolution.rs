//! Resolution (RFC 3652 §3.2): from the answers that are kept, from the node,
//! or as a referral.

use crate::face::handle::convert::{identifier, put_values};
use crate::face::handle::reply::{Asked, Reply};
use crate::face::handle::service::{Service, Step};
use crate::face::handle::status::{Asking, status};
use crate::model::{Caller, Identifier, Reason, Record, Refusal, Value, Who};
use crate::node::{Marks, Query, Referral, TypeFilter};
use crate::wire::handle::{Flags, Message, ResolutionRequest, ResponseCode};

/// Indexes and types of one resolution: each is compared with each value.
const SELECTORS_MAX: usize = 256;
/// The handle that clients resolve to learn whether a connection lives.
const HEARTBEAT: &[u8] = b"0";

/// What a resolution came to, and for how long that stays true.
#[derive(Debug)]
pub(super) struct Resolved {
    /// What to do.
    pub(super) step: Step,
    /// The marks under which anybody would be answered the same; `None` where
    /// the answer is only for this caller or depends on more.
    pub(super) marks: Option<Marks>,
}

impl From<Reply> for Resolved {
    fn from(reply: Reply) -> Self {
        Self {
            step: Step::Reply(reply),
            marks: None,
        }
    }
}

impl Service {
    /// Resolves what `message` asks for.
    pub(super) fn resolution(&self, asked: &Asked, message: &Message<'_>) -> Resolved {
        let request = match ResolutionRequest::decode(message.body) {
            Ok(request) => request,
            Err(malformed) => return Reply::malformed(&malformed).into(),
        };
        let selector_count = request.indexes.len() + request.types.len();
        if selector_count > SELECTORS_MAX {
            let text = format!(
                "the request names {selector_count} indexes and types; the limit is {SELECTORS_MAX}"
            );
            return Reply::failed(ResponseCode::PROTOCOL_ERROR, &text).into();
        }
        if request.handle == HEARTBEAT {
            return found(request.handle, &[]).into();
        }
        let identifier = match identifier(request.handle) {
            Ok(identifier) => identifier,
            Err(refusal) => return Reply::refused(&refusal, Asking::Read).into(),
        };
        let query = Query {
            types: filters(&request),
            indices: request.indexes.iter().collect(),
            identifier,
        };
        // Before anything is read, so that a change in between is noticed.
        let marks = self.marks(&query.identifier);
        let caller = if asked.public_only() {
            &Caller::ANONYMOUS
        } else {
            &asked.caller
        };
        match self.node().resolve_counting(caller, &query) {
            Ok((record, hidden)) => {
                let step = self.shown(asked, &request, &record, hidden);
                let marks = marks.filter(|_| hidden == 0 && caller.is_anonymous());
                Resolved { step, marks }
            }
            Err(refusal) => self.not_here(asked, &query.identifier, &refusal, marks),
        }
    }

    /// The values of `record`, of which `hidden` more were asked for.
    fn shown(
        &self,
        asked: &Asked,
        request: &ResolutionRequest<'_>,
        record: &Record,
        hidden: usize,
    ) -> Step {
        let named = !request.indexes.is_empty() || !request.types.is_empty();
        // The SDKs set no flag and cannot prove anything here: for them what is
        // hidden is absent, unless they name it.
        let standard = asked.header.flags.contains(Flags::RECURSIVE);
        if hidden > 0 && !asked.public_only() && (named || standard) {
            return match &asked.caller.who {
                Who::Anonymous => Step::Challenge,
                _ if record.values.is_empty() => Step::Reply(Reply::failed(
                    ResponseCode::INSUFFICIENT_PERMISSIONS,
                    "the identity may not read these values",
                )),
                _ => Step::Reply(found(request.handle, &record.values)),
            };
        }
        if record.values.is_empty() {
            return Step::Reply(Reply::failed(ResponseCode::VALUES_NOT_FOUND, ""));
        }
        Step::Reply(found(request.handle, &record.values))
    }

    /// Nothing here: where else, or nowhere.
    fn not_here(
        &self,
        asked: &Asked,
        identifier: &Identifier,
        refusal: &Refusal,
        marks: Option<Marks>,
    ) -> Resolved {
        let elsewhere = matches!(
            refusal.reason(),
            Reason::PrefixNotHomed | Reason::RecordNotFound
        );
        if elsewhere
            && !asked.header.flags.contains(Flags::DO_NOT_REFER)
            && let Ok(Some(referral)) = self.node().referral(identifier)
        {
            return referred(&referral).into();
        }
        let code = status(refusal, Asking::Read);
        let text = match code {
            // Sent often, and the code says it all.
            ResponseCode::HANDLE_NOT_FOUND => String::new(),
            _ => refusal.to_string(),
        };
        Resolved {
            step: Step::Reply(Reply::failed(code, &text)),
            marks: marks.filter(|_| refusal.reason() == Reason::RecordNotFound),
        }
    }

    /// The marks of an ordinary identifier. What is known of a prefix depends
    /// on more than its own record.
    fn marks(&self, identifier: &Identifier) -> Option<Marks> {
        let prefix = identifier.prefix().canonical();
        if prefix == "0.na" {
            return None;
        }
        let suffix = identifier.suffix().as_str().as_bytes();
        Some([Some(self.node().stamp(&prefix, suffix)), None])
    }
}

fn filters(request: &ResolutionRequest<'_>) -> Vec<TypeFilter> {
    let text = |name: &[u8]| TypeFilter::new(&String::from_utf8_lossy(name));
    request.types.iter().map(text).collect()
}

/// The handle as it was asked for, and the values.
fn found(handle: &[u8], values: &[Value]) -> Reply {
    let mut body = Vec::with_capacity(256);
    put_values(handle, values, &mut body);
    Reply::done(body)
}

/// A referral: the values that say where. No handle is named beside them: one
/// would mean that there are none (DO-IRP v3.0).
fn referred(referral: &Referral) -> Reply {
    let (code, values) = match referral {
        Referral::Service { values, .. } => (ResponseCode::SERVICE_REFERRAL, values),
        Referral::Prefix { values } => (ResponseCode::PREFIX_REFERRAL, values),
    };
    let mut body = Vec::with_capacity(512);
    put_values(&[], values, &mut body);
    Reply {
        code,
        ..Reply::done(body)
    }
}
