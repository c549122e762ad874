//! How a reply leaves: in clear, with the code of its session, encrypted, or
//! signed with the site's key; and the code of a message that comes in.

use crate::crypto::{IV_BYTES, MacAlgorithm, SiteKey};
use crate::face::handle::reply::{Asked, Origin, Reply, begin};
use crate::face::handle::sessions::Session;
use crate::wire::handle::{
    Credential, ENVELOPE_BYTES, Envelope, Flags, MESSAGE_BYTES_MAX, Malformed, Message,
    ResponseCode, Version, authenticated_bytes,
};

/// Appends the reply without a signature: with the code of the session if the
/// client wants it certified.
pub(super) fn clear(asked: &Asked, reply: &Reply, origin: Origin, out: &mut Vec<u8>) {
    let certified = asked.header.flags.contains(Flags::CERTIFIED);
    let session = asked.session.as_ref().filter(|_| certified);
    let mut writer = begin(asked, reply, (origin, session.is_some()), out);
    let mut credential = Vec::new();
    if let Some(session) = session {
        let mut covered = Vec::new();
        writer.authenticated_bytes(0, &mut covered);
        let code = session.key.mac(MacAlgorithm::Sha256, &[&covered]);
        Credential::mac(0, code.as_ref()).encode(&mut credential);
    }
    if writer.finish(&credential).is_err() {
        too_long(asked, origin, out);
    }
}

/// The reply, signed.
pub(super) fn signed(asked: &Asked, reply: &Reply, origin: Origin, key: &SiteKey) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + reply.body.len());
    let mut writer = begin(asked, reply, (origin, true), &mut out);
    let mut covered = Vec::new();
    writer.authenticated_bytes(0, &mut covered);
    let Ok(signature) = key.sign(&[&covered]) else {
        out.clear();
        let reply = Reply::failed(ResponseCode::ERROR, "the node's key does not sign");
        clear(asked, &reply, origin, &mut out);
        return out;
    };
    let mut credential = Vec::with_capacity(signature.len() + 64);
    Credential::signed(&signature).encode(&mut credential);
    if writer.finish(&credential).is_err() {
        too_long(asked, origin, &mut out);
    }
    out
}

/// Appends an error in place of a reply that no message can hold.
pub(super) fn too_long(asked: &Asked, origin: Origin, out: &mut Vec<u8>) {
    let text = format!(
        "the answer is longer than the {MESSAGE_BYTES_MAX} bytes of a message; ask for some of the values"
    );
    let reply = Reply::failed(ResponseCode::ERROR, &text);
    // Short, so that it fits.
    let _fits = begin(asked, &reply, (origin, false), out).finish(&[]);
}

/// Encrypts the message that begins at `start`, behind its envelope.
pub(super) fn encrypt(session: &Session, iv: &[u8; IV_BYTES], start: usize, out: &mut Vec<u8>) {
    let behind = start + ENVELOPE_BYTES;
    let plain = out.get(behind..).unwrap_or_default();
    let Ok(encrypted) = session.key.encrypt(iv, plain) else {
        // Nothing leaves in clear that was to be secret.
        out.truncate(start);
        return;
    };
    let Ok(envelope) = Envelope::decode(out.get(start..).unwrap_or_default()) else {
        return;
    };
    let envelope = Envelope {
        encrypted: true,
        message_bytes: u32::try_from(encrypted.len()).unwrap_or(u32::MAX),
        ..envelope
    };
    out.truncate(start);
    out.extend_from_slice(&envelope.encode());
    out.extend_from_slice(&encrypted);
}

/// Whether a message carries the code of a session.
pub(super) fn has_code(message: &Message<'_>) -> Option<()> {
    let credential = Credential::decode(message.credential).ok()?;
    (credential.kind == Credential::MAC).then_some(())
}

/// Checks the code of a message and that it was not seen before.
///
/// # Errors
/// The reply to a message that has none, a wrong one, or comes again.
pub(super) fn check_code(
    session: &Session,
    envelope: &Envelope,
    message: &Message<'_>,
) -> Result<(), Reply> {
    let fail = |code, text: &str| Err(Reply::failed(code, text));
    if message.credential.is_empty() {
        let text = "Session request missing MAC code.";
        return fail(ResponseCode::INVALID_CREDENTIAL, text);
    }
    let credential = match Credential::decode(message.credential) {
        Ok(credential) => credential,
        Err(malformed) => return Err(unreadable(&malformed)),
    };
    // Below that version the code covers neither session nor counter.
    if envelope.version < Version::SHA256 {
        let text = format!("sessions are spoken from protocol {} on", Version::SHA256);
        return fail(ResponseCode::INVALID_CREDENTIAL, &text);
    }
    if credential.kind != Credential::MAC || credential.algorithm != Credential::HMAC_SHA256 {
        let text = "the credential of a session's message must be an HS_MAC with HMAC-SHA256";
        return fail(ResponseCode::INVALID_CREDENTIAL, text);
    }
    let mut covered = Vec::with_capacity(message.signed.len() + 16);
    authenticated_bytes(envelope, credential.counter, message.signed, &mut covered);
    let (key, code) = (&session.key, credential.signature);
    if !key.verify_mac(MacAlgorithm::Sha256, &[&covered], code) {
        return Err(wrong_key());
    }
    // After the code, so that nobody else can use up a counter.
    if !session.take_counter(credential.counter) {
        let text = format!(
            "Duplicate session counter {} in session {}",
            credential.counter, session.id
        );
        return fail(ResponseCode::SESSION_MESSAGE_REJECTED, &text);
    }
    Ok(())
}

/// The reply to a message that was not made with the key of its session,
/// whichever way that shows: telling would let others decrypt by asking.
pub(super) fn wrong_key() -> Reply {
    Reply::failed(
        ResponseCode::INVALID_SESSION_KEY,
        "the message does not match the key of its session",
    )
}

fn unreadable(malformed: &Malformed) -> Reply {
    Reply::failed(ResponseCode::INVALID_CREDENTIAL, &malformed.to_string())
}
