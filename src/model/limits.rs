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
/// Items of a bulk import that are written together, but for those that the last
/// message brings beyond.
pub const BULK_ITEMS: usize = 32_768;
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
/// Groups of one firm.
pub const GROUPS_PER_FIRM_MAX: usize = 256;
/// Share links of one firm, those included that have expired.
pub const SHARES_PER_FIRM_MAX: usize = 1000;
/// Identifiers, and beginnings of identifiers, that one share reaches.
pub const SHARE_TARGETS_MAX: usize = 100;
/// Indices of the values that one share shows.
pub const SHARE_INDICES_MAX: usize = 64;
/// Days for which a share may count.
pub const SHARE_DAYS_MAX: u64 = 366;
/// Characters of the name of a firm's own kind of link, behind its leaning.
pub const LINK_KIND_CHARS_MAX: usize = 32;
/// Characters of the batch number of a link.
pub const LINK_BATCH_CHARS_MAX: usize = 100;
/// Characters of the unit of a link's quantity.
pub const LINK_UNIT_CHARS_MAX: usize = 20;
/// Documents and events that a link names as evidence.
pub const LINK_EVIDENCE_MAX: usize = 16;
/// Bytes of one of them.
pub const LINK_EVIDENCE_BYTES_MAX: usize = 500;
/// Different terms (kind, state, visibility) under which one firm states links.
pub const LINK_TERMS_PER_FIRM_MAX: usize = 4096;
/// Hops of a trace.
pub const TRACE_DEPTH_MAX: u16 = 1000;
/// Rows that one trace gives.
pub const TRACE_ROWS_MAX: u32 = 1_000_000;
/// Rows from the start that a trace goes on behind.
pub const TRACE_REACH_MAX: u32 = 10_000_000;
/// Links that one trace looks at.
pub const TRACE_LINKS_MAX: u64 = 20_000_000;
/// Rows of one answer of a trace.
pub const TRACE_PAGE_ROWS_MAX: u32 = 10_000;
/// Paths between two identifiers that are told.
pub const TRACE_PATHS_MAX: usize = 100;
/// Rows of a trace over several nodes in which paths are searched: all are kept meanwhile.
pub const TRACE_GATHERED_MAX: u32 = 250_000;
/// Identifiers that one trace begins at.
pub const TRACE_STARTS_MAX: usize = 1_000;
/// Times that a trace goes on at other nodes, each time behind up to [`TRACE_STARTS_MAX`]
/// rows.
pub const TRACE_BRANCHES_MAX: usize = 256;
/// Nodes that a branch of a trace may pass one behind the other.
pub const TRACE_HOPS_MAX: u16 = 8;
/// Groups of a trace, and differences of two traces, that are told.
pub const TRACE_GROUPS_MAX: usize = 10_000;
/// Characters of a firm's name.
pub const FIRM_CHARS_MAX: usize = 200;
/// Characters of a firm's address.
pub const ADDRESS_CHARS_MAX: usize = 300;
/// Characters of a person's name.
pub const PERSON_CHARS_MAX: usize = 100;
/// Digits of a telephone number.
pub const PHONE_DIGITS_MAX: usize = 20;
/// Characters of an e-mail address (RFC 5321 §4.5.3.1.3).
pub const EMAIL_CHARS_MAX: usize = 254;
/// Servers of its own that a firm may name.
pub const FIRM_SERVERS_MAX: usize = 8;
/// Papers of one firm.
pub const DOCUMENTS_PER_FIRM_MAX: usize = 10;
/// Bytes of one paper: below what a message of the gRPC face may have by default.
pub const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of all papers of one firm.
pub const DOCUMENT_BYTES_PER_FIRM_MAX: u64 = 16 * 1024 * 1024;
/// Bytes of the papers of all applications that nobody looked at yet; no further
/// paper is taken.
pub const OPEN_DOCUMENT_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Characters of a paper's file name.
pub const DOCUMENT_NAME_CHARS_MAX: usize = 200;
/// Steps of its life that a firm shows; older ones are in the audit trail only.
pub const FIRM_STEPS_MAX: usize = 64;
/// Days after which an application that was never handed in is forgotten.
pub const DRAFT_DAYS: u64 = 30;
/// Applications that nobody looked at yet, of all applicants; no further one is
/// taken.
pub const APPLICATIONS_MAX: usize = 1000;
/// Applications that nobody looked at yet from one network; no further one is
/// taken from there.
pub const APPLICATIONS_PER_NETWORK_MAX: usize = 20;
/// Applications that were never handed in and are forgotten with one new one: a
/// change stays small however many have expired.
pub const SWEPT_DRAFTS_MAX: usize = 8;
/// Characters of a name for people: of a principal, a template, an item, a code.
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
/// The first index of an item of a template; those below are of the Handle
/// System, the node, and whatever needs no template.
pub const ITEM_INDEX_MIN: u32 = 2000;
/// Bytes of the English name of an item.
pub const ITEM_NAME_BYTES_MAX: usize = 64;
/// Characters of the sign of a unit.
pub const UNIT_CHARS_MAX: usize = 16;
/// Digits of a decimal number: a double keeps so many.
pub const DECIMAL_DIGITS_MAX: usize = 15;
/// Codes of one list of codes.
pub const ITEM_CODES_MAX: usize = 512;
/// Prefixes that one item's references are restricted to.
pub const ITEM_PREFIXES_MAX: usize = 32;
/// Algorithms that the node knows for digests of files.
pub const DIGEST_ALGORITHMS_MAX: usize = 3;
/// Elements of one list.
pub const LIST_ELEMENTS_MAX: u32 = 256;
/// Parts of one composition.
pub const COMPOSITION_PARTS_MAX: usize = 32;
/// Bytes of an address of the web.
pub const URL_BYTES_MAX: usize = 2048;
/// Bytes of a pattern.
pub const PATTERN_BYTES_MAX: usize = 512;
/// Groups within groups of a pattern.
pub const PATTERN_DEPTH_MAX: usize = 16;
/// Bytes that a pattern takes in memory to be matched.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 256 * 1024;
/// Items of one version of a template.
pub const TEMPLATE_ITEMS_MAX: usize = 512;
/// Patterns of one version of a template.
pub const TEMPLATE_PATTERNS_MAX: usize = 32;
/// Bytes of the items of one version of a template.
pub const TEMPLATE_BYTES_MAX: usize = 128 * 1024;
/// Sources that one version of a template names.
pub const TEMPLATE_SOURCES_MAX: usize = 32;
/// Versions of one template.
pub const TEMPLATE_VERSIONS_MAX: usize = 256;
/// Bytes of the items of all versions of one template, each that differs once.
pub const TEMPLATE_HISTORY_BYTES_MAX: usize = 512 * 1024;
/// Templates of one firm.
pub const TEMPLATES_PER_FIRM_MAX: usize = 64;
/// Templates of sectors that are made on the node.
pub const SECTOR_TEMPLATES_MAX: usize = 1000;
/// The index of the value that names a record's template.
pub const TEMPLATE_INDEX: u32 = 1000;
/// The index of the value that names the version of a record's template.
pub const TEMPLATE_VERSION_INDEX: u32 = 1001;
/// Faults that one refusal lists.
pub const FAULTS_MAX: usize = 256;
