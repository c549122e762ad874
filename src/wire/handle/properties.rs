//! What holds for any body, value, proof and credential: what is written is read
//! again as the same, an octet more is refused, and octets by chance do no harm.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A reference that owns its handle.
type OwnedReference = (Vec<u8>, u32);

/// A value that owns its fields: index, timestamp, whether the TTL is absolute,
/// TTL, permissions; type; data; references.
type OwnedValue = (
    (u32, u32, bool, u32, u8),
    Vec<u8>,
    Vec<u8>,
    Vec<OwnedReference>,
);

fn octets() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

fn reference() -> impl Strategy<Value = OwnedReference> {
    (octets(), any::<u32>())
}

fn values() -> impl Strategy<Value = Vec<OwnedValue>> {
    let numbers = any::<(u32, u32, bool, u32, u8)>();
    vec((numbers, octets(), octets(), vec(reference(), 0..4)), 0..5)
}

fn version() -> impl Strategy<Value = Version> {
    (1u8..4, 0u8..13).prop_map(|(major, minor)| Version { major, minor })
}

fn borrow((handle, index): &OwnedReference) -> Reference<'_> {
    Reference {
        handle,
        index: *index,
    }
}

/// Calls `check` with the values.
fn with_values(owned: &[OwnedValue], check: impl FnOnce(List<'_, HandleValue<'_>>)) {
    let references = owned.iter().map(|(_, _, _, references)| references);
    let references = references.map(|references| references.iter().map(borrow).collect());
    let references: Vec<Vec<_>> = references.collect();
    let borrowed = owned.iter().zip(&references);
    let borrowed = borrowed.map(|((numbers, value_type, data, _), references)| {
        let &(index, timestamp_secs, is_absolute, ttl_secs, permissions) = numbers;
        HandleValue {
            index,
            timestamp_secs,
            ttl: if is_absolute {
                Ttl::Absolute(ttl_secs)
            } else {
                Ttl::Relative(ttl_secs)
            },
            permissions: Permissions(permissions),
            value_type,
            data,
            references: references.as_slice().into(),
        }
    });
    let borrowed = borrowed.collect::<Vec<_>>();
    check(borrowed.as_slice().into());
}

fn check_request(op_code: OpCode, request: Request<'_>) {
    let mut body = Vec::new();
    request.encode(&mut body);
    assert_eq!(Request::decode(op_code, &body), Ok(request));
    body.push(0);
    if op_code != OpCode::RESOLUTION {
        assert!(Request::decode(op_code, &body).is_err(), "an octet more");
    }
    for end in 0..body.len() {
        let _read = Request::decode(op_code, &body[..end]);
    }
}

fn check_response(version: Version, code: (OpCode, ResponseCode), response: Response<'_>) {
    let (op_code, response_code) = code;
    let flags = match response.digest {
        Some(_) => Flags::REQUEST_DIGEST,
        None => Flags::NONE,
    };
    let mut header = Header::request(op_code, flags, 0);
    header.response_code = response_code;
    let mut body = Vec::new();
    response.encode(version, &mut body);
    assert_eq!(Response::decode(version, &header, &body), Ok(response));
    for end in 0..body.len() {
        let _read = Response::decode(version, &header, &body[..end]);
    }
    if !matches!(response.content, Content::Site(_)) {
        body.push(0);
        assert!(Response::decode(version, &header, &body).is_err());
    }
}

proptest! {
    #[test]
    fn requests_of_handles_and_lists(
        handle in octets(),
        indexes in vec(any::<u32>(), 0..5),
        types in vec(octets(), 0..4),
        auth in proptest::option::of(octets()),
    ) {
        let (handle, indexes) = (handle.as_slice(), indexes.as_slice().into());
        let types = types.iter().map(Vec::as_slice).collect::<Vec<_>>();
        let types = types.as_slice().into();
        let auth = auth.as_deref();
        let resolution = ResolutionRequest { handle, indexes, types, auth };
        check_request(OpCode::RESOLUTION, Request::Resolution(resolution));
        check_request(OpCode::DELETE_HANDLE, Request::Handle(HandleRequest { handle }));
        let remove = RemoveRequest { handle, indexes };
        check_request(OpCode::REMOVE_VALUE, Request::Remove(remove));
    }

    #[test]
    fn requests_and_responses_of_values(
        handle in octets(),
        owned in values(),
        version in version(),
    ) {
        let handle = handle.as_slice();
        with_values(&owned, |values| {
            check_request(OpCode::CREATE_HANDLE, Request::Values(ValuesRequest { handle, values }));
            let content = Content::Resolution(ResolutionResponse { handle, values });
            let response = Response { digest: None, content };
            check_response(version, (OpCode::RESOLUTION, ResponseCode::SUCCESS), response);
            if !values.is_empty() {
                let content = Content::Referral(ReferralResponse { handle, values });
                let response = Response { digest: None, content };
                let code = (OpCode::RESOLUTION, ResponseCode::PREFIX_REFERRAL);
                check_response(version, code, response);
            }
        });
    }

    #[test]
    fn requests_of_identities(
        identity in reference(),
        key in reference(),
        parts in (octets(), octets(), octets()),
        timeout_secs in any::<u32>(),
    ) {
        let identity = borrow(&identity);
        let (nonce, digest, proof) = (&parts.0, &parts.1, &parts.2);
        let answer = ChallengeAnswer { key_type: nonce, identity, proof };
        check_request(OpCode::CHALLENGE_RESPONSE, Request::Answer(answer));
        let verify = VerifyRequest { identity, nonce, digest, proof };
        check_request(OpCode::VERIFY_CHALLENGE, Request::Verify(verify));
        check_request(OpCode::LOGIN, Request::Login(LoginRequest { identity }));
        for agreement in [
            KeyAgreement::ClientKey(proof),
            KeyAgreement::ServerKey,
            KeyAgreement::HandleKey(borrow(&key)),
            KeyAgreement::DiffieHellman(proof),
        ] {
            let session = SessionRequest { timeout_secs, identity, agreement };
            check_request(OpCode::SESSION_SETUP, Request::Session(session));
        }
        let exchange = KeyExchangeRequest { encrypted_key: proof };
        check_request(OpCode::SESSION_EXCHANGE_KEY, Request::KeyExchange(exchange));
    }

    #[test]
    fn responses(
        version in version(),
        texts in vec(octets(), 1..5),
        indexes in vec(any::<u32>(), 1..5),
        holds in any::<bool>(),
        mode in any::<u16>(),
        with_digest in any::<bool>(),
    ) {
        let algorithm = DigestAlgorithm::for_version(version);
        let digest = vec![7; algorithm.digest_bytes()];
        let digest = RequestDigest { algorithm, digest: &digest };
        let first = texts[0].as_slice();
        let handles = texts.iter().map(Vec::as_slice).collect::<Vec<_>>();
        let list = ListResponse { handles: handles.as_slice().into() };
        let error = ErrorResponse { message: first, indexes: indexes.as_slice().into() };
        let session = SessionResponse { mode, data: first };
        let success = ResponseCode::SUCCESS;
        for (op_code, response_code, content) in [
            (OpCode::ADD_VALUE, success, Content::Empty),
            (OpCode::GET_SITE_INFO, success, Content::Site(first)),
            (OpCode::CREATE_HANDLE, success, Content::Create(CreateResponse { handle: first })),
            (OpCode::LIST_HANDLES, success, Content::List(list)),
            (OpCode::VERIFY_CHALLENGE, success, Content::Verify(VerifyResponse { holds })),
            (OpCode::SESSION_SETUP, success, Content::Session(session)),
            (OpCode::ADD_VALUE, ResponseCode::INVALID_VALUE, Content::Error(error)),
            (OpCode::ADD_VALUE, ResponseCode::AUTHENTICATION_NEEDED, Content::Challenge(first)),
        ] {
            let is_challenge = matches!(content, Content::Challenge(_));
            let digest = (with_digest || is_challenge).then_some(digest);
            check_response(version, (op_code, response_code), Response { digest, content });
        }
    }

    #[test]
    fn proofs(version in version(), salt in octets(), iterations in 1u32..100_001, bytes in 1u32..65) {
        let stretching = Pbkdf2 { salt: &salt, iterations, key_bits: bytes * 8 };
        for (method, mac) in [
            (SecretKeyMethod::Digest(DigestAlgorithm::Md5), vec![1; 16]),
            (SecretKeyMethod::Digest(DigestAlgorithm::Sha1), vec![1; 20]),
            (SecretKeyMethod::Digest(DigestAlgorithm::Sha256), vec![1; 32]),
            (SecretKeyMethod::Hmac(DigestAlgorithm::Sha1), vec![1; 20]),
            (SecretKeyMethod::Hmac(DigestAlgorithm::Sha256), vec![1; 32]),
            (SecretKeyMethod::Pbkdf2(stretching), vec![1; 20]),
        ] {
            let is_old = version < Version::NAMED_DIGESTS;
            if is_old && method != SecretKeyMethod::Digest(DigestAlgorithm::Md5) {
                continue;
            }
            let proof = SecretKeyProof { method, mac: &mac };
            let mut out = Vec::new();
            proof.encode(version, &mut out);
            prop_assert_eq!(SecretKeyProof::decode(version, &out), Ok(proof));
            for end in 0..out.len() {
                prop_assert!(SecretKeyProof::decode(version, &out[..end]).is_err());
            }
        }
        let proof = PublicKeyProof { hash: b"SHA-256", signature: &salt };
        let mut out = Vec::new();
        proof.encode(&mut out);
        prop_assert_eq!(PublicKeyProof::decode(&out), Ok(proof));
        for end in 0..out.len() {
            prop_assert!(PublicKeyProof::decode(&out[..end]).is_err());
        }
    }

    #[test]
    fn credentials(numbers in any::<(u8, u8, u16, u32)>(), texts in [octets(), octets(), octets(), octets()]) {
        let (version, reserved, options, counter) = numbers;
        let [signer, kind, algorithm, signature] = &texts;
        let credential = Credential {
            version, reserved, options, signer, counter, kind, algorithm, signature,
        };
        let mut out = Vec::new();
        credential.encode(&mut out);
        prop_assert_eq!(Credential::decode(&out), Ok(credential));
        for end in 0..out.len() {
            prop_assert!(Credential::decode(&out[..end]).is_err());
        }
    }

    #[test]
    fn messages_and_their_packets(
        message_bytes in 0usize..3000,
        credential in octets(),
        version in version(),
        marked in any::<bool>(),
    ) {
        let mut out = b"before".to_vec();
        let header = Header::request(OpCode::RESOLUTION, Flags::RESOLUTION, 7);
        let mut writer = MessageWriter::begin(&mut out, &Envelope::new(version, 9), &header);
        writer.body().resize(6 + ENVELOPE_BYTES + HEADER_BYTES + message_bytes, 3);
        let message = writer.finish(&credential).expect("short").to_vec();
        prop_assert!(out.starts_with(b"before"));
        let envelope = Envelope::decode(&message).expect("an envelope");
        let read = Message::decode(&message[ENVELOPE_BYTES..]).expect("a message");
        prop_assert_eq!(read.body.len(), message_bytes);
        prop_assert_eq!(read.credential, credential);
        let marking = if marked { Marking::Marked } else { Marking::Unmarked };
        let fragments = Fragments::of(&envelope).expect("short");
        let mut whole = vec![0; fragments.message_bytes()];
        let packets = packets(&message, marking).expect("a message");
        prop_assert_eq!(packets.len(), fragments.count());
        for packet in packets {
            let envelope = Envelope::decode(&packet.envelope).expect("an envelope");
            prop_assert_eq!(envelope.truncated, marked && fragments.count() > 1);
            let place = fragments.place(&envelope, packet.piece.len()).expect("a place");
            whole[place].copy_from_slice(packet.piece);
        }
        prop_assert_eq!(whole, &message[ENVELOPE_BYTES..]);
    }

    #[test]
    fn octets_by_chance_do_no_harm(bytes in vec(any::<u8>(), 0..600), op in 0usize..22, code in 0usize..40) {
        let _described = describe(&bytes).to_string();
        let _message = Message::decode(&bytes);
        let op_code = OpCode::ALL[op % OpCode::ALL.len()];
        let _request = Request::decode(op_code, &bytes);
        let mut header = Header::request(op_code, Flags::NONE, 0);
        header.response_code = ResponseCode::ALL[code % ResponseCode::ALL.len()];
        let _response = Response::decode(Version::CURRENT, &header, &bytes);
        let _credential = Credential::decode(&bytes);
        let _proof = SecretKeyProof::decode(Version::CURRENT, &bytes);
        let _proof = PublicKeyProof::decode(&bytes);
    }
}
