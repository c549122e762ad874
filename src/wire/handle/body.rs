//! The body of any message, by its operation and its response code.

use crate::wire::handle::challenge::{Challenge, ChallengeAnswer, RequestDigest, VerifyRequest};
use crate::wire::handle::code::{OpCode, ResponseCode};
use crate::wire::handle::envelope::Version;
use crate::wire::handle::header::Header;
use crate::wire::handle::malformed::Malformed;
use crate::wire::handle::reader::{Reader, put_bytes};
use crate::wire::handle::request::{
    HandleRequest, LoginRequest, RemoveRequest, ResolutionRequest, ValuesRequest,
};
use crate::wire::handle::response::{
    CreateResponse, ErrorResponse, ListResponse, ReferralResponse, ResolutionResponse,
    VerifyResponse, split_digest,
};
use crate::wire::handle::session::{KeyExchangeRequest, SessionRequest, SessionResponse};

/// The body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// RESOLUTION, and PASSWORD_LOGIN, which is laid out alike.
    Resolution(ResolutionRequest<'a>),
    /// The operations on a handle alone.
    Handle(HandleRequest<'a>),
    /// CREATE_HANDLE, ADD_VALUE, MODIFY_VALUE.
    Values(ValuesRequest<'a>),
    /// REMOVE_VALUE.
    Remove(RemoveRequest<'a>),
    /// RESPONSE_TO_CHALLENGE.
    Answer(ChallengeAnswer<'a>),
    /// VERIFY_CHALLENGE.
    Verify(VerifyRequest<'a>),
    /// SESSION_SETUP.
    Session(SessionRequest<'a>),
    /// SESSION_EXCHANGEKEY.
    KeyExchange(KeyExchangeRequest<'a>),
    /// LOGIN.
    Login(LoginRequest<'a>),
    /// An operation whose body is not known.
    Unknown(&'a [u8]),
}

impl<'a> Request<'a> {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(op_code: OpCode, body: &'a [u8]) -> Result<Self, Malformed> {
        Ok(match op_code {
            OpCode::RESOLUTION | OpCode::PASSWORD_LOGIN => {
                Self::Resolution(ResolutionRequest::decode(body)?)
            }
            OpCode::GET_SITE_INFO
            | OpCode::DELETE_HANDLE
            | OpCode::LIST_HANDLES
            | OpCode::LIST_DERIVED_PREFIXES
            | OpCode::HOME_PREFIX
            | OpCode::UNHOME_PREFIX
            | OpCode::LIST_HOMED_PREFIXES
            | OpCode::SESSION_TERMINATE
            | OpCode::GET_NEXT_TXN_ID
            | OpCode::BACKUP_SERVER => Self::Handle(HandleRequest::decode(body)?),
            OpCode::CREATE_HANDLE | OpCode::ADD_VALUE | OpCode::MODIFY_VALUE => {
                Self::Values(ValuesRequest::decode(body)?)
            }
            OpCode::REMOVE_VALUE => Self::Remove(RemoveRequest::decode(body)?),
            OpCode::CHALLENGE_RESPONSE => Self::Answer(ChallengeAnswer::decode(body)?),
            OpCode::VERIFY_CHALLENGE => Self::Verify(VerifyRequest::decode(body)?),
            OpCode::SESSION_SETUP => Self::Session(SessionRequest::decode(body)?),
            OpCode::SESSION_EXCHANGE_KEY => Self::KeyExchange(KeyExchangeRequest::decode(body)?),
            OpCode::LOGIN => Self::Login(LoginRequest::decode(body)?),
            _ => Self::Unknown(body),
        })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Resolution(request) => request.encode(out),
            Self::Handle(request) => request.encode(out),
            Self::Values(request) => request.encode(out),
            Self::Remove(request) => request.encode(out),
            Self::Answer(request) => request.encode(out),
            Self::Verify(request) => request.encode(out),
            Self::Session(request) => request.encode(out),
            Self::KeyExchange(request) => request.encode(out),
            Self::Login(request) => request.encode(out),
            Self::Unknown(body) => out.extend_from_slice(body),
        }
    }
}

/// The body of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The digest of the request; always there in a challenge.
    pub digest: Option<RequestDigest<'a>>,
    /// What follows it.
    pub content: Content<'a>,
}

/// What a response says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// Nothing: the operation was done.
    Empty,
    /// The values of a handle; of a PASSWORD_LOGIN, the account and no value.
    Resolution(ResolutionResponse<'a>),
    /// An HS_SITE record.
    Site(&'a [u8]),
    /// The handle that was created.
    Create(CreateResponse<'a>),
    /// Handles or prefixes.
    List(ListResponse<'a>),
    /// Whether an answer to a challenge holds.
    Verify(VerifyResponse),
    /// The answer to a request for a session.
    Session(SessionResponse<'a>),
    /// The nonce of a challenge; see [`Challenge`].
    Challenge(&'a [u8]),
    /// Where else to ask.
    Referral(ReferralResponse<'a>),
    /// Why it failed.
    Error(ErrorResponse<'a>),
    /// The success of an operation whose response is not known.
    Unknown(&'a [u8]),
}

impl<'a> Response<'a> {
    /// Reads the body of a response in `version`.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(version: Version, header: &Header, body: &'a [u8]) -> Result<Self, Malformed> {
        if header.response_code == ResponseCode::AUTHENTICATION_NEEDED {
            let Challenge { digest, nonce } = Challenge::decode(version, body)?;
            return Ok(Self {
                digest: Some(digest),
                content: Content::Challenge(nonce),
            });
        }
        let (digest, rest) = split_digest(version, header, body)?;
        let content = if header.response_code.is_success() {
            Content::of_success(header.op_code, rest)?
        } else if header.response_code.is_referral() {
            Content::Referral(ReferralResponse::decode(rest)?)
        } else {
            Content::Error(ErrorResponse::decode(rest)?)
        };
        Ok(Self { digest, content })
    }

    /// Appends the body, for a response in `version`. The header must have RRDG
    /// if there is a digest.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        if let Some(digest) = &self.digest {
            digest.write(version, out);
        }
        self.content.encode(out);
    }
}

impl<'a> Content<'a> {
    fn of_success(op_code: OpCode, rest: &'a [u8]) -> Result<Self, Malformed> {
        Ok(match op_code {
            OpCode::RESOLUTION | OpCode::PASSWORD_LOGIN => {
                Self::Resolution(ResolutionResponse::decode(rest)?)
            }
            OpCode::GET_SITE_INFO => Self::Site(rest),
            OpCode::CREATE_HANDLE => Self::Create(CreateResponse::decode(rest)?),
            OpCode::LIST_HANDLES | OpCode::LIST_DERIVED_PREFIXES | OpCode::LIST_HOMED_PREFIXES => {
                Self::List(ListResponse::decode(rest)?)
            }
            OpCode::VERIFY_CHALLENGE => Self::Verify(VerifyResponse::decode(rest)?),
            OpCode::SESSION_SETUP => Self::Session(SessionResponse::decode(rest)?),
            OpCode::DELETE_HANDLE
            | OpCode::ADD_VALUE
            | OpCode::REMOVE_VALUE
            | OpCode::MODIFY_VALUE
            | OpCode::HOME_PREFIX
            | OpCode::UNHOME_PREFIX
            | OpCode::SESSION_TERMINATE
            | OpCode::SESSION_EXCHANGE_KEY
            | OpCode::LOGIN => {
                Reader::new(rest).end("empty response")?;
                Self::Empty
            }
            _ => Self::Unknown(rest),
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Empty => {}
            Self::Resolution(response) => response.encode(out),
            Self::Create(response) => response.encode(out),
            Self::List(response) => response.encode(out),
            Self::Verify(response) => response.encode(out),
            Self::Session(response) => response.encode(out),
            Self::Challenge(nonce) => put_bytes(out, nonce),
            Self::Referral(response) => response.encode(out),
            Self::Error(response) => response.encode(out),
            Self::Site(bytes) | Self::Unknown(bytes) => out.extend_from_slice(bytes),
        }
    }
}
