//! A firm that is there already, for tests that are not about how it came.

use idnode::model::firm::{
    CreditCode, Facts, Hosting, Industry, PersonalState, Region, Text, WantedPrefix,
};
use idnode::model::{Firm, FirmId, FirmState, Timestamp};

/// The firm `id` in `state`, without people, papers and prefix.
pub(crate) fn firm(id: &str, state: FirmState) -> Firm {
    let at = Timestamp::from_millis(1);
    let facts = Facts {
        name: Text::parse(id, "name").unwrap(),
        credit_code: CreditCode::parse("91350100M000100Y43").unwrap(),
        region: Region::parse("330382").unwrap(),
        address: Text::parse("柳市镇电器大道 1 号", "address").unwrap(),
        industry: Industry::parse("C3823").unwrap(),
        wanted_prefix: WantedPrefix::parse("88.118.7").unwrap(),
        hosting: Hosting::Hosted,
    };
    let firm = Firm::applied(FirmId::parse(id).unwrap(), facts, "test", (at, None));
    Firm {
        state,
        personal: PersonalState::Erased,
        revision: 1,
        ..firm
    }
}
