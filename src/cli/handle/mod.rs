//! `handle`: speaks the Handle protocol as clients do, for people who look for
//! a fault between two of its speakers.

mod exchange;
mod route;

use std::net::SocketAddr;

use serde::Serialize;
use serde_json::json;

use crate::cli::client::Connection;
use crate::cli::failure::{Exit, Failure};
use crate::cli::handle::exchange::{Exchange, Transport};
use crate::cli::handle::route::{Next, Question};
use crate::cli::output::Output;
use crate::cli::site::with_port;
use crate::wire::handle::{ENVELOPE_BYTES, Envelope, Message, Response, ResponseCode, describe};

/// Servers that one question is brought to, at most.
const HOPS_MAX: usize = 8;

/// What can be done over the Handle protocol.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Resolve a handle, and show each packet that is sent and received
    #[command(before_help = "\
Examples:
  idnode handle trace 88.118.7/DZ47-63
  idnode handle trace 88.118.7/DZ47-63 --handle hdl.example.cn:2641 --type URL --tcp
  idnode handle trace 0.NA/88.118.7 --index 200 -o json")]
    Trace(TraceArguments),
}

/// Arguments of `handle trace`.
#[derive(Debug, clap::Args)]
pub struct TraceArguments {
    /// The handle: an identifier, a prefix alone, or a record such as 0.NA/88.118.7
    #[arg(value_name = "HANDLE")]
    subject: String,
    /// The server to ask first; without a port, 2641
    #[arg(
        long = "handle",
        value_name = "HOST[:PORT]",
        default_value = "127.0.0.1:2641"
    )]
    server: String,
    /// Over TCP alone [default: UDP, and TCP where that does not do]
    #[arg(long, conflicts_with = "udp")]
    tcp: bool,
    /// Over UDP alone
    #[arg(long)]
    udp: bool,
    /// Only values of this type; "URL." takes subtypes too. May be repeated
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only the value at this index. May be repeated
    #[arg(long = "index", value_name = "INDEX")]
    indices: Vec<u32>,
}

/// Runs what is asked for.
///
/// # Errors
/// [`Exit::Unavailable`] where no server answers, [`Exit::Missing`] for a handle
/// or values that are not there, [`Exit::Failed`] for any other code.
pub async fn run(
    command: Command,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let Command::Trace(arguments) = command;
    let mut scribe = Scribe {
        output,
        packets: Vec::new(),
    };
    let deadline = tokio::time::timeout(connection.timeout, trace(&arguments, &mut scribe));
    let ended = deadline.await.unwrap_or_else(|_| {
        let text = format!("no answer within {:?}", connection.timeout);
        Err(Failure::new(Exit::Unavailable, text))
    });
    if output.is_json() {
        output.show(&json!({"packets": scribe.packets}), Default::default)?;
    }
    match ended? {
        ResponseCode::SUCCESS => Ok(()),
        code @ (ResponseCode::HANDLE_NOT_FOUND | ResponseCode::VALUES_NOT_FOUND) => {
            Err(Failure::new(Exit::Missing, format!("the answer is {code}")))
        }
        code => Err(Failure::new(Exit::Failed, format!("the answer is {code}"))),
    }
}

/// Asks from server to server until one answers the question itself.
async fn trace(
    arguments: &TraceArguments,
    scribe: &mut Scribe<'_>,
) -> Result<ResponseCode, Failure> {
    let wanted = match (arguments.tcp, arguments.udp) {
        (true, _) => Some(Transport::Tcp),
        (_, true) => Some(Transport::Udp),
        (false, false) => None,
    };
    let subject = Question::new(
        arguments.subject.as_bytes(),
        &arguments.types,
        &arguments.indices,
    );
    let mut server = look_up(&arguments.server).await?;
    let mut question = subject.clone();
    let mut exchange = Exchange::new(wanted, scribe);
    for _ in 0..HOPS_MAX {
        let answer = exchange.ask(server, &question).await?;
        let (response, code) = read(&answer)?;
        match route::next(&subject, &question, code, &response) {
            Next::Done if question == subject => return Ok(code),
            Next::Done => {
                let asked = question.handle.escape_ascii();
                let text = format!("the referral led nowhere: {asked} was answered with {code}");
                return Err(Failure::new(Exit::Failed, text));
            }
            Next::LookUp(handle) => {
                exchange.say(&format!("referred to {}", handle.escape_ascii()))?;
                question = Question::of_site(handle);
            }
            Next::Ask(site) => {
                let next = route::server(&site, &subject.handle, wanted);
                let Some((address, transport)) = next else {
                    let text = "the site that answers for it has no server to ask";
                    return Err(Failure::new(Exit::Failed, text));
                };
                if address == server && question == subject {
                    let text = format!("{server} refers to itself");
                    return Err(Failure::new(Exit::Failed, text));
                }
                exchange.say(&format!("referred to {address} over {transport}"))?;
                exchange.prefer(transport);
                (server, question) = (address, subject.clone());
            }
        }
    }
    let text = format!("referred further after {HOPS_MAX} questions");
    Err(Failure::new(Exit::Failed, text))
}

fn read(answer: &[u8]) -> Result<(Response<'_>, ResponseCode), Failure> {
    let malformed = |error| Failure::chained(Exit::Failed, &error);
    let envelope = Envelope::decode(answer).map_err(malformed)?;
    let rest = answer.get(ENVELOPE_BYTES..).unwrap_or_default();
    let message = Message::decode(rest).map_err(malformed)?;
    let response = Response::decode(envelope.version, &message.header, message.body);
    Ok((response.map_err(malformed)?, message.header.response_code))
}

async fn look_up(server: &str) -> Result<SocketAddr, Failure> {
    let unknown = |cause: &str| {
        let text = format!("{server} is no address: {cause}");
        Failure::new(Exit::Unavailable, text)
    };
    let addresses = tokio::net::lookup_host(with_port(server)).await;
    let mut addresses = addresses.map_err(|error| unknown(&error.to_string()))?;
    addresses.next().ok_or_else(|| unknown("no host"))
}

/// Notes what goes over the wire: at once for people, at the end for programs.
#[derive(Debug)]
struct Scribe<'a> {
    output: &'a Output,
    packets: Vec<Shown>,
}

/// A packet as programs see it.
#[derive(Clone, Debug, Serialize)]
struct Shown {
    /// "sent", "received", or "reassembled" from packets that were received.
    direction: &'static str,
    transport: &'static str,
    server: String,
    bytes_hex: String,
    lines: Vec<String>,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Sent,
    Received,
    Reassembled,
}

impl Scribe<'_> {
    fn note(
        &mut self,
        direction: Direction,
        (transport, server): (Transport, SocketAddr),
        packet: &[u8],
    ) -> Result<(), Failure> {
        let (word, sign) = match direction {
            Direction::Sent => ("sent", '>'),
            Direction::Received => ("received", '<'),
            Direction::Reassembled => ("reassembled", '='),
        };
        let description = describe(packet).to_string();
        let bytes_hex = data_encoding::HEXLOWER.encode(packet);
        if !self.output.is_json() {
            let mut text = format!(
                "{transport}{sign} {server} {} bytes: {bytes_hex}\n",
                packet.len()
            );
            for line in description.lines() {
                text.push_str("     ");
                text.push_str(line);
                text.push('\n');
            }
            return self.output.data(&text);
        }
        self.packets.push(Shown {
            direction: word,
            transport: transport.name(),
            server: server.to_string(),
            bytes_hex,
            lines: description.lines().map(str::to_owned).collect(),
        });
        Ok(())
    }

    /// Says between packets why the next one is sent.
    fn say(&self, text: &str) -> Result<(), Failure> {
        if self.output.is_json() {
            return Ok(());
        }
        self.output.data(&format!("# {text}\n"))
    }
}
