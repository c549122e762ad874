//! How a command ends, and what it says when that is not well.

use std::io;
use std::process::ExitCode;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::model::{Fault, Language, Reason, Refusal};

/// The exit codes, as `idnode --help` documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: failed, for a reason that has no code of its own.
    Failed,
    /// 2: the command or its input is wrong; nothing was changed.
    Usage,
    /// 3: the subject is not there.
    Missing,
    /// 4: no key, a wrong key, or barred.
    Denied,
    /// 5: the subject's state contradicts the command.
    Conflict,
    /// 6: the node cannot be reached, is busy, or took too long.
    Unavailable,
    /// 7: some items were taken, some refused.
    Partial,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Missing => 3,
            Self::Denied => 4,
            Self::Conflict => 5,
            Self::Unavailable => 6,
            Self::Partial => 7,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<Fault> for Exit {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Invalid => Self::Usage,
            Fault::Unauthenticated | Fault::Denied => Self::Denied,
            Fault::Missing => Self::Missing,
            Fault::Conflict => Self::Conflict,
            Fault::Unavailable => Self::Unavailable,
            Fault::Exhausted | Fault::Broken => Self::Failed,
        }
    }
}

/// Why a command did not do what it was asked. One word wide: it is the `Err`
/// of nearly every function of the command line.
#[derive(Clone, Debug)]
pub struct Failure(Box<Told>);

/// What a failure tells.
#[derive(Clone, Debug)]
struct Told {
    exit: Exit,
    /// A stable reason; empty where only the text tells.
    reason: String,
    field: String,
    english: String,
    chinese: String,
    next_step: Option<String>,
}

impl Failure {
    /// A failure told in `text` alone.
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self(Box::new(Told {
            exit,
            reason: String::new(),
            field: String::new(),
            english: text.into(),
            chinese: String::new(),
            next_step: None,
        }))
    }

    /// The command or its input is wrong.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text)
    }

    /// Something outside failed while doing `what`.
    pub fn io(what: &str, error: &io::Error) -> Self {
        Self::new(Exit::Failed, format!("{what}: {error}"))
    }

    /// An error of the node's own, with all its causes: here the caller is the
    /// operator.
    pub fn chained(exit: Exit, error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self::new(exit, text)
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, next_step: impl Into<String>) -> Self {
        self.0.next_step = Some(next_step.into());
        self
    }

    /// How the process ends.
    pub fn exit(&self) -> Exit {
        self.0.exit
    }

    /// The stable reason; empty if there is none.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// The field of the request that it is about; empty if none.
    pub fn field(&self) -> &str {
        &self.0.field
    }

    /// The text in `language`; English where there is no other.
    pub fn text(&self, language: Language) -> &str {
        match language {
            Language::Chinese if !self.0.chinese.is_empty() => &self.0.chinese,
            Language::Chinese | Language::English => &self.0.english,
        }
    }

    /// What to do next.
    pub fn next_step(&self) -> Option<&str> {
        self.0.next_step.as_deref()
    }

    /// What a node answered, in the terms of its reason if it named one.
    pub fn from_status(status: &Status) -> Self {
        let reason = status
            .get_details_error_info()
            .map(|info| info.reason)
            .unwrap_or_default();
        let field = status
            .get_details_bad_request()
            .and_then(|bad| bad.field_violations.into_iter().next())
            .map(|violation| violation.field)
            .unwrap_or_default();
        let chinese = status
            .get_details_localized_message()
            .filter(|text| text.locale.starts_with("zh"))
            .map(|text| text.message)
            .unwrap_or_default();
        let known = known(&reason);
        Self(Box::new(Told {
            exit: known.map_or_else(|| exit_of(status.code()), |r| r.fault().into()),
            next_step: known.and_then(next_step).map(str::to_owned),
            english: status.message().to_owned(),
            chinese,
            reason,
            field,
        }))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self(Box::new(Told {
            exit: refusal.fault().into(),
            reason: refusal.reason().code().to_owned(),
            field: refusal.field_path().to_owned(),
            english: refusal.text(Language::English),
            chinese: refusal.text(Language::Chinese),
            next_step: next_step(refusal.reason()).map(str::to_owned),
        }))
    }
}

/// The reason with this code.
pub fn known(code: &str) -> Option<Reason> {
    Reason::ALL.iter().copied().find(|r| r.code() == code)
}

/// How a command ends on an answer without a reason that we know.
fn exit_of(code: Code) -> Exit {
    match code {
        Code::Ok => Exit::Done,
        Code::InvalidArgument | Code::OutOfRange => Exit::Usage,
        Code::NotFound => Exit::Missing,
        Code::PermissionDenied | Code::Unauthenticated => Exit::Denied,
        Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => Exit::Conflict,
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Exit::Unavailable,
        Code::ResourceExhausted
        | Code::Unimplemented
        | Code::Unknown
        | Code::Internal
        | Code::DataLoss => Exit::Failed,
    }
}

/// What helps against a reason, where something does.
pub fn next_step(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::KeyRequired | Reason::KeyInvalid => {
            "sign in: idnode login NAME@FIRM; or name the file of a key: --key-file FILE"
        }
        Reason::PrefixNotHomed => "register it: idnode prefix create PREFIX --firm NAME --home",
        Reason::PrefixExists => "see it: idnode prefix show PREFIX",
        Reason::PrefixSuspended => {
            "see why: idnode prefix show PREFIX; end it: idnode prefix activate PREFIX"
        }
        Reason::PrefixState => "see its state: idnode prefix show PREFIX",
        Reason::QuotaExceeded => "raise it: idnode prefix update PREFIX --quota N",
        Reason::RecordNotFound => "see what there is: idnode list PREFIX",
        Reason::RecordExists => "replace it: idnode put without --create-only",
        Reason::RecordDeleted => "give the name out again: idnode put --reuse-deleted",
        Reason::StaleEtag | Reason::EtagInvalid => {
            "see the record as it is, with its etag: idnode get IDENTIFIER"
        }
        Reason::LinkNotFound => "see what there is: idnode link list IDENTIFIER",
        Reason::LinkExists => "state it otherwise: --on-conflict update",
        Reason::IdentifierSyntax | Reason::SuffixEmpty => {
            "an identifier looks like 88.118.7/DZ47-63.20250108.000123"
        }
        Reason::BackupNotFound => "see what there is: idnode backup list",
        Reason::DiskFull | Reason::StoreUnavailable => "see how the node is: idnode status",
        Reason::Overloaded | Reason::ShuttingDown => "try again shortly",
        Reason::DeadlineExceeded => "allow more time: --timeout 2m",
        Reason::Internal => "the node's log says more",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn tells_reason_field_and_both_languages_of_a_status() {
        let mut details = ErrorDetails::with_error_info("KEY_REQUIRED", "idnode", []);
        details.add_bad_request_violation("name", "x");
        details.set_localized_message("zh-CN", "需要密钥");
        let status = Status::with_error_details(Code::Unauthenticated, "a key", details);
        let failure = Failure::from_status(&status);
        assert_eq!(failure.exit(), Exit::Denied);
        assert_eq!(failure.reason(), "KEY_REQUIRED");
        assert_eq!(failure.field(), "name");
        assert_eq!(failure.text(Language::Chinese), "需要密钥");
        assert!(
            failure
                .next_step()
                .is_some_and(|s| s.contains("--key-file"))
        );
    }

    #[test]
    fn exit_codes_are_those_of_the_help() {
        let exits = [
            (Code::InvalidArgument, 2),
            (Code::NotFound, 3),
            (Code::PermissionDenied, 4),
            (Code::Unauthenticated, 4),
            (Code::AlreadyExists, 5),
            (Code::Aborted, 5),
            (Code::FailedPrecondition, 5),
            (Code::Unavailable, 6),
            (Code::DeadlineExceeded, 6),
            (Code::Internal, 1),
        ];
        for (code, exit) in exits {
            let failure = Failure::from_status(&Status::new(code, "x"));
            assert_eq!(failure.exit().code(), exit, "{code:?}");
        }
    }
}
