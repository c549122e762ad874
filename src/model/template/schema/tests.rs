//! Schemas against a validator of others: it takes what the template takes.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use crate::model::record::Value;
use crate::model::template::draft::{Draft, DraftCode, DraftItem, DraftKind, DraftList};
use crate::model::template::tests::{decimal, item, value, version};
use crate::model::template::{Before, Version, sector};

fn validator(version: &Version) -> jsonschema::Validator {
    let schema = version.schema("urn:idnode:template:t:1");
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    options.build(&schema).expect("a schema")
}

/// Whether the template takes a document.
fn takes(version: &Version, document: &Map<String, Json>) -> bool {
    let values = version.values_of(document);
    values.is_ok_and(|values| version.check(&values, Before::default()).is_ok())
}

#[test]
fn real_products_fit_their_sectors_and_the_schemas() {
    let core = |name: &str, model: &str| json!({"name": name, "model": model, "manufacturer": "温州霁澜川电器有限公司", "production_date": "2025-01-08"});
    let with = |mut document: Json, more: Json| {
        let more = more.as_object().cloned().unwrap_or_default();
        document.as_object_mut().expect("object").extend(more);
        document
    };
    let products = [
        (
            "apparatus",
            with(
                core("小型断路器", "DZ47-63"),
                json!({"rated_current": 16, "rated_voltage": "230/400V", "poles": "2P", "trip_curve": "C", "breaking_capacity": 4.5, "ccc_certificate": "2020010307123456"}),
            ),
        ),
        (
            "valves",
            with(
                core("不锈钢截止阀", "J41W-16P"),
                json!({"nominal_diameter": "DN50", "nominal_pressure": "PN16", "body_material": "CF8M", "shell_test": 2.4, "temperature_min": -29}),
            ),
        ),
        (
            "footwear",
            with(
                core("男士皮鞋", "MX8302"),
                json!({"size": "265(2.5)", "color": "黑色", "width": "2.5"}),
            ),
        ),
        (
            "garments",
            with(
                core("男西服", "XF1906"),
                json!({"size": "170/92A", "color": "藏蓝", "composition": "羊毛 60% 聚酯纤维 40%", "safety_class": "B"}),
            ),
        ),
        (
            "eyewear",
            with(
                core("太阳镜", "TY7021"),
                json!({"frame": "板材全框", "dimensions": "54-18-145", "lens_index": 1.56, "sphere": -2.25, "axis": 180}),
            ),
        ),
        (
            "auto-parts",
            with(
                core("制动软管总成", "ZR3506120"),
                json!({"oem_part_number": "3506120-A01", "models": ["A6", "Q5"], "dimension_results": [12.5, -0.02], "vin": "LSVAA49J132047371"}),
            ),
        ),
    ];
    for (id, document) in products {
        let version = sector::find(id).expect(id);
        let object = document.as_object().expect("object");
        assert!(validator(version).is_valid(&document), "{document}");
        assert!(takes(version, object), "{document}");
        let values = version.values_of(object).expect("values");
        assert_eq!(Json::Object(version.document(&values)), document);
        let mut broken = object.clone();
        broken.remove("name");
        broken.insert("model".to_owned(), json!(7));
        assert!(!validator(version).is_valid(&Json::Object(broken.clone())));
        assert!(!takes(version, &broken));
    }
}

fn any_kind() -> impl Strategy<Value = DraftKind> {
    prop_oneof![
        (
            0_u32..4,
            4_u32..9,
            prop::sample::select(vec![
                None,
                Some("[a-c]+"),
                Some("a|b.*"),
                Some(r"\p{L}{2,3}")
            ])
        )
            .prop_map(|(least, most, pattern)| DraftKind::Text {
                length_min: Some(least),
                length_max: Some(most),
                pattern: pattern.map(str::to_owned),
            }),
        (-20_i64..0, 0_i64..20).prop_map(|(min, max)| DraftKind::Integer {
            min: Some(min),
            max: Some(max),
        }),
        (-2000_i32..0, 0_i32..2000, prop::option::of(0_u8..4)).prop_map(|(min, max, scale)| {
            let shown = |number: i32| (f64::from(number) / 100.0).to_string();
            decimal(&shown(min), &shown(max), scale, "kg")
        }),
        Just(DraftKind::Date {
            min: None,
            max: None
        }),
        Just(DraftKind::DateTime {
            min: None,
            max: None
        }),
        Just(DraftKind::Boolean {}),
        any::<bool>().prop_map(|labelled| DraftKind::Code {
            codes: ["a", "断", "c d"]
                .map(|code| DraftCode {
                    code: code.to_owned(),
                    label: if labelled {
                        code.to_owned()
                    } else {
                        String::new()
                    },
                })
                .to_vec(),
        }),
        Just(DraftKind::Url {}),
        Just(DraftKind::Digest {
            algorithms: Vec::new()
        }),
    ]
}

fn any_item() -> impl Strategy<Value = DraftItem> {
    let list = prop::option::of((0_u32..2, 2_u32..4));
    (any_kind(), any::<bool>(), prop::bool::weighted(0.1), list).prop_map(
        |(kind, required, disabled, list)| {
            let mut item = item(2000, "x", kind);
            (item.required, item.disabled) = (required, disabled);
            item.list = list.map(|(least, most)| DraftList {
                count_min: Some(least),
                count_max: Some(most),
            });
            item
        },
    )
}

fn any_scalar() -> impl Strategy<Value = Json> {
    let hex = "0123456789abcdef".repeat(4);
    let texts = vec![
        "2024-02-29".to_owned(),
        "2023-02-29".to_owned(),
        "2025-01-08T16:30:00+08:00".to_owned(),
        "2025-01-08T25:30:00Z".to_owned(),
        "https://a.example/b".to_owned(),
        "断".to_owned(),
        "c d".to_owned(),
        "a\u{7}".to_owned(),
        format!("sha256:{hex}"),
        format!("sm3:{hex}0"),
    ];
    prop_oneof![
        "[a-cé断\\n]{0,6}".prop_map(Json::from),
        prop::sample::select(texts).prop_map(Json::from),
        (-30_i64..30).prop_map(Json::from),
        (-30_000_i32..30_000).prop_map(|number| Json::from(f64::from(number) / 1000.0)),
        any::<bool>().prop_map(Json::from),
        Just(Json::Null),
    ]
}

/// What fits `kind`, or nearly does.
fn near_scalar(kind: &DraftKind) -> BoxedStrategy<Json> {
    let texts = |texts: &[&str]| {
        let owned: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        prop::sample::select(owned).prop_map(Json::from).boxed()
    };
    let hex = "0123456789abcdef".repeat(4);
    match kind {
        DraftKind::Text { .. } => "[a-cé断\\n]{0,9}".prop_map(Json::from).boxed(),
        DraftKind::Integer { .. } => (-25_i64..25).prop_map(Json::from).boxed(),
        DraftKind::Decimal { .. } => (-2_500_i32..2_500, 0_u32..5)
            .prop_map(|(digits, scale)| {
                let places = i32::try_from(scale).expect("small");
                Json::from(f64::from(digits) / 10_f64.powi(places))
            })
            .boxed(),
        DraftKind::Boolean {} => any::<bool>().prop_map(Json::from).boxed(),
        DraftKind::Date { .. } => texts(&["2024-02-29", "2025-01-08", "2023-02-29", "2025-1-8"]),
        DraftKind::DateTime { .. } => texts(&[
            "2025-01-08T16:30:00+08:00",
            "2024-02-29T00:00:00.25Z",
            "2023-02-29T00:00:00Z",
            "2025-01-08T24:00:00Z",
        ]),
        DraftKind::Code { .. } => texts(&["a", "断", "c d", "b"]),
        DraftKind::Url {} => texts(&["https://a.example/b", "http://a:80?q", "https://a b", "a"]),
        DraftKind::Digest { .. } | DraftKind::Reference { .. } | DraftKind::Composition {} => {
            texts(&[
                &format!("sha256:{hex}"),
                &format!("sm3:{hex}"),
                &format!("sm3:{hex}0"),
            ])
        }
    }
}

/// An item and a document of it: one that often fits.
fn any_case() -> impl Strategy<Value = (DraftItem, Map<String, Json>)> {
    any_item().prop_flat_map(|item| {
        let near = near_scalar(&item.kind);
        let scalar = prop_oneof![9 => near, 1 => any_scalar()];
        let json = if item.list.is_some() {
            let list = prop::collection::vec(scalar.clone(), 0..4).prop_map(Json::from);
            prop_oneof![9 => list, 1 => scalar].boxed()
        } else {
            let list = prop::collection::vec(scalar.clone(), 0..2).prop_map(Json::from);
            prop_oneof![9 => scalar, 1 => list].boxed()
        };
        let name = prop::sample::select(vec!["x", "x", "x", "x", "x", "x", "x", "y", "X"]);
        let fields = prop::collection::btree_map(name.prop_map(str::to_owned), json, 0..3);
        let document = fields.prop_map(|map| map.into_iter().collect());
        (Just(item), document)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_schema_takes_what_the_template_takes((item, document) in any_case()) {
        let version = version(vec![item]);
        let by_schema = validator(&version).is_valid(&Json::Object(document.clone()));
        prop_assert_eq!(takes(&version, &document), by_schema, "{}", version.schema("urn:x"));
    }

    #[test]
    fn a_document_survives_its_values((item, document) in any_case()) {
        let version = version(vec![item]);
        if takes(&version, &document) {
            let values = version.values_of(&document).expect("taken");
            let again = Json::Object(version.document(&values));
            let numbers = |json: &Json| json.to_string().replace(".0", "");
            prop_assert_eq!(numbers(&again), numbers(&Json::Object(document)));
        }
    }

    #[test]
    fn hostile_data_is_judged_without_panic(item in any_item(), data: Vec<u8>) {
        let version = version(vec![item]);
        let hostile = Value { data, ..value(2000, "x", "") };
        let values = [hostile];
        drop(version.check(&values, Before::default()));
        drop(version.uniques(&values));
    }

    #[test]
    fn drafts_survive_bytes_and_json(item in any_item()) {
        let draft = version(vec![item]).draft();
        let bytes = postcard::to_stdvec(&draft).expect("encodes");
        let again: Draft = postcard::from_bytes(&bytes).expect("decodes");
        prop_assert_eq!(&again, &draft);
        let text = serde_json::to_string(&draft).expect("encodes");
        prop_assert_eq!(serde_json::from_str::<Draft>(&text).expect("decodes"), draft);
    }
}
