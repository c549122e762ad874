//! The dialect of the industrial-Internet SDKs: a client logs in once on a
//! connection, and everything that follows on it is done on its behalf.

use std::net::IpAddr;

use crate::face::handle::connection::Login;
use crate::face::handle::convert::{identifier, put_count, put_name};
use crate::face::handle::proof::Answer;
use crate::face::handle::reply::{Asked, Digest, Reply};
use crate::face::handle::service::Service;
use crate::face::handle::standing::{Standing, mark_of};
use crate::model::{Reason, Reference, Refusal};
use crate::node::{Node, Presented, Proof};
use crate::wire::handle::{LoginRequest, Message, OpCode, ResolutionRequest, ResponseCode};

/// Index of the secret that a password is compared with.
const PASSWORD_INDEX: u32 = 300;

impl Service {
    /// Begins a login: asks for its proof.
    pub(super) fn login(&self, asked: &Asked, message: &Message<'_>) -> Reply {
        let Some(connection) = &asked.connection else {
            return no_connection();
        };
        let request = match LoginRequest::decode(message.body) {
            Ok(request) => request,
            Err(malformed) => return Reply::malformed(&malformed),
        };
        let identifier = match identifier(request.identity.handle) {
            Ok(identifier) => identifier,
            Err(refusal) => {
                return Reply::failed(ResponseCode::AUTHENTICATION_FAILED, &refusal.to_string());
            }
        };
        let digest = Digest::of(message, asked.envelope.reply_version());
        let login = Login {
            identity: Reference {
                index: request.identity.index,
                identifier,
            },
            nonce: self.nonce(),
            digest: digest.clone(),
            since: self.node().elapsed(),
        };
        let reply = Reply::challenge(digest, &login.nonce);
        connection.begin_login(asked.envelope.session_id, login);
        reply
    }

    /// Ends a login with the client's proof, in `message`. The reply is that of
    /// the login: both SDKs want its op code.
    pub(super) async fn finish_login(
        &self,
        mut asked: Asked,
        answer: Result<Answer, Reply>,
        login: Login,
        message: &Message<'_>,
    ) -> Vec<u8> {
        let mut header = asked.header;
        header.op_code = OpCode::LOGIN;
        asked.answers(header, message);
        let answer = answer.and_then(|answer| {
            let text = "the proof is of another identity than the login";
            let refused = || {
                self.refuse_unproven(&asked, &answer);
                Reply::failed(ResponseCode::AUTHENTICATION_FAILED, text)
            };
            (*answer.identity() == login.identity)
                .then_some(())
                .ok_or_else(refused)?;
            Ok(answer)
        });
        let answer = match answer {
            Ok(answer) => answer,
            Err(reply) => return self.sealed(asked, reply).await,
        };
        let proven = self.proven(&asked, answer, login.nonce, login.digest).await;
        let reply = match proven {
            Err(reply) => reply,
            Ok(standing) => {
                if let Some(connection) = &asked.connection {
                    connection.stand(asked.envelope.session_id, standing);
                }
                Reply::done(Vec::new())
            }
        };
        self.sealed(asked, reply).await
    }

    /// Logs in with a password, where the settings allow it: it crosses the
    /// network as it is.
    pub(super) async fn password_login(&self, asked: &Asked, message: Message<'_>) -> Reply {
        let Some(connection) = &asked.connection else {
            return no_connection();
        };
        if !self.allows_passwords() {
            return Reply::failed(
                ResponseCode::OPERATION_NOT_SUPPORTED,
                "password logins are switched off; log in with a key (op code 2001)",
            );
        }
        let request = match ResolutionRequest::decode(message.body) {
            Ok(request) => request,
            Err(malformed) => return Reply::malformed(&malformed),
        };
        let (account, password) = (request.handle.to_vec(), request.types.iter().next());
        let password = password.unwrap_or_default().to_vec();
        let node = self.node().clone();
        let name = account.clone();
        let peer = asked.peer.ip();
        let known = move || known(&node, peer, &name, &password);
        match self.heavy(asked.transport).run(asked.source(), known).await {
            None => Reply::busy(),
            Some(Err(refusal)) => {
                Reply::failed(ResponseCode::AUTHENTICATION_FAILED, &refusal.to_string())
            }
            Some(Ok(standing)) => {
                connection.stand(asked.envelope.session_id, standing);
                let mut body = Vec::new();
                put_name(&account, &mut body);
                put_count(0, &mut body);
                Reply::done(body)
            }
        }
    }
}

/// Who has this password: a principal by its key's id and the key, or an
/// identity by its secret.
fn known(
    node: &Node,
    source: IpAddr,
    account: &[u8],
    password: &[u8],
) -> Result<Standing, Refusal> {
    let failed = || {
        let who = String::from_utf8_lossy(account);
        node.refuse_unproven(Reason::AuthenticationFailed, &who, Some(source))
    };
    let presented = Presented {
        bearer: std::str::from_utf8(password).ok(),
        certificate: None,
        source: Some(source),
    };
    if presented.bearer.is_some()
        && let Some(caller) = node.try_authenticate(&presented)
        && caller.name().as_bytes() == account
    {
        return Ok(Standing::of_operator(caller));
    }
    let identity = Reference {
        index: PASSWORD_INDEX,
        identifier: identifier(account).map_err(|_| failed())?,
    };
    let mark = mark_of(node, &identity);
    let caller = node.prove(&identity, &Proof::Password(password), Some(source))?;
    Standing::of(node, caller, mark).ok_or_else(failed)
}

fn no_connection() -> Reply {
    Reply::failed(
        ResponseCode::OPERATION_NOT_SUPPORTED,
        "a login belongs to a TCP connection",
    )
}
