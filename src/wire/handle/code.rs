//! The codes of a header: operations, outcomes and flags (RFC 3652 §2.2.2;
//! Handle protocol as deployed).

use std::fmt;
use std::ops::{BitAnd, BitOr};

use crate::wire::handle::envelope::Version;

/// Defines the constants of a code and its names from one table.
macro_rules! codes {
    ($code:ident: $($(#[$doc:meta])+ $constant:ident = $number:literal, $name:literal;)+) => {
        impl $code {
            $($(#[$doc])+ pub const $constant: Self = Self($number);)+

            /// Every code that has a name.
            pub const ALL: &[Self] = &[$(Self::$constant),+];

            /// The name in the documents of the protocol, in upper case;
            /// "UNKNOWN" for a number without one.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$constant => $name,)+
                    Self(_) => "UNKNOWN",
                }
            }
        }

        impl fmt::Display for $code {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", self.0, self.name())
            }
        }
    };
}

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpCode(pub u32);

codes! { OpCode:
    /// Resolve a handle.
    RESOLUTION = 1, "RESOLUTION";
    /// The site information of the server.
    GET_SITE_INFO = 2, "GET_SITE_INFO";
    /// Create a handle.
    CREATE_HANDLE = 100, "CREATE_HANDLE";
    /// Delete a handle.
    DELETE_HANDLE = 101, "DELETE_HANDLE";
    /// Add values.
    ADD_VALUE = 102, "ADD_VALUE";
    /// Remove values.
    REMOVE_VALUE = 103, "REMOVE_VALUE";
    /// Replace values.
    MODIFY_VALUE = 104, "MODIFY_VALUE";
    /// List the handles below a prefix.
    LIST_HANDLES = 105, "LIST_HANDLES";
    /// List the prefixes derived from one (DO-IRP v3.0).
    LIST_DERIVED_PREFIXES = 106, "LIST_DERIVED_PREFIXES";
    /// The answer to a challenge.
    CHALLENGE_RESPONSE = 200, "RESPONSE_TO_CHALLENGE";
    /// Have another server check the answer to a challenge.
    VERIFY_CHALLENGE = 201, "VERIFY_CHALLENGE";
    /// Home a prefix at the server.
    HOME_PREFIX = 300, "HOME_NA";
    /// Unhome a prefix.
    UNHOME_PREFIX = 301, "UNHOME_NA";
    /// List the prefixes homed at the server.
    LIST_HOMED_PREFIXES = 302, "LIST_HOMED_NAS";
    /// Begin a session.
    SESSION_SETUP = 400, "SESSION_SETUP";
    /// End a session.
    SESSION_TERMINATE = 401, "SESSION_TERMINATE";
    /// Send the key of a session, encrypted with the key of the server.
    SESSION_EXCHANGE_KEY = 402, "SESSION_EXCHANGEKEY";
    /// The next transaction number, for mirrors of old.
    GET_NEXT_TXN_ID = 1000, "GET_NEXT_TXN_ID";
    /// The transactions since a number, for mirrors.
    RETRIEVE_TXN_LOG = 1001, "RETRIEVE_TXN_LOG";
    /// Every handle, for mirrors.
    DUMP_HANDLES = 1002, "DUMP_HANDLES";
    /// Back the server up.
    BACKUP_SERVER = 1003, "BACKUP_SERVER";
    /// Log in with a password (ID-SDK).
    PASSWORD_LOGIN = 2000, "PASSWORD_LOGIN";
    /// Log in with a key, once for a connection (ID-SDK, id-pointer-sdk).
    LOGIN = 2001, "LOGIN";
}

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResponseCode(pub u32);

codes! { ResponseCode:
    /// The message is a request.
    REQUEST = 0, "REQUEST";
    /// Done.
    SUCCESS = 1, "SUCCESS";
    /// The server failed.
    ERROR = 2, "ERROR";
    /// Try again later.
    SERVER_TOO_BUSY = 3, "SERVER_TOO_BUSY";
    /// The message breaks the protocol.
    PROTOCOL_ERROR = 4, "PROTOCOL_ERROR";
    /// The server does not do this; in DO-IRP v3.0, will not.
    OPERATION_NOT_SUPPORTED = 5, "OPERATION_NOT_SUPPORTED";
    /// The request was handed on too often.
    RECURSION_COUNT_TOO_HIGH = 6, "RECURSION_COUNT_TOO_HIGH";
    /// The server is being backed up and takes no changes.
    SERVER_BACKUP = 7, "SERVER_BACKUP";
    /// The handle does not exist.
    HANDLE_NOT_FOUND = 100, "HANDLE_NOT_FOUND";
    /// The handle exists.
    HANDLE_ALREADY_EXISTS = 101, "HANDLE_ALREADY_EXISTS";
    /// The handle breaks a rule.
    INVALID_HANDLE = 102, "INVALID_HANDLE";
    /// No value is what was asked for.
    VALUES_NOT_FOUND = 200, "VALUES_NOT_FOUND";
    /// A value exists at the index.
    VALUE_ALREADY_EXISTS = 201, "VALUE_ALREADY_EXISTS";
    /// A value breaks a rule.
    INVALID_VALUE = 202, "INVALID_VALUE";
    /// The client's site information is out of date.
    OUT_OF_DATE_SITE_INFO = 300, "OUT_OF_DATE_SITE_INFO";
    /// The server is not responsible for the handle.
    SERVER_NOT_RESPONSIBLE = 301, "SERVER_NOT_RESP";
    /// Another service answers.
    SERVICE_REFERRAL = 302, "SERVICE_REFERRAL";
    /// The service of a derived prefix answers.
    PREFIX_REFERRAL = 303, "PREFIX_REFERRAL";
    /// Who asks is no administrator of it.
    INVALID_ADMIN = 400, "INVALID_ADMIN";
    /// The administrator may not do this.
    INSUFFICIENT_PERMISSIONS = 401, "INSUFFICIENT_PERMISSIONS";
    /// Prove who you are: the body is a challenge.
    AUTHENTICATION_NEEDED = 402, "AUTHENTICATION_NEEDED";
    /// The proof does not hold.
    AUTHENTICATION_FAILED = 403, "AUTHENTICATION_FAILED";
    /// The credential is missing or not understood.
    INVALID_CREDENTIAL = 404, "INVALID_CREDENTIAL";
    /// The challenge is unknown or expired.
    AUTHENTICATION_TIMEOUT = 405, "AUTHEN_TIMEOUT";
    /// The proof could not be checked.
    AUTHENTICATION_ERROR = 406, "AUTHEN_ERROR";
    /// Log in again (ID-SDK, id-pointer-sdk).
    LOGIN_EXPIRED = 407, "LOGIN_EXPIRED";
    /// Log in first (ID-SDK, id-pointer-sdk).
    LOGIN_NEEDED = 408, "LOGIN_NEEDED";
    /// The session is unknown or over.
    SESSION_TIMEOUT = 500, "SESSION_TIMEOUT";
    /// The session could not be set up.
    SESSION_FAILED = 501, "SESSION_FAILED";
    /// The key of the session is not right.
    INVALID_SESSION_KEY = 502, "INVALID_SESSION_KEY";
    /// The server has no RSA key.
    NEED_RSA_KEY = 503, "NEED_RSAKEY";
    /// The request for a session breaks a rule.
    INVALID_SESSION_SETUP = 504, "INVALID_SESSIONSETUP_REQUEST";
    /// The message was seen before, or is out of order.
    SESSION_MESSAGE_REJECTED = 505, "SESSION_MESSAGE_REJECTED";
    /// Too many requests today (ID-SDK, id-pointer-sdk).
    DAILY_LIMIT = 603, "DAILY_LIMIT";
    /// Too many registrations (ID-SDK, id-pointer-sdk).
    REGISTRATION_LIMIT = 604, "REGISTRATION_LIMIT";
    /// Too many handles below the prefix (ID-SDK, id-pointer-sdk).
    PREFIX_LIMIT = 605, "PREFIX_LIMIT";
}

impl ResponseCode {
    /// Since then clients know [`Self::SERVER_BACKUP`] and
    /// [`Self::INVALID_VALUE`].
    const RENUMBERED: Version = Version::new(2, 5);

    /// The code as a client of `version` knows it: below 2.5, 7 was 303 and
    /// there was 201 for 202.
    #[must_use]
    pub fn for_version(self, version: Version) -> Self {
        match self {
            Self::SERVER_BACKUP if version < Self::RENUMBERED => Self::PREFIX_REFERRAL,
            Self::INVALID_VALUE if version < Self::RENUMBERED => Self::VALUE_ALREADY_EXISTS,
            code => code,
        }
    }

    /// Whether a response with this code has the body of its operation, and not
    /// that of an error, a challenge or a referral.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::SUCCESS)
    }

    /// Whether the body of a response with this code is a referral.
    pub const fn is_referral(self) -> bool {
        matches!(self, Self::SERVICE_REFERRAL | Self::PREFIX_REFERRAL)
    }
}

/// How something is asked or answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u32);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// AUTH: of a primary site, or to be asked there.
    pub const AUTHORITATIVE: Self = Self(0x8000_0000);
    /// CERT: the response is to be signed, or is.
    pub const CERTIFIED: Self = Self(0x4000_0000);
    /// ENCR: the response is to be encrypted.
    pub const ENCRYPTED: Self = Self(0x2000_0000);
    /// RECU: the server may ask another.
    pub const RECURSIVE: Self = Self(0x1000_0000);
    /// CACR: a caching server is to check signatures.
    pub const CACHE_CERTIFIED: Self = Self(0x0800_0000);
    /// CONT: more messages of this response follow.
    pub const CONTINUOUS: Self = Self(0x0400_0000);
    /// KPAL: keep the connection open.
    pub const KEEP_ALIVE: Self = Self(0x0200_0000);
    /// PUBL: values that are public to read only.
    pub const PUBLIC_ONLY: Self = Self(0x0100_0000);
    /// RRDG: the response begins with the digest of the request.
    pub const REQUEST_DIGEST: Self = Self(0x0080_0000);
    /// OVRW: replace what exists; in a response, something was.
    pub const OVERWRITE: Self = Self(0x0040_0000);
    /// MINT: the server is to choose the rest of the suffix.
    pub const MINT: Self = Self(0x0020_0000);
    /// DNRF: the server is not to refer to another.
    pub const DO_NOT_REFER: Self = Self(0x0010_0000);
    /// A resolution carries a signed token (id-pointer-sdk).
    pub const TOKEN: Self = Self(0x0000_0004);

    /// The flags of a plain resolution: RECU, CACR and PUBL.
    pub const RESOLUTION: Self =
        Self(Self::RECURSIVE.0 | Self::CACHE_CERTIFIED.0 | Self::PUBLIC_ONLY.0);

    /// What a response takes over from its request.
    const COPIED: Self = Self(
        Self::CERTIFIED.0
            | Self::CACHE_CERTIFIED.0
            | Self::PUBLIC_ONLY.0
            | Self::REQUEST_DIGEST.0
            | Self::DO_NOT_REFER.0,
    );

    /// Each flag, and its name in the documents of the protocol.
    const NAMES: [(Self, &'static str); 13] = [
        (Self::AUTHORITATIVE, "AUTH"),
        (Self::CERTIFIED, "CERT"),
        (Self::ENCRYPTED, "ENCR"),
        (Self::RECURSIVE, "RECU"),
        (Self::CACHE_CERTIFIED, "CACR"),
        (Self::CONTINUOUS, "CONT"),
        (Self::KEEP_ALIVE, "KPAL"),
        (Self::PUBLIC_ONLY, "PUBL"),
        (Self::REQUEST_DIGEST, "RRDG"),
        (Self::OVERWRITE, "OVRW"),
        (Self::MINT, "MINT"),
        (Self::DO_NOT_REFER, "DNRF"),
        (Self::TOKEN, "TOKEN"),
    ];

    /// Whether every flag of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags without those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The flags of a response of a primary site to a request with these: CERT,
    /// CACR, PUBL, RRDG and DNRF as they were, AUTH and RECU always (Handle
    /// protocol as deployed).
    #[must_use]
    pub const fn answering(self) -> Self {
        Self(self.0 & Self::COPIED.0 | Self::AUTHORITATIVE.0 | Self::RECURSIVE.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Flags {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// The number in hexadecimal, and the names of the flags that have one.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)?;
        let mut names = Self::NAMES
            .into_iter()
            .filter(|(flag, _)| self.contains(*flag))
            .map(|(_, name)| name);
        let Some(first) = names.next() else {
            return Ok(());
        };
        write!(f, "({first}")?;
        names.try_for_each(|name| write!(f, "|{name}"))?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_code_once() {
        let names = OpCode::ALL.iter().map(|code| code.name());
        let names = names.chain(ResponseCode::ALL.iter().map(|code| code.name()));
        let mut names = names.collect::<Vec<_>>();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(OpCode(3).name(), "UNKNOWN");
        assert_eq!(OpCode::LOGIN.to_string(), "2001(LOGIN)");
        assert_eq!(ResponseCode(9).to_string(), "9(UNKNOWN)");
    }

    #[test]
    fn renumbers_two_codes_for_clients_of_old() {
        let old = Version::new(2, 4);
        let codes = [
            (ResponseCode::SERVER_BACKUP, ResponseCode(303)),
            (ResponseCode::INVALID_VALUE, ResponseCode(201)),
            (ResponseCode::SUCCESS, ResponseCode(1)),
        ];
        for (code, expected) in codes {
            assert_eq!(code.for_version(old), expected);
            assert_eq!(code.for_version(Version::new(2, 5)), code);
        }
    }

    #[test]
    fn answers_with_the_flags_of_deployed_servers() {
        for (request, response) in [
            (0x1900_0000, 0x9900_0000),
            (0x1980_0000, 0x9980_0000),
            (0x5980_0000, 0xd980_0000),
            (0x1800_0000, 0x9800_0000),
            (0x1910_0000, 0x9910_0000),
            (0, 0x9000_0000),
            (0x0640_0007, 0x9000_0000),
        ] {
            assert_eq!(Flags(request).answering(), Flags(response), "{request:#x}");
        }
    }

    #[test]
    fn names_flags() {
        assert_eq!(Flags::RESOLUTION.to_string(), "0x19000000(RECU|CACR|PUBL)");
        assert_eq!(Flags::NONE.to_string(), "0x00000000");
        assert!((Flags::MINT | Flags::OVERWRITE).contains(Flags::MINT));
        assert!(!Flags::MINT.contains(Flags::MINT | Flags::OVERWRITE));
        assert_eq!(Flags::RESOLUTION & Flags::MINT, Flags::NONE);
        assert_eq!(Flags::MINT.without(Flags::MINT), Flags::NONE);
    }
}
