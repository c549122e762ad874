//! `site`: what a Handle server says of itself and of the site it belongs to
//! (GET_SITE_INFO, RFC 3652 §3.2.3).

use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cli::client::Connection;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Rows};
use crate::model::data::json::to_json;
use crate::model::data::{Interface, InterfaceKind, InterfaceProtocol, PublicKey, Site, Typed};
use crate::wire::handle::{
    ENVELOPE_BYTES, Envelope, ErrorResponse, Flags, HandleRequest, Header, Message, MessageWriter,
    OpCode, Version, split_digest,
};

/// The port of Handle servers that is registered with IANA.
const PORT: u16 = 2641;
/// When the request expires: as late as deployed servers can read, since this
/// process asks once and is gone.
const EXPIRES_SECS: u32 = 0x7fff_ffff;

/// What can be asked of a site.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show the site of a Handle server
    #[command(before_help = "\
Examples:
  idnode site show
  idnode site show hdl.example.cn:2641 -o json")]
    Show {
        /// Where it listens.
        #[command(flatten)]
        server: Server,
    },
    /// Write the site of a Handle server to a file, as an HS_SITE holds it
    #[command(before_help = "\
Examples:
  idnode site export --output site.bin
  idnode put 88.118.7/NODE --value-file 1:HS_SITE=site.bin")]
    Export {
        /// Where it listens.
        #[command(flatten)]
        server: Server,
        /// The file
        #[arg(long, alias = "out", value_name = "FILE")]
        output: PathBuf,
    },
}

/// A Handle server.
#[derive(Debug, clap::Args)]
pub struct Server {
    /// The server, over TCP; without a port, 2641
    #[arg(value_name = "HOST[:PORT]", default_value = "127.0.0.1:2641")]
    address: String,
}

/// Asks a server and shows or keeps its answer.
///
/// # Errors
/// [`Exit::Unavailable`] if it does not answer; if it answers anything else than
/// a site; if the file cannot be written.
pub async fn run(
    command: Command,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let (Command::Show { server } | Command::Export { server, .. }) = &command;
    let asked = tokio::time::timeout(connection.timeout, ask(&server.address)).await;
    let data = asked.map_err(|_| {
        let text = format!("{} did not answer in time", server.address);
        Failure::new(Exit::Unavailable, text)
    })??;
    let site = Site::decode(&data).map_err(|refusal| {
        let text = format!("{} answers with no site: {refusal}", server.address);
        Failure::new(Exit::Failed, text)
    })?;
    match command {
        Command::Show { .. } => {
            let json = to_json(&Typed::Site(site.clone()));
            output.show(&json, || rows(&site))
        }
        Command::Export { output: path, .. } => {
            std::fs::write(&path, &data).map_err(|error| {
                Failure::io(&format!("cannot write {}", path.display()), &error)
            })?;
            written(&path, data.len(), output)
        }
    }
}

fn written(path: &Path, bytes: usize, output: &Output) -> Result<(), Failure> {
    let value = serde_json::json!({"file": path.display().to_string(), "size_bytes": bytes});
    output.show(&value, || {
        Rows::of_pairs([
            ("file", path.display().to_string()),
            ("bytes", bytes.to_string()),
        ])
    })
}

/// The data of the HS_SITE that the server at `address` answers with.
async fn ask(address: &str) -> Result<Vec<u8>, Failure> {
    let unavailable = |error: std::io::Error| {
        let text = format!("no Handle server answers at {address}: {error}");
        Failure::new(Exit::Unavailable, text)
    };
    let mut stream = TcpStream::connect(with_port(address))
        .await
        .map_err(unavailable)?;
    stream.write_all(&request()?).await.map_err(unavailable)?;
    let mut head = [0; ENVELOPE_BYTES];
    stream.read_exact(&mut head).await.map_err(unavailable)?;
    let no_answer = |error: &dyn std::error::Error| {
        let text = format!("{address} does not speak the Handle protocol: {error}");
        Failure::new(Exit::Failed, text)
    };
    let envelope = Envelope::decode(&head).map_err(|error| no_answer(&error))?;
    let bytes = envelope.message_len().map_err(|error| no_answer(&error))?;
    let mut message = vec![0; bytes];
    stream.read_exact(&mut message).await.map_err(unavailable)?;
    let message = Message::decode(&message).map_err(|error| no_answer(&error))?;
    let body = split_digest(envelope.version, &message.header, message.body);
    let (_, body) = body.map_err(|error| no_answer(&error))?;
    let code = message.header.response_code;
    if code.is_success() {
        return Ok(body.to_vec());
    }
    let said = ErrorResponse::decode(body).map(|error| error.message);
    let said = String::from_utf8_lossy(said.unwrap_or_default());
    Err(Failure::new(
        Exit::Failed,
        format!("{address} answers {code}: {said}"),
    ))
}

/// A request as a client sends it that knows nothing of the server.
fn request() -> Result<Vec<u8>, Failure> {
    let envelope = Envelope::new(Version::COMPATIBLE, 1);
    let header = Header::request(OpCode::GET_SITE_INFO, Flags::RESOLUTION, EXPIRES_SECS);
    let mut request = Vec::new();
    let mut writer = MessageWriter::begin(&mut request, &envelope, &header);
    HandleRequest { handle: b"/" }.encode(writer.body());
    let written = writer.finish(&[]);
    written.map_err(|error| Failure::chained(Exit::Failed, &error))?;
    Ok(request)
}

/// `address` with a port: that of Handle servers if it has none.
fn with_port(address: &str) -> String {
    // The colons of a bare IPv6 address are not before a port.
    if address.parse::<std::net::Ipv6Addr>().is_ok() {
        return format!("[{address}]:{PORT}");
    }
    let host_end = address.rfind(']').unwrap_or(0);
    match address.rfind(':') {
        Some(colon) if colon > host_end => address.to_owned(),
        _ => format!("{address}:{PORT}"),
    }
}

fn rows(site: &Site) -> Rows {
    let Site {
        protocol: (major, minor),
        serial,
        is_primary,
        is_multi_primary: _,
        hash_option: _,
        hash_filter: _,
        attributes,
        servers,
    } = site;
    let role = if *is_primary { "primary" } else { "mirror" };
    let mut pairs = vec![
        ("protocol", format!("{major}.{minor}")),
        ("serial", serial.to_string()),
        ("role", role.to_owned()),
    ];
    for attribute in attributes {
        pairs.push((
            "attribute",
            format!("{}: {}", attribute.name, attribute.value),
        ));
    }
    for server in servers {
        pairs.push(("server", format!("{} at {}", server.id, server.address)));
        for interface in &server.interfaces {
            pairs.push(("  interface", interface_text(*interface)));
        }
        let key = server
            .public_key
            .as_ref()
            .map_or_else(|| "none".to_owned(), key_text);
        pairs.push(("  key", key));
    }
    Rows::of_pairs(pairs)
}

fn interface_text(interface: Interface) -> String {
    let Interface {
        kind,
        protocol,
        port,
    } = interface;
    let protocol = match protocol {
        InterfaceProtocol::Udp => "UDP",
        InterfaceProtocol::Tcp => "TCP",
        InterfaceProtocol::Http => "HTTP",
        InterfaceProtocol::Https => "HTTPS",
    };
    let kind = match kind {
        InterfaceKind::OutOfService => "out of service",
        InterfaceKind::Admin => "changes",
        InterfaceKind::Query => "resolution",
        InterfaceKind::AdminAndQuery => "resolution and changes",
    };
    format!("{protocol} {port}: {kind}")
}

fn key_text(key: &PublicKey) -> String {
    match key {
        PublicKey::Rsa { modulus, .. } => format!("RSA, {} bits", 8 * modulus.len()),
        PublicKey::Dsa { p, .. } => format!("DSA, {} bits", 8 * p.len()),
        PublicKey::Dh { p, .. } => format!("Diffie-Hellman, {} bits", 8 * p.len()),
        PublicKey::Sm2 { .. } => "SM2".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: &str) {
        assert_eq!(with_port(address), expected);
    }

    #[test]
    fn an_address_without_a_port_gets_the_registered_one() {
        check("127.0.0.1", "127.0.0.1:2641");
        check("127.0.0.1:8000", "127.0.0.1:8000");
        check("hdl.example.cn", "hdl.example.cn:2641");
        check("hdl.example.cn:1", "hdl.example.cn:1");
        check("::1", "[::1]:2641");
        check("[::1]", "[::1]:2641");
        check("[::1]:8000", "[::1]:8000");
    }
}
