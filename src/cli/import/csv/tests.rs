//! Tests of `csv`: forms, encodings, and where wrong cells are found.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use encoding_rs::GB18030;

use super::*;
use crate::cli::import::encoding::Encoding;

/// Reads the bytes of a file as `import` does.
fn read(bytes: &[u8], prefix: Option<&str>) -> Vec<Parsed<v1::Record>> {
    let mut file = tempfile::NamedTempFile::new().expect("file");
    file.write_all(bytes).expect("write");
    let encoding = Encoding::Auto.resolve(file.path()).expect("readable");
    let watch = Rc::new(Watch::default());
    let consumed = Arc::new(AtomicU64::new(0));
    let (text, _) = encoding.decode_with_bom_removal(bytes);
    let delimiter = delimiter(&text);
    let reader = Utf8Reader::new(bytes, encoding, Rc::clone(&watch), consumed);
    let prefix = prefix.map(|p| Prefix::parse(p).expect("prefix"));
    let mut rows =
        CsvRows::new(reader, watch, delimiter, Names::new(prefix, None)).expect("header");
    std::iter::from_fn(|| rows.next().expect("readable")).collect()
}

fn summary(parsed: &[Parsed<v1::Record>]) -> Vec<String> {
    let line = |parsed: &Parsed<v1::Record>| match parsed {
        Parsed::Item(row, record) => {
            let values = record.values.iter().map(|value| match &value.data {
                Some(v1::value::Data::Text(text)) => {
                    format!("{}:{}={text}", value.index, value.r#type)
                }
                other => format!("{}:{}={other:?}", value.index, value.r#type),
            });
            let values: Vec<_> = values.collect();
            format!("{row} {} {}", record.name, values.join(" "))
        }
        Parsed::Bad(bad) => {
            let cells = bad
                .iter()
                .map(|bad| format!("{}/{}/{}/{}", bad.row, bad.column, bad.value, bad.reason));
            cells.collect::<Vec<_>>().join(" ")
        }
    };
    parsed.iter().map(line).collect()
}

fn check(text: &str, prefix: Option<&str>, expected: &[&str]) {
    assert_eq!(summary(&read(text.as_bytes(), prefix)), expected, "{text}");
}

#[test]
fn groups_adjacent_rows_of_the_long_form() {
    check(
        "identifier,index,type,data,ttl\n\
         88.118.7/a,2,B,y,60\n\
         88.118.7/a,1,A,x,\n\
         \n\
         88.118.7/b,1,URL,\"p,q\",\n\
         88.118.7/c,,,,\n",
        None,
        &[
            "2 records/88.118.7/a 1:A=x 2:B=y",
            "5 records/88.118.7/b 1:URL=p,q",
            "6 records/88.118.7/c ",
        ],
    );
}

#[test]
fn reads_the_wide_form_with_known_names_and_suffixes() {
    check(
        "后缀;产品名称;1:URL\nDZ47-63.001;断路器;https://a.example/\n002;;\n",
        Some("88.118.7"),
        &[
            "2 records/88.118.7/DZ47-63.001 1:URL=https://a.example/ 2000:name=断路器",
            "3 records/88.118.7/002 ",
        ],
    );
}

#[test]
fn every_encoding_gives_the_same_records() {
    let text = "标识\t产品名称\t规格型号\r\n88.118.7/批次 A\t小型断路器\tDZ47-63\r\n88.118.7/00123\t截止阀\t\r\n";
    let expected = summary(&read(text.as_bytes(), None));
    assert_eq!(expected.len(), 2);
    assert!(expected[0].contains("2000:name=小型断路器"), "{expected:?}");
    let marked = format!("\u{feff}{text}").into_bytes();
    let (gb18030, _, _) = GB18030.encode(text);
    let utf16: Vec<u8> = [0xfeff]
        .into_iter()
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    for bytes in [marked, gb18030.into_owned(), utf16] {
        assert_eq!(summary(&read(&bytes, None)), expected);
    }
}

#[test]
fn names_row_and_column_of_every_wrong_cell() {
    check(
        "identifier,index,type,data,ttl\n\
         x,1,A,d,\n\
         88.118.7/a,0,A,d,\n\
         88.118.7/b,one,A B,d,soon\n\
         88.118.7/c,1,A,d,\n\
         88.118.7/c,1,B,d,\n\
         88.118.7/d,100,URL,d,\n\
         88.118.7/e,1,A,d,4294967295\n\
         88.118.7/f,1,A,d,,,extra\n\
         88.118.8/g,1,A,d,\n\
         88.118.7/h,1,A,d,\n",
        Some("88.118.7"),
        &[
            "2/identifier/x/IDENTIFIER_SYNTAX",
            "3/index/0/INDEX_ZERO",
            "4/index/one/FIELD_INVALID 4/type/A B/TYPE_INVALID 4/ttl/soon/FIELD_INVALID",
            "6/index/1/INDEX_DUPLICATE",
            "7/index/100/INDEX_RESERVED",
            "8/ttl/4294967295/TTL_OUT_OF_RANGE",
            "9/column 7/extra/FIELD_INVALID",
            "10/identifier/88.118.8/g/FIELD_INVALID",
            "11 records/88.118.7/h 1:A=d",
        ],
    );
}

#[test]
fn names_the_cell_whose_bytes_are_no_text() {
    let mut bytes = "\u{feff}identifier,name,brand\n88.118.7/a,x,y\n88.118.7/b,x,"
        .as_bytes()
        .to_vec();
    bytes.extend(b"\xb6\xcf\n");
    assert_eq!(
        summary(&read(&bytes, None)),
        [
            "2 records/88.118.7/a 2000:name=x 2001:brand=y",
            "3/brand/\u{fffd}\u{fffd}/FIELD_INVALID"
        ]
    );
}

#[test]
fn too_long_data_is_found_in_its_column() {
    let long = "x".repeat(crate::model::limits::VALUE_DATA_BYTES_MAX + 1);
    let parsed = read(
        format!("identifier,name,brand\n88.118.7/a,n,{long}\n").as_bytes(),
        None,
    );
    match parsed.as_slice() {
        [Parsed::Bad(bad)] => {
            let [bad] = bad.as_slice() else {
                panic!("{bad:?}");
            };
            assert_eq!((bad.row, bad.column.as_str()), (2, "brand"));
            assert_eq!(bad.reason, "VALUE_TOO_LONG");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn quoted_cells_may_span_lines_and_rows_keep_their_lines() {
    check(
        "identifier,name\n88.118.7/a,\"two\nlines\"\n88.118.7/b,x\n",
        None,
        &[
            "2 records/88.118.7/a 2000:name=two\nlines",
            "4 records/88.118.7/b 2000:name=x",
        ],
    );
}

#[test]
fn guards_go_there_and_back() {
    for cell in [
        "", "a", "=1+1", "'=1", "''-", "-5", "@x", "'a", "+", "\t", "断",
    ] {
        let guarded = guarded(cell);
        assert!(!guarded.starts_with(FORMULA_STARTS), "{cell:?}");
        assert_eq!(unguarded(&guarded), cell);
    }
}

#[test]
fn finds_the_delimiter() {
    for (header, expected) in [
        ("a,b", b','),
        ("a;b;c,d", b';'),
        ("a\tb\n,,,,", b'\t'),
        ("\"a;;;\",b", b','),
        ("a", b','),
    ] {
        assert_eq!(delimiter(header), expected, "{header}");
    }
}

#[test]
fn reads_contents_as_json_in_both_forms() {
    let admin =
        r#""{""handle"":""0.NA/88.118.7"",""index"":100,""permissions"":""000000000011""}""#;
    let bytes = "\0\u{3}\0\0\0\u{d}0.NA/88.118.7\0\0\0d";
    let record = format!("2 records/88.118.7/a 100:HS_ADMIN={bytes}");
    let long = format!("identifier,index,type,data\n88.118.7/a,100,HS_ADMIN,{admin}\n");
    check(&long, None, &[&record]);
    let wide = format!("identifier,100:HS_ADMIN\n88.118.7/a,{admin}\n");
    check(&wide, None, &[&record]);
    check(
        "identifier,index,type,data\n88.118.7/a,100,HS_ADMIN,200:0.NA/88.118.7\n",
        None,
        &["2/data/200:0.NA/88.118.7/VALUE_DATA_INVALID"],
    );
    check(
        "identifier,100:HS_ADMIN\n88.118.7/a,x\n",
        None,
        &["2/100:HS_ADMIN/x/VALUE_DATA_INVALID"],
    );
    check(
        "identifier,index,type,data,permissions\n88.118.7/a,300,HS_SECKEY,x,rwr-\n",
        None,
        &["2/permissions/300/VALUE_SECRET_PUBLIC"],
    );
    check(
        "identifier,index,type,data\n88.118.7/a,300,HS_SECKEY,x\n",
        None,
        &["2 records/88.118.7/a 300:HS_SECKEY=x"],
    );
}
