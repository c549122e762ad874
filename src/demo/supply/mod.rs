//! A supply chain of Wenzhou's electrical trade, from steel strip and silver to
//! pallets: twelve firms, what they made, and who states which links.
//!
//! ```text
//! tier 0   lots of steel strip, of silver alloy, of nylon
//! tier 1   lots of contacts, springs, terminals and housings       made_from
//! tier 2   circuit breakers, each with its number                  contains
//! tier 3   distribution boxes                                      contains
//! tier 4   cartons, then pallets                                   packed_in
//! ```
//! The story: one lot of silver alloy is bad. Which breakers, boxes and pallets
//! have it, and whose are they?

mod links;
mod things;

use crate::demo::firm::Firm;
use crate::demo::sector::Sector;
use crate::demo::{Application, Demo};
use crate::model::link::{Behind, Facts};
use crate::model::{Identifier, LinkKind, Value, Visibility};

use things::Thing;

/// Place among all firms of the first firm of the chain: behind any that
/// [`Demo::firms`] has.
const FIRST_FIRM: u64 = 2_000;
/// The firms: what each makes, as a word in its name, and where it is.
const FIRMS: [(&str, &str); 12] = [
    ("乐清", "精密带钢"),
    ("温州", "银合金材料"),
    ("乐清", "工程塑料"),
    ("乐清", "电触头"),
    ("乐清", "弹簧"),
    ("温州", "接线端子"),
    ("乐清", "模塑"),
    ("乐清", "断路器"),
    ("温州", "低压电器"),
    ("乐清", "配电箱"),
    ("温州", "成套电气"),
    ("温州", "供应链"),
];

/// The chain of a demo.
#[derive(Clone, Debug)]
pub struct Supply {
    firms: Vec<Firm>,
    things: Vec<Thing>,
    links: Vec<SupplyLink>,
}

/// A link that a firm states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupplyLink {
    /// The place of the firm among [`Supply::firms`].
    pub firm: usize,
    /// What the statement is about.
    pub source: Identifier,
    /// Its kind.
    pub kind: LinkKind,
    /// What it is linked to.
    pub target: Identifier,
    /// What it states.
    pub facts: Facts,
    /// Who sees it beside its owner.
    pub visibility: Visibility,
    /// What a trace tells of it to others.
    pub behind: Behind,
    /// What the firm at the other end says of it, if anything.
    pub answer: Option<Answer>,
}

/// What a firm says of a link at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is so.
    Confirmed {
        /// The place of the firm among [`Supply::firms`].
        firm: usize,
    },
    /// It is not so.
    Disputed {
        /// The place of the firm.
        firm: usize,
        /// Why.
        reason: &'static str,
    },
}

/// What the story is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// The lot that is bad.
    pub lot: Identifier,
    /// A pallet that it reached.
    pub pallet: Identifier,
}

impl Demo {
    /// The supply chain of this demo.
    pub fn supply(&self) -> Supply {
        let firms: Vec<Firm> = FIRMS
            .iter()
            .zip(FIRST_FIRM..)
            .map(|((town, word), position)| {
                let firm = Firm::new(self.seed, position);
                Firm {
                    sector: Sector::Apparatus,
                    name: format!("{town}{}{word}有限公司", firm.brand),
                    ..firm
                }
            })
            .collect();
        let things = things::all(&firms);
        let links = links::all(&things, self.seed);
        Supply {
            firms,
            things,
            links,
        }
    }

    /// The application of a firm of the chain.
    pub fn application_of(&self, firm: &Firm) -> Application {
        Application::of(firm)
    }
}

impl Supply {
    /// The firms, in the order of their prefixes.
    pub fn firms(&self) -> &[Firm] {
        &self.firms
    }

    /// What they made, with the place of the firm of each.
    pub fn records(&self) -> impl Iterator<Item = (usize, Identifier, Vec<Value>)> {
        self.things.iter().filter_map(|thing| {
            let firm = self.firms.get(thing.firm)?;
            Some((thing.firm, thing.identifier.clone(), thing.values(firm)))
        })
    }

    /// The links, each behind those upstream of it.
    pub fn links(&self) -> &[SupplyLink] {
        &self.links
    }

    /// The tier of an identifier, from 0; none if it is nobody's of the chain.
    pub fn tier(&self, identifier: &Identifier) -> Option<usize> {
        let thing = self.things.iter().find(|t| t.identifier == *identifier)?;
        Some(thing.article.tier())
    }

    /// What the story is about.
    ///
    /// # Panics
    /// Never: the chain has lots of silver and pallets.
    #[expect(clippy::expect_used, reason = "the counts of articles are above none")]
    pub fn story(&self) -> Story {
        let find = |article, at: usize| {
            let things = self.things.iter().filter(|thing| thing.article == article);
            let mut things = things.map(|thing| thing.identifier.clone());
            things.nth(at).expect("a thing of the chain")
        };
        Story {
            lot: find(things::Article::Silver, links::BAD_LOT),
            pallet: find(things::Article::Pallet, 0),
        }
    }
}

#[cfg(test)]
mod tests;
