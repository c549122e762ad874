//! The only place where refusals become gRPC statuses (google.rpc error model,
//! Google AIP-193). It also puts what tonic itself refuses into our terms.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{
    BadRequest, ErrorDetail, ErrorInfo, FieldViolation, LocalizedMessage, QuotaFailure, RetryInfo,
    StatusExt,
};

use crate::model::{Fault, Language, Reason, Refusal, Remaining};
use crate::wire::proto::v1;

/// `ErrorInfo.domain` of every refusal.
const DOMAIN: &str = "idnode";
/// After which a client may try again what was refused as unavailable.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// Bytes of all violations of one status. Details are sent as Base64 in a header,
/// and some clients take no more than 8 KiB of those; the sum of the faults stands in
/// `ErrorInfo` as `value`, and `Templates.CheckRecords` tells all.
const VIOLATIONS_BYTES_MAX: usize = 4_500;
/// Bytes that a violation takes beside its texts.
const VIOLATION_BYTES: usize = 8;
/// Conflicts that say: the thing asked for is there already.
const ALREADY_THERE: &[Reason] = &[
    Reason::RecordExists,
    Reason::PrefixExists,
    Reason::IndexExists,
    Reason::BackupExists,
    Reason::TemplateExists,
    Reason::LinkExists,
];

/// The status of `refusal`: an English message, and as details its stable
/// reason with value, limit and field, the field's violation, the Chinese text,
/// and when to retry. A refusal for which the node is at fault tells nothing
/// but that.
pub(super) fn status(refusal: &Refusal) -> Status {
    let refusal = presentable(refusal);
    let english = refusal.text(Language::English);
    let mut details: Vec<ErrorDetail> = Vec::with_capacity(4);
    details.push(error_info(&refusal).into());
    let violations = violations(&refusal);
    if !violations.is_empty() {
        details.push(BadRequest::new(violations).into());
    }
    details.push(LocalizedMessage::new("zh-CN", refusal.text(Language::Chinese)).into());
    if let Some(delay) = retry_delay(&refusal) {
        details.push(RetryInfo::new(Some(delay)).into());
    }
    if let Some(subject) = quota_subject(&refusal) {
        details.push(QuotaFailure::with_violation(subject, &english).into());
    }
    Status::with_error_details_vec(code(refusal.reason()), english, details)
}

/// After which time a client may try again; `None` if time alone helps nothing.
fn retry_delay(refusal: &Refusal) -> Option<Duration> {
    let told = refusal.shown_remaining();
    let told = told.and_then(|remaining| remaining.retry_after);
    told.or_else(|| (refusal.fault() == Fault::Unavailable).then_some(RETRY_DELAY))
}

/// Whose quota is used up, as the name of a resource.
fn quota_subject(refusal: &Refusal) -> Option<String> {
    match refusal.reason() {
        Reason::QuotaExceeded => Some(format!("prefixes/{}", refusal.shown_value())),
        Reason::RateLimited => Some(refusal.shown_value().to_owned()),
        _ => None,
    }
}

/// What became of one item of a batch, in the terms of [`status`].
pub(super) fn item_error(refusal: &Refusal) -> v1::ItemError {
    let refusal = presentable(refusal);
    v1::ItemError {
        code: i32::from(code(refusal.reason())),
        reason: refusal.reason().code().to_owned(),
        message: refusal.text(Language::English),
        message_zh: refusal.text(Language::Chinese),
        field: refusal.field_path().to_owned(),
        faults: refusal.each_fault().iter().map(item_error).collect(),
    }
}

/// What the refusal says of each field: of itself, or of each of its faults as far
/// as they fit into what clients take as the end of a call.
fn violations(refusal: &Refusal) -> Vec<FieldViolation> {
    let of = |fault: &Refusal| FieldViolation::new(fault.field_path(), fault.to_string());
    if refusal.each_fault().is_empty() {
        let is_of_field = !refusal.field_path().is_empty();
        return is_of_field.then(|| of(refusal)).into_iter().collect();
    }
    let mut bytes = 0;
    let fits = |violation: &FieldViolation| {
        bytes += violation.field.len() + violation.description.len() + VIOLATION_BYTES;
        bytes <= VIOLATIONS_BYTES_MAX
    };
    refusal
        .each_fault()
        .iter()
        .map(of)
        .take_while(fits)
        .collect()
}

/// The gRPC code of a reason.
pub(super) fn code(reason: Reason) -> Code {
    match reason.fault() {
        Fault::Invalid => Code::InvalidArgument,
        Fault::Unauthenticated => Code::Unauthenticated,
        Fault::Denied => Code::PermissionDenied,
        Fault::Missing => Code::NotFound,
        Fault::Conflict if ALREADY_THERE.contains(&reason) => Code::AlreadyExists,
        Fault::Conflict if reason == Reason::StaleEtag => Code::Aborted,
        Fault::Conflict => Code::FailedPrecondition,
        Fault::Exhausted => Code::ResourceExhausted,
        Fault::Unavailable if reason == Reason::DeadlineExceeded => Code::DeadlineExceeded,
        Fault::Unavailable => Code::Unavailable,
        Fault::Broken => Code::Internal,
    }
}

/// What tonic refused before a method saw it, in our terms: a message above
/// `message_bytes_max`, and one that is no message of its type. Anything else
/// stays as it is.
pub(super) fn from_transport(status: Status, message_bytes_max: usize) -> Status {
    if !status.details().is_empty() {
        return status;
    }
    let text = status.message();
    match status.code() {
        Code::OutOfRange => too_large(message_bytes_max),
        Code::ResourceExhausted if text.starts_with("Error decompressing") => {
            too_large(message_bytes_max)
        }
        Code::Internal => text
            .strip_prefix("failed to decode Protobuf message: ")
            .map(|detail| self::status(&undecodable(detail)))
            .unwrap_or(status),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unimplemented
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => status,
    }
}

fn too_large(message_bytes_max: usize) -> Status {
    status(&Refusal::new(Reason::MessageTooLarge).limit(message_bytes_max))
}

/// The refusal of a message that prost cannot decode; `detail` is its
/// `Message.field: Outer.field: what is wrong`, innermost first.
fn undecodable(detail: &str) -> Refusal {
    let path = detail.split(": ").next().unwrap_or_default();
    let field = path.split_once('.').map_or("", |(_, field)| field);
    if !detail.ends_with("not UTF-8 encoded") {
        return Refusal::new(Reason::FieldInvalid)
            .field("message")
            .value(detail)
            .limit("not a Protobuf message of this method");
    }
    match field {
        "name" | "identifier" | "identifiers" => {
            Refusal::new(Reason::IdentifierNotUtf8).value(path)
        }
        _ => Refusal::new(Reason::FieldInvalid)
            .value(path)
            .limit("text must be UTF-8"),
    }
    .field(field.to_owned())
}

fn error_info(refusal: &Refusal) -> ErrorInfo {
    let mut metadata = HashMap::new();
    for (key, text) in [
        ("value", refusal.shown_value()),
        ("limit", refusal.shown_limit()),
        ("field", refusal.field_path()),
    ] {
        if !text.is_empty() {
            metadata.insert(key.to_owned(), text.to_owned());
        }
    }
    if let Some(Remaining { left, retry_after }) = refusal.shown_remaining() {
        metadata.insert("left".to_owned(), left.to_string());
        if let Some(wait) = retry_after {
            let millis = wait.as_micros().div_ceil(1000);
            metadata.insert("retry_after_ms".to_owned(), millis.to_string());
        }
    }
    ErrorInfo::new(refusal.reason().code(), DOMAIN, metadata)
}

/// `refusal` as it may leave the node: internals are dropped.
fn presentable(refusal: &Refusal) -> Cow<'_, Refusal> {
    if refusal.fault() == Fault::Broken {
        return Cow::Owned(Refusal::new(refusal.reason()));
    }
    Cow::Borrowed(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reason: Reason, expected: Code) {
        let refusal = Refusal::new(reason).field("f").value("v").limit("l");
        let status = status(&refusal);
        assert_eq!(status.code(), expected, "{reason:?}");
        let details = status.get_error_details();
        let info = details.error_info().expect("ErrorInfo");
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            (reason.code(), "idnode")
        );
        let chinese = details.localized_message().expect("LocalizedMessage");
        assert_eq!(chinese.locale, "zh-CN");
        assert!(!chinese.message.is_ascii() && status.message().is_ascii());
    }

    #[test]
    fn gives_every_reason_its_code_and_both_texts() {
        for reason in Reason::ALL {
            check(*reason, code(*reason));
        }
        check(Reason::IndexDuplicate, Code::InvalidArgument);
        check(Reason::KeyRequired, Code::Unauthenticated);
        check(Reason::PrefixSuspended, Code::PermissionDenied);
        check(Reason::PrefixNotHomed, Code::NotFound);
        check(Reason::RecordExists, Code::AlreadyExists);
        check(Reason::StaleEtag, Code::Aborted);
        check(Reason::RequestIdReused, Code::FailedPrecondition);
        check(Reason::DiskFull, Code::ResourceExhausted);
        check(Reason::Overloaded, Code::Unavailable);
        check(Reason::DeadlineExceeded, Code::DeadlineExceeded);
        check(Reason::Internal, Code::Internal);
    }

    #[test]
    fn names_the_field_the_quota_and_when_to_retry() {
        let quota = Refusal::new(Reason::QuotaExceeded)
            .value("88.118.7")
            .limit(5);
        let details = status(&quota).get_error_details();
        let violation = &details.quota_failure().expect("QuotaFailure").violations[0];
        assert_eq!(violation.subject, "prefixes/88.118.7");
        let busy = status(&Refusal::new(Reason::Overloaded).limit(9)).get_error_details();
        assert_eq!(
            busy.retry_info().expect("RetryInfo").retry_delay,
            Some(RETRY_DELAY)
        );
        let zero = Refusal::new(Reason::IndexZero).field("values[0].index");
        let details = status(&zero).get_error_details();
        let violation = &details.bad_request().expect("BadRequest").field_violations[0];
        assert_eq!(violation.field, "values[0].index");
    }

    #[test]
    fn tells_what_is_left_and_when_to_come_back() {
        let wait = Duration::from_micros(1500);
        let refusal = Refusal::new(Reason::RateLimited)
            .value("firms/mingfeng")
            .limit(2000)
            .remaining(3, Some(wait));
        let status = status(&refusal);
        assert_eq!(status.code(), Code::ResourceExhausted);
        let details = status.get_error_details();
        assert_eq!(
            details.retry_info().expect("RetryInfo").retry_delay,
            Some(wait)
        );
        let violation = &details.quota_failure().expect("QuotaFailure").violations[0];
        assert_eq!(violation.subject, "firms/mingfeng");
        let metadata = &details.error_info().expect("ErrorInfo").metadata;
        for (key, expected) in [("left", "3"), ("retry_after_ms", "2"), ("limit", "2000")] {
            assert_eq!(
                metadata.get(key).map(String::as_str),
                Some(expected),
                "{key}"
            );
        }
    }

    #[test]
    fn lists_the_faults_that_fit() {
        let fault = |index| {
            Refusal::new(Reason::ItemLength)
                .field(format!("values[index={index}].data"))
                .value("x".repeat(80))
                .limit("name: 1 to 10")
        };
        let sum = |count| {
            let faults: Vec<Refusal> = (2000..2000 + count).map(fault).collect();
            Refusal::new(Reason::TemplateFaults)
                .value(count)
                .faults(faults)
        };
        let listed = |count| {
            let status = status(&sum(count));
            assert!(status.details().len() < 6_000, "{}", status.details().len());
            let details = status.get_error_details();
            details
                .bad_request()
                .map_or(0, |bad| bad.field_violations.len())
        };
        assert_eq!(listed(3), 3);
        assert!((20..256).contains(&listed(256)));
        assert_eq!(item_error(&sum(256)).faults.len(), 256);
    }

    #[test]
    fn never_shows_internals() {
        let broken = Refusal::new(Reason::Internal)
            .value("/var/lib")
            .limit("EIO")
            .field("x");
        let shown = format!("{:?}", status(&broken));
        assert!(
            !shown.contains("/var/lib") && !shown.contains("EIO"),
            "{shown}"
        );
    }

    #[test]
    fn translates_what_tonic_refuses() {
        let reason = |status: Status| {
            let translated = from_transport(status, 100);
            let details = translated.get_error_details();
            (
                translated.code(),
                details.error_info().map(|info| info.reason.clone()),
            )
        };
        let seen = reason(Status::out_of_range("decoded message length too large"));
        assert_eq!(
            seen,
            (Code::ResourceExhausted, Some("MESSAGE_TOO_LARGE".into()))
        );
        let text = "failed to decode Protobuf message: ResolveRequest.identifier: invalid string value: data is not UTF-8 encoded";
        let seen = reason(Status::internal(text));
        assert_eq!(
            seen,
            (Code::InvalidArgument, Some("IDENTIFIER_NOT_UTF8".into()))
        );
        let text = "failed to decode Protobuf message: buffer underflow";
        let seen = reason(Status::internal(text));
        assert_eq!(seen, (Code::InvalidArgument, Some("FIELD_INVALID".into())));
        assert_eq!(
            reason(Status::unimplemented("")),
            (Code::Unimplemented, None)
        );
    }
}
