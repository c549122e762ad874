//! Probes by chance from outside a firm: 10,000 questions to two nodes, of which
//! one holds what is not for the asker, and the other has never held it. Every
//! answer must be the same, to the letter.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::time::Duration;

use idnode::model::{
    Caller, FirmRole, GroupId, Identifier, NodeRole, Permissions, Prefix, Record, Reference,
    ShareId, Value, Who,
};
use idnode::node::{
    Asked, Change, GroupAction, OnConflict, Proof, Query, RecordAction, RequestId, TypeFilter,
    Write,
};

use tokio::time::Instant;

use super::world::{
    NOBODYS_PREFIX, OTHER_PREFIX, PREFIX, ROLES, World, create, delete, firm, identity, member,
    operator_with, readers, twins,
};
use crate::registry::{operator, record_change, value};
use crate::support::Chance;

/// How many questions are asked.
const PROBES: usize = 10_000;
/// Records of each kind.
const RECORDS: usize = 20;
/// Index of the values that are not for all.
const HIDDEN_INDEX: u32 = 7;

/// Two nodes that differ in what is hidden alone. They stand at the same position
/// of their logs: for each change of what is hidden the other makes one elsewhere.
struct Twins {
    with: World,
    without: World,
    decoys: usize,
    /// A share of firm "a" in one of the two.
    share: Option<ShareId>,
}

impl Twins {
    /// Makes the same change in both.
    async fn both(&self, change: impl Fn() -> Change) {
        self.with.write(change()).await;
        self.without.write(change()).await;
    }

    /// Makes `hidden` in one, and something that nobody asks for in the other.
    async fn hidden(&mut self, hidden: Change) {
        self.with.write(hidden).await;
        self.decoy().await;
    }

    async fn decoy(&mut self) {
        let identifier = format!("{NOBODYS_PREFIX}/decoy.{}", self.decoys);
        self.decoys += 1;
        let decoy = create(&identifier, None, vec![value(1, "x")]);
        let written = self.without.bare.write_as(&operator(), decoy).await;
        written.expect("written");
    }

    async fn fill(&mut self) {
        for number in 0..RECORDS {
            let identifier = format!("{PREFIX}/Open.{number}");
            let open = || value(1, "for all");
            let mut apart = value(HIDDEN_INDEX, "canary");
            apart.readers = readers(&["firm:b", "group:g"]);
            if number % 2 == 0 {
                self.with
                    .write(create(&identifier, None, vec![open(), apart]))
                    .await;
                self.without
                    .write(create(&identifier, None, vec![open()]))
                    .await;
            } else {
                self.both(|| create(&identifier, None, vec![open()])).await;
            }
            let who = match number % 3 {
                0 => readers(&[]),
                1 => readers(&["firm:b"]),
                _ => readers(&["group:g"]),
            };
            let kept = format!("{PREFIX}/Kept.{number}");
            self.hidden(create(&kept, who.clone(), vec![value(1, "canary")]))
                .await;
            let escaped = format!("{PREFIX}/批次.{number}_{}", "x".repeat(100));
            self.hidden(create(&escaped, who.clone(), vec![value(1, "canary")]))
                .await;
            let gone = format!("{PREFIX}/Gone.{number}");
            self.hidden(create(&gone, who, vec![value(1, "canary")]))
                .await;
            self.hidden(delete(&gone)).await;
        }
        let key = Value {
            value_type: idnode::model::ValueType::parse("HS_SECKEY").expect("a type"),
            permissions: Permissions::SECRET,
            ..value(300, "canary")
        };
        let app = format!("{PREFIX}/App_hidden");
        self.hidden(create(&app, readers(&[]), vec![key])).await;
        let kept = format!("{PREFIX}/Kept.*");
        let made = self.with.share(&[&kept], &[]).await;
        self.share = Some(made.share.id.clone());
        self.decoy().await;
    }
}

/// One question.
struct Probe {
    caller: Caller,
    identifier: Identifier,
    kind: u64,
    choice: u64,
}

/// Names by which to ask: what is there, what is hidden, what was, what never was.
fn any_identifier(chance: &mut Chance) -> Identifier {
    let number = chance.below(u64::try_from(RECORDS + 2).unwrap_or(1));
    let text = match chance.below(12) {
        0..2 => format!("{PREFIX}/Open.{number}"),
        2..5 => format!("{PREFIX}/Kept.{number}"),
        5 => format!("{PREFIX}/KEPT.{number}"),
        6 => format!("{PREFIX}/Kept"),
        7 => format!("{PREFIX}/Gone.{number}"),
        8 => format!("{PREFIX}/批次.{number}_{}", "x".repeat(100)),
        9 => format!("{PREFIX}/App_hidden"),
        10 => format!("{OTHER_PREFIX}/Kept.{number}"),
        _ => format!("{PREFIX}/Never.{number}"),
    };
    Identifier::parse(&text).expect("an identifier")
}

fn any_caller(chance: &mut Chance) -> Caller {
    let role = ROLES[chance.index(ROLES.len())];
    match chance.below(8) {
        0..2 => Caller::ANONYMOUS,
        2..5 => member("c", role),
        5 => member("d", role),
        6 => identity(),
        _ => match chance.below(2) {
            0 => operator_with(NodeRole::Auditor),
            _ => operator_with(NodeRole::SecurityAdministrator),
        },
    }
}

impl Probe {
    fn new(chance: &mut Chance) -> Self {
        Self {
            caller: any_caller(chance),
            identifier: any_identifier(chance),
            kind: chance.below(12),
            choice: chance.below(1 << 32),
        }
    }

    fn query(&self) -> Query {
        let mut query = Query::all(self.identifier.clone());
        match self.choice % 4 {
            0 => query.indices = vec![HIDDEN_INDEX],
            1 => query.types = vec![TypeFilter::new("DESC")],
            2 => query.indices = vec![1, HIDDEN_INDEX],
            _ => {}
        }
        query
    }

    fn change(&self) -> Change {
        let one = || vec![value(HIDDEN_INDEX, "x")];
        let etag = self.choice.is_multiple_of(2).then_some(self.choice % 200);
        let action = match self.choice / 2 % 9 {
            0 => RecordAction::Create {
                values: one(),
                readers: None,
                reuse_deleted: self.choice.is_multiple_of(2),
            },
            1 => RecordAction::Replace {
                values: one(),
                readers: readers(&[]),
                etag,
                allow_missing: true,
            },
            2 => RecordAction::Import {
                values: one(),
                readers: None,
                on_conflict: match self.choice % 3 {
                    0 => OnConflict::Fail,
                    1 => OnConflict::Skip,
                    _ => OnConflict::Update,
                },
            },
            3 => RecordAction::AddValues {
                values: one(),
                etag,
            },
            4 => RecordAction::ModifyValues {
                values: one(),
                etag,
            },
            5 => RecordAction::PutValues { values: one() },
            6 => RecordAction::RemoveValues {
                indices: vec![HIDDEN_INDEX],
                etag,
            },
            7 => RecordAction::SetReaders {
                readers: readers(&["firm:c"]),
                etag,
            },
            _ => RecordAction::Delete { etag },
        };
        record_change(&self.identifier.to_string(), action)
    }

    /// The answer of `world`, to the letter.
    async fn ask(&self, world: &World, share: &ShareId) -> String {
        let (node, caller) = (&world.bare.node, &self.caller);
        let prefix = self.identifier.prefix();
        let key = self.identifier.key(idnode::model::SuffixCase::Folded);
        let after = (!self.choice.is_multiple_of(3)).then(|| key.as_bytes());
        let limit = usize::try_from(self.choice % 7).unwrap_or_default() + 1;
        match self.kind {
            0 => format!("{:?}", node.resolve(caller, &self.query())),
            1 => format!("{:?}", node.resolve_counting(caller, &self.query())),
            2 => format!("{:?}", node.stored(caller, &self.identifier)),
            3 => {
                let deleted = self.choice.is_multiple_of(2);
                let page = node.list_records(caller, prefix, after, limit, deleted);
                format!("{page:?}")
            }
            4 => format!("{:?}", node.list_identifiers(caller, prefix, after, limit)),
            5 => self.export(world),
            6 => self.names(world),
            7 => format!("{:?}", node.precheck(self.change())),
            8 => {
                let write = Write {
                    change: self.change(),
                    request_id: None,
                };
                format!("{:?}", node.validate(caller, vec![write.clone(), write]))
            }
            9 => {
                // Nothing of it is granted: nothing changes.
                let write = Write {
                    change: self.change(),
                    request_id: RequestId::parse(&format!("r{}", self.choice % 5)).ok(),
                };
                format!("{:?}", node.execute_many(caller, vec![write]).await)
            }
            10 => self.prove(world),
            _ => self.office(world, share).await,
        }
    }

    fn export(&self, world: &World) -> String {
        let mut text = String::new();
        let mut sink = |records: Vec<Record>| {
            let _ = write!(text, "{records:?}");
            ControlFlow::Continue(())
        };
        let prefix = (!self.choice.is_multiple_of(4)).then(|| self.identifier.prefix());
        let after = (!self.choice.is_multiple_of(3)).then_some(&self.identifier);
        let node = &world.bare.node;
        let ended = node.export(&self.caller, prefix, after, 3, &mut sink);
        format!("{text} {ended:?}")
    }

    /// What the DNS asks, and what is told of prefixes.
    fn names(&self, world: &World) -> String {
        let node = &world.bare.node;
        let prefix = self.identifier.prefix();
        let entry = node.prefix(&prefix.canonical()).expect("the prefix");
        let suffix = self.identifier.suffix().as_str();
        let above = suffix.split('.').next().unwrap_or_default();
        let mut text = format!(
            "{} {:?} {:?} {:?}",
            node.has_identifiers(&entry),
            node.has_plain_below(&entry, above),
            node.has_escaped_below(&entry, &[above]),
            node.referral(&self.identifier),
        );
        // Operators of every role know how much there is.
        if !matches!(self.caller.who, Who::Operator(_)) {
            let view = node.prefix_view(&self.caller, prefix);
            let list = node.list_prefixes(&self.caller, None, 10);
            let count = node.listed_count(&self.caller, prefix);
            let _ = write!(text, "{view:?} {list:?} {count:?}");
        }
        text
    }

    fn prove(&self, world: &World) -> String {
        let node = &world.bare.node;
        let reference = Reference {
            index: [0, 300, HIDDEN_INDEX][usize::try_from(self.choice % 3).unwrap_or_default()],
            identifier: self.identifier.clone(),
        };
        let proof = Proof::Password(b"canary");
        format!(
            "{:?} {:?}",
            node.prove(&reference, &proof, None),
            node.verify_challenge(&reference, &proof, None),
        )
    }

    async fn office(&self, world: &World, share: &ShareId) -> String {
        let (node, caller) = (&world.bare.node, &self.caller);
        // Operators read every firm's groups and shares.
        if matches!(caller.who, Who::Operator(_)) {
            return String::new();
        }
        let group = GroupId::parse("g").expect("an id");
        let action = GroupAction::Delete { etag: None };
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            node.group(caller, &group),
            node.share(caller, share),
            node.list_groups(caller, &firm("a"), None, 5),
            node.list_shares(caller, &firm("a"), None, 5),
            node.change_group(caller, (group, action), Asked::default())
                .await,
            node.withdraw_share(caller, (share.clone(), None), Asked::default())
                .await,
        )
    }
}

#[test]
fn ten_thousand_probes_from_outside_learn_nothing() {
    twins(async |with: World, without: World| {
        let mut twins = Twins {
            with,
            without,
            decoys: 0,
            share: None,
        };
        twins.fill().await;
        let share = twins.share.clone().expect("a share");
        let mut chance = Chance::new(20_261_125);
        let mut answers = std::collections::HashSet::new();
        for number in 0..PROBES {
            let probe = Probe::new(&mut chance);
            let with = probe.ask(&twins.with, &share).await;
            let without = probe.ask(&twins.without, &share).await;
            let Probe {
                caller,
                identifier,
                kind,
                choice,
            } = &probe;
            assert_eq!(
                with, without,
                "probe {number}: {kind} {choice} {identifier} {caller:?}"
            );
            assert!(!with.contains("canary"), "probe {number}: {with}");
            answers.insert(with);
        }
        // The questions differ, and so do the answers.
        assert!(answers.len() > 300, "{}", answers.len());
        let Twins { with, without, .. } = twins;
        (with, without)
    });
}

/// The median time of resolving one of `identifiers` as `caller`, of many.
fn median(world: &World, caller: &Caller, identifiers: &[Identifier]) -> Duration {
    let mut times: Vec<Duration> = identifiers
        .iter()
        .map(|identifier| {
            let query = Query::all(identifier.clone());
            let began = Instant::now();
            let refused = world.bare.node.resolve(caller, &query);
            let time = began.elapsed();
            assert!(refused.is_err());
            time
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// The path is the same whether a record is hidden or not there; so is the time.
/// It is asserted only where nothing else runs: with `IDNODE_SLOW`.
#[test]
fn what_is_hidden_takes_as_long_as_what_is_not_there() {
    twins(async |with: World, without: World| {
        let mut twins = Twins {
            with,
            without,
            decoys: 0,
            share: None,
        };
        twins.fill().await;
        let names = |name: &str| -> Vec<Identifier> {
            let numbers = (0..20_000).map(|number| number % RECORDS);
            let text = numbers.map(|number| format!("{PREFIX}/{name}.{number}"));
            text.map(|text| Identifier::parse(&text).expect("an identifier"))
                .collect()
        };
        let (hidden, absent) = (names("Kept"), names("None"));
        for caller in [Caller::ANONYMOUS, member("c", FirmRole::Owner)] {
            let mut ratios = Vec::new();
            for _ in 0..5 {
                let (hidden, absent) = (
                    median(&twins.with, &caller, &hidden),
                    median(&twins.with, &caller, &absent),
                );
                ratios.push(hidden.as_secs_f64() / absent.as_secs_f64());
            }
            ratios.sort_by(f64::total_cmp);
            eprintln!("hidden over absent, {}: {ratios:?}", caller.name());
            if std::env::var_os("IDNODE_SLOW").is_some() {
                let middle = ratios[2];
                assert!((0.9..1.1).contains(&middle), "{ratios:?}");
            }
        }
        let Twins { with, without, .. } = twins;
        (with, without)
    });
}

/// That a prefix is parsed is of no interest to the probes.
#[test]
fn probes_ask_below_prefixes_that_are_there() {
    let mut chance = Chance::new(1);
    for _ in 0..100 {
        let identifier = any_identifier(&mut chance);
        let known = [PREFIX, OTHER_PREFIX].map(|text| Prefix::parse(text).expect("a prefix"));
        assert!(known.contains(identifier.prefix()));
    }
}
