//! A firm that applies for a prefix: a form filled in, and a licence.

use crate::demo::Demo;
use crate::demo::firm::Firm;
use crate::model::firm::CreditCode;

/// The first 17 characters of the firm's credit code but its number: an authority
/// that registers no firms, so that it is nobody's.
const CODE_BODY: &str = "Y1330382MADEM";
/// A paper of one empty page.
const LICENCE: &[u8] = b"%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj
trailer<</Root 1 0 R>>
%%EOF
";

/// An application as a firm writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The firm's name.
    pub name: String,
    /// Its unified social credit code, which is nobody's.
    pub credit_code: String,
    /// Where it is: GB/T 2260.
    pub region: &'static str,
    /// Its address there.
    pub address: &'static str,
    /// What it does: GB/T 4754.
    pub industry: &'static str,
    /// The prefix that it would like: the first that no firm of the demo has.
    pub wanted_prefix: String,
    /// Who answers for it.
    pub legal_person: &'static str,
    /// Whom to talk to.
    pub contact: &'static str,
    /// The contact's telephone number.
    pub phone: &'static str,
    /// The contact's e-mail address.
    pub email: String,
    /// Its business licence, as a PDF.
    pub licence: &'static [u8],
}

impl Demo {
    /// The application of a firm that has no prefix yet.
    pub fn application(&self) -> Application {
        let position = u64::try_from(self.firms().len()).unwrap_or(u64::MAX - 1);
        Application::of(&Firm::new(self.seed, position))
    }
}

impl Application {
    /// The application of a firm.
    pub(super) fn of(firm: &Firm) -> Self {
        let number = firm.position % 10_000;
        let code = CreditCode::completed(&format!("{CODE_BODY}{number:04}"));
        Self {
            credit_code: code.map(|code| code.to_string()).unwrap_or_default(),
            region: "330382",
            address: "柳市镇示范路 1 号",
            industry: "C3823",
            wanted_prefix: firm.prefix(),
            legal_person: "林示范",
            contact: "陈示例",
            phone: "0577-00000000",
            email: format!("contact@{}", firm.host),
            licence: LICENCE,
            name: firm.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::firm::{Email, Industry, MediaType, Phone, Region, Text, WantedPrefix};

    #[test]
    fn a_node_would_take_it() {
        let demo = Demo::new(1, 2000);
        let application = demo.application();
        assert!(CreditCode::parse(&application.credit_code).is_ok());
        assert!(Region::parse(application.region).is_ok());
        assert!(Industry::parse(application.industry).is_ok());
        assert!(WantedPrefix::parse(&application.wanted_prefix).is_ok());
        assert!(Phone::parse(application.phone).is_ok());
        assert!(Email::parse(&application.email).is_ok());
        assert!(Text::<20>::parse(application.legal_person, "name").is_ok());
        assert_eq!(MediaType::of(application.licence), Ok(MediaType::Pdf));
        let taken = |firm: &Firm| firm.prefix() == application.wanted_prefix;
        assert!(!demo.firms().iter().any(taken));
    }
}
