//! Every limit of the data model, in one place. Limits of a face, of the store
//! and of the log stand in their modules' configuration.

use std::ops::RangeInclusive;

/// Bytes of a whole identifier, prefix, "/" and suffix (the field's limit on
/// the wire).
pub const IDENTIFIER_BYTES_MAX: usize = 2048;
/// Characters of a prefix.
pub const PREFIX_CHARS_MAX: usize = 64;
/// Bytes of one segment of a prefix: each is a DNS label (RFC 1035 §2.3.4).
pub const PREFIX_SEGMENT_BYTES_MAX: usize = 63;
/// Digits of the node segment of a national prefix (`88.118.7`: `118`).
pub const NATIONAL_NODE_DIGITS_MAX: usize = 4;
/// Values in one record.
pub const VALUES_PER_RECORD_MAX: usize = 2048;
/// Bytes of one value's data.
pub const VALUE_DATA_BYTES_MAX: usize = 64 * 1024;
/// Bytes of all data, types and references in one record.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a value's type.
pub const VALUE_TYPE_BYTES_MAX: usize = 128;
/// Firms and groups that may read one value or record beside its owner.
pub const READERS_MAX: usize = 64;
/// References of one value.
pub const REFERENCES_PER_VALUE_MAX: usize = 64;
/// Items in one batch call.
pub const BATCH_ITEMS_MAX: usize = 2000;
/// Items on one page of a list.
pub const PAGE_ITEMS_MAX: usize = 1000;
/// Items on one page of a list when the caller names no size.
pub const PAGE_ITEMS_DEFAULT: usize = 100;
/// Bytes of a request id.
pub const REQUEST_ID_BYTES_MAX: usize = 64;
/// Characters of the id of a firm, principal, group, share or template.
pub const ID_CHARS_MAX: usize = 64;
/// Firms in one group.
pub const GROUP_MEMBERS_MAX: usize = 1000;
/// Characters of a firm's name.
pub const FIRM_CHARS_MAX: usize = 200;
/// Characters of a principal's name for people.
pub const LABEL_CHARS_MAX: usize = 100;
/// Characters of a login name.
pub const LOGIN_CHARS_MAX: usize = 64;
/// Prefixes, verbs and networks of a scope, each.
pub const SCOPE_ITEMS_MAX: usize = 64;
/// Principals of one firm, or of the node, that are not revoked.
pub const PRINCIPALS_PER_PARTY_MAX: usize = 2000;
/// Hours that a key's secret counts beside the one after it, at most.
pub const KEY_OVERLAP_HOURS_MAX: u64 = 720;
/// The same if nobody says.
pub const KEY_OVERLAP_HOURS_DEFAULT: u64 = 24;
/// Characters of a note (why a prefix is suspended).
pub const NOTE_CHARS_MAX: usize = 500;
/// Characters of an offending value that an error text repeats.
pub const SHOWN_CHARS_MAX: usize = 80;
/// Largest relative time to live, in seconds: 68 years, as in RFC 2181 §8.
pub const TTL_SECS_MAX: u32 = 0x7fff_ffff;
/// Hours for which a request id is remembered.
pub const REQUEST_ID_HOURS: u64 = 24;
/// Attributes of one `HS_SITE`.
pub const SITE_ATTRIBUTES_MAX: usize = 256;
/// Servers of one `HS_SITE`.
pub const SITE_SERVERS_MAX: usize = 256;
/// Interfaces of one server of an `HS_SITE`.
pub const SERVER_INTERFACES_MAX: usize = 64;
/// References in one `HS_VLIST`.
pub const REFERENCE_LIST_ITEMS_MAX: usize = 4096;
/// Bits of an RSA modulus, least and most.
pub const RSA_MODULUS_BITS: RangeInclusive<usize> = 512..=16_384;
/// Bits of an RSA public exponent: a longer one only costs time.
pub const RSA_EXPONENT_BITS: RangeInclusive<usize> = 2..=64;
/// Bits of the modulus of a DSA or Diffie-Hellman key, least and most.
pub const GROUP_MODULUS_BITS: RangeInclusive<usize> = 512..=8192;
/// Bits of the order of a DSA key's subgroup, least and most.
pub const DSA_ORDER_BITS: RangeInclusive<usize> = 160..=512;
/// Depth of elements in an `HS_NAMESPACE`.
pub const NAMESPACE_DEPTH_MAX: usize = 64;
/// Attributes of one element of an `HS_NAMESPACE`.
pub const NAMESPACE_ATTRIBUTES_MAX: usize = 32;
