//! What surrounds the calls: health, reflection, compression, limits, and other
//! people's clients.

use std::process::Command;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb;

use super::{PREFIX, data, identifier};
use crate::support::{TestNode, tool, wait_until};

/// Services that reflection lists.
const SERVICES: [&str; 4] = [
    "grpc.health.v1.Health",
    "idnode.v1.Node",
    "idnode.v1.Registry",
    "idnode.v1.Resolution",
];

async fn connect(node: &TestNode) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", node.http));
    endpoint.unwrap().connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_its_health() {
    let node = TestNode::start().await;
    let health = HealthClient::new(connect(&node).await);
    // Its sockets are bound a moment before all of it serves; it is never unknown.
    for service in ["", SERVICES[1], SERVICES[2], SERVICES[3]] {
        let is_serving = async || {
            let service = service.into();
            let asked = health.clone().check(HealthCheckRequest { service }).await;
            let HealthCheckResponse { status } = asked.unwrap().into_inner();
            status == i32::from(ServingStatus::Serving)
        };
        wait_until("it serves", is_serving).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn describes_itself_in_both_versions() {
    let node = TestNode::start().await;
    let channel = connect(&node).await;
    let services = {
        use pb::v1::server_reflection_client::ServerReflectionClient;
        use pb::v1::server_reflection_request::MessageRequest;
        use pb::v1::server_reflection_response::MessageResponse;
        let request = pb::v1::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(channel.clone());
        let answers = client
            .server_reflection_info(tokio_stream::once(request))
            .await;
        let answer = answers.unwrap().into_inner().next().await.unwrap().unwrap();
        let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
            panic!("{answer:?}");
        };
        list.service.into_iter().map(|service| service.name)
    };
    let services: Vec<String> = services.collect();
    let services_alpha = {
        use pb::v1alpha::server_reflection_client::ServerReflectionClient;
        use pb::v1alpha::server_reflection_request::MessageRequest;
        use pb::v1alpha::server_reflection_response::MessageResponse;
        let request = pb::v1alpha::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(channel);
        let answers = client
            .server_reflection_info(tokio_stream::once(request))
            .await;
        let answer = answers.unwrap().into_inner().next().await.unwrap().unwrap();
        let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
            panic!("{answer:?}");
        };
        list.service.into_iter().map(|service| service.name)
    };
    let services_alpha: Vec<String> = services_alpha.collect();
    for service in SERVICES {
        assert!(services.iter().any(|name| name == service), "{services:?}");
        assert!(services_alpha.iter().any(|name| name == service));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_and_gives_compressed_messages() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let url = "https://example.com/".repeat(500);
    clients.create(&identifier("a"), &url).await.unwrap();
    for (encoding, name) in [
        (CompressionEncoding::Gzip, "gzip"),
        (CompressionEncoding::Zstd, "zstd"),
    ] {
        let mut resolution = clients
            .resolution()
            .send_compressed(encoding)
            .accept_compressed(encoding);
        let request = idnode::wire::proto::v1::ResolveRequest {
            identifier: identifier("a"),
            ..Default::default()
        };
        let answer = resolution.resolve(request).await.unwrap();
        let used = answer.metadata().get("grpc-encoding").cloned();
        assert_eq!(used.expect("compressed"), name);
        assert_eq!(data(&answer.into_inner().record.unwrap(), 1), url);
    }
}

/// The answer to a GET, or a POST with `headers`, over HTTP/1.1.
async fn http(node: &TestNode, request_line: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(node.http).await.unwrap();
    let request =
        format!("{request_line} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_its_port_with_probes_and_metrics() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let live = http(&node, "GET /livez", "").await;
    assert!(live.starts_with("HTTP/1.1 200"), "{live:?}");
    let ready = http(&node, "GET /readyz?verbose", "").await;
    assert!(
        ready.starts_with("HTTP/1.1 200") && ready.contains("writes ok"),
        "{ready}"
    );
    let nothing = http(&node, "GET /nothing", "").await;
    assert!(nothing.starts_with("HTTP/1.1 404"), "{nothing}");
    assert!(nothing.contains("application/problem+json"), "{nothing}");
    let unknown = http(
        &node,
        "POST /idnode.v1.Nothing/Do",
        "Content-Type: application/grpc\r\nContent-Length: 0\r\n",
    );
    let unknown = unknown.await.to_lowercase();
    assert!(unknown.contains("grpc-status: 12"), "{unknown}");
    let metrics = http(&node, "GET /metrics", "").await;
    let counted = metrics.lines().find(|line| {
        line.starts_with("idnode_grpc_requests_total{")
            && ["\"idnode.v1.Registry\"", "\"CreatePrefix\"", "\"OK\""]
                .iter()
                .all(|label| line.contains(label))
    });
    assert!(counted.expect("counted").ends_with(" 1"), "{counted:?}");
    let samples = metrics.lines().filter(|line| line.starts_with("idnode_"));
    let sample_count = samples.count();
    assert!(sample_count <= 3100, "{sample_count} series");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_buf_without_its_proto_files() {
    let Some(buf) = tool("buf") else { return };
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    clients
        .create(&identifier("a"), "https://example.com")
        .await
        .unwrap();
    let curl = |method: &'static str, body: String| {
        let url = format!("http://{}/{method}", node.http);
        let mut command = Command::new(&buf);
        command
            .args(["curl", "--protocol", "grpc", "--http2-prior-knowledge"])
            .args(["--data", &body, &url]);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let body = format!(r#"{{"identifier": "{}"}}"#, identifier("a"));
    let output = curl("idnode.v1.Resolution/Resolve", body).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("https://example.com"), "{text}");
    let output = curl("grpc.health.v1.Health/Check", "{}".into())
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("SERVING"), "{text}");
    let body = r#"{"identifier": "88.118.7/"}"#.to_owned();
    let output = curl("idnode.v1.Resolution/Resolve", body).await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    for part in [
        "has no suffix",
        "google.rpc.ErrorInfo",
        "google.rpc.LocalizedMessage",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}
