//! The only place where refusals become response codes (RFC 3652 §2.2.2.2, and
//! what deployed servers answer).

use crate::model::{Fault, Reason, Refusal};
use crate::wire::handle::ResponseCode;

/// What was asked for, as far as the code of a refusal depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// To read: an identifier that cannot exist is not found.
    Read,
    /// To change.
    Write,
}

/// The response code of a refusal.
pub(super) const fn status(refusal: &Refusal, asking: Asking) -> ResponseCode {
    match refusal.reason() {
        Reason::IdentifierEmpty
        | Reason::IdentifierTooLong
        | Reason::IdentifierNotUtf8
        | Reason::IdentifierSyntax
        | Reason::PrefixSyntax
        | Reason::NationalPrefixSyntax
        | Reason::SuffixEmpty => match asking {
            Asking::Read => ResponseCode::HANDLE_NOT_FOUND,
            Asking::Write => ResponseCode::INVALID_HANDLE,
        },
        Reason::PrefixNotHomed => ResponseCode::SERVER_NOT_RESPONSIBLE,
        // What is barred does not exist for who asks; nobody else has it.
        Reason::PrefixSuspended => match asking {
            Asking::Read => ResponseCode::HANDLE_NOT_FOUND,
            Asking::Write => ResponseCode::OPERATION_NOT_SUPPORTED,
        },
        Reason::IndexDuplicate | Reason::IndexExists => ResponseCode::VALUE_ALREADY_EXISTS,
        Reason::IndexMissing => ResponseCode::VALUES_NOT_FOUND,
        Reason::NotAdmin => ResponseCode::INVALID_ADMIN,
        Reason::QuotaExceeded => ResponseCode::REGISTRATION_LIMIT,
        Reason::RateLimited => ResponseCode::SERVER_TOO_BUSY,
        reason => by_fault(reason.fault()),
    }
}

const fn by_fault(fault: Fault) -> ResponseCode {
    match fault {
        Fault::Invalid => ResponseCode::INVALID_VALUE,
        Fault::Unauthenticated => ResponseCode::AUTHENTICATION_FAILED,
        Fault::Denied => ResponseCode::INSUFFICIENT_PERMISSIONS,
        Fault::Missing => ResponseCode::HANDLE_NOT_FOUND,
        Fault::Conflict => ResponseCode::HANDLE_ALREADY_EXISTS,
        Fault::Unavailable => ResponseCode::SERVER_TOO_BUSY,
        Fault::Exhausted | Fault::Broken => ResponseCode::ERROR,
    }
}
