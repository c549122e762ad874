//! Firms with plausible names that belong to nobody.

use crate::demo::random::Random;
use crate::demo::sector::Sector;

/// Characters that firms are named with seldom enough that three of them in a
/// row are nobody's name.
const FIRST: [&str; 24] = [
    "霁", "澹", "翊", "珩", "砚", "昶", "沅", "邈", "熠", "峤", "澍", "翎", "钧", "斓", "屿", "湛",
    "泠", "骁", "筠", "曦", "棠", "岚", "璟", "聿",
];
const SECOND: [&str; 24] = [
    "澜", "铄", "珞", "槿", "柒", "缃", "樾", "苒", "垣", "溯", "珮", "屹", "榕", "漪", "砺", "沐",
    "栩", "琰", "蔚", "铖", "弈", "滢", "昀", "朔",
];
const THIRD: [&str; 24] = [
    "川", "禾", "舟", "岑", "陌", "野", "辰", "洲", "谷", "寻", "坞", "峪", "浦", "汀", "原", "洛",
    "墨", "竹", "溪", "尧", "阡", "岩", "沚", "麓",
];
/// Names there are; no firm's position reaches it.
pub(super) const NAME_COUNT: u64 = 24 * 24 * 24;
/// Odd and no multiple of three: goes through all names before one repeats.
const STRIDE: u64 = 5_333;

/// A firm that holds a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firm {
    /// Its place among the firms, from 0; its prefix ends with one more.
    pub position: u64,
    /// What it makes.
    pub sector: Sector,
    /// Its brand: three characters that name it alone.
    pub brand: String,
    /// Its whole name: `温州霁澜川电器有限公司`.
    pub name: String,
    /// Its pages' address below a domain that is reserved for examples
    /// (RFC 2606 §2): `f7.wenzhou.example`.
    pub host: String,
}

impl Firm {
    /// The firm at `position` of the data of `seed`.
    pub(super) fn new(seed: u64, position: u64) -> Self {
        let sector = Sector::of_firm(position);
        let mut random = Random::at(seed, u64::MAX - position);
        let offset = Random::new(seed).below(NAME_COUNT);
        let number = (position * STRIDE + offset) % NAME_COUNT;
        let brand = [
            nth(&FIRST, number % 24),
            nth(&SECOND, number / 24 % 24),
            nth(&THIRD, number / 576),
        ]
        .concat();
        let trade = sector.trade();
        let town = random.pick(trade.towns);
        let word = random.pick(trade.words);
        Self {
            position,
            sector,
            name: format!("{town}{brand}{word}有限公司"),
            brand,
            host: format!("f{}.wenzhou.example", position + 1),
        }
    }

    /// Its prefix: `88.118.7`.
    pub fn prefix(&self) -> String {
        format!("88.118.{}", self.position + 1)
    }
}

fn nth(characters: &[&'static str; 24], number: u64) -> &'static str {
    let index = usize::try_from(number).unwrap_or_default();
    characters.get(index).copied().unwrap_or_default()
}
