//! Session set-up by Diffie-Hellman, and the end of a session (RFC 3652 §3.7;
//! Handle protocol as deployed: mode 4, the only one of DO-IRP v3.0).

use std::time::Duration;

use crate::crypto;
use crate::face::handle::proof::reference;
use crate::face::handle::reply::{Asked, Reply};
use crate::face::handle::service::Service;
use crate::face::handle::sessions::Opening;
use crate::model::data::PublicKey;
use crate::wire::handle::{
    DiffieHellmanKey, KeyAgreement, Message, ResponseCode, SessionRequest, SessionResponse,
};

impl Service {
    /// Opens a session.
    pub(super) async fn set_up_session(&self, asked: &Asked, message: Message<'_>) -> Reply {
        let request = match SessionRequest::decode(message.body) {
            Ok(request) => request,
            Err(malformed) => return Reply::malformed(&malformed),
        };
        let KeyAgreement::DiffieHellman(public_key) = request.agreement else {
            return refused(
                "of the ways to agree on a session's key, only Diffie-Hellman (mode 4) is spoken",
            );
        };
        let client = match PublicKey::decode(public_key) {
            Ok(client) => client,
            Err(refusal) => return refused(&refusal.to_string()),
        };
        let mut random = [0; crypto::DH_RANDOM_BYTES];
        self.fill_random(&mut random);
        let exchange = move || crypto::respond(&client, &random);
        let (public_key, key) = match self
            .heavy(asked.transport)
            .run(asked.source(), exchange)
            .await
        {
            None => return Reply::busy(),
            Some(Err(unsafe_key)) => return refused(&unsafe_key.to_string()),
            Some(Ok(exchanged)) => exchanged,
        };
        let timeout = match request.timeout_secs {
            0 => Duration::MAX,
            secs => Duration::from_secs(secs.into()),
        };
        let session = self.open_session(Opening {
            key,
            claimed: reference(request.identity).ok(),
            timeout,
        });
        let public_key = public_key.encode();
        let mut data = Vec::with_capacity(public_key.len() + 4);
        DiffieHellmanKey {
            cipher: DiffieHellmanKey::AES,
            public_key: &public_key,
        }
        .encode(&mut data);
        let mut body = Vec::with_capacity(data.len() + 8);
        SessionResponse {
            mode: request.agreement.mode(),
            data: &data,
        }
        .encode(&mut body);
        Reply {
            session_id: Some(session.id),
            ..Reply::done(body)
        }
    }

    /// Ends the session of the request.
    pub(super) fn terminate_session(&self, asked: &Asked) -> Reply {
        match &asked.session {
            Some(session) => {
                self.close_session(session.id);
                Reply::done(Vec::new())
            }
            None => Reply::failed(
                ResponseCode::SESSION_TIMEOUT,
                "the request names no session that is open",
            ),
        }
    }
}

fn refused(text: &str) -> Reply {
    Reply::failed(ResponseCode::INVALID_SESSION_SETUP, text)
}
