//! What a firm does: a class of the national economy (GB/T 4754-2017).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::fault::{Reason, Refusal};

/// A class of GB/T 4754-2017: the letter of a section, then two digits for the
/// division, and if it is told so finely a third for the group and a fourth for
/// the class: `C`, `C38`, `C382`, `C3823`.
///
/// Sections and divisions are known by name; groups and classes are taken by
/// their form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Industry(Box<str>);

impl Industry {
    /// Parses a class; lower case is taken as upper.
    ///
    /// # Errors
    /// [`Reason::IndustryUnknown`] unless section and division are known and go
    /// together.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let code = text.trim().to_ascii_uppercase();
        let refused = || {
            Refusal::new(Reason::IndustryUnknown)
                .field("industry")
                .value(text)
        };
        let industry = Self(code.into());
        let digits = industry.digits();
        let is_class =
            matches!(digits.len(), 0 | 2 | 3 | 4) && digits.bytes().all(|b| b.is_ascii_digit());
        let known = is_class
            && industry.section().is_some()
            && (digits.is_empty() || industry.division().is_some());
        if known { Ok(industry) } else { Err(refused()) }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its section: `制造业`.
    pub fn section(&self) -> Option<&'static str> {
        self.row().map(|(_, name, _)| *name)
    }

    /// The name of its division, if the code names one: `电气机械和器材制造业`.
    pub fn division(&self) -> Option<&'static str> {
        let division = self.digits().get(..2)?;
        let (_, _, divisions) = self.row()?;
        divisions
            .split(' ')
            .find_map(|known| known.strip_prefix(division))
    }

    fn digits(&self) -> &str {
        self.0.get(1..).unwrap_or_default()
    }

    fn row(&self) -> Option<&'static (&'static str, &'static str, &'static str)> {
        let letter = self.0.get(..1)?;
        SECTIONS.iter().find(|(known, ..)| *known == letter)
    }
}

impl fmt::Display for Industry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Industry {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::parse(&text)
    }
}

impl From<Industry> for String {
    fn from(industry: Industry) -> Self {
        industry.0.into_string()
    }
}

/// The 20 sections: letter, name, and the divisions, each as two digits with its
/// name behind.
const SECTIONS: &[(&str, &str, &str)] = &[
    (
        "A",
        "农、林、牧、渔业",
        "01农业 02林业 03畜牧业 04渔业 05农、林、牧、渔专业及辅助性活动",
    ),
    (
        "B",
        "采矿业",
        "06煤炭开采和洗选业 07石油和天然气开采业 08黑色金属矿采选业 09有色金属矿采选业 \
         10非金属矿采选业 11开采专业及辅助性活动 12其他采矿业",
    ),
    (
        "C",
        "制造业",
        "13农副食品加工业 14食品制造业 15酒、饮料和精制茶制造业 16烟草制品业 17纺织业 \
         18纺织服装、服饰业 19皮革、毛皮、羽毛及其制品和制鞋业 20木材加工和木、竹、藤、棕、草制品业 \
         21家具制造业 22造纸和纸制品业 23印刷和记录媒介复制业 24文教、工美、体育和娱乐用品制造业 \
         25石油、煤炭及其他燃料加工业 26化学原料和化学制品制造业 27医药制造业 28化学纤维制造业 \
         29橡胶和塑料制品业 30非金属矿物制品业 31黑色金属冶炼和压延加工业 32有色金属冶炼和压延加工业 \
         33金属制品业 34通用设备制造业 35专用设备制造业 36汽车制造业 \
         37铁路、船舶、航空航天和其他运输设备制造业 38电气机械和器材制造业 \
         39计算机、通信和其他电子设备制造业 40仪器仪表制造业 41其他制造业 42废弃资源综合利用业 \
         43金属制品、机械和设备修理业",
    ),
    (
        "D",
        "电力、热力、燃气及水生产和供应业",
        "44电力、热力生产和供应业 45燃气生产和供应业 46水的生产和供应业",
    ),
    (
        "E",
        "建筑业",
        "47房屋建筑业 48土木工程建筑业 49建筑安装业 50建筑装饰、装修和其他建筑业",
    ),
    ("F", "批发和零售业", "51批发业 52零售业"),
    (
        "G",
        "交通运输、仓储和邮政业",
        "53铁路运输业 54道路运输业 55水上运输业 56航空运输业 57管道运输业 \
         58多式联运和运输代理业 59装卸搬运和仓储业 60邮政业",
    ),
    ("H", "住宿和餐饮业", "61住宿业 62餐饮业"),
    (
        "I",
        "信息传输、软件和信息技术服务业",
        "63电信、广播电视和卫星传输服务 64互联网和相关服务 65软件和信息技术服务业",
    ),
    (
        "J",
        "金融业",
        "66货币金融服务 67资本市场服务 68保险业 69其他金融业",
    ),
    ("K", "房地产业", "70房地产业"),
    ("L", "租赁和商务服务业", "71租赁业 72商务服务业"),
    (
        "M",
        "科学研究和技术服务业",
        "73研究和试验发展 74专业技术服务业 75科技推广和应用服务业",
    ),
    (
        "N",
        "水利、环境和公共设施管理业",
        "76水利管理业 77生态保护和环境治理业 78公共设施管理业 79土地管理业",
    ),
    (
        "O",
        "居民服务、修理和其他服务业",
        "80居民服务业 81机动车、电子产品和日用产品修理业 82其他服务业",
    ),
    ("P", "教育", "83教育"),
    ("Q", "卫生和社会工作", "84卫生 85社会工作"),
    (
        "R",
        "文化、体育和娱乐业",
        "86新闻和出版业 87广播、电视、电影和录音制作业 88文化艺术业 89体育 90娱乐业",
    ),
    (
        "S",
        "公共管理、社会保障和社会组织",
        "91中国共产党机关 92国家机构 93人民政协、民主党派 94社会保障 \
         95群众团体、社会团体和其他成员组织 96基层群众自治组织及其他组织",
    ),
    ("T", "国际组织", "97国际组织"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, section: &str, division: Option<&str>) {
        let industry = Industry::parse(text).expect(text);
        assert_eq!(industry.section(), Some(section), "{text}");
        assert_eq!(industry.division(), division, "{text}");
    }

    #[test]
    fn knows_sections_and_divisions_by_name() {
        check("C", "制造业", None);
        check("C38", "制造业", Some("电气机械和器材制造业"));
        check("C3823", "制造业", Some("电气机械和器材制造业"));
        check("c344", "制造业", Some("通用设备制造业"));
        check("C1952", "制造业", Some("皮革、毛皮、羽毛及其制品和制鞋业"));
        check("T97", "国际组织", Some("国际组织"));
    }

    #[test]
    fn the_table_has_every_division_once_and_in_order() {
        assert_eq!(SECTIONS.len(), 20);
        let divisions = SECTIONS.iter().flat_map(|(.., all)| all.split(' '));
        let numbers = divisions.map(|text| text.split_at(2).0.parse::<u32>().expect("digits"));
        assert_eq!(
            numbers.collect::<Vec<_>>(),
            (1..=97).collect::<Vec<_>>(),
            "GB/T 4754-2017 has the divisions 01 to 97"
        );
        for (at, (letter, ..)) in (b'A'..).zip(SECTIONS) {
            assert_eq!(letter.as_bytes(), [at]);
        }
    }

    #[test]
    fn refuses_what_is_no_class() {
        for text in [
            "",
            "38",
            "C3",
            "C38231",
            "C51",
            "A38",
            "U01",
            "C98",
            "C 38",
            "C3x",
            "Ｃ38",
            "制造业",
            "C\u{0}38",
        ] {
            let refusal = Industry::parse(text).expect_err(text);
            assert_eq!(refusal.reason(), Reason::IndustryUnknown, "{text}");
        }
    }
}
