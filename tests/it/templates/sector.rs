//! The templates of sectors over gRPC and with the command line.

use std::process::{Command, Output, Stdio};

use idnode::wire::proto::v1::templates_client::TemplatesClient;
use idnode::wire::proto::v1::{self, template_item};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{TestNode, reason, record, text};

const PREFIX: &str = "88.118.7";

async fn client(node: &TestNode) -> TemplatesClient<tonic::transport::Channel> {
    TemplatesClient::connect(format!("http://{}", node.http))
        .await
        .expect("connects")
}

fn with_key<T>(node: &TestNode, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let bearer = format!("Bearer {}", node.key).parse().expect("a header");
    request.metadata_mut().insert("authorization", bearer);
    request
}

fn get(name: &str, version: u32) -> v1::GetTemplateRequest {
    v1::GetTemplateRequest {
        name: name.to_owned(),
        version,
    }
}

fn create(record: v1::Record) -> v1::CreateRecordRequest {
    v1::CreateRecordRequest {
        record: Some(record),
        ..v1::CreateRecordRequest::default()
    }
}

/// What is changed of a template before it is sent.
type Change = fn(&mut v1::Template);

/// Asks to make the template `pumps`, which says what `valves` does but for `change`.
fn pumps(valves: &v1::Template, change: Change) -> v1::CreateTemplateRequest {
    let mut template = v1::Template {
        name: "templates/pumps".to_owned(),
        ..valves.clone()
    };
    change(&mut template);
    v1::CreateTemplateRequest {
        template: Some(template),
        request_id: "make-pumps".to_owned(),
        ..v1::CreateTemplateRequest::default()
    }
}

/// A valve with three faults.
fn broken() -> v1::Record {
    let mut broken = valve("b", "50 mm");
    broken.values.remove(3);
    broken.values.push(text(2999, "colour", "red"));
    broken
}

fn valve(suffix: &str, diameter: &str) -> v1::Record {
    let values = vec![
        text(1000, "TEMPLATE", "valves"),
        text(2000, "name", "不锈钢截止阀"),
        text(2002, "model", "J41W-16P"),
        text(2003, "manufacturer", "温州某某阀门有限公司"),
        text(2100, "nominal_diameter", diameter),
        text(2101, "nominal_pressure", "PN16"),
        text(2102, "body_material", "CF8M"),
    ];
    record(&format!("{PREFIX}/{suffix}"), values)
}

#[tokio::test(flavor = "multi_thread")]
async fn anyone_reads_them() {
    let node = TestNode::start().await;
    let mut templates = client(&node).await;
    let list = v1::ListTemplatesRequest {
        page_size: 4,
        ..v1::ListTemplatesRequest::default()
    };
    let first = templates
        .list_templates(list.clone())
        .await
        .expect("a list")
        .into_inner();
    assert_eq!(first.templates.len(), 4);
    assert!(
        first
            .templates
            .iter()
            .all(|template| template.items.is_empty())
    );
    let rest = v1::ListTemplatesRequest {
        page_token: first.next_page_token,
        ..list
    };
    let rest = templates
        .list_templates(rest)
        .await
        .expect("a list")
        .into_inner();
    let names: Vec<_> = rest
        .templates
        .iter()
        .map(|template| template.name.as_str())
        .collect();
    assert_eq!(names, ["templates/garments", "templates/valves"]);
    assert_eq!(rest.next_page_token, "");
    let valves = templates.get_template(get("templates/valves", 0)).await;
    let valves = valves.expect("a template").into_inner();
    assert_eq!(
        (valves.version, valves.latest_version, valves.firm.as_str()),
        (1, 1, "")
    );
    assert_eq!(valves.industry, "C3443");
    let heat = valves
        .items
        .iter()
        .find(|item| item.index == 2103)
        .expect("an item");
    assert_eq!(
        (heat.name.as_str(), heat.label.as_str()),
        ("heat_number", "炉号")
    );
    assert!(matches!(heat.kind, Some(template_item::Kind::Text(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_not_there() {
    let node = TestNode::start().await;
    let mut templates = client(&node).await;
    for (name, version, expected) in [
        ("templates/shoes", 0, "TEMPLATE_NOT_FOUND"),
        ("templates/valves", 2, "TEMPLATE_VERSION_UNKNOWN"),
        ("templates/Valves", 0, "ID_INVALID"),
        ("valves", 0, "FIELD_INVALID"),
        ("", 0, "FIELD_REQUIRED"),
    ] {
        let status = templates
            .get_template(get(name, version))
            .await
            .expect_err(expected);
        assert_eq!(reason(&status), expected, "{name} {version}");
    }
    let schema = templates
        .get_template_schema(v1::GetTemplateSchemaRequest {
            name: "templates/valves".to_owned(),
            version: 1,
        })
        .await
        .expect("a schema")
        .into_inner();
    let schema: serde_json::Value = serde_json::from_str(&schema.schema).expect("JSON");
    assert_eq!(schema["$id"], "urn:idnode:template:valves:1");
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_under_one_is_judged_as_a_whole() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let made = clients
        .registry()
        .create_record(create(valve("a", "DN50")))
        .await;
    let values = made.expect("made").into_inner().values;
    assert_eq!(
        (values[1].index, values[1].r#type.as_str()),
        (1001, "TEMPLATE_VERSION")
    );
    let status = clients.registry().create_record(create(broken())).await;
    let status = status.expect_err("faults");
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::InvalidArgument, "TEMPLATE_FAULTS")
    );
    let details = status.get_error_details();
    let violations = &details.bad_request().expect("BadRequest").field_violations;
    let fields: Vec<_> = violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "values[index=2003]",
            "values[index=2100].data",
            "values[index=2999].index"
        ]
    );
    let rule =
        "value \"50 mm\" does not match the pattern of item nominal_diameter: DN[1-9][0-9]{0,3}";
    assert_eq!(violations[1].description, rule);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_a_batch_has_every_fault() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let item = v1::batch_write_request::Item {
        change: Some(v1::batch_write_request::item::Change::Create(create(
            broken(),
        ))),
    };
    let batch = v1::BatchWriteRequest {
        items: vec![item],
        ..v1::BatchWriteRequest::default()
    };
    let answer = clients
        .registry()
        .batch_write(batch)
        .await
        .expect("an answer")
        .into_inner();
    let Some(v1::batch_write_response::result::Outcome::Error(error)) = &answer.results[0].outcome
    else {
        panic!("{answer:?}");
    };
    assert_eq!(
        (error.reason.as_str(), error.faults.len()),
        ("TEMPLATE_FAULTS", 3)
    );
    assert!(
        error
            .faults
            .iter()
            .all(|fault| !fault.message_zh.is_ascii())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn anyone_has_records_checked_without_registering() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let mut templates = client(&node).await;
    let check = |name: &str, records| v1::CheckRecordsRequest {
        name: name.to_owned(),
        version: 0,
        records,
    };
    let records = vec![valve("c", "DN50"), broken(), valve("d", "DN")];
    let checked = templates
        .check_records(check("templates/valves", records))
        .await;
    let checked = checked.expect("an answer").into_inner();
    let counts: Vec<_> = checked
        .results
        .iter()
        .map(|result| result.faults.len())
        .collect();
    assert_eq!((counts, checked.version), (vec![0, 3, 1], 1));
    for (name, records, expected) in [
        ("templates/valves", Vec::new(), "BATCH_EMPTY"),
        (
            "templates/valves",
            vec![valve("a", ""); 2001],
            "BATCH_TOO_LARGE",
        ),
        ("templates/f1-x", vec![valve("a", "")], "TEMPLATE_NOT_FOUND"),
    ] {
        let status = templates
            .check_records(check(name, records))
            .await
            .expect_err(expected);
        assert_eq!(reason(&status), expected);
    }
    assert_eq!(
        reason(
            &clients
                .resolve(&format!("{PREFIX}/c"))
                .await
                .expect_err("absent")
        ),
        "RECORD_NOT_FOUND"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_unsound_templates() {
    let node = TestNode::start().await;
    let mut templates = client(&node).await;
    let valves = templates
        .get_template(get("templates/valves", 0))
        .await
        .expect("a template")
        .into_inner();
    let status = templates
        .create_template(pumps(&valves, |_| ()))
        .await
        .expect_err("no key");
    assert_eq!(reason(&status), "KEY_REQUIRED");
    let cases: [(Change, &str, &str); 6] = [
        (
            |t| t.name = "templates/a b".to_owned(),
            "ID_INVALID",
            "template.name",
        ),
        (
            |t| t.firm = "firms/none".to_owned(),
            "PERMISSION_DENIED",
            "",
        ),
        (|t| t.items.clear(), "FIELD_INVALID", "template.items"),
        (
            |t| t.items[3].kind = None,
            "FIELD_REQUIRED",
            "template.items[3].kind",
        ),
        (|t| t.label.clear(), "FIELD_INVALID", "template.label"),
        (
            |t| t.items[0].index = 1,
            "FIELD_INVALID",
            "template.items[0].index",
        ),
    ];
    for (change, expected, field) in cases {
        let request = with_key(&node, pumps(&valves, change));
        let status = templates
            .create_template(request)
            .await
            .expect_err(expected);
        assert_eq!(reason(&status), expected);
        let details = status.get_error_details();
        let violated = details
            .bad_request()
            .map_or("", |bad| &bad.field_violations[0].field);
        assert_eq!(violated, field);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_administrator_makes_them() {
    let node = TestNode::start().await;
    let mut templates = client(&node).await;
    let valves = templates
        .get_template(get("templates/valves", 0))
        .await
        .expect("a template")
        .into_inner();
    let made = templates
        .create_template(with_key(&node, pumps(&valves, |_| ())))
        .await;
    let made = made.expect("made").into_inner();
    assert_eq!((made.version, made.items.len()), (1, valves.items.len()));
    let again = templates
        .create_template(with_key(&node, pumps(&valves, |_| ())))
        .await;
    assert_eq!(again.expect("the first answer").into_inner(), made);
    let disable = v1::DisableItemRequest {
        name: made.name.clone(),
        index: 2113,
        etag: made.etag.clone(),
        ..v1::DisableItemRequest::default()
    };
    let second = templates
        .disable_item(with_key(&node, disable.clone()))
        .await;
    let second = second.expect("disabled").into_inner();
    assert_eq!((second.version, second.latest_version), (2, 2));
    assert!(
        second
            .items
            .iter()
            .any(|item| item.index == 2113 && item.disabled)
    );
    let stale = templates
        .disable_item(with_key(&node, disable))
        .await
        .expect_err("stale");
    assert_eq!(
        (stale.code(), reason(&stale).as_str()),
        (Code::Aborted, "STALE_ETAG")
    );
    let node = node.restart().await;
    let mut templates = client(&node).await;
    let first = templates
        .get_template(get(&made.name, 1))
        .await
        .expect("a template")
        .into_inner();
    assert_eq!((first.version, first.latest_version), (1, 2));
    assert!(first.items.iter().all(|item| !item.disabled));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_can_be_judged_only() {
    let node = TestNode::start().await;
    let mut templates = client(&node).await;
    let valves = templates
        .get_template(get("templates/valves", 0))
        .await
        .expect("a template")
        .into_inner();
    let revise = v1::ReviseTemplateRequest {
        template: Some(v1::Template {
            items: valves.items[1..].to_vec(),
            ..valves.clone()
        }),
        validate_only: true,
        ..v1::ReviseTemplateRequest::default()
    };
    let gone = templates
        .revise_template(with_key(&node, revise.clone()))
        .await
        .expect_err("gone");
    assert_eq!(reason(&gone), "ITEM_GONE");
    // Only judged: there is still one version.
    let mut revise = revise;
    revise.template = Some(v1::Template {
        label: "泵".to_owned(),
        ..valves.clone()
    });
    let judged = templates.revise_template(with_key(&node, revise)).await;
    assert_eq!(judged.expect("judged").into_inner().version, 2);
    let after = templates.get_template(get("templates/valves", 0)).await;
    assert_eq!(after.expect("a template").into_inner().latest_version, 1);
}

struct Shell<'a> {
    node: &'a TestNode,
    folder: tempfile::TempDir,
}

impl<'a> Shell<'a> {
    fn new(node: &'a TestNode) -> Self {
        Self {
            node,
            folder: tempfile::tempdir().expect("folder"),
        }
    }

    fn run(&self, line: &str) -> Output {
        let words = line.split(' ');
        Command::new(env!("CARGO_BIN_EXE_idnode"))
            .args(words)
            .args(["--server", &format!("http://{}", self.node.http)])
            .current_dir(self.folder.path())
            .env_clear()
            .env("IDNODE_KEY", &self.node.key)
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs")
    }

    #[track_caller]
    fn check(&self, line: &str, exit: i32, parts: &[&str]) -> String {
        let output = self.run(line);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{line}\n{out}\n{err}");
        for part in parts {
            assert!(
                out.contains(part) || err.contains(part),
                "{line}: {part}\n{out}\n{err}"
            );
        }
        out
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_keeps_templates() {
    let node = TestNode::start().await;
    let shell = Shell::new(&node);
    shell.check("template list", 0, &["valves", "阀门", "C3443"]);
    let shown = shell.check("template show valves -o json", 0, &["heat_number"]);
    shell.check("template show valves", 0, &["炉号", "required", "DN[1-9]"]);
    shell.check("template show shoes", 3, &["TEMPLATE_NOT_FOUND"]);
    let schema = shell.check("template schema valves", 0, &["draft/2020-12"]);
    assert!(serde_json::from_str::<serde_json::Value>(&schema).is_ok());

    // What is shown is the file of the next one.
    shell.write("pumps.json", &shown);
    shell.check(
        "template create pumps pumps.json --dry-run",
        0,
        &["dry run"],
    );
    shell.check("template create pumps pumps.json", 0, &["heat_number"]);
    shell.check("template create pumps pumps.json", 5, &["TEMPLATE_EXISTS"]);
    shell.check(
        "template revise pumps pumps.json",
        5,
        &["TEMPLATE_UNCHANGED"],
    );
    shell.write("pumps.json", &shown.replace("炉号", "熔炼炉号"));
    shell.check("template revise pumps pumps.json", 0, &["熔炼炉号"]);
    shell.check("template disable-item pumps heat_number", 0, &["disabled"]);
    shell.check(
        "template disable-item pumps nothing",
        2,
        &["no item nothing"],
    );
    shell.write(
        "wrong.json",
        &shown.replace("\"required\": true", "\"require\": true"),
    );
    shell.check(
        "template revise pumps wrong.json",
        2,
        &["unknown field `require`"],
    );
}

/// Columns are the template's items; each fault stands at its column.
#[tokio::test(flavor = "multi_thread")]
async fn files_are_imported_under_a_template() {
    let node = TestNode::start().await;
    node.clients().home_prefix(PREFIX).await;
    let shell = Shell::new(&node);
    let header = "suffix,产品名称,model,manufacturer,公称尺寸,nominal_pressure,body_material\n";
    let good = "a,截止阀,J41W-16P,某某阀门,DN50,PN16,CF8M\n";
    let bad = "b,截止阀,,某某阀门,50,PN16,CF8M\n";
    shell.write("valves.csv", &format!("{header}{good}{bad}"));
    let report = "template check valves valves.csv --prefix 88.118.7 --report faults.csv";
    shell.check(report, 7, &["1 of 2 records have faults"]);
    let faults = std::fs::read_to_string(shell.folder.path().join("faults.csv")).expect("a report");
    assert!(
        faults.contains("3,model,") && faults.contains("ITEM_MISSING"),
        "{faults}"
    );
    assert!(
        faults.contains("3,nominal_diameter,") && faults.contains("ITEM_PATTERN"),
        "{faults}"
    );
    let import = "import valves.csv --prefix 88.118.7 --template valves";
    shell.check(
        &format!("{import} --dry-run"),
        7,
        &["ITEM_PATTERN", "ITEM_MISSING"],
    );
    shell.check(import, 7, &["ITEM_PATTERN", "1 of 2 records were refused"]);
    shell.check("get 88.118.7/a", 0, &["TEMPLATE_VERSION", "DN50"]);
    shell.check("get 88.118.7/b", 3, &["RECORD_NOT_FOUND"]);
    shell.check(
        &format!("{import}@2 --dry-run"),
        2,
        &["TEMPLATE_VERSION_UNKNOWN"],
    );
    shell.check(
        &format!("{import}@x --dry-run"),
        2,
        &["a version is a number"],
    );
    let other = "import valves.csv --prefix 88.118.7 --template eyewear --dry-run";
    shell.check(other, 2, &["公称尺寸"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_checked_as_the_schema_has_them() {
    let node = TestNode::start().await;
    let shell = Shell::new(&node);
    let document = r#"{"name": "截止阀", "model": "J41W", "manufacturer": "某某", "nominal_diameter": "DN50", "nominal_pressure": "PN16", "body_material": "WCB", "shell_test": 2.4}"#;
    shell.write("one.json", document);
    shell.check("template check valves one.json", 0, &["records", "1"]);
    let two = format!(
        "[{document}, {}]",
        document.replace("2.4", "\"2.4\"").replace("DN50", "50")
    );
    shell.write("two.json", &two);
    shell.check(
        "template check valves two.json",
        7,
        &["ITEM_FORM", "shell_test: a number"],
    );
    shell.write("none.json", "[1]");
    shell.check("template check valves none.json", 2, &["no JSON documents"]);
}
