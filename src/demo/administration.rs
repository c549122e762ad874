//! Who administers the firms' prefixes: a record for each prefix, and one with
//! the key of the firm's own software, as the field has them.

use crate::demo::firm::Firm;
use crate::demo::random::Random;
use crate::demo::{Demo, parsed_identifier, value};
use crate::model::data::{Admin, AdminPermissions, ReferenceList};
use crate::model::{Identifier, Permissions, Prefix, Reference, Value};

/// Suffix of the record with the key of a firm's software.
const KEY_SUFFIX: &str = "App_erp";
/// Indices of the keys that administer a prefix; the second is for a key of the
/// reader's own.
const KEY_INDICES: [u32; 2] = [300, 301];
/// Index of the list of those keys in the record of a prefix.
const LIST_INDEX: u32 = 200;
/// Everything but what DO-IRP v3.0 added.
const ALL_RIGHTS: u16 = 0x0fff;
/// Characters of a secret, without those that are mistaken for others.
const SECRET_CHARS: [&str; 32] = [
    "a", "b", "c", "d", "e", "f", "g", "h", "j", "k", "m", "n", "p", "q", "r", "s", "t", "u", "v",
    "w", "x", "y", "z", "2", "3", "4", "5", "6", "7", "8", "9", "0",
];
/// How many of them a secret has.
const SECRET_LENGTH: usize = 20;

impl Demo {
    /// The prefix of the prefixes' records, and a name for who holds it.
    pub fn prefix_of_prefixes() -> (Prefix, &'static str) {
        (Prefix::of_prefixes(), "演示节点")
    }

    /// Two records for each firm: that of its prefix, whose `HS_ADMIN` and
    /// `HS_VLIST` make the firm's key its administrator, and that of the key.
    pub fn administration(&self) -> impl Iterator<Item = (Identifier, Vec<Value>)> {
        self.firms()
            .iter()
            .flat_map(|firm| [prefix_record(firm), self.key_record(firm)])
    }

    /// The identity that administers a firm's prefix, `300:88.118.7/App_erp`, and
    /// the secret that is its `HS_SECKEY`: as public as the demo itself.
    pub fn administrator(&self, firm: &Firm) -> (Reference, String) {
        let [index, _] = KEY_INDICES;
        let identifier = parsed_identifier(&firm.prefix(), KEY_SUFFIX);
        (Reference { index, identifier }, self.secret(firm))
    }

    fn key_record(&self, firm: &Firm) -> (Identifier, Vec<Value>) {
        let (Reference { index, identifier }, secret) = self.administrator(firm);
        let bits = Permissions::ADMIN_READ | Permissions::ADMIN_WRITE;
        let key = Value {
            permissions: Permissions::from_bits(bits),
            ..value(index, "HS_SECKEY", secret)
        };
        let name = value(1, "DESC", format!("{} ERP", firm.name));
        (identifier, vec![name, key])
    }

    fn secret(&self, firm: &Firm) -> String {
        let mut random = Random::at(!self.seed, firm.position);
        (0..SECRET_LENGTH)
            .map(|_| random.pick(&SECRET_CHARS))
            .collect()
    }
}

fn prefix_record(firm: &Firm) -> (Identifier, Vec<Value>) {
    let prefix = firm.prefix();
    let own = parsed_identifier(Prefix::of_prefixes().as_str(), &prefix);
    let admin = Admin {
        permissions: AdminPermissions::from_bits(ALL_RIGHTS),
        reference: Reference {
            index: LIST_INDEX,
            identifier: own.clone(),
        },
    };
    let key = |index| Reference {
        index,
        identifier: parsed_identifier(&prefix, KEY_SUFFIX),
    };
    let list = ReferenceList {
        references: KEY_INDICES.into_iter().map(key).collect(),
    };
    let typed = |index, value_type, data| Value {
        data,
        ..value(index, value_type, String::new())
    };
    let values = vec![
        typed(100, "HS_ADMIN", admin.encode()),
        typed(LIST_INDEX, "HS_VLIST", list.encode()),
    ];
    (own, values)
}
