//! What the firms of the chain made: its identifiers and what their records say.

use crate::demo::firm::Firm;
use crate::demo::{dashed, date, page, parsed_identifier, value};
use crate::model::{Identifier, Value};

/// The day on which the first lot was made: 2025-01-06, in days since 1970-01-01.
const FIRST_DAY: u64 = 20_094;

/// What a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Article {
    Steel,
    Silver,
    Nylon,
    Contacts,
    Springs,
    Terminals,
    Housings,
    Breaker,
    Box,
    Carton,
    Pallet,
}

/// One thing.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    pub(super) article: Article,
    /// The place of the firm that made it.
    pub(super) firm: usize,
    /// Its number among those of its article, from 0.
    pub(super) number: usize,
    pub(super) identifier: Identifier,
    /// Days since 1970-01-01 when it was made.
    pub(super) day: u64,
}

/// What is known of an article.
struct Plan {
    article: Article,
    /// The places of the firms that make it, in turn.
    firms: &'static [usize],
    count: usize,
    /// Days behind the first one when the first was made, and so many a day.
    from_day: u64,
    per_day: usize,
}

const PLANS: [Plan; 11] = [
    plan(Article::Steel, &[0], 4, (0, 2)),
    plan(Article::Silver, &[1], 4, (1, 1)),
    plan(Article::Nylon, &[2], 2, (1, 1)),
    plan(Article::Contacts, &[3], 6, (8, 1)),
    plan(Article::Springs, &[4], 4, (7, 1)),
    plan(Article::Terminals, &[5], 4, (8, 1)),
    plan(Article::Housings, &[6], 3, (9, 1)),
    plan(Article::Breaker, &[7, 8], 120, (21, 30)),
    plan(Article::Box, &[9, 10], 24, (36, 6)),
    plan(Article::Carton, &[9, 10], 16, (42, 8)),
    plan(Article::Pallet, &[11], 6, (46, 3)),
];

const fn plan(
    article: Article,
    firms: &'static [usize],
    count: usize,
    (from_day, per_day): (u64, usize),
) -> Plan {
    Plan {
        article,
        firms,
        count,
        from_day,
        per_day,
    }
}

impl Article {
    /// How far it is from the raw materials.
    pub(super) const fn tier(self) -> usize {
        match self {
            Self::Steel | Self::Silver | Self::Nylon => 0,
            Self::Contacts | Self::Springs | Self::Terminals | Self::Housings => 1,
            Self::Breaker => 2,
            Self::Box => 3,
            Self::Carton | Self::Pallet => 4,
        }
    }

    /// Its name, and the letters of its identifiers.
    const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Steel => ("冷轧钢带", "LOT-SPCC"),
            Self::Silver => ("银氧化锡丝材", "LOT-AGS"),
            Self::Nylon => ("阻燃尼龙料", "LOT-PA66"),
            Self::Contacts => ("动触头", "LOT-CT"),
            Self::Springs => ("储能弹簧", "LOT-SP"),
            Self::Terminals => ("接线端子", "LOT-TM"),
            Self::Housings => ("断路器外壳", "LOT-HS"),
            Self::Breaker => ("小型断路器", "DZ47-63"),
            Self::Box => ("配电箱", "PZ30-12"),
            Self::Carton => ("外箱", "CTN"),
            Self::Pallet => ("托盘", "PLT"),
        }
    }

    const fn standard(self) -> &'static str {
        match self {
            Self::Breaker => "GB/T 10963.1-2020 家用及类似场所用过电流保护断路器",
            Self::Box => "GB/T 7251.3-2017 由一般人员操作的配电板",
            Self::Steel
            | Self::Silver
            | Self::Nylon
            | Self::Contacts
            | Self::Springs
            | Self::Terminals
            | Self::Housings
            | Self::Carton
            | Self::Pallet => "",
        }
    }
}

impl Thing {
    /// What its record says.
    pub(super) fn values(&self, firm: &Firm) -> Vec<Value> {
        let (name, letters) = self.article.name();
        let date = date(self.day);
        let serial = wide(self.number) + 1;
        let mut values = vec![
            value(1, "URL", page(firm, "s", letters, &date, serial)),
            value(2000, "name", name.to_owned()),
            value(2001, "brand", firm.brand.clone()),
            value(2002, "model", letters.to_owned()),
            value(2003, "manufacturer", firm.name.clone()),
            value(2004, "batch", self.batch()),
            value(2006, "production_date", dashed(&date)),
        ];
        match self.article.standard() {
            "" => {}
            standard => values.push(value(2008, "standard", standard.to_owned())),
        }
        values
    }

    /// Its batch number: of a lot its own, of things that of their day.
    pub(super) fn batch(&self) -> String {
        let date = date(self.day);
        match self.article.tier() {
            0 | 1 => format!("{date}-{:02}", self.number + 1),
            _ => format!("{date}-01"),
        }
    }
}

/// All things, those upstream first.
pub(super) fn all(firms: &[Firm]) -> Vec<Thing> {
    let of = |plan: &'static Plan| {
        (0..plan.count).filter_map(move |number| {
            let firm = *plan.firms.get(number % plan.firms.len())?;
            let day = FIRST_DAY + plan.from_day + wide(number / plan.per_day);
            let (_, letters) = plan.article.name();
            let suffix = format!("{letters}.{}.{:06}", date(day), number + 1);
            Some(Thing {
                article: plan.article,
                firm,
                number,
                identifier: parsed_identifier(&firms.get(firm)?.prefix(), &suffix),
                day,
            })
        })
    };
    PLANS.iter().flat_map(of).collect()
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
