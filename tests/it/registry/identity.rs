//! Handle identities: what they prove, may and see, and what is left of it in
//! the audit trail.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use idnode::model::data::{Admin, AdminPermissions, HashOption, ReferenceList, Site};
use idnode::model::{
    Caller, Identifier, Permissions, Prefix, Reason, Reference, Refusal, Value, ValueType, Who,
};
use idnode::node::{
    Applied, Challenge, Change, Effect, OnConflict, PrefixAction, Proof, Query, RecordAction,
    Referral, RequestId, Write,
};
use idnode::store::codec_types::AuditEntry;

use super::{Bare, block_on, create_prefix, operator, record_change, value};

const ALL: u16 = 0x0fff;
const GROUP: &str = "200:0.NA/88.118.7";
const APP: &str = "300:88.118.8/App_erp";

fn reference(text: &str) -> Reference {
    Reference::parse(text).expect("reference")
}

fn typed(index: u32, value_type: &str, data: Vec<u8>) -> Value {
    Value {
        value_type: ValueType::parse(value_type).expect("type"),
        data,
        ..value(index, "")
    }
}

fn hidden(value: Value) -> Value {
    let bits = Permissions::ADMIN_READ | Permissions::ADMIN_WRITE;
    Value {
        permissions: Permissions::from_bits(bits),
        ..value
    }
}

fn admin(index: u32, bits: u16, named: &str) -> Value {
    let admin = Admin {
        permissions: AdminPermissions::from_bits(bits),
        reference: reference(named),
    };
    typed(index, "HS_ADMIN", admin.encode())
}

/// A value of a type of which the content is a site.
fn site_value(index: u32, value_type: &str) -> Value {
    let site = Site {
        protocol: (2, 11),
        serial: 1,
        is_primary: true,
        is_multi_primary: false,
        hash_option: HashOption::All,
        hash_filter: Vec::new(),
        attributes: Vec::new(),
        servers: Vec::new(),
    };
    typed(index, value_type, site.encode())
}

fn list(index: u32, members: &[&str]) -> Value {
    let references = members.iter().map(|text| reference(text)).collect();
    typed(index, "HS_VLIST", ReferenceList { references }.encode())
}

fn create(identifier: &str, values: Vec<Value>) -> Change {
    let action = RecordAction::Create {
        values,
        readers: None,
        reuse_deleted: false,
    };
    record_change(identifier, action)
}

fn identity(text: &str) -> Caller {
    Caller::of(Who::Identity(idnode::model::Identity::new(
        reference(text),
        false,
    )))
}

/// Whom [`grant_all`] grants everything below `88.118.7`.
pub(super) fn administrator() -> Caller {
    identity(APP)
}

/// Whom nothing names.
pub(super) fn stranger() -> Caller {
    identity("300:88.118.8/App_other")
}

/// Registers two identities below `88.118.8`, and a record of `88.118.7` that
/// makes one of them its administrator.
pub(super) async fn grant_all(bare: &Bare) {
    let secret = |text: &str| vec![hidden(typed(300, "HS_SECKEY", text.into()))];
    let of_prefix = vec![admin(100, ALL, GROUP), list(200, &[APP])];
    for change in [
        create_prefix("0.NA", None),
        create_prefix("88.118.8", None),
        create("88.118.8/App_erp", secret("secret")),
        create("88.118.8/App_other", secret("other")),
        create("0.NA/88.118.7", of_prefix),
    ] {
        bare.write(change).await.expect("made");
    }
}

/// A node with `88.118.7` beside what [`grant_all`] makes.
async fn granted(folder: &std::path::Path) -> Bare {
    let bare = Bare::open(folder);
    let created = bare.write(create_prefix("88.118.7", None)).await;
    created.expect("registered");
    grant_all(&bare).await;
    bare
}

fn reason<T>(result: Result<T, Refusal>) -> Option<Reason> {
    result.err().map(|refusal| refusal.reason())
}

fn run<F: Future<Output = ()>>(test: impl FnOnce(Bare) -> F) {
    block_on(async {
        let folder = tempfile::tempdir().expect("folder");
        test(granted(folder.path()).await).await;
    });
}

#[test]
fn who_proves_an_identity_is_it_in_the_audit_trail() {
    run(async |bare: Bare| {
        let node = &bare.node;
        let prove = |who: &str, password: &[u8]| {
            node.prove(&reference(who), &Proof::Password(password), None)
        };
        // Spelled as registered, however it was asked for.
        let caller = prove("300:88.118.8/APP_ERP", b"secret").expect("proven");
        assert_eq!((caller.name(), caller.is_operator()), (APP, false));
        for (who, password) in [
            (APP, &b"other"[..]),
            (APP, b""),
            ("0:88.118.8/App_erp", b"secret"),
            ("301:88.118.8/App_erp", b"secret"),
            ("300:88.118.8/nobody", b"secret"),
        ] {
            let refused = Some(Reason::AuthenticationFailed);
            assert_eq!(reason(prove(who, password)), refused, "{who}");
            let verified = node.verify_challenge(&reference(who), &Proof::Password(password), None);
            assert_eq!(verified, Ok(false));
        }
        let elsewhere = prove("300:88.119.1/x", b"secret");
        assert_eq!(reason(elsewhere), Some(Reason::IdentityUnknown));
        let right = node.verify_challenge(&reference(APP), &Proof::Password(b"secret"), None);
        assert_eq!(right, Ok(true));

        let made = bare.write_as(&caller, create("88.118.7/a", vec![value(1, "a")]));
        made.await.expect("created");
        let mut last = None;
        let mut each = |_: u64, entry: AuditEntry| {
            if entry.refused.is_empty() {
                last = Some(entry);
            }
            ControlFlow::Continue(())
        };
        bare.store.each_audit(0, &mut each).expect("reads");
        let last = last.expect("an entry");
        assert_eq!(&*last.actor, APP);
        assert_eq!(&*last.subject, b"88.118.7/a");

        let suspend = PrefixAction::Suspend {
            reason: "a test".into(),
            etag: None,
        };
        let prefix = Prefix::parse("88.118.8").expect("prefix");
        let suspended = bare.write(Change::Prefix {
            prefix,
            action: suspend,
        });
        suspended.await.expect("suspended");
        let gone = prove(APP, b"secret");
        assert_eq!(reason(gone), Some(Reason::IdentityUnknown));
        let write = bare.write_as(&caller, create("88.118.7/b", vec![value(1, "b")]));
        assert_eq!(reason(write.await), Some(Reason::NotAdmin));
        bare.close().await;
    });
}

#[test]
fn a_signed_answer_proves_its_key() {
    use idnode::crypto::{SITE_HASH_ALGORITHM, SignedProof, SiteKey};
    run(async |bare: Bare| {
        let key = SiteKey::generate().expect("a key");
        let public = typed(301, "HS_PUBKEY", key.public_key().encode());
        bare.write(create("88.118.8/signs", vec![hidden(public)]))
            .await
            .expect("created");
        let challenge = Challenge {
            nonce: &[7; 16],
            request_digest: &[8; 33],
        };
        let signature = key.sign(&[&[7; 16], &[8; 33]]).expect("signs");
        let proof = Proof::Signature {
            challenge,
            proof: SignedProof {
                hash_algorithm: SITE_HASH_ALGORITHM,
                signature: &signature,
            },
        };
        for index in [0, 301] {
            let who = reference(&format!("{index}:88.118.8/signs"));
            let caller = bare.node.prove(&who, &proof, None).expect("proven");
            assert_eq!(caller.name(), "301:88.118.8/signs");
        }
        bare.close().await;
    });
}

#[test]
fn a_right_that_is_taken_away_is_gone_with_the_next_change() {
    run(async |bare: Bare| {
        let write = |change| Write {
            change,
            request_id: None,
        };
        let take_away = RecordAction::RemoveValues {
            indices: vec![200],
            etag: None,
        };
        let writes = vec![
            write(create("88.118.7/a", vec![value(1, "a")])),
            write(record_change("0.NA/88.118.7", take_away)),
            write(create("88.118.7/b", vec![value(1, "b")])),
        ];
        // An administrator of the prefix is none of the record 0.NA/88.118.7
        // unless that names it too, as here.
        let outcomes = bare.node.execute_many(&administrator(), writes).await;
        let reasons = outcomes.expect("taken").into_iter().map(reason);
        let seen: Vec<_> = reasons.collect();
        assert_eq!(seen, [None, None, Some(Reason::NotAdmin)]);
        bare.close().await;
    });
}

#[test]
fn an_identity_does_what_its_bits_say_and_no_more() {
    run(async |bare: Bare| {
        let bits = AdminPermissions::ADD_VALUE | AdminPermissions::MODIFY_VALUE;
        let values = vec![value(1, "a"), admin(100, bits, "0:88.118.8/App_other")];
        let created = bare.write(create("88.118.7/a", values)).await;
        created.expect("created");
        let act = async |action| {
            let change = record_change("88.118.7/a", action);
            let checked = bare.node.precheck(change.clone());
            assert_eq!(checked, Ok(()), "{change:?}");
            reason(bare.write_as(&stranger(), change).await)
        };
        let etag = None;
        let values = vec![value(2, "b")];
        assert_eq!(act(RecordAction::AddValues { values, etag }).await, None);
        let values = vec![value(2, "c")];
        assert_eq!(act(RecordAction::ModifyValues { values, etag }).await, None);
        let denied = Some(Reason::PermissionDenied);
        let values = vec![admin(101, 1, APP)];
        assert_eq!(act(RecordAction::AddValues { values, etag }).await, denied);
        let values = vec![admin(100, ALL, "0:88.118.8/App_other")];
        assert_eq!(
            act(RecordAction::ModifyValues { values, etag }).await,
            denied
        );
        let indices = vec![2];
        assert_eq!(
            act(RecordAction::RemoveValues { indices, etag }).await,
            denied
        );
        assert_eq!(act(RecordAction::Delete { etag }).await, denied);
        let replace = |values| RecordAction::Replace {
            values,
            readers: None,
            etag,
            allow_missing: false,
        };
        assert_eq!(act(replace(vec![value(1, "a")])).await, denied);
        let kept = admin(100, bits, "0:88.118.8/App_other");
        let grown = vec![value(1, "x"), value(2, "c"), value(3, "d"), kept];
        assert_eq!(act(replace(grown)).await, None);
        let create = create("88.118.7/z", vec![value(1, "z")]);
        let refusal = bare
            .write_as(&stranger(), create)
            .await
            .expect_err("refused");
        assert_eq!(refusal.reason(), Reason::NotAdmin);
        assert_eq!(refusal.shown_limit(), "0.NA/88.118.7");
        bare.close().await;
    });
}

#[test]
fn prefixes_are_for_operators_and_whom_the_settings_name() {
    run(async |bare: Bare| {
        let change = || create_prefix("88.118.9", None);
        let refused = bare.write_as(&administrator(), change()).await;
        assert_eq!(reason(refused), Some(Reason::PermissionDenied));
        bare.node.set_admins(vec![reference("0:88.118.8/APP_ERP")]);
        let proof = Proof::Password(b"secret");
        let caller = bare
            .node
            .prove(&reference(APP), &proof, None)
            .expect("proven");
        assert_eq!((caller.name(), caller.is_operator()), (APP, true));
        bare.write_as(&caller, change()).await.expect("registered");
        let other = Proof::Password(b"other");
        let other = bare.node.prove(stranger_reference(), &other, None);
        assert!(!other.expect("proven").is_operator());
        let backups = bare.node.backup_list(&administrator());
        assert_eq!(reason(backups), Some(Reason::PermissionDenied));
        bare.close().await;
    });
}

fn stranger_reference() -> &'static Reference {
    static REFERENCE: std::sync::OnceLock<Reference> = std::sync::OnceLock::new();
    REFERENCE.get_or_init(|| reference("300:88.118.8/App_other"))
}

#[test]
fn request_ids_of_identities_are_their_own() {
    run(async |bare: Bare| {
        let write = |name: &str| Write {
            change: create(&format!("88.118.7/{name}"), vec![value(1, name)]),
            request_id: Some(RequestId::parse("1").expect("id")),
        };
        let first = bare.node.execute(&administrator(), write("a")).await;
        let first = first.expect("created");
        let by_operator = bare.node.execute(&operator(), write("b")).await;
        by_operator.expect("another's request");
        let again = bare.node.execute(&administrator(), write("a")).await;
        assert_eq!(again, Ok(first));
        let other = bare.node.execute(&administrator(), write("c")).await;
        assert_eq!(reason(other), Some(Reason::RequestIdReused));
        // The answer to somebody else's request is not told.
        let stranger = bare.node.execute(&stranger(), write("a")).await;
        assert_eq!(reason(stranger), Some(Reason::RecordExists));
        bare.close().await;
    });
}

#[test]
fn an_identity_reads_and_lists_what_it_administers() {
    run(async |bare: Bare| {
        let values = vec![value(1, "open"), hidden(value(2, "closed"))];
        let made = bare.write(create("88.118.7/a", values)).await;
        made.expect("created");
        let seen = |caller: &Caller, types: &[&str]| {
            let mut query = Query::all(Identifier::parse("88.118.7/a").expect("identifier"));
            query.types = types
                .iter()
                .map(|t| idnode::node::TypeFilter::new(t))
                .collect();
            let record = bare.node.resolve(caller, &query).expect("resolves");
            record.values.len()
        };
        assert_eq!(seen(&administrator(), &[]), 2);
        // Rights are judged by the whole record, not by what is asked of it.
        assert_eq!(seen(&administrator(), &["desc"]), 2);
        assert_eq!(seen(&stranger(), &[]), 1);
        assert_eq!(seen(&Caller::ANONYMOUS, &[]), 1);

        let prefix = Prefix::parse("88.118.7").expect("prefix");
        let list = |caller: &Caller, deleted| {
            let page = bare.node.list_records(caller, &prefix, None, 10, deleted);
            page.map(|page| page.items.len())
        };
        assert_eq!(list(&administrator(), false), Ok(1));
        assert_eq!(list(&Caller::ANONYMOUS, false), Ok(1));
        assert_eq!(reason(list(&stranger(), false)), Some(Reason::NotAdmin));
        assert_eq!(
            reason(list(&administrator(), true)),
            Some(Reason::PermissionDenied)
        );
        let mut exported = Vec::new();
        let mut sink = |records: Vec<idnode::model::Record>| {
            exported.extend(records);
            ControlFlow::Continue(())
        };
        let export = bare
            .node
            .export(&administrator(), Some(&prefix), None, 10, &mut sink);
        export.expect("exported");
        let export = bare
            .node
            .export(&stranger(), Some(&prefix), None, 10, &mut sink);
        assert_eq!(reason(export), Some(Reason::NotAdmin));
        assert_eq!(exported[0].values.len(), 2);
        bare.close().await;
    });
}

/// Types and indices of the values of `text`'s record, as anyone sees it.
fn told(bare: &Bare, text: &str) -> Result<BTreeMap<u32, String>, Reason> {
    let identifier = Identifier::parse_or_prefix(text).expect("identifier");
    let record = bare
        .node
        .resolve(&Caller::ANONYMOUS, &Query::all(identifier));
    let record = record.map_err(|refusal| refusal.reason())?;
    let shown = |value: &Value| (value.index, value.value_type.as_str().to_owned());
    Ok(record.values.iter().map(shown).collect())
}

#[test]
fn each_active_prefix_has_a_record_that_tells_the_site() {
    run(async |bare: Bare| {
        let missing = Err(Reason::RecordNotFound);
        assert_eq!(told(&bare, "88.118.8"), missing);
        let stamp = bare.node.stamp("0.na", b"88.118.8");
        bare.node.set_site(b"site".to_vec());
        assert!(!bare.node.is_current(&stamp));
        let site = || BTreeMap::from([(1, "HS_SITE".to_owned())]);
        assert_eq!(told(&bare, "88.118.8"), Ok(site()));
        assert_eq!(told(&bare, "0.NA"), Ok(site()));
        let mut with_stored = site();
        with_stored.extend([(100, "HS_ADMIN".into()), (200, "HS_VLIST".into())]);
        assert_eq!(told(&bare, "0.na/88.118.7"), Ok(with_stored));
        assert_eq!(told(&bare, "88.118.9"), missing);

        // What is stored is not the site: a change begins from that.
        let identifier = Identifier::parse("0.NA/88.118.8").expect("identifier");
        let stored = bare.node.stored(&operator(), &identifier);
        assert_eq!(reason(stored), Some(Reason::RecordNotFound));
        let own = site_value(7, "HS_SITE");
        let made = bare.write(create("0.NA/88.118.8", vec![own])).await;
        made.expect("created");
        let own = BTreeMap::from([(7, "HS_SITE".to_owned())]);
        assert_eq!(told(&bare, "88.118.8"), Ok(own));

        let stamp = bare.node.stamp("0.na", b"88.118.9");
        let made = bare.write(create_prefix("88.118.9", None)).await;
        made.expect("registered");
        assert!(!bare.node.is_current(&stamp));
        assert_eq!(told(&bare, "88.118.9"), Ok(site()));
        let stamp = bare.node.stamp("0.na", b"88.118.9");
        let suspend = Change::Prefix {
            prefix: Prefix::parse("88.118.9").expect("prefix"),
            action: PrefixAction::Suspend {
                reason: "a test".into(),
                etag: None,
            },
        };
        bare.write(suspend).await.expect("suspended");
        assert!(!bare.node.is_current(&stamp));
        assert_eq!(told(&bare, "88.118.9"), missing);
        bare.close().await;
    });
}

#[test]
fn knows_who_serves_what_is_not_served_here() {
    run(async |bare: Bare| {
        bare.node.set_site(b"site".to_vec());
        let site = || site_value(1, "HS_SITE");
        let service = || typed(2, "HS_SERV", b"0.NA/88".to_vec());
        let below = || site_value(3, "HS_SITE.PREFIX");
        let delegate = || site_value(4, "HS_NA_DELEGATE");
        for (identifier, values) in [
            ("0.NA/88.200.1", vec![site(), service(), below()]),
            ("0.NA/88.200.2", vec![value(1, "x")]),
            ("0.NA/88.200", vec![site()]),
            ("0.NA/88", vec![below(), delegate(), hidden(service())]),
            ("0.NA/20.500", vec![hidden(site()), hidden(below())]),
        ] {
            let made = bare.write(create(identifier, values)).await;
            made.expect("created");
        }
        let dated = |values: Vec<Value>| -> Vec<Value> {
            let changed = bare.node.now();
            let dated = |value| Value { changed, ..value };
            values.into_iter().map(dated).collect()
        };
        let referral = |text: &str| {
            let identifier = Identifier::parse_or_prefix(text).expect("identifier");
            bare.node.referral(&identifier).expect("read")
        };
        let of_service = Referral::Service {
            prefix_record: Identifier::parse("0.NA/88.200.1").expect("identifier"),
            values: dated(vec![site(), service()]),
        };
        assert_eq!(referral("88.200.1/x"), Some(of_service));
        let of_prefix = Referral::Prefix {
            values: dated(vec![below(), delegate()]),
        };
        // Past the nearest, which has nothing to say about prefixes below it.
        assert_eq!(referral("88.200.3"), Some(of_prefix));
        for nowhere in [
            "88.200.1",       // has its own record
            "88.200.2/x",     // whose prefix's record tells no site
            "88.200.3/x",     // has no prefix record: ask for that first
            "20.500/x",       // where the public may not read it
            "20.500.1",       // likewise
            "88.118.7/x",     // served here
            "88.118.7",       // likewise
            "0.NA/no prefix", // no record of a prefix
            "300",            // nothing above it
        ] {
            assert_eq!(referral(nowhere), None, "{nowhere}");
        }
        bare.close().await;
    });
}

#[test]
fn an_import_that_skips_needs_the_right_to_register() {
    run(async |bare: Bare| {
        let made = bare.write(create("88.118.7/a", vec![value(1, "a")])).await;
        made.expect("created");
        let skip = || {
            let action = RecordAction::Import {
                values: vec![value(1, "b")],
                readers: None,
                on_conflict: OnConflict::Skip,
            };
            record_change("88.118.7/a", action)
        };
        let refused = bare.write_as(&stranger(), skip()).await;
        assert_eq!(reason(refused), Some(Reason::NotAdmin));
        let skipped = bare.write_as(&administrator(), skip()).await;
        let Ok(Applied::Imported(effect)) = skipped else {
            panic!("{skipped:?}");
        };
        assert_eq!(effect, Effect::Skipped);
        bare.close().await;
    });
}
