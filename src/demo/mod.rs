//! Demo data that looks like the real thing: firms of Wenzhou's sectors, their
//! products, parts and lots, the same for the same seed.
//!
//! Any of up to some billions of records is made on its own, without those
//! before it, so that a load generator needs to keep none. Pure; it does not
//! store, send or print anything.

mod administration;
mod application;
mod chain;
mod firm;
mod random;
mod sector;
mod supply;

use crate::demo::sector::Trade;
use crate::model::{Identifier, Permissions, Prefix, Timestamp, Ttl, Value, ValueType};

pub use crate::demo::application::Application;
pub use crate::demo::chain::ChainGraph;
pub use crate::demo::firm::Firm;
pub use crate::demo::random::Random;
pub use crate::demo::sector::Sector;
pub use crate::demo::supply::{Answer, Story, Supply, SupplyLink};

/// Firms at most: the average second-level node has so many (470,000 firms on
/// 380 nodes at the end of 2024).
const FIRMS_MAX: u64 = 1_200;
/// Firms at least: one of each sector.
const FIRMS_MIN: u64 = 10;
/// Identifiers for each firm while there are fewer firms than [`FIRMS_MAX`].
const IDENTIFIERS_PER_FIRM: u64 = 100;
/// The first day of production: 2023-01-02, in days since 1970-01-01.
const FIRST_DAY: u64 = 19_359;
/// Days over which production spreads, as long as a day makes enough.
const DAYS: u64 = 1_000;
/// Drawings of a part that a firm has.
const DRAWINGS: u64 = 40;
/// Items of its sector that a product's record has.
const SECTOR_ITEMS: usize = 3;
/// Things that a firm makes in a day at least.
const PER_DAY_MIN: u64 = 20;

/// A body of demo data: `identifiers` records, the same for the same seed.
#[derive(Clone, Debug)]
pub struct Demo {
    seed: u64,
    identifiers: u64,
    firms: Vec<Firm>,
    per_day: u64,
}

/// What an identifier stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Product,
    Part,
    Lot,
}

/// One thing of a firm: all that its identifier and its values are made of.
struct Thing<'a> {
    firm: &'a Firm,
    kind: Kind,
    name: &'static str,
    model: String,
    /// Empty where there is none.
    standard: &'static str,
    /// Production date as `20250108`.
    date: String,
    /// Running number of the day, from 1.
    serial: u64,
    random: Random,
}

impl Demo {
    /// The data of `seed` with `identifiers` records.
    pub fn new(seed: u64, identifiers: u64) -> Self {
        let firm_count = (identifiers / IDENTIFIERS_PER_FIRM).clamp(FIRMS_MIN, FIRMS_MAX);
        let firms = (0..firm_count).map(|position| Firm::new(seed, position));
        Self {
            seed,
            identifiers,
            firms: firms.collect(),
            per_day: (identifiers / firm_count / DAYS + 1).max(PER_DAY_MIN),
        }
    }

    /// How many records it has.
    pub const fn identifiers(&self) -> u64 {
        self.identifiers
    }

    /// The firms, in the order of their prefixes.
    pub fn firms(&self) -> &[Firm] {
        &self.firms
    }

    /// Each firm's prefix and name.
    pub fn prefixes(&self) -> impl Iterator<Item = (Prefix, &str)> {
        self.firms
            .iter()
            .map(|firm| (parsed_prefix(&firm.prefix()), firm.name.as_str()))
    }

    /// The identifier at `position`; positions from [`Demo::identifiers`] on
    /// give identifiers that the data does not have, under the same prefixes.
    pub fn identifier(&self, position: u64) -> Identifier {
        self.thing(position).identifier()
    }

    /// The record at `position`: its identifier, and 3 to 12 values ascending
    /// by index.
    ///
    /// Neighbours belong to different firms, as when many production lines
    /// register at once.
    pub fn record(&self, position: u64) -> (Identifier, Vec<Value>) {
        let mut thing = self.thing(position);
        let identifier = thing.identifier();
        let values = match thing.kind {
            Kind::Product => product_values(&mut thing),
            Kind::Part => part_values(&mut thing),
            Kind::Lot => lot_values(&mut thing),
        };
        (identifier, values)
    }

    fn thing(&self, position: u64) -> Thing<'_> {
        let firm_count = u64::try_from(self.firms.len()).unwrap_or(u64::MAX);
        let firm = self.firm(position % firm_count);
        let running = position / firm_count;
        let mut random = Random::at(self.seed, position);
        let kind = match running % 16 {
            5 | 9 | 13 => Kind::Part,
            15 => Kind::Lot,
            _ => Kind::Product,
        };
        let trade = firm.sector.trade();
        let (name, model, standard) = article(trade, kind, &mut random);
        let date = date(FIRST_DAY + running / self.per_day);
        let serial = running % self.per_day + 1;
        Thing {
            firm,
            kind,
            name,
            model,
            standard,
            date,
            serial,
            random,
        }
    }

    #[expect(clippy::expect_used, reason = "there is at least one firm")]
    fn firm(&self, position: u64) -> &Firm {
        let index = usize::try_from(position).unwrap_or_default();
        self.firms.get(index).expect("a position below their count")
    }
}

/// One of the things that a trade makes, and the number of its drawing.
fn article(
    trade: &'static Trade,
    kind: Kind,
    random: &mut Random,
) -> (&'static str, String, &'static str) {
    let articles = match kind {
        Kind::Product => trade.products,
        Kind::Part => trade.parts,
        Kind::Lot => trade.materials,
    };
    let count = u64::try_from(articles.len()).unwrap_or_default();
    let index = usize::try_from(random.below(count)).unwrap_or_default();
    let (name, letters, standard) = articles.get(index).copied().unwrap_or_default();
    let model = match kind {
        Kind::Product | Kind::Lot => letters.to_owned(),
        Kind::Part => format!("{letters}{:03}", random.below(DRAWINGS)),
    };
    (name, model, standard)
}

impl Thing<'_> {
    /// The identifier: its suffix is unique below the prefix by date and
    /// serial. One in fifty is written as people do who have no DNS in mind.
    ///
    /// The first thing to be drawn: called once, before the values are made.
    fn identifier(&mut self) -> Identifier {
        let Self {
            kind,
            name,
            model,
            date,
            serial,
            ..
        } = self;
        let suffix = match self.random.below(100) {
            0 => format!("{name} {date}/{serial:06}"),
            1 => format!("批次{date}-{model}/{serial:06}"),
            _ => match kind {
                Kind::Product | Kind::Part => format!("{model}.{date}.{serial:06}"),
                Kind::Lot => format!("LOT-{model}.{date}.{serial:06}"),
            },
        };
        parsed_identifier(&self.firm.prefix(), &suffix)
    }
}

fn product_values(thing: &mut Thing<'_>) -> Vec<Value> {
    let items = thing.firm.sector.items(&mut thing.random);
    let random = &mut thing.random;
    let mut values = vec![
        value(
            1,
            "URL",
            page(thing.firm, "p", &thing.model, &thing.date, thing.serial),
        ),
        value(2000, "name", format!("{} {}", thing.name, thing.model)),
        value(2001, "brand", thing.firm.brand.clone()),
        value(2002, "model", thing.model.clone()),
        value(2003, "manufacturer", thing.firm.name.clone()),
        value(
            2004,
            "batch",
            format!("{}-{:02}", thing.date, random.between(1, 12)),
        ),
        value(2005, "serial", format!("{:06}", thing.serial)),
        value(2006, "production_date", dashed(&thing.date)),
        value(2008, "standard", thing.standard.to_owned()),
    ];
    for (index, (value_type, data)) in (2100..).zip(items).take(SECTOR_ITEMS) {
        values.push(value(index, value_type, data));
    }
    values
}

fn part_values(thing: &mut Thing<'_>) -> Vec<Value> {
    let random = &mut thing.random;
    let mut values = vec![
        value(
            1,
            "URL",
            page(thing.firm, "c", &thing.model, &thing.date, thing.serial),
        ),
        value(2000, "name", thing.name.to_owned()),
        value(2002, "model", thing.model.clone()),
        value(2003, "manufacturer", thing.firm.name.clone()),
        value(
            2004,
            "batch",
            format!("{}-{:02}", thing.date, random.between(1, 12)),
        ),
        value(2006, "production_date", dashed(&thing.date)),
    ];
    if random.chance(0.5) {
        values.push(value(
            2010,
            "inspection",
            format!("出厂检验合格 JY{}{:04}", thing.date, random.below(10_000)),
        ));
    }
    values
}

fn lot_values(thing: &mut Thing<'_>) -> Vec<Value> {
    let random = &mut thing.random;
    let mut values = vec![
        value(
            1,
            "URL",
            page(thing.firm, "l", &thing.model, &thing.date, thing.serial),
        ),
        value(2000, "name", thing.name.to_owned()),
        value(
            2004,
            "batch",
            format!("{}-{:06}", thing.model, thing.serial),
        ),
    ];
    if random.chance(0.8) {
        values.push(value(2006, "production_date", dashed(&thing.date)));
        values.push(value(
            2016,
            "origin",
            random.pick(&["浙江", "江苏", "广东", "福建"]).to_owned(),
        ));
        values.push(value(
            2150,
            "weight",
            format!("{}kg", random.between(25, 2_000)),
        ));
    }
    values
}

/// The page that the code on a thing leads to.
fn page(firm: &Firm, section: &str, model: &str, date: &str, serial: u64) -> String {
    format!("https://{}/{section}/{model}/{date}/{serial:06}", firm.host)
}

#[expect(
    clippy::expect_used,
    reason = "the types are literals of this module, all of them tested"
)]
fn value(index: u32, value_type: &str, data: String) -> Value {
    Value {
        index,
        value_type: ValueType::parse(value_type).expect("a type of the generator"),
        data: data.into_bytes(),
        ttl: Ttl::DEFAULT,
        permissions: Permissions::DEFAULT,
        readers: None,
        changed: Timestamp::default(),
        references: Vec::new(),
    }
}

#[expect(clippy::expect_used, reason = "digits and dots, whatever the number")]
fn parsed_prefix(text: &str) -> Prefix {
    Prefix::parse(text).expect("a prefix of the generator")
}

#[expect(
    clippy::expect_used,
    reason = "a prefix of digits and a suffix of less than 100 bytes"
)]
fn parsed_identifier(prefix: &str, suffix: &str) -> Identifier {
    Identifier::parse(&format!("{prefix}/{suffix}")).expect("an identifier of the generator")
}

/// A day as `20250108`, from days since 1970-01-01 (Gregorian; the algorithm
/// counts from 1 March, so that the leap day is the last of its year).
fn date(day: u64) -> String {
    // Days since 0000-03-01, in eras of 400 years.
    let since_march = day + 719_468;
    let era = since_march / 146_097;
    let of_era = since_march % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}{month:02}{day_of_month:02}")
}

/// `20250108` as `2025-01-08`.
fn dashed(date: &str) -> String {
    let part = |range: std::ops::Range<usize>| date.get(range).unwrap_or_default();
    format!("{}-{}-{}", part(0..4), part(4..6), part(6..8))
}

#[cfg(test)]
mod tests;
