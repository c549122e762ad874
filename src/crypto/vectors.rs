//! The vectors of `tests/data/crypto`, for the tests beside this file.

use data_encoding::HEXLOWER;

use crate::model::data::PublicKey;

const FILES: [&str; 2] = [
    include_str!("../../tests/data/crypto/recorded.hex"),
    include_str!("../../tests/data/crypto/made.hex"),
];

/// The octets of the vector `name`.
pub(super) fn vector(name: &str) -> Vec<u8> {
    let lines = FILES.into_iter().flat_map(str::lines);
    let mut pairs = lines.filter_map(|line| line.split_once(' '));
    let (_, hex) = pairs.find(|(found, _)| *found == name).expect(name);
    HEXLOWER.decode(hex.as_bytes()).expect(name)
}

/// The key in the vector `name`.
pub(super) fn key(name: &str) -> PublicKey {
    PublicKey::decode(&vector(name)).expect(name)
}
