//! Creating, deleting and changing identifiers (RFC 3652 §3.3). The rules that
//! do not depend on who asks are checked first, as deployed servers do, so that
//! nobody proves anything for a request that cannot succeed.

use crate::face::handle::convert::{put_name, subject, values};
use crate::face::handle::reply::{Asked, Reply};
use crate::face::handle::service::{Service, Step};
use crate::face::handle::status::Asking;
use crate::model::{Caller, Identifier, Reason, Refusal, Value};
use crate::node::{Change, RecordAction, Write};
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
    identifier: Identifier,
    action: RecordAction,
    /// What is done instead where the action meets what is there.
    otherwise: Vec<Otherwise>,
}

/// An action in place of one that was refused.
struct Otherwise {
    reason: Reason,
    action: RecordAction,
    /// Whether it overwrites, which the reply then says.
    overwrites: bool,
}

impl Service {
    /// Makes the change that `message` asks for.
    pub(super) async fn change(&self, asked: &Asked, message: Message<'_>) -> Step {
        let op_code = message.header.op_code;
        let asks = match self.asks(op_code, asked.header.flags, &message) {
            Ok(asks) => asks,
            Err(Unread::Malformed(malformed)) => return Step::Reply(Reply::malformed(&malformed)),
            Err(Unread::Refused(refusal)) => {
                return Step::Reply(Reply::refused(&refusal, Asking::Write));
            }
        };
        if asked.caller.is_anonymous() {
            return match self.precheck(&asks) {
                Ok(()) => Step::Challenge,
                Err(refusal) => Step::Reply(Reply::refused(&refusal, Asking::Write)),
            };
        }
        let mut body = Vec::new();
        let mut minted = Flags::NONE;
        if op_code == OpCode::CREATE_HANDLE {
            put_name(&asks.handle, &mut body);
            minted = asked.header.flags & Flags::MINT;
        }
        Step::Reply(match self.execute(&asked.caller, asks).await {
            Ok(flags) => Reply {
                flags: flags | minted,
                ..Reply::done(body)
            },
            Err(refusal) => Reply::refused(&refusal, Asking::Write),
        })
    }

    /// Makes the change, or what is done instead; the flags that tell which.
    async fn execute(&self, caller: &Caller, asks: Asks) -> Result<Flags, Refusal> {
        let Asks {
            identifier,
            action,
            otherwise,
            ..
        } = asks;
        let write = |action| Write {
            change: Change::Record {
                identifier: identifier.clone(),
                action,
            },
            request_id: None,
        };
        let Err(refusal) = self.node().execute(caller, write(action)).await else {
            return Ok(Flags::NONE);
        };
        let reason = refusal.reason();
        let Some(otherwise) = otherwise.into_iter().find(|o| o.reason == reason) else {
            return Err(refusal);
        };
        self.node().execute(caller, write(otherwise.action)).await?;
        Ok(match otherwise.overwrites {
            true => Flags::OVERWRITE,
            false => Flags::NONE,
        })
    }

    /// The rules that do not depend on who asks. That a value is read-only, and
    /// how full the prefix is, nobody learns who proved nothing: by it, hidden
    /// values could be guessed.
    fn precheck(&self, asks: &Asks) -> Result<(), Refusal> {
        let change = Change::Record {
            identifier: asks.identifier.clone(),
            action: asks.action.clone(),
        };
        let Err(refusal) = self.node().precheck(change) else {
            return Ok(());
        };
        let reason = refusal.reason();
        let is_private = matches!(
            reason,
            Reason::PermissionDenied | Reason::QuotaExceeded | Reason::RecordTooLarge
        );
        if is_private || asks.otherwise.iter().any(|o| o.reason == reason) {
            return Ok(());
        }
        Err(refusal)
    }

    fn asks(&self, op_code: OpCode, flags: Flags, message: &Message<'_>) -> Result<Asks, Unread> {
        match op_code {
            OpCode::DELETE_HANDLE => {
                let HandleRequest { handle } = HandleRequest::decode(message.body)?;
                let action = RecordAction::Delete { etag: None };
                Ok(Asks::plain(handle, subject(handle)?, action))
            }
            OpCode::REMOVE_VALUE => {
                let RemoveRequest { handle, indexes } = RemoveRequest::decode(message.body)?;
                let action = RecordAction::RemoveValues {
                    indices: indexes.iter().collect(),
                    etag: None,
                };
                Ok(Asks::plain(handle, subject(handle)?, action))
            }
            _ => self.asks_with_values(op_code, flags, ValuesRequest::decode(message.body)?),
        }
    }

    fn asks_with_values(
        &self,
        op_code: OpCode,
        flags: Flags,
        request: ValuesRequest<'_>,
    ) -> Result<Asks, Unread> {
        let mut handle = request.handle.to_vec();
        if op_code == OpCode::CREATE_HANDLE && flags.contains(Flags::MINT) {
            handle.extend_from_slice(self.minted().as_bytes());
        }
        let identifier = subject(&handle)?;
        self.check_homed(&identifier)?;
        let values = values(request.values)?;
        let overwrites = flags.contains(Flags::OVERWRITE);
        let otherwise = match op_code {
            OpCode::CREATE_HANDLE if overwrites => created_over(values.clone()),
            OpCode::ADD_VALUE if overwrites => vec![Otherwise {
                reason: Reason::IndexExists,
                action: RecordAction::PutValues {
                    values: values.clone(),
                },
                overwrites: true,
            }],
            _ => Vec::new(),
        };
        let etag = None;
        let action = match op_code {
            OpCode::CREATE_HANDLE => RecordAction::Create {
                values,
                readers: None,
                reuse_deleted: false,
            },
            OpCode::ADD_VALUE => RecordAction::AddValues { values, etag },
            _ => RecordAction::ModifyValues { values, etag },
        };
        Ok(Asks {
            otherwise,
            ..Asks::plain(&handle, identifier, action)
        })
    }

    /// Refuses below a prefix that is not served here, before anything else is
    /// looked at.
    fn check_homed(&self, identifier: &Identifier) -> Result<(), Refusal> {
        match self.node().prefix(&identifier.prefix().canonical()) {
            Some(entry) => entry.serving(),
            None => Err(Refusal::new(Reason::PrefixNotHomed).value(identifier.prefix())),
        }
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

impl Asks {
    fn plain(handle: &[u8], identifier: Identifier, action: RecordAction) -> Self {
        Self {
            handle: handle.to_vec(),
            identifier,
            action,
            otherwise: Vec::new(),
        }
    }
}

/// What a creation that overwrites does with a registered and a deleted name.
fn created_over(values: Vec<Value>) -> Vec<Otherwise> {
    vec![
        Otherwise {
            reason: Reason::RecordExists,
            action: RecordAction::Replace {
                values: values.clone(),
                readers: None,
                etag: None,
                allow_missing: false,
            },
            overwrites: true,
        },
        Otherwise {
            reason: Reason::RecordDeleted,
            action: RecordAction::Create {
                values,
                readers: None,
                reuse_deleted: true,
            },
            overwrites: false,
        },
    ]
}
