//! `login`, `logout`, `whoami`, `password`: people at a terminal.
//!
//! What is secret is never an argument: it is typed where the terminal does not
//! show it, or comes on the standard input, a line each. The session's token is
//! kept in a file that nobody else can read, one for each node.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::cli::client::Connection;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Rows};
use crate::cli::principal::PrincipalShape;
use crate::crypto::key_file;
use crate::model::Reason;
use crate::wire::proto::v1;

/// Octets of a line that is typed.
const LINE_BYTES_MAX: u64 = 1024;

/// Arguments of `login`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode login wang@f-3k9
  idnode login zhao
  printf '%s\\n' \"$PASSWORD\" \"$CODE\" | idnode login wang@f-3k9")]
pub struct LoginArguments {
    /// Login name, "@" and the firm; the login name alone for people of the node
    login: String,
    /// Ask for a new password too
    #[arg(long)]
    change_password: bool,
}

/// Signs in and keeps the session for the commands that follow. Without a
/// terminal the standard input has the password, the one-time code, which may be
/// empty, and the new password, if there is to be one.
///
/// # Errors
/// What the node answered; if the session cannot be kept.
pub async fn login(
    arguments: LoginArguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let LoginArguments {
        login,
        change_password,
    } = arguments;
    let path = session_file(&connection.server).ok_or_else(no_home)?;
    let client = connection.client_without_key(output).await?;
    let mut typist = Typist::new();
    let password = typist.secret("password: ")?;
    let one_time_code = typist.secret("one-time code, if you have one: ")?;
    let mut new_password = match change_password || !typist.is_terminal {
        true => typist.new_password()?,
        false => Zeroizing::default(),
    };
    let request = |code: &str, new: &str| {
        client.request(v1::SignInRequest {
            login: login.clone(),
            password: password.as_str().to_owned(),
            one_time_code: code.to_owned(),
            new_password: new.to_owned(),
        })
    };
    let mut accounts = client.accounts();
    let first = accounts.sign_in(request(&one_time_code, &new_password));
    let answered = match client.answer(first).await {
        Err(failure) if failure.reason() == Reason::PasswordFirst.code() && typist.is_terminal => {
            output.say("this password is good for one thing: to choose another");
            new_password = typist.new_password()?;
            let second = accounts.sign_in(request(&one_time_code, &new_password));
            client.answer(second).await
        }
        answered => answered,
    };
    let v1::SignInResponse {
        token,
        idle_timeout,
        lifetime,
        principal,
    } = answered?;
    keep(&path, &Zeroizing::new(token))?;
    let secs = |time: Option<prost_types::Duration>| time.map_or(0, |time| time.seconds);
    output.say(&format!(
        "signed in: the session ends after {} s unused, after {} s in any case",
        secs(idle_timeout),
        secs(lifetime)
    ));
    PrincipalShape::from(principal.unwrap_or_default()).show(output)
}

/// Ends the session that is kept, at the node and here.
///
/// # Errors
/// If there is none; what the node answered.
pub async fn logout(connection: &Connection, output: &Output) -> Result<(), Failure> {
    let path = session_file(&connection.server).ok_or_else(no_home)?;
    if !path.exists() {
        let text = format!("there is no session at {}", connection.server);
        return Err(Failure::new(Exit::Missing, text).hint("idnode login NAME@FIRM"));
    }
    let client = connection.client_with_key_of(&path, output).await?;
    let request = client.request(v1::SignOutRequest {});
    let ended = client.answer(client.accounts().sign_out(request)).await;
    // One that ended by itself is gone all the same.
    match ended {
        Ok(v1::SignOutResponse {}) => {}
        Err(failure) if failure.reason() == Reason::KeyInvalid.code() => {}
        Err(failure) => return Err(failure),
    }
    fs::remove_file(&path)
        .map_err(|error| Failure::io(&format!("cannot remove {}", path.display()), &error))?;
    output.show(&serde_json::json!({"signed_out": true}), || {
        Rows::of_pairs([("signed out", "yes")])
    })
}

/// Shows who the node takes the caller for.
///
/// # Errors
/// What the node answered.
pub async fn whoami(connection: &Connection, output: &Output) -> Result<(), Failure> {
    let client = connection.client(output).await?;
    let request = client.request(v1::WhoAmIRequest {});
    let v1::WhoAmIResponse {
        actor,
        principal,
        source,
    } = client.answer(client.accounts().who_am_i(request)).await?;
    let shape = principal.map(PrincipalShape::from);
    let json = serde_json::json!({"actor": actor, "source": source, "principal": shape});
    output.show(&json, || {
        let mut rows = vec![("actor", actor), ("source", source)];
        rows.extend(shape.iter().flat_map(PrincipalShape::pairs));
        Rows::of_pairs(rows)
    })
}

/// Changes the password of who is signed in.
///
/// # Errors
/// What the node answered.
pub async fn password(connection: &Connection, output: &Output) -> Result<(), Failure> {
    let client = connection.client(output).await?;
    let mut typist = Typist::new();
    let password = typist.secret("password: ")?;
    let new_password = typist.new_password()?;
    let request = client.request(v1::ChangePasswordRequest {
        password: password.as_str().to_owned(),
        new_password: new_password.as_str().to_owned(),
    });
    let mut accounts = client.accounts();
    let changed = accounts.change_password(request);
    PrincipalShape::from(client.answer(changed).await?).show(output)
}

/// The file with the session at `server`: `$XDG_STATE_HOME/idnode/`, or
/// `~/.local/state/idnode/` (XDG Base Directory Specification).
pub fn session_file(server: &str) -> Option<PathBuf> {
    let folder = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")))?;
    let hash = digest(&SHA256, server.trim_end_matches('/').as_bytes());
    let name: String = HEXLOWER.encode(hash.as_ref()).chars().take(16).collect();
    Some(state.join("idnode").join(format!("session-{name}")))
}

/// Keeps a session's token at `path`, in the place of one before.
fn keep(path: &Path, token: &str) -> Result<(), Failure> {
    let fail = |error: io::Error| Failure::io(&format!("cannot write {}", path.display()), &error);
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder).map_err(fail)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        Ok(()) | Err(_) => {}
    }
    key_file::create(path, token).map_err(fail)
}

fn no_home() -> Failure {
    Failure::usage("there is no home folder to keep a session in").hint("set XDG_STATE_HOME")
}

/// Reads what is typed.
struct Typist {
    is_terminal: bool,
}

impl Typist {
    fn new() -> Self {
        Self {
            is_terminal: io::stdin().is_terminal(),
        }
    }

    /// A line that the terminal does not show; empty at the end of the input.
    fn secret(&mut self, prompt: &str) -> Result<Zeroizing<String>, Failure> {
        if !self.is_terminal {
            return line();
        }
        let mut stderr = io::stderr().lock();
        let said = stderr.write_all(prompt.as_bytes());
        said.and_then(|()| stderr.flush())
            .map_err(|error| Failure::io("cannot ask", &error))?;
        let hidden = Hidden::new()?;
        let typed = line();
        drop(hidden);
        // The end of the line was not shown either.
        drop(stderr.write_all(b"\n"));
        typed
    }

    /// A password that is typed twice, where a person types it.
    fn new_password(&mut self) -> Result<Zeroizing<String>, Failure> {
        let new = self.secret("new password: ")?;
        if self.is_terminal && *self.secret("once more: ")? != *new {
            return Err(Failure::usage("the two are not the same"));
        }
        Ok(new)
    }
}

/// A line of the standard input without its end.
fn line() -> Result<Zeroizing<String>, Failure> {
    let mut line = Zeroizing::new(String::with_capacity(2048));
    let mut input = io::Read::take(io::stdin().lock(), LINE_BYTES_MAX);
    input
        .read_line(&mut line)
        .map_err(|error| Failure::io("cannot read the standard input", &error))?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}

/// The terminal shows nothing of what is typed until this is dropped.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn new() -> Result<Self, Failure> {
        let fail = |error: nix::Error| Failure::io("cannot hide what is typed", &error.into());
        let before = tcgetattr(io::stdin().as_fd()).map_err(fail)?;
        let mut hidden = before.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(io::stdin().as_fd(), SetArg::TCSAFLUSH, &hidden).map_err(fail)?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nothing else can be done about a terminal that is gone.
        let _restored = tcsetattr(io::stdin().as_fd(), SetArg::TCSANOW, &self.before);
    }
}
