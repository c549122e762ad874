//! Creating, deleting and changing identifiers (RFC 3652 §3.3). The rules that
//! do not depend on who asks are checked first, as deployed servers do, so that
//! nobody proves anything for a request that cannot succeed.

use crate::face::handle::convert::{identifier, put_name, values};
use crate::face::handle::reply::{Asked, Reply};
use crate::face::handle::service::{Service, Step};
use crate::face::handle::status::Asking;
use crate::model::{Caller, Reason, Refusal, Value};
use crate::node::{Applied, Change, Effect, RecordAction, Write};
use crate::wire::handle::{
    Flags, HandleRequest, Malformed, Message, OpCode, RemoveRequest, ValuesRequest,
};

/// Why a request cannot be read as a change.
enum Unread {
    Malformed(Malformed),
    Refused(Refusal),
}

impl From<Malformed> for Unread {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Refusal> for Unread {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A change that is asked for.
struct Asks {
    handle: Vec<u8>,
    change: Change,
    /// How to take up the name of a deleted identifier, which a plain creation
    /// does not.
    revive: Option<Vec<Value>>,
}

impl Service {
    /// Makes the change that `message` asks for.
    pub(super) async fn change(&self, asked: &Asked, message: Message<'_>) -> Step {
        let asks = match self.asks(asked, &message) {
            Ok(asks) => asks,
            Err(Unread::Malformed(malformed)) => return Step::Reply(Reply::malformed(&malformed)),
            Err(Unread::Refused(refusal)) => {
                return Step::Reply(Reply::refused(&refusal, Asking::Write));
            }
        };
        let is_create = message.header.op_code == OpCode::CREATE_HANDLE;
        if asked.caller == Caller::Anonymous {
            return match self.precheck(&asks) {
                Ok(()) => Step::Challenge,
                Err(refusal) => Step::Reply(Reply::refused(&refusal, Asking::Write)),
            };
        }
        let applied = self.execute(&asked.caller, asks.change.clone()).await;
        let applied = match (applied, asks.revive) {
            (Err(refusal), Some(values)) if refusal.reason() == Reason::RecordDeleted => {
                let change = revival(asks.change, values);
                self.execute(&asked.caller, change).await
            }
            (applied, _) => applied,
        };
        Step::Reply(match applied {
            Ok(applied) => answered(&asks.handle, is_create, &applied),
            Err(refusal) => Reply::refused(&refusal, Asking::Write),
        })
    }

    async fn execute(&self, caller: &Caller, change: Change) -> Result<Applied, Refusal> {
        let write = Write {
            change,
            request_id: None,
        };
        self.node().execute(caller, write).await
    }

    fn precheck(&self, asks: &Asks) -> Result<(), Refusal> {
        match self.node().precheck(asks.change.clone()) {
            Err(refusal) if asks.revive.is_some() && refusal.reason() == Reason::RecordDeleted => {
                Ok(())
            }
            checked => checked,
        }
    }

    fn asks(&self, asked: &Asked, message: &Message<'_>) -> Result<Asks, Unread> {
        let flags = asked.header.flags;
        let overwrite = flags.contains(Flags::OVERWRITE);
        let mut revive = None;
        let (handle, identifier, action) = match message.header.op_code {
            OpCode::DELETE_HANDLE => {
                let HandleRequest { handle } = HandleRequest::decode(message.body)?;
                let action = RecordAction::Delete { etag: None };
                (handle.to_vec(), identifier(handle)?, action)
            }
            OpCode::REMOVE_VALUE => {
                let RemoveRequest { handle, indexes } = RemoveRequest::decode(message.body)?;
                let action = RecordAction::RemoveValues {
                    indices: indexes.iter().collect(),
                    etag: None,
                };
                (handle.to_vec(), identifier(handle)?, action)
            }
            op_code => {
                let request = ValuesRequest::decode(message.body)?;
                let mut handle = request.handle.to_vec();
                if op_code == OpCode::CREATE_HANDLE && flags.contains(Flags::MINT) {
                    handle.extend_from_slice(self.minted().as_bytes());
                }
                let identifier = identifier(&handle)?;
                let sent = values(request.values)?;
                let action = match op_code {
                    OpCode::CREATE_HANDLE if overwrite => {
                        revive = Some(sent.clone());
                        RecordAction::Replace {
                            values: sent,
                            etag: None,
                            allow_missing: true,
                        }
                    }
                    OpCode::CREATE_HANDLE => RecordAction::Create {
                        values: sent,
                        reuse_deleted: false,
                    },
                    OpCode::ADD_VALUE if overwrite => RecordAction::PutValues { values: sent },
                    OpCode::ADD_VALUE => RecordAction::AddValues {
                        values: sent,
                        etag: None,
                    },
                    _ => RecordAction::ModifyValues {
                        values: sent,
                        etag: None,
                    },
                };
                (handle, identifier, action)
            }
        };
        let change = Change::Record { identifier, action };
        Ok(Asks {
            handle,
            change,
            revive,
        })
    }

    /// A new random suffix, as a UUID (RFC 9562 §5.4).
    fn minted(&self) -> String {
        let mut random = [0; 16];
        self.fill_random(&mut random);
        let number = u128::from_be_bytes(random);
        // Version 4, variant 10.
        let number = number & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let digits = format!("{number:032x}");
        let mut text = String::with_capacity(36);
        for (position, digit) in digits.chars().enumerate() {
            if matches!(position, 8 | 12 | 16 | 20) {
                text.push('-');
            }
            text.push(digit);
        }
        text
    }
}

/// The same creation for a name that was deleted.
fn revival(change: Change, values: Vec<Value>) -> Change {
    match change {
        Change::Record { identifier, .. } => Change::Record {
            identifier,
            action: RecordAction::Create {
                values,
                reuse_deleted: true,
            },
        },
        prefix @ Change::Prefix { .. } => prefix,
    }
}

fn answered(handle: &[u8], is_create: bool, applied: &Applied) -> Reply {
    let mut body = Vec::new();
    if is_create {
        put_name(handle, &mut body);
    }
    let overwritten = match applied {
        Applied::Record { effect, .. } => matches!(effect, Effect::Updated | Effect::Unchanged),
        Applied::Prefix(_) => false,
    };
    let mut reply = Reply::done(body);
    if is_create && overwritten {
        reply.flags = Flags::OVERWRITE;
    }
    reply
}
