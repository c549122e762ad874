//! What the columns of a CSV file mean, from its header.
//!
//! ```text
//! long form   identifier, index, type, data [, ttl] [, permissions] [, references] [, encoding]
//! wide form   identifier, then a column for each value: INDEX:TYPE or a known item's name
//! ```
//! `suffix` can stand for `identifier` where `--prefix` names the prefix.

use crate::cli::failure::Failure;
use crate::cli::import::rows::Under;
use crate::model::{Prefix, ValueType};

/// What a cell of a column is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The whole identifier.
    Identifier,
    /// The identifier without its prefix.
    Suffix,
    /// Long form: index of the value.
    Index,
    /// Long form: type of the value.
    Type,
    /// Long form: data of the value.
    Data,
    /// Seconds, or a time; in the wide form for every value of the row.
    Ttl,
    /// As `rwr-`.
    Permissions,
    /// Long form: a JSON list of references.
    References,
    /// Long form: `base64` where the data is not text.
    Encoding,
    /// Wide form: the data of the value with this index and type.
    Item(u32, ValueType),
}

/// Spellings of the columns that are not values.
const COMMON: &[(Role, &[&str])] = &[
    (Role::Identifier, &["identifier", "标识", "标识编码"]),
    (Role::Suffix, &["suffix", "后缀", "标识后缀"]),
    (Role::Index, &["index", "索引"]),
    (Role::Type, &["type", "类型"]),
    (Role::Data, &["data", "数据", "值"]),
    (Role::Ttl, &["ttl", "生存时间"]),
    (Role::Permissions, &["permissions", "权限"]),
    (Role::References, &["references", "引用"]),
    (Role::Encoding, &["encoding", "编码方式"]),
];

/// The common core of a product record: index, type, Chinese name.
const ITEMS: &[(u32, &str, &str)] = &[
    (2000, "name", "产品名称"),
    (2001, "brand", "品牌"),
    (2002, "model", "规格型号"),
    (2003, "manufacturer", "生产企业"),
    (2004, "batch", "批次号"),
    (2005, "serial", "序列号"),
    (2006, "production_date", "生产日期"),
    (2007, "expiry", "有效期"),
    (2008, "standard", "执行标准"),
    (2009, "certificate", "认证证书"),
    (2010, "inspection", "检验报告"),
    (2011, "URL", "产品网页"),
    (2015, "gtin", "商品条码"),
    (2016, "origin", "产地"),
];

/// What the names of columns may stand for.
#[derive(Clone, Debug)]
pub struct Names {
    /// Below which all identifiers stand.
    pub prefix: Option<Prefix>,
    /// Items by index, English and Chinese name.
    items: Vec<(u32, String, String)>,
}

impl Names {
    /// The items of a template, or of the common core of a product record.
    pub fn new(prefix: Option<Prefix>, under: Option<&Under>) -> Self {
        let owned =
            |(index, name, label): (u32, &str, &str)| (index, name.to_owned(), label.to_owned());
        let items = match under {
            None => ITEMS.iter().copied().map(owned).collect(),
            Some(under) => under
                .version
                .items()
                .iter()
                .map(|item| owned((item.index(), item.name().as_str(), item.label())))
                .collect(),
        };
        Self { prefix, items }
    }
}

/// The columns of one file.
#[derive(Clone, Debug)]
pub struct Columns {
    roles: Vec<Role>,
    names: Vec<String>,
}

impl Columns {
    /// Reads a header.
    ///
    /// # Errors
    /// [`Exit::Usage`](crate::cli::failure::Exit::Usage), naming the column and
    /// what may have been meant.
    pub fn parse<'a>(
        header: impl Iterator<Item = &'a str>,
        known: &Names,
    ) -> Result<Self, Failure> {
        let names: Vec<String> = header.map(|name| name.trim().to_owned()).collect();
        let mut roles: Vec<Role> = Vec::with_capacity(names.len());
        for (position, name) in names.iter().enumerate() {
            let role = role(name, &known.items).map_err(|fault| wrong(position, name, &fault))?;
            if let Some(first) = roles.iter().position(|other| same(other, &role)) {
                let fault = format!("means the same as column {}", first + 1);
                return Err(wrong(position, name, &fault));
            }
            roles.push(role);
        }
        let columns = Self { roles, names };
        columns.check(known.prefix.as_ref())?;
        Ok(columns)
    }

    fn check(&self, prefix: Option<&Prefix>) -> Result<(), Failure> {
        let has = |role: &Role| self.roles.contains(role);
        match (has(&Role::Identifier), has(&Role::Suffix)) {
            (true, true) => {
                return Err(Failure::usage(
                    "the header has both identifier and suffix; one is enough",
                ));
            }
            (false, false) => {
                return Err(Failure::usage(
                    "the header has no column identifier (or suffix, with --prefix)",
                ));
            }
            (false, true) if prefix.is_none() => {
                return Err(
                    Failure::usage("the header has suffix, and the prefix is not known")
                        .hint("name it: --prefix 88.118.7"),
                );
            }
            _ => {}
        }
        let long = [Role::Index, Role::Type, Role::Data];
        let wide = self.roles.iter().any(|r| matches!(r, Role::Item(..)));
        let long_only = [
            &Role::Index,
            &Role::Type,
            &Role::References,
            &Role::Encoding,
        ];
        if wide {
            if let Some(role) = long_only.into_iter().find(|role| has(role)) {
                let name = self.name_of(role);
                return Err(Failure::usage(format!(
                    "the header mixes the long form ({name}) and the wide one"
                )));
            }
        } else if let Some(missing) = long.iter().find(|role| !has(role)) {
            let spelled = COMMON.iter().find(|(role, _)| role == missing);
            let name = spelled.and_then(|(_, names)| names.first());
            return Err(Failure::usage(format!(
                "the header has no column {}",
                name.copied().unwrap_or_default()
            ))
            .hint("or a column for each value, named INDEX:TYPE, as 2000:name"));
        }
        Ok(())
    }

    /// Whether a row holds one value, and a record takes several rows.
    pub fn is_long(&self) -> bool {
        self.roles.contains(&Role::Index)
    }

    /// Role and name of each column.
    pub fn iter(&self) -> impl Iterator<Item = (&Role, &str)> {
        self.roles.iter().zip(self.names.iter().map(String::as_str))
    }

    /// The name that the column of `role` has in the file.
    pub fn name_of(&self, role: &Role) -> &str {
        let found = self.iter().find(|(other, _)| *other == role);
        found.map_or("", |(_, name)| name)
    }
}

/// Whether two columns cannot stand in one header.
fn same(a: &Role, b: &Role) -> bool {
    match (a, b) {
        (Role::Item(a, _), Role::Item(b, _)) => a == b,
        (a, b) => a == b,
    }
}

fn wrong(position: usize, name: &str, fault: &str) -> Failure {
    Failure::usage(format!(
        "header, column {}, {name:?}: {fault}",
        position + 1
    ))
}

fn role(name: &str, items: &[(u32, String, String)]) -> Result<Role, String> {
    let folded = name.to_lowercase();
    for (role, spellings) in COMMON {
        if spellings.contains(&folded.as_str()) {
            return Ok(role.clone());
        }
    }
    for (index, english, chinese) in items {
        if folded == english.to_lowercase() || name == chinese {
            return item(*index, english);
        }
    }
    if let Some((index, value_type)) = name.split_once([':', '：']) {
        let index = index.trim().parse().ok().filter(|index| *index > 0);
        let index = index.ok_or("its index is no number from 1 to 4294967295")?;
        return item(index, value_type.trim());
    }
    let known = COMMON.iter().flat_map(|(_, names)| names.iter().copied());
    let items = items
        .iter()
        .flat_map(|(_, english, chinese)| [english.as_str(), chinese.as_str()]);
    let alike = known
        .chain(items)
        .map(|candidate| {
            (
                strsim::jaro_winkler(&folded, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    Err(match alike {
        Some((_, alike)) => format!("unknown; did you mean {alike}?"),
        None => "unknown; a value's column is named INDEX:TYPE, as 2000:name".to_owned(),
    })
}

fn item(index: u32, value_type: &str) -> Result<Role, String> {
    let value_type = ValueType::parse(value_type).map_err(|refusal| refusal.to_string())?;
    Ok(Role::Item(index, value_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, prefix: Option<&str>, expected: Result<bool, &str>) {
        let prefix = prefix.map(|p| Prefix::parse(p).expect("prefix"));
        let seen = Columns::parse(header.split(','), &Names::new(prefix, None));
        match (seen, expected) {
            (Ok(columns), Ok(long)) => assert_eq!(columns.is_long(), long, "{header}"),
            (Err(failure), Err(part)) => {
                let text = failure.text(crate::model::Language::English).to_owned();
                assert!(text.contains(part), "{header}: {text}");
                assert_eq!(failure.exit().code(), 2);
            }
            (seen, _) => panic!("{header}: {seen:?}"),
        }
    }

    #[test]
    fn reads_both_forms_in_both_languages() {
        check("identifier,index,type,data,ttl", None, Ok(true));
        check("标识,索引,类型,数据", None, Ok(true));
        check("identifier,2000:name,1:URL", None, Ok(false));
        check("suffix,产品名称,规格型号,ttl", Some("88.118.7"), Ok(false));
        check("Identifier,Name,url", None, Ok(false));
    }

    #[test]
    fn reads_the_items_of_a_template() {
        let version = crate::model::template::sector::find("valves").expect("shipped");
        let under = Under {
            id: "valves".to_owned(),
            number: 1,
            version: (**version).clone(),
        };
        let names = Names::new(None, Some(&under));
        let header = ["identifier", "产品名称", "炉号", "Nominal_Diameter"];
        let columns = Columns::parse(header.into_iter(), &names).expect("a header");
        let indices: Vec<u32> = columns
            .iter()
            .filter_map(|(role, _)| match role {
                Role::Item(index, _) => Some(*index),
                _ => None,
            })
            .collect();
        assert_eq!(indices, [2000, 2103, 2100]);
        assert!(Columns::parse(["identifier", "trip_curve"].into_iter(), &names).is_err());
        assert_eq!(under.column("values[index=2103].data"), "heat_number");
        assert_eq!(under.column("values[3].data"), "values[3].data");
    }

    #[test]
    fn refuses_headers_that_say_nothing_sure() {
        check(
            "identifier,nmae",
            None,
            Err("column 2, \"nmae\": unknown; did you mean name?"),
        );
        check("identifer,name", None, Err("did you mean identifier?"));
        check("identifier,产品名", None, Err("did you mean 产品名称?"));
        check("identifier,colour", None, Err("INDEX:TYPE"));
        check("identifier,0:name", None, Err("its index"));
        check("identifier,1:a b", None, Err("value type"));
        check("identifier,name,2000:title", None, Err("column 3"));
        check("identifier,identifier,name", None, Err("same as column 1"));
        check("name,brand", None, Err("no column identifier"));
        check("suffix,name", None, Err("prefix is not known"));
        check("identifier,suffix,name", Some("88.1"), Err("both"));
        check("identifier,index,type,name", None, Err("mixes"));
        check("identifier,index,type", None, Err("no column data"));
        check("identifier", None, Err("no column index"));
    }
}
