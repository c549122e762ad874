//! `keys`: makes key pairs for those who sign their requests.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::Serialize;

use crate::cli::failure::{Exit, Failure};
use crate::cli::output::Output;
use crate::crypto::{KEY_RANDOM_BYTES, KeyKind, KeyPair, key_file};
use crate::model::data::json::to_json;
use crate::model::data::{PublicKey, Typed};

/// The kinds of key pairs.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make an RSA key pair, which every client of the Handle protocol can use
    #[command(before_help = "\
Examples:
  idnode keys rsa --output erp.pem
  idnode keys rsa --output erp.pem --bits 3072 > erp.pub.pem")]
    Rsa {
        /// What every kind takes.
        #[command(flatten)]
        target: Target,
        /// Length: 2048 for use until about 2030, more is slower
        #[arg(long, value_enum, default_value_t)]
        bits: Bits,
    },
    /// Make an Ed25519 key pair, which the Handle protocol has no value for
    #[command(before_help = "\
Examples:
  idnode keys ed25519 --output signer.pem")]
    Ed25519 {
        /// What every kind takes.
        #[command(flatten)]
        target: Target,
    },
    /// Make an SM2 key pair
    #[command(before_help = "\
Examples:
  idnode keys sm2 --output erp.pem
  idnode keys sm2 --output erp.pem -o json")]
    Sm2 {
        /// What every kind takes.
        #[command(flatten)]
        target: Target,
    },
}

/// Where a private key goes.
#[derive(Debug, clap::Args)]
pub struct Target {
    /// New file for the private key, which its owner alone can read
    #[arg(long, alias = "out", value_name = "FILE")]
    output: PathBuf,
}

/// Lengths of RSA keys.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub enum Bits {
    /// 2048 bits
    #[default]
    #[value(name = "2048")]
    Bits2048,
    /// 3072 bits
    #[value(name = "3072")]
    Bits3072,
    /// 4096 bits
    #[value(name = "4096")]
    Bits4096,
}

/// A key pair in JSON. The shape is stable; `docs/cli.md` documents it.
#[derive(Debug, Serialize)]
struct KeyShape {
    private_key_file: String,
    public_key_pem: String,
    /// The data of an HS_PUBKEY, in hexadecimal; absent for Ed25519.
    #[serde(skip_serializing_if = "Option::is_none")]
    hs_pubkey: Option<String>,
    /// What `--value` takes; absent for Ed25519.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

/// Makes a key pair: the private key into a file, the public one on the standard
/// output.
///
/// # Errors
/// [`Exit::Conflict`] if the file exists; if it cannot be written.
pub fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    let (target, kind) = match command {
        Command::Rsa { target, bits } => (target, rsa_kind(*bits)),
        Command::Ed25519 { target } => (target, KeyKind::Ed25519),
        Command::Sm2 { target } => (target, KeyKind::Sm2),
    };
    let path = target.output.as_path();
    // Before the work; to create the file below is what decides.
    if path.symlink_metadata().is_ok() {
        return Err(exists(path));
    }
    let pair = generate(kind)?;
    key_file::create(path, &pair.private_pem).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path),
        _ => Failure::io(&format!("cannot write {}", path.display()), &error),
    })?;
    tell(path, pair, output)
}

fn rsa_kind(bits: Bits) -> KeyKind {
    match bits {
        Bits::Bits2048 => KeyKind::Rsa2048,
        Bits::Bits3072 => KeyKind::Rsa3072,
        Bits::Bits4096 => KeyKind::Rsa4096,
    }
}

fn generate(kind: KeyKind) -> Result<KeyPair, Failure> {
    let mut random = zeroize::Zeroizing::new([0; KEY_RANDOM_BYTES]);
    aws_lc_rs::rand::fill(random.as_mut_slice())
        .map_err(|_| Failure::new(Exit::Failed, "the system gives no random bytes"))?;
    KeyPair::generate(kind, &random).map_err(|error| Failure::chained(Exit::Failed, &error))
}

fn exists(path: &Path) -> Failure {
    let text = format!("{} exists already", path.display());
    Failure::new(Exit::Conflict, text).hint("a private key is never overwritten: name another file")
}

fn tell(path: &Path, pair: KeyPair, output: &Output) -> Result<(), Failure> {
    let shape = KeyShape {
        private_key_file: path.display().to_string(),
        public_key_pem: pair.public_pem,
        hs_pubkey: pair
            .public_key
            .as_ref()
            .map(|key| HEXLOWER.encode(&key.encode())),
        value: pair.public_key.map(value_argument),
    };
    if output.is_json() {
        return output.show(&shape, crate::cli::output::Rows::default);
    }
    output.data(&shape.public_key_pem)?;
    output.say(&format!("private key: {}", shape.private_key_file));
    if let (Some(hex), Some(value)) = (shape.hs_pubkey, shape.value) {
        output.say(&format!("HS_PUBKEY: {hex}"));
        output.say(&format!("in a record: --value '{value}'"));
    }
    Ok(())
}

/// The key as a value of a record: in JSON, which `--value` reads, since it fits
/// in one line.
fn value_argument(key: PublicKey) -> String {
    format!("300:HS_PUBKEY={}", to_json(&Typed::PublicKey(key)))
}
