//! Who states what of the chain, and what the other side says of it.

use crate::demo::parsed_identifier;
use crate::demo::random::Random;
use crate::demo::supply::things::{Article, Thing};
use crate::demo::supply::{Answer, SupplyLink};
use crate::model::link::{Behind, Facts, Quantity};
use crate::model::{LinkKind, Timestamp, Visibility};

/// The number of the bad lot among those of silver.
pub(super) const BAD_LOT: usize = 1;
/// Breakers of a box.
const PER_BOX: usize = 4;
/// Boxes of a carton; breakers that went into no box are in cartons of their own.
const PER_CARTON: usize = 2;
/// The prefix of a firm of another city, whose meter one box has.
const ELSEWHERE: &str = "88.120.36";
const MILLIS_PER_DAY: u64 = 86_400_000;

/// What a link is seen by.
#[derive(Clone, Copy)]
enum Seen {
    /// Everyone.
    Public,
    /// The firms at its ends; for others there is more.
    Ends,
    /// The firms at its ends; others see what is behind it.
    Through,
}

/// All links, those upstream first.
pub(super) fn all(things: &[Thing], seed: u64) -> Vec<SupplyLink> {
    let mut made = Making {
        things,
        random: Random::at(seed, u64::MAX / 2),
        links: Vec::new(),
    };
    made.lots();
    made.breakers();
    made.boxes();
    made.packing();
    made.links
}

struct Making<'a> {
    things: &'a [Thing],
    random: Random,
    links: Vec<SupplyLink>,
}

impl<'a> Making<'a> {
    fn of(&self, article: Article) -> Vec<&'a Thing> {
        let things = self.things.iter();
        things.filter(|thing| thing.article == article).collect()
    }

    /// What each lot of parts is made of.
    fn lots(&mut self) {
        let parts = [
            (Article::Contacts, Article::Silver, Seen::Through),
            (Article::Springs, Article::Steel, Seen::Ends),
            (Article::Terminals, Article::Steel, Seen::Ends),
            (Article::Housings, Article::Nylon, Seen::Ends),
        ];
        for (article, material, seen) in parts {
            let materials = self.of(material);
            for lot in self.of(article) {
                let Some(material) = materials.get(lot.number % materials.len()) else {
                    continue;
                };
                let kilograms = format!("{}.{}", 20 + self.random.below(80), self.random.below(10));
                let answer = match (article, lot.number) {
                    (Article::Terminals, 3) => Some(Answer::Disputed {
                        firm: material.firm,
                        reason: "该批钢带未发往贵司",
                    }),
                    (_, 0..=2) => Some(Answer::Confirmed {
                        firm: material.firm,
                    }),
                    _ => None,
                };
                self.add(lot, ("made_from", material), (&kilograms, "kg"), seen);
                self.answer(answer);
            }
        }
    }

    /// What each breaker has: the lots in turn, a day's breakers from the same.
    fn breakers(&mut self) {
        let lots = [
            (Article::Contacts, 2),
            (Article::Springs, 1),
            (Article::Terminals, 4),
            (Article::Housings, 1),
        ];
        let lots = lots.map(|(article, pieces)| (article, self.of(article), pieces));
        for breaker in self.of(Article::Breaker) {
            for (article, lots, pieces) in &lots {
                let Some(lot) = lots.get(breaker.number / 10 % lots.len()) else {
                    continue;
                };
                // The second firm shows no one what its breakers are made of.
                let seen = match (article, breaker.number % 2) {
                    (_, 0) => Seen::Public,
                    (Article::Contacts, _) => Seen::Through,
                    (_, _) => Seen::Ends,
                };
                let pieces = pieces.to_string();
                self.add(breaker, ("contains", lot), (&pieces, ""), seen);
            }
        }
    }

    /// What each box has. Some breakers are in none.
    fn boxes(&mut self) {
        let breakers = self.of(Article::Breaker);
        for (case, inside) in self
            .of(Article::Box)
            .into_iter()
            .zip(breakers.chunks(PER_BOX))
        {
            for breaker in inside {
                self.add(case, ("contains", breaker), ("1", ""), Seen::Public);
                let firm = breaker.firm;
                self.answer(Some(Answer::Confirmed { firm }));
            }
        }
        if let Some(case) = self.of(Article::Box).first() {
            let meter = Thing {
                identifier: parsed_identifier(ELSEWHERE, "DDS1998.20250110.000417"),
                ..Thing::clone(case)
            };
            self.add(case, ("contains", &meter), ("1", ""), Seen::Public);
        }
    }

    /// What is packed in which carton, and which carton stands on which pallet.
    fn packing(&mut self) {
        let boxes = self.of(Article::Box);
        let cartons = self.of(Article::Carton);
        let (for_boxes, for_breakers) =
            cartons.split_at(boxes.len().div_ceil(PER_CARTON).min(cartons.len()));
        for (carton, inside) in for_boxes.iter().zip(boxes.chunks(PER_CARTON)) {
            for case in inside {
                self.add(case, ("packed_in", carton), ("1", ""), Seen::Public);
            }
        }
        let breakers = self.of(Article::Breaker);
        let loose = breakers.get(boxes.len() * PER_BOX..).unwrap_or_default();
        let per_carton = loose.len().div_ceil(for_breakers.len().max(1)).max(1);
        for (carton, inside) in for_breakers.iter().zip(loose.chunks(per_carton)) {
            for breaker in inside {
                self.add(breaker, ("packed_in", carton), ("1", ""), Seen::Public);
            }
        }
        let pallets = self.of(Article::Pallet);
        for carton in &cartons {
            let Some(pallet) = pallets.get(carton.number % pallets.len()) else {
                continue;
            };
            // Where it goes is the trade's own.
            self.add(carton, ("packed_in", pallet), ("1", ""), Seen::Through);
            let firm = pallet.firm;
            self.answer(Some(Answer::Confirmed { firm }));
        }
    }

    /// Adds a link that the firm of its source states.
    #[expect(
        clippy::expect_used,
        reason = "kinds and quantities are literals and digits, all of them tested"
    )]
    fn add(
        &mut self,
        source: &Thing,
        (kind, target): (&str, &Thing),
        (amount, unit): (&str, &str),
        seen: Seen,
    ) {
        let (visibility, behind) = match seen {
            Seen::Public => (Visibility::Public, Behind::More),
            Seen::Ends => (Visibility::Ends, Behind::More),
            Seen::Through => (Visibility::Ends, Behind::Through),
        };
        let quantity = Quantity::parse(amount, unit).expect("a quantity of the generator");
        let (batch, day) = match kind {
            "packed_in" => (String::new(), target.day),
            _ => (target.batch(), source.day),
        };
        self.links.push(SupplyLink {
            firm: source.firm,
            source: source.identifier.clone(),
            kind: LinkKind::parse(kind).expect("a kind of the generator"),
            target: target.identifier.clone(),
            facts: Facts {
                quantity: Some(quantity),
                batch,
                valid_from: Some(Timestamp::from_millis(day * MILLIS_PER_DAY)),
                ..Facts::default()
            },
            visibility,
            behind,
            answer: None,
        });
    }

    /// Sets what the other side says of the link that was added last.
    fn answer(&mut self, answer: Option<Answer>) {
        if let Some(link) = self.links.last_mut() {
            link.answer = answer.filter(|answer| match answer {
                Answer::Confirmed { firm } | Answer::Disputed { firm, .. } => *firm != link.firm,
            });
        }
    }
}
