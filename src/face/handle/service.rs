//! From a message to its reply.
//!
//! What is kept or takes one look at the store is answered at once; everything
//! else becomes a future, which the transport drives beside its other work.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::face::handle::challenges::Challenges;
use crate::face::handle::config::Config;
use crate::face::handle::connection::{Connection, Visitor};
use crate::face::handle::heavy::Heavy;
use crate::face::handle::kept::{Key, Replies};
use crate::face::handle::reply::{Asked, Digest, Reply, unread_header};
use crate::face::handle::seal;
use crate::face::handle::sessions::{Opening, Session, Sessions, session_id};
use crate::face::handle::site::Site;
use crate::model::{Caller, Prefix};
use crate::node::Node;
use crate::wire::handle::{ENVELOPE_BYTES, Envelope, Flags, Header, Message, OpCode, ResponseCode};

/// Requests that wait for a place on a core, over TCP and HTTP.
const HEAVY_WAITING_MAX: usize = 256;
/// The same over UDP, where a queue is soon filled by false addresses.
const UDP_HEAVY_WAITING_MAX: usize = 128;
/// Bytes of a reply in several messages over HTTP.
const WHOLE_BYTES_MAX: usize = 16 << 20;

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// In datagrams, whose sender's address may be false.
    Udp,
    /// On a connection.
    Tcp,
    /// In a request over HTTP.
    Http,
}

/// Where a message came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    /// How it came.
    pub(super) transport: Transport,
    /// From which address.
    pub(super) peer: SocketAddr,
    /// When, as time since some fixed moment.
    pub(super) now: Duration,
    /// On which connection, over TCP.
    pub(super) connection: Option<&'a Arc<Connection>>,
}

/// A reply in the making.
pub(super) type Later = Pin<Box<dyn Future<Output = Made> + Send>>;

/// What was made of a reply.
pub(super) struct Made {
    /// Whole messages, each behind its envelope.
    pub(super) bytes: Vec<u8>,
    /// What makes more of it, once these were sent.
    pub(super) rest: Option<Later>,
}

impl From<Vec<u8>> for Made {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, rest: None }
    }
}

/// All that is made of a reply, where it cannot be sent in parts. Lists are kept
/// below [`WHOLE_BYTES_MAX`] there; it bounds what nothing else does.
pub(super) async fn whole(later: Later) -> Vec<u8> {
    let mut made = later.await;
    let mut bytes = std::mem::take(&mut made.bytes);
    while let Some(next) = made.rest
        && bytes.len() < WHOLE_BYTES_MAX
    {
        made = next.await;
        bytes.append(&mut made.bytes);
    }
    bytes
}

/// What becomes of a whole message.
pub(super) enum Outcome {
    /// The reply was appended.
    Answered,
    /// The reply takes a while.
    Later(Later),
    /// Silence is due.
    Silent,
}

/// What a request came to.
#[derive(Debug)]
pub(super) enum Step {
    /// An answer.
    Reply(Reply),
    /// An answer in several messages.
    Replies(Vec<Reply>),
    /// The identifiers below a prefix, in as many messages as it takes.
    List(Prefix),
    /// The client is to prove who it is.
    Challenge,
}

/// Fills a slice with random octets.
pub type FillRandom = fn(&mut [u8]);

/// Answers messages. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Service {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    node: Node,
    site: Arc<Site>,
    replies: Replies,
    sessions: Sessions,
    challenges: Challenges,
    /// Of requests whose sender's address may be false.
    udp_challenges: Challenges,
    heavy: Heavy,
    /// For requests whose sender's address may be false.
    udp_heavy: Heavy,
    password_login: bool,
    fill_random: FillRandom,
}

impl Service {
    /// A service of `node` with the settings of `config`.
    pub(super) fn new(config: &Config, node: Node, site: Site, fill_random: FillRandom) -> Self {
        let challenges = || Challenges::new(config.challenges_max, config.challenge_bytes_max);
        Self {
            inner: Arc::new(Inner {
                node,
                site: Arc::new(site),
                replies: Replies::new(config.answer_cache_bytes),
                sessions: Sessions::new(
                    config.sessions_max,
                    Duration::from_secs(config.session_idle_secs),
                ),
                challenges: challenges(),
                udp_challenges: challenges(),
                heavy: Heavy::new(HEAVY_WAITING_MAX),
                udp_heavy: Heavy::new(UDP_HEAVY_WAITING_MAX),
                password_login: config.password_login,
                fill_random,
            }),
        }
    }

    /// What is known of a new connection.
    pub(super) fn connect(&self) -> Arc<Connection> {
        Arc::default()
    }

    /// Answers `message`, an envelope and the whole message behind it, into
    /// `out`.
    pub(super) fn take(&self, message: &[u8], source: &Source<'_>, out: &mut Vec<u8>) -> Outcome {
        let Ok(envelope) = Envelope::decode(message) else {
            // Shorter than an envelope: there is no request to answer.
            return Outcome::Silent;
        };
        let behind = message.get(ENVELOPE_BYTES..).unwrap_or_default();
        if envelope.encrypted {
            return self.take_encrypted(envelope, behind, source, out);
        }
        if envelope.compressed {
            let reply = Reply::failed(
                ResponseCode::PROTOCOL_ERROR,
                "compressed messages are not spoken",
            );
            return self.answered(&unsessioned(envelope, source), &reply, out);
        }
        let visitor = source.connection.map_or(Visitor::Unknown, |connection| {
            connection.visitor(envelope.session_id, self.node())
        });
        let key = Key::of(&envelope, behind, visitor == Visitor::Unknown);
        if let Some(key) = &key
            && self.replies().copy(key, &envelope, self.node(), out)
        {
            return Outcome::Answered;
        }
        let mut asked = unsessioned(envelope, source);
        match visitor {
            Visitor::Unknown => {}
            Visitor::Known(caller) => asked.caller = caller.with_source(Some(asked.peer.ip())),
            Visitor::Expired => asked.login_expired = true,
        }
        self.take_clear(asked, behind, key.as_ref(), out)
    }

    /// Takes an encrypted message. One that its session's key does not explain is
    /// answered alike, whichever way that shows, and in clear.
    fn take_encrypted(
        &self,
        envelope: Envelope,
        behind: &[u8],
        source: &Source<'_>,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let asked = unsessioned(envelope, source);
        let in_clear = Asked {
            envelope: Envelope {
                encrypted: false,
                ..envelope
            },
            ..asked.clone()
        };
        let Some(session) = self.find_session(envelope.session_id) else {
            return self.answered(&in_clear, &no_session(), out);
        };
        let decrypted = session.key.decrypt(behind).unwrap_or_default();
        let is_sound = Message::decode(&decrypted).is_ok_and(|message| {
            message.header.response_code == ResponseCode::REQUEST
                && (self.is_awaited_proof(&session, &message)
                    || seal::check_code(&session, &envelope, &message).is_ok())
        });
        if !is_sound {
            session.note_misfit();
            return self.answered(&in_clear, &seal::wrong_key(), out);
        }
        let entered = Asked {
            session: Some(Arc::clone(&session)),
            ..asked
        };
        self.take_clear(entered, &decrypted, None, out)
    }

    /// Takes a message in clear, for which no kept reply serves.
    fn take_clear(
        &self,
        mut asked: Asked,
        behind: &[u8],
        key: Option<&Key>,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let message = match Message::decode(behind) {
            Ok(message) => message,
            Err(malformed) => {
                if let Ok(header) = Header::decode(behind) {
                    if header.response_code != ResponseCode::REQUEST {
                        return Outcome::Silent;
                    }
                    asked.header.op_code = header.op_code;
                }
                return self.answered(&asked, &Reply::malformed(&malformed), out);
            }
        };
        // Two servers must not talk to each other for ever.
        if message.header.response_code != ResponseCode::REQUEST {
            return Outcome::Silent;
        }
        asked.header = message.header;
        if message.header.flags.contains(Flags::REQUEST_DIGEST) {
            asked.digest = Some(Digest::of(&message, asked.envelope.reply_version()));
        }
        if let Err(reply) = self.enter_session(&mut asked, &message) {
            return self.answered(&asked, &reply, out);
        }
        let (reply, marks) = match message.header.op_code {
            OpCode::RESOLUTION => {
                let resolved = self.resolution(&asked, &message);
                match resolved.step {
                    Step::Reply(reply) => (reply, resolved.marks),
                    _ => (self.challenge(&asked, behind), None),
                }
            }
            OpCode::GET_SITE_INFO => (Reply::done(self.site().data.clone()), None),
            OpCode::LOGIN => (self.login(&asked, &message), None),
            _ => match unanswerable(&asked) {
                Some(reply) => (reply, None),
                None => {
                    let (service, message) = (self.clone(), behind.to_vec());
                    return Outcome::Later(Box::pin(async move {
                        service.perform(asked, &message).await
                    }));
                }
            },
        };
        if asked.wants_signature() {
            let service = self.clone();
            return Outcome::Later(Box::pin(async move {
                service.sealed(asked, reply).await.into()
            }));
        }
        let start = out.len();
        let outcome = self.answered(&asked, &reply, out);
        if let (Some(key), Some(marks)) = (key, marks) {
            self.replies()
                .keep(key, out.get(start..).unwrap_or_default(), marks);
        }
        outcome
    }

    /// Does what `message` (header, body and credential) asks for, and seals the
    /// reply.
    pub(super) async fn perform(&self, asked: Asked, message: &[u8]) -> Made {
        let Ok(decoded) = Message::decode(message) else {
            return Vec::new().into();
        };
        let step = match decoded.header.op_code {
            OpCode::CHALLENGE_RESPONSE => {
                return Box::pin(self.answer_challenge(asked, decoded)).await;
            }
            OpCode::RESOLUTION => self.resolution(&asked, &decoded).step,
            OpCode::CREATE_HANDLE
            | OpCode::DELETE_HANDLE
            | OpCode::ADD_VALUE
            | OpCode::REMOVE_VALUE
            | OpCode::MODIFY_VALUE => self.change(&asked, decoded).await,
            OpCode::HOME_PREFIX | OpCode::UNHOME_PREFIX => self.home(&asked, decoded).await,
            OpCode::LIST_HANDLES => self.list_handles(&asked, &decoded),
            OpCode::LIST_HOMED_PREFIXES => self.list_prefixes(&asked),
            OpCode::VERIFY_CHALLENGE => Step::Reply(self.verify_challenge(&asked, decoded).await),
            OpCode::SESSION_SETUP => Step::Reply(self.set_up_session(&asked, decoded).await),
            OpCode::SESSION_TERMINATE => Step::Reply(self.terminate_session(&asked)),
            OpCode::PASSWORD_LOGIN => Step::Reply(self.password_login(&asked, decoded).await),
            _ => Step::Reply(unknown(&asked)),
        };
        match step {
            Step::Reply(reply) => self.sealed(asked, reply).await.into(),
            Step::Challenge => {
                let reply = self.challenge(&asked, message);
                self.sealed(asked, reply).await.into()
            }
            Step::Replies(replies) => self.sealed_all(&asked, replies).await.0.into(),
            Step::List(prefix) => self.clone().list_part(asked, prefix, None).await,
        }
    }

    fn answered(&self, asked: &Asked, reply: &Reply, out: &mut Vec<u8>) -> Outcome {
        self.seal(asked, reply, out);
        Outcome::Answered
    }

    /// Finds the session of a message and checks the message's code, unless that
    /// was done when it was decrypted.
    fn enter_session(&self, asked: &mut Asked, message: &Message<'_>) -> Result<(), Reply> {
        let id = asked.envelope.session_id;
        if id == 0 {
            return Ok(());
        }
        if asked.session.is_none() {
            let Some(session) = self.find_session(id) else {
                // A challenge's number, or one that an SDK chose for itself.
                return seal::has_code(message).map_or(Ok(()), |()| Err(no_session()));
            };
            if !is_own_proof(message) {
                seal::check_code(&session, &asked.envelope, message)?;
            }
            asked.session = Some(session);
        }
        let Some(session) = &asked.session else {
            return Ok(());
        };
        let caller = session.renewed(self.node()).unwrap_or(Caller::ANONYMOUS);
        asked.caller = caller.with_source(Some(asked.peer.ip()));
        if !is_own_proof(message) {
            self.touch_session(session);
        }
        Ok(())
    }

    /// Whether an encrypted message without a code is the answer to a challenge
    /// that waits.
    fn is_awaited_proof(&self, session: &Session, message: &Message<'_>) -> bool {
        is_own_proof(message) && self.is_challenged(session.id) && !session.is_probed()
    }

    /// Takes note of a message that matched the key of its session.
    pub(super) fn touch_session(&self, session: &Session) {
        self.inner.sessions.touch(session, self.node().elapsed());
    }

    /// The node.
    pub(super) fn node(&self) -> &Node {
        &self.inner.node
    }

    /// Who the node is.
    pub(super) fn site(&self) -> &Arc<Site> {
        &self.inner.site
    }

    /// The replies kept.
    pub(super) fn replies(&self) -> &Replies {
        &self.inner.replies
    }

    /// The places for dear work.
    pub(super) fn heavy(&self, transport: Transport) -> &Heavy {
        match transport {
            Transport::Udp => &self.inner.udp_heavy,
            Transport::Tcp | Transport::Http => &self.inner.heavy,
        }
    }

    /// Whether a password logs in.
    pub(super) fn allows_passwords(&self) -> bool {
        self.inner.password_login
    }

    /// The requests that wait for proof.
    pub(super) fn challenges(&self, transport: Transport) -> &Challenges {
        match transport {
            Transport::Udp => &self.inner.udp_challenges,
            Transport::Tcp | Transport::Http => &self.inner.challenges,
        }
    }

    /// Fills `out` with random octets.
    pub(super) fn fill_random(&self, out: &mut [u8]) {
        (self.inner.fill_random)(out);
    }

    /// A number for a session or a challenge.
    fn random_number(&self) -> u32 {
        let mut random = [0; 4];
        self.fill_random(&mut random);
        session_id(u32::from_be_bytes(random))
    }

    fn is_challenged(&self, number: u32) -> bool {
        self.inner.challenges.has(number) || self.inner.udp_challenges.has(number)
    }

    /// A number that neither a session nor a challenge has.
    pub(super) fn free_number(&self) -> u32 {
        loop {
            let number = self.random_number();
            if !self.is_challenged(number) && self.find_session(number).is_none() {
                return number;
            }
        }
    }

    /// Opens a session.
    pub(super) fn open_session(&self, opening: Opening) -> Arc<Session> {
        let now = self.node().elapsed();
        let mut draw = || loop {
            let number = self.random_number();
            if !self.is_challenged(number) {
                return number;
            }
        };
        self.inner.sessions.open(opening, now, &mut draw)
    }

    /// Ends a session.
    pub(super) fn close_session(&self, id: u32) {
        self.inner.sessions.close(id);
    }

    /// Sessions that are open.
    pub(super) fn session_count(&self) -> usize {
        self.inner.sessions.count()
    }

    fn find_session(&self, id: u32) -> Option<Arc<Session>> {
        self.inner.sessions.find(id, self.node().elapsed())
    }
}

/// A request before its message is read, and outside any session.
pub(super) fn unsessioned(envelope: Envelope, source: &Source<'_>) -> Asked {
    Asked {
        envelope,
        header: unread_header(OpCode(0)),
        digest: None,
        session: None,
        caller: Caller::anonymous(source.peer.ip()),
        transport: source.transport,
        peer: source.peer,
        connection: source.connection.map(Arc::clone),
        login_expired: false,
    }
}

/// Whether a message is the answer to a challenge without a code: deployed
/// clients give it none, and its proof speaks for itself.
fn is_own_proof(message: &Message<'_>) -> bool {
    message.header.op_code == OpCode::CHALLENGE_RESPONSE && message.credential.is_empty()
}

fn no_session() -> Reply {
    let text = "Invalid session id or session time out. Please try again.";
    Reply::failed(ResponseCode::SESSION_TIMEOUT, text)
}

/// Why an operation cannot be answered, as far as its code says.
fn unanswerable(asked: &Asked) -> Option<Reply> {
    let op_code = asked.header.op_code;
    let administers = matches!(op_code.0, 100..=106 | 300..=302 | 2000);
    if asked.login_expired && administers && op_code != OpCode::PASSWORD_LOGIN {
        let text = "the key that was logged in with is another now, or gone; log in again";
        return Some(Reply::failed(ResponseCode::LOGIN_EXPIRED, text));
    }
    // Checking a proof for another server costs as much as proving: for that,
    // too, an address must be the sender's own.
    let is_dear = administers || op_code == OpCode::VERIFY_CHALLENGE;
    if is_dear && asked.transport == Transport::Udp {
        let text = "Received admin request on non-admin interface";
        return Some(Reply::failed(ResponseCode::PROTOCOL_ERROR, text));
    }
    match op_code {
        OpCode::CREATE_HANDLE
        | OpCode::DELETE_HANDLE
        | OpCode::ADD_VALUE
        | OpCode::REMOVE_VALUE
        | OpCode::MODIFY_VALUE
        | OpCode::HOME_PREFIX
        | OpCode::UNHOME_PREFIX
        | OpCode::LIST_HANDLES
        | OpCode::LIST_HOMED_PREFIXES
        | OpCode::CHALLENGE_RESPONSE
        | OpCode::VERIFY_CHALLENGE
        | OpCode::SESSION_SETUP
        | OpCode::SESSION_TERMINATE
        | OpCode::PASSWORD_LOGIN => None,
        _ => Some(unknown(asked)),
    }
}

/// The reply to an operation that is not spoken.
fn unknown(asked: &Asked) -> Reply {
    let op_code = asked.header.op_code;
    let text = match op_code {
        OpCode::GET_NEXT_TXN_ID => "Next txn id no longer supported; upgrade required".to_owned(),
        OpCode::SESSION_EXCHANGE_KEY => {
            "session keys are agreed on by Diffie-Hellman (mode 4) only".to_owned()
        }
        _ if OpCode::ALL.contains(&op_code) => format!("operation {op_code} is not supported"),
        _ => {
            let text = format!("Unknown opCode in message: {}", op_code.0);
            return Reply::failed(ResponseCode::PROTOCOL_ERROR, &text);
        }
    };
    Reply::failed(ResponseCode::OPERATION_NOT_SUPPORTED, &text)
}
