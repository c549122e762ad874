//! Compiles `proto/` without protoc, and keeps the descriptors for reflection.

use std::path::PathBuf;

use prost::Message;

/// Answers that the services give encoded.
const ENCODED: [&str; 4] = [
    "BatchResolveResponse",
    "ResolveResponse",
    "ResolveStreamResponse",
    "TraceResponse",
];

/// Requests that the services read as `ResolveMany`.
const MANY: [&str; 2] = ["BatchResolveRequest", "ResolveStreamRequest"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let files = [
        "account",
        "firm",
        "audit",
        "handle",
        "link",
        "record",
        "registry",
        "resolution",
        "node",
        "template",
        "sharing",
    ]
    .map(|name| format!("proto/idnode/v1/{name}.proto"));
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(&files, ["proto"])?;
    std::fs::write(out.join("idnode.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .codec_path("crate::wire::proto::Codec")
        .build_server(false)
        .bytes(".idnode.v1.Value.binary")
        // Few values have it; it would make each of them three times as large.
        .boxed(".idnode.v1.Value.handle_data")
        .boxed(".idnode.v1.BatchWriteLinksRequest.Item.change.state")
        .boxed(".idnode.v1.BatchWriteLinksResponse.Result.outcome.link")
        .compile_fds(descriptors.clone())?;
    // The services, over the same messages; what they answer most goes out encoded.
    let servers = out.join("servers");
    std::fs::create_dir_all(&servers)?;
    let mut services = tonic_prost_build::configure()
        .codec_path("crate::wire::proto::Codec")
        .build_client(false)
        .extern_path(".idnode.v1", "crate::wire::proto::v1")
        .out_dir(servers);
    for message in ENCODED {
        let encoded = format!("crate::wire::proto::Encoded<crate::wire::proto::v1::{message}>");
        services = services.extern_path(format!(".idnode.v1.{message}"), encoded);
    }
    for message in MANY {
        let many = "crate::wire::proto::ResolveMany";
        services = services.extern_path(format!(".idnode.v1.{message}"), many);
    }
    let import = "crate::wire::proto::ImportRecords";
    services = services.extern_path(".idnode.v1.ImportRecordsRequest", import);
    services.compile_fds(descriptors)?;
    Ok(())
}
