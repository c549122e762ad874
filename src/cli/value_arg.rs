//! Values on the command line: `INDEX:TYPE=DATA` and `INDEX:TYPE=PATH`.

use std::path::Path;
use std::str::FromStr;

use crate::cli::failure::Failure;
use crate::cli::readers::{self, ReaderArgument};
use crate::cli::shape::{data_of_text, permissions_from_text};
use crate::model::data;
use crate::model::limits::VALUE_DATA_BYTES_MAX;
use crate::model::{Permissions, Readers, Reason, Refusal, Timestamp, Ttl, Value, ValueType};

/// One `INDEX:TYPE=…` as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueArgument {
    index: u32,
    value_type: ValueType,
    content: String,
}

impl FromStr for ValueArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "must be INDEX:TYPE=DATA, as 1:URL=https://a.example/";
        let (head, content) = text.split_once('=').ok_or(form)?;
        let (index, value_type) = head.split_once(':').ok_or(form)?;
        let index = index
            .parse()
            .map_err(|_| format!("index {index:?} is no number from 1 to {}", u32::MAX))?;
        if index == 0 {
            return Err(Refusal::new(Reason::IndexZero).to_string());
        }
        Ok(Self {
            index,
            value_type: ValueType::parse(value_type).map_err(|refusal| refusal.to_string())?,
            content: content.to_owned(),
        })
    }
}

/// What all values of one command share.
#[derive(Clone, Debug, clap::Args)]
pub struct ValueArguments {
    /// A value: index, type and data; JSON for HS_ADMIN, HS_SITE, HS_VLIST and
    /// HS_PUBKEY. May be repeated
    #[arg(long = "value", value_name = "INDEX:TYPE=DATA")]
    pub values: Vec<ValueArgument>,
    /// A value whose data is what a file holds. May be repeated
    #[arg(long = "value-file", value_name = "INDEX:TYPE=PATH")]
    pub value_files: Vec<ValueArgument>,
    /// Seconds that resolvers may keep the values
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    pub ttl: u32,
    /// Who reads and writes the values: administrators "rw", the public "r-";
    /// "rwr-" if absent, of an HS_SECKEY "rw--"
    #[arg(long, value_name = "RWRW", allow_hyphen_values = true, value_parser = permissions)]
    pub permissions: Option<Permissions>,
    /// Who may read the values beside their owner: firm:ID, group:ID or nobody;
    /// the public may not then. May be repeated
    #[arg(long = "reader", value_name = "WHO")]
    pub readers: Vec<ReaderArgument>,
}

impl ValueArguments {
    /// The values, files read.
    ///
    /// # Errors
    /// [`Exit::Usage`](crate::cli::failure::Exit::Usage) if a file cannot be
    /// read or is larger than a value may be, and if a text is not the JSON that
    /// its type needs.
    pub fn read(&self) -> Result<Vec<Value>, Failure> {
        let readers = readers::of_arguments(&self.readers)?;
        let mut values = Vec::new();
        for argument in &self.values {
            let data = data_of_text(argument.value_type.as_str(), &argument.content);
            values.push(self.value(argument, data?, readers.clone()));
        }
        for argument in &self.value_files {
            let data = of_file(argument, read(Path::new(&argument.content))?)?;
            values.push(self.value(argument, data, readers.clone()));
        }
        Ok(values)
    }

    fn value(
        &self,
        argument: &ValueArgument,
        data: Vec<u8>,
        readers: Option<Box<Readers>>,
    ) -> Value {
        Value {
            index: argument.index,
            value_type: argument.value_type.clone(),
            data,
            ttl: Ttl::Relative(self.ttl),
            permissions: self
                .permissions
                .unwrap_or_else(|| Permissions::default_of(argument.value_type.as_str())),
            readers,
            changed: Timestamp::default(),
            references: Vec::new(),
        }
    }
}

/// The data of a file: its bytes, or what they say as JSON if they are no data of
/// the type.
fn of_file(argument: &ValueArgument, data: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    let value_type = argument.value_type.as_str();
    if data::check(value_type, &data).is_ok() {
        return Ok(data);
    }
    match std::str::from_utf8(&data) {
        Ok(text) => data_of_text(value_type, text),
        Err(_) => Ok(data),
    }
}

fn permissions(text: &str) -> Result<Permissions, String> {
    permissions_from_text(text).map_err(|refusal| refusal.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read;
    let fail = |error: std::io::Error| {
        Failure::usage(format!("cannot read the value {}: {error}", path.display()))
    };
    let mut data = Vec::new();
    // One byte more than may be, so that the node's own rule speaks.
    let limit = u64::try_from(VALUE_DATA_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    let file = std::fs::File::open(path).map_err(fail)?;
    file.take(limit).read_to_end(&mut data).map_err(fail)?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(u32, &str, &str), &str>) {
        match (text.parse::<ValueArgument>(), expected) {
            (Ok(seen), Ok((index, value_type, content))) => {
                assert_eq!(seen.index, index, "{text}");
                assert_eq!(seen.value_type.as_str(), value_type, "{text}");
                assert_eq!(seen.content, content, "{text}");
            }
            (Err(seen), Err(part)) => assert!(seen.contains(part), "{text}: {seen}"),
            (seen, _) => panic!("{text}: {seen:?}"),
        }
    }

    #[test]
    fn reads_index_type_and_data() {
        check(
            "1:URL=https://a.example/?q=1:2",
            Ok((1, "URL", "https://a.example/?q=1:2")),
        );
        check("2000:name=断路器", Ok((2000, "name", "断路器")));
        check("7:DESC=", Ok((7, "DESC", "")));
        check("4294967295:x==", Ok((4_294_967_295, "x", "=")));
    }

    #[test]
    fn refuses_what_is_no_value() {
        check("", Err("INDEX:TYPE=DATA"));
        check("1:URL", Err("INDEX:TYPE=DATA"));
        check("URL=x", Err("INDEX:TYPE=DATA"));
        check("0:URL=x", Err("index 0"));
        check("-1:URL=x", Err("\"-1\""));
        check("4294967296:URL=x", Err("4294967296"));
        check("1:=x", Err("value type"));
        check("1:A B=x", Err("value type"));
        check("1:HS_NONE=x", Err("HS_"));
    }
}
