//! Packets for people to read, as `idnode handle trace` shows them.

use std::fmt::{self, Write};

use crate::wire::handle::ENVELOPE_BYTES;
use crate::wire::handle::body::{Content, Request, Response};
use crate::wire::handle::challenge::{
    ChallengeAnswer, Pbkdf2, PublicKeyProof, SecretKeyMethod, SecretKeyProof,
};
use crate::wire::handle::code::{OpCode, ResponseCode};
use crate::wire::handle::credential::Credential;
use crate::wire::handle::envelope::{Envelope, Version};
use crate::wire::handle::fragment::Fragments;
use crate::wire::handle::header::Header;
use crate::wire::handle::list::List;
use crate::wire::handle::malformed::Malformed;
use crate::wire::handle::message::Message;
use crate::wire::handle::session::{DiffieHellmanKey, KeyAgreement};
use crate::wire::handle::value::{HandleValue, Reference, Ttl};

/// Bytes of a field that are shown in hexadecimal, at most.
const HEX_BYTES_MAX: usize = 1024;

/// Describes a packet, or a whole message with its envelope: a line for the
/// envelope, one for the header, and one for each field of body and credential.
/// What is malformed is said to be, with its bytes.
pub const fn describe(packet: &[u8]) -> Description<'_> {
    Description(packet)
}

/// What [`describe`] says of a packet: lines, the last without an end.
#[derive(Clone, Copy, Debug)]
pub struct Description<'a>(&'a [u8]);

impl fmt::Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let envelope = match Envelope::decode(self.0) {
            Ok(envelope) => envelope,
            Err(error) => return malformed(f, error, self.0),
        };
        write!(f, "{envelope}")?;
        let rest = self.0.get(ENVELOPE_BYTES..).unwrap_or_default();
        let fragments = match Fragments::of(&envelope) {
            Ok(fragments) => fragments,
            Err(error) => return malformed(f, error, rest),
        };
        if rest.len() == fragments.message_bytes() {
            if envelope.encrypted || envelope.compressed {
                return write!(f, "\nencrypted or compressed {}", Hex(rest));
            }
            return message(f, &envelope, rest);
        }
        match fragments.place(&envelope, rest.len()) {
            Ok(range) => write!(
                f,
                "\npacket {} of {}, bytes {} to {} of the message {}",
                envelope.sequence.saturating_add(1),
                fragments.count(),
                range.start,
                range.end,
                Hex(rest),
            ),
            // Servers cut what they send to addresses that they do not know.
            Err(_) if envelope.truncated && rest.len() < fragments.message_bytes() => {
                if let Ok(header) = Header::decode(rest) {
                    write!(f, "\n{header}")?;
                }
                let (left, all) = (rest.len(), fragments.message_bytes());
                write!(f, "\ncut to {left} of {all} bytes {}", Hex(rest))
            }
            Err(error) => malformed(f, error, rest),
        }
    }
}

/// One line.
impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            compressed,
            encrypted,
            truncated,
            suggested,
            session_id,
            request_id,
            sequence,
            message_bytes,
        } = self;
        write!(f, "env v{version} suggests v{suggested}")?;
        for (bit, name) in [
            (compressed, " COMPRESSED"),
            (encrypted, " ENCRYPTED"),
            (truncated, " TRUNCATED"),
        ] {
            if *bit {
                f.write_str(name)?;
            }
        }
        write!(
            f,
            " session={session_id} request={request_id:#x} seq={sequence} len={message_bytes}"
        )
    }
}

/// One line.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            op_code,
            response_code,
            flags,
            site_serial,
            recursion_count,
            reserved,
            expires_secs,
            body_bytes,
        } = self;
        write!(
            f,
            "hdr opCode={op_code} responseCode={response_code} flags={flags} \
             siteSerial={site_serial} recursion={recursion_count} reserved={reserved} \
             expiration={expires_secs} bodyLen={body_bytes}"
        )
    }
}

/// `300:0.NA/20.500.1`, as people write it; what is no UTF-8, and what a terminal
/// would obey, is escaped.
impl fmt::Display for Reference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.index, Escaped(self.handle))
    }
}

fn malformed(f: &mut fmt::Formatter<'_>, error: Malformed, bytes: &[u8]) -> fmt::Result {
    write!(f, "\nmalformed: {error} in {}", Hex(bytes))
}

fn message(f: &mut fmt::Formatter<'_>, envelope: &Envelope, bytes: &[u8]) -> fmt::Result {
    let message = match Message::decode(bytes) {
        Ok(message) => message,
        Err(error) => return malformed(f, error, bytes),
    };
    let Message {
        header,
        body,
        credential,
        ..
    } = message;
    write!(f, "\n{header}")?;
    if header.response_code == ResponseCode::REQUEST {
        match Request::decode(header.op_code, body) {
            Ok(decoded) => request(f, envelope.version, header.op_code, &decoded)?,
            Err(error) => malformed(f, error, body)?,
        }
    } else {
        match Response::decode(envelope.version, &header, body) {
            Ok(decoded) => response(f, &decoded)?,
            Err(error) => malformed(f, error, body)?,
        }
    }
    write!(f, "\ncredential len={}", credential.len())?;
    match Credential::decode(credential) {
        Ok(decoded) => credential_fields(f, &decoded),
        Err(_) if credential.is_empty() => Ok(()),
        Err(error) => malformed(f, error, credential),
    }
}

fn request(
    f: &mut fmt::Formatter<'_>,
    version: Version,
    op_code: OpCode,
    request: &Request<'_>,
) -> fmt::Result {
    match request {
        Request::Resolution(request) => {
            handle(f, request.handle)?;
            write!(f, "\nindexes={:?}", request.indexes)?;
            let is_password = op_code == OpCode::PASSWORD_LOGIN;
            if is_password {
                // Traces are shown to others.
                write!(f, "\npasswords={}", request.types.len())?;
            } else {
                write!(f, "\ntypes={}", Texts(request.types))?;
            }
            match request.auth {
                Some(auth) => write!(f, "\nauth={}", Data(auth)),
                None => Ok(()),
            }
        }
        Request::Handle(request) => handle(f, request.handle),
        Request::Values(request) => {
            handle(f, request.handle)?;
            values(f, request.values)
        }
        Request::Remove(request) => {
            handle(f, request.handle)?;
            write!(f, "\nindexes={:?}", request.indexes)
        }
        Request::Answer(answer) => {
            write!(f, "\nauthType={}", Text(answer.key_type))?;
            write!(f, "\nidentity={}", answer.identity)?;
            proof(f, version, answer)
        }
        Request::Verify(request) => {
            write!(f, "\nidentity={}", request.identity)?;
            write!(f, "\nnonce={}", Hex(request.nonce))?;
            write!(f, "\noriginalRequestDigest={}", Hex(request.digest))?;
            secret_key_proof(f, version, request.proof)
        }
        Request::Session(request) => {
            write!(f, "\nmode={}", request.agreement.mode())?;
            write!(f, " timeout={}", request.timeout_secs)?;
            write!(f, "\nidentity={}", request.identity)?;
            match request.agreement {
                KeyAgreement::ServerKey => Ok(()),
                KeyAgreement::HandleKey(key) => write!(f, "\nkey={key}"),
                KeyAgreement::ClientKey(key) | KeyAgreement::DiffieHellman(key) => {
                    write!(f, "\nkey={}", Hex(key))
                }
            }
        }
        Request::KeyExchange(request) => write!(f, "\nkey={}", Hex(request.encrypted_key)),
        Request::Login(request) => write!(f, "\nidentity={}", request.identity),
        Request::Unknown(body) => write!(f, "\nbody={}", Hex(body)),
    }
}

fn response(f: &mut fmt::Formatter<'_>, response: &Response<'_>) -> fmt::Result {
    if let Some(digest) = &response.digest {
        let name = digest.algorithm.name();
        write!(f, "\nrequestDigest {name} {}", Hex(digest.digest))?;
    }
    match &response.content {
        Content::Empty => Ok(()),
        Content::Resolution(response) => {
            handle(f, response.handle)?;
            values(f, response.values)
        }
        Content::Site(site) => write!(f, "\nHS_SITE record {}", Hex(site)),
        Content::Create(response) => handle(f, response.handle),
        Content::List(response) => response
            .handles
            .iter()
            .try_for_each(|handle| write!(f, "\n{}", Text(handle))),
        Content::Verify(response) => write!(f, "\nholds={}", response.holds),
        Content::Session(response) => {
            write!(f, "\nmode={}", response.mode)?;
            match DiffieHellmanKey::decode(response.data) {
                Ok(key) if response.mode == 4 => {
                    write!(f, "\ncipher={} key={}", key.cipher, Hex(key.public_key))
                }
                Ok(_) | Err(_) => write!(f, "\ndata={}", Hex(response.data)),
            }
        }
        Content::Challenge(nonce) => write!(f, "\nnonce={}", Hex(nonce)),
        Content::Referral(response) => {
            write!(f, "\nreferralHandle={}", Text(response.handle))?;
            values(f, response.values)
        }
        Content::Error(response) => {
            write!(f, "\nmessage={}", Text(response.message))?;
            if !response.indexes.is_empty() {
                write!(f, "\nindexes={:?}", response.indexes)?;
            }
            Ok(())
        }
        Content::Unknown(body) => write!(f, "\nbody={}", Hex(body)),
    }
}

fn handle(f: &mut fmt::Formatter<'_>, handle: &[u8]) -> fmt::Result {
    write!(f, "\nhandle={}", Text(handle))
}

fn values<'a>(f: &mut fmt::Formatter<'_>, values: List<'a, HandleValue<'a>>) -> fmt::Result {
    values.iter().try_for_each(|value| {
        let (ttl_type, ttl) = match value.ttl {
            Ttl::Relative(secs) => (0, secs),
            Ttl::Absolute(at_secs) => (1, at_secs),
        };
        write!(
            f,
            "\nvalue idx={} ts={} ttlType={ttl_type} ttl={ttl} perm={:#x} type={} data[{}]={} refs={}",
            value.index,
            value.timestamp_secs,
            value.permissions.0,
            Text(value.value_type),
            value.data.len(),
            Data(value.data),
            References(value.references),
        )
    })
}

fn proof(
    f: &mut fmt::Formatter<'_>,
    version: Version,
    answer: &ChallengeAnswer<'_>,
) -> fmt::Result {
    if answer.key_type == ChallengeAnswer::SECRET_KEY {
        return secret_key_proof(f, version, answer.proof);
    }
    match PublicKeyProof::decode(answer.proof) {
        Ok(proof) => write!(
            f,
            "\nproof hash={} signature={}",
            Text(proof.hash),
            Hex(proof.signature)
        ),
        Err(error) => malformed(f, error, answer.proof),
    }
}

fn secret_key_proof(f: &mut fmt::Formatter<'_>, version: Version, bytes: &[u8]) -> fmt::Result {
    let proof = match SecretKeyProof::decode(version, bytes) {
        Ok(proof) => proof,
        Err(error) => return malformed(f, error, bytes),
    };
    match proof.method {
        SecretKeyMethod::Digest(algorithm) => write!(f, "\nproof {}", algorithm.name())?,
        SecretKeyMethod::Hmac(algorithm) => write!(f, "\nproof HMAC-{}", algorithm.name())?,
        SecretKeyMethod::Pbkdf2(Pbkdf2 {
            salt,
            iterations,
            key_bits,
        }) => write!(
            f,
            "\nproof PBKDF2 salt={} iterations={iterations} keyBits={key_bits}",
            Hex(salt)
        )?,
    }
    write!(f, " mac={}", Hex(proof.mac))
}

fn credential_fields(f: &mut fmt::Formatter<'_>, credential: &Credential<'_>) -> fmt::Result {
    let Credential {
        version,
        reserved,
        options,
        signer,
        counter,
        kind,
        algorithm,
        signature,
    } = credential;
    write!(
        f,
        " version={version} reserved={reserved} options={options} signer={} \
         sessionCounter={counter} type={} algorithm={} signature={}",
        Text(signer),
        Text(kind),
        Text(algorithm),
        Hex(signature),
    )
}

/// Bytes in hexadecimal, up to [`HEX_BYTES_MAX`].
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().take(HEX_BYTES_MAX);
        shown.clone().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        match self.0.len().saturating_sub(HEX_BYTES_MAX) {
            0 => Ok(()),
            more => write!(f, "… and {more} bytes"),
        }
    }
}

/// A text in quotation marks.
struct Text<'a>(&'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", Escaped(self.0))
    }
}

/// A text in which what is no UTF-8, and what a terminal would obey, is escaped.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\'' | '"' => f.write_char(c)?,
                    _ => write!(f, "{}", c.escape_debug())?,
                }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

/// Texts in brackets.
struct Texts<'a>(List<'a, &'a [u8]>);

impl fmt::Display for Texts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bracketed(f, self.0.iter().map(Text))
    }
}

/// References in brackets.
struct References<'a>(List<'a, Reference<'a>>);

impl fmt::Display for References<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bracketed(f, self.0.iter())
    }
}

fn bracketed(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = impl fmt::Display>,
) -> fmt::Result {
    f.write_str("[")?;
    for (place, item) in items.enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        write!(f, "{comma}{item}")?;
    }
    f.write_str("]")
}

/// A text where the bytes are one that has no control characters, otherwise
/// hexadecimal.
struct Data<'a>(&'a [u8]);

impl fmt::Display for Data<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |text: &str| !text.chars().any(char::is_control);
        match str::from_utf8(self.0) {
            Ok(text) if is_plain(text) => write!(f, "{}", Text(self.0)),
            Ok(_) | Err(_) => write!(f, "{}", Hex(self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::handle::{Flags, MessageWriter};

    fn check(packet: &[u8], expected: &[&str]) {
        let described = describe(packet).to_string();
        assert_eq!(described.lines().collect::<Vec<_>>(), expected);
    }

    fn written(op_code: OpCode, body: &[u8]) -> Vec<u8> {
        let header = Header::request(op_code, Flags::RESOLUTION, 1_800_000_000);
        let mut out = Vec::new();
        let envelope = Envelope::new(Version::CURRENT, 0x4e57_22c1);
        let mut writer = MessageWriter::begin(&mut out, &envelope, &header);
        writer.body().extend_from_slice(body);
        writer.finish(&[]).expect("short").to_vec()
    }

    #[test]
    fn says_what_a_request_asks_for() {
        let body = "\0\0\0\x09a/件\x1b'\\u\0\0\0\x01\0\0\0\x07\0\0\0\x01\0\0\0\x03URL";
        check(
            &written(OpCode::RESOLUTION, body.as_bytes()),
            &[
                "env v2.11 suggests v2.11 session=0 request=0x4e5722c1 seq=0 len=60",
                "hdr opCode=1(RESOLUTION) responseCode=0(REQUEST) flags=0x19000000(RECU|CACR|PUBL) \
                 siteSerial=65535 recursion=0 reserved=0 expiration=1800000000 bodyLen=32",
                "handle='a/件\\u{1b}'\\\\u'",
                "indexes=[7]",
                "types=['URL']",
                "credential len=0",
            ],
        );
    }

    #[test]
    fn keeps_passwords_to_itself() {
        let body = b"\0\0\0\x01a\0\0\0\0\0\0\0\x01\0\0\0\x06secret";
        let described = describe(&written(OpCode::PASSWORD_LOGIN, body)).to_string();
        assert!(described.contains("handle='a'"), "{described}");
        assert!(!described.contains("secret"), "{described}");
    }

    #[test]
    fn shows_what_is_malformed() {
        let packet = written(OpCode::DELETE_HANDLE, b"\0\0\0\x02a");
        let described = describe(&packet).to_string();
        let line = described.lines().nth(2);
        assert_eq!(
            line,
            Some("malformed: handle: needs 2 bytes, 1 are left in 0000000261")
        );
        check(
            &packet[..4],
            &[
                "",
                "malformed: envelope: needs 20 bytes, 4 are left in 020b020b",
            ],
        );
        let cut = describe(&packet[..30]).to_string();
        assert!(
            cut.contains("malformed: piece of the message: 10 instead of 33"),
            "{cut}"
        );
    }

    #[test]
    fn shows_what_is_left_of_a_cut_message() {
        let mut packet = written(OpCode(0), &[7; 2000]);
        // TRUNCATED.
        packet[2] |= 0x20;
        let described = describe(&packet[..50]).to_string();
        let mut lines = described.lines().skip(1);
        assert!(
            lines
                .next()
                .is_some_and(|line| line.starts_with("hdr opCode=0"))
        );
        assert!(
            lines
                .next()
                .is_some_and(|line| line.starts_with("cut to 30 of 2028 bytes 00"))
        );
    }

    #[test]
    fn shows_pieces_and_cuts_what_is_long() {
        let packet = written(OpCode(0), &[7; 2000]);
        let described = describe(&packet).to_string();
        assert!(described.contains("07… and 976 bytes\n"), "{described}");
        let piece = describe(&packet[..512]).to_string();
        assert!(
            piece.contains("\npacket 1 of 5, bytes 0 to 492 of the message 00000000"),
            "{piece}"
        );
    }
}
