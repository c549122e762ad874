//! The command line: what can be asked, who answers it, and how it ends.
//!
//! Data goes to the standard output, talk to the standard error stream. Only
//! `output` prints. Exit codes are those of [`failure::Exit`].

pub mod audit;
pub mod backup;
pub mod bench;
pub mod client;
pub mod config;
pub mod demo;
pub mod dev;
pub mod errors;
pub mod export;
pub mod failure;
pub mod firm;
pub mod handle;
pub mod health;
pub mod import;
pub mod keys;
pub mod link;
pub mod output;
pub mod prefix;
pub mod principal;
pub mod readers;
pub mod records;
pub mod serve;
pub mod session;
pub mod shape;
pub mod sharing;
pub mod signals;
pub mod site;
pub mod status;
pub mod template;
pub mod trace;
pub mod value_arg;
pub mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use client::Connection;
use failure::{Exit, Failure};
use output::{Form, Output};

const EXAMPLES: &str = "\
Examples:
  idnode dev                                        run a node with demo data on this machine
  idnode resolve 88.118.7/DZ47-63                   resolve an identifier
  idnode put 88.118.7/A-1 --value 1:URL=https://a.example/
  idnode import products.csv --prefix 88.118.7 --dry-run
  idnode serve --config /etc/idnode/idnode.toml     run a node";

const EXIT_CODES: &str = "\
Exit codes:
  0  done              4  denied: no key, a wrong key, or barred
  1  failed            5  conflict: exists already, or changed meanwhile
  2  wrong usage       6  the node cannot be reached, is busy, or took too long
  3  not found         7  partly done: some items were refused";

/// A second-level node for industrial identifiers.
#[derive(Debug, Parser)]
#[command(
    name = "idnode",
    version,
    before_help = EXAMPLES,
    after_help = EXIT_CODES,
    max_term_width = 100,
    propagate_version = false
)]
struct Arguments {
    #[command(flatten)]
    connection: Connection,
    /// How answers look
    #[arg(
        short = 'o',
        value_name = "FORM",
        value_parser = Form::parser(Form::COMMON),
        default_value = "table",
        global = true
    )]
    form: Form,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node
    Serve(serve::Arguments),
    /// Run a node with demo data, for this machine only
    Dev(dev::Arguments),
    /// Resolve an identifier, as anyone may
    Resolve(records::ResolveArguments),
    /// Show a record, as its keeper sees it
    Get(records::GetArguments),
    /// Register an identifier, or replace the values it has
    Put(records::PutArguments),
    /// Delete an identifier
    Delete(records::DeleteArguments),
    /// List the records of a prefix
    List(records::ListArguments),
    /// Set who may read a record
    Readers(sharing::ReadersArguments),
    /// Keep groups of firms, which can be named as readers
    #[command(subcommand)]
    Group(sharing::GroupCommand),
    /// Share records by a link, for a purpose and a time
    #[command(subcommand)]
    Share(sharing::ShareCommand),
    /// Register and keep prefixes
    #[command(subcommand)]
    Prefix(prefix::Command),
    /// Show, make and revise templates, and check files by them
    #[command(subcommand)]
    Template(template::Command),
    /// Apply for prefixes, and review firms
    #[command(subcommand)]
    Firm(firm::Command),
    /// State links between identifiers, and look after them
    #[command(subcommand)]
    Link(link::Command),
    /// Follow links: what a thing is made of, and where it went
    Trace(trace::Arguments),
    /// Take in records from a file
    Import(import::Arguments),
    /// Write records to a file
    Export(export::Arguments),
    /// Prove that an identifier is registered as it resolves
    Verify(verify::Arguments),
    /// List and verify the audit trail
    #[command(subcommand)]
    Audit(audit::Command),
    /// Make, check and restore backups
    #[command(subcommand)]
    Backup(backup::Command),
    /// Show how the node is
    #[command(before_help = "\
Examples:
  idnode status
  idnode status -o json")]
    Status,
    /// Change what the node logs, until its next start
    LogLevel(status::LogLevelArguments),
    /// Sign in as a person, for the commands that follow
    Login(session::LoginArguments),
    /// End the session that `login` began
    #[command(before_help = "\
Examples:
  idnode logout")]
    Logout,
    /// Show who the node takes the caller for
    #[command(before_help = "\
Examples:
  idnode whoami
  idnode whoami --key-file erp.key -o json")]
    Whoami,
    /// Change the password of who is signed in
    #[command(before_help = "\
Examples:
  idnode password")]
    Password,
    /// Keep the keys of a firm's applications
    #[command(subcommand)]
    Key(principal::key::Command),
    /// Keep the people of a firm
    #[command(subcommand)]
    Person(principal::person::Command),
    /// Keep the certificates of a firm's TLS clients
    #[command(subcommand)]
    Certificate(principal::certificate::Command),
    /// Keep people and keys of the node itself
    #[command(subcommand)]
    Operator(principal::operator::Command),
    /// Make key pairs to sign requests with
    #[command(subcommand)]
    Keys(keys::Command),
    /// Show and keep what a Handle server says of its site
    #[command(subcommand)]
    Site(site::Command),
    /// Speak the Handle protocol
    #[command(subcommand)]
    Handle(handle::Command),
    /// Check and show configurations
    #[command(subcommand)]
    Config(config::Command),
    /// Explain the reasons of refusals
    #[command(subcommand)]
    Errors(errors::Command),
    /// End with 0 if the node is ready, for health checks
    #[command(before_help = "\
Examples:
  idnode health
  idnode health --server http://127.0.0.1:8480 --timeout 2s")]
    Health,
    /// Make demo data
    Demo(demo::DemoArgs),
    /// Put load on a node and measure it
    Bench(bench::BenchArgs),
    /// Print completions for a shell
    #[command(before_help = "\
Examples:
  idnode completions bash > /etc/bash_completion.d/idnode")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Reads the command line of the process, does what it says, and tells how it
/// ended.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing is left to tell if the terminal is gone.
            drop(error.print());
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            return exit.into();
        }
    };
    let output = Output::of_process(arguments.form);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(Box::pin(dispatch(arguments, &output)));
            // A read of the standard input may still block a thread.
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(Failure::io("cannot start the runtime", &error)),
    };
    match ended {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit().into()
        }
    }
}

async fn dispatch(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let Arguments {
        connection,
        form: _,
        command,
    } = arguments;
    let connection = &connection;
    match command {
        Command::Serve(arguments) => serve::run(arguments, output).await,
        Command::Dev(arguments) => dev::run(arguments, output).await,
        Command::Resolve(arguments) => records::resolve(arguments, connection, output).await,
        Command::Get(arguments) => records::get(arguments, connection, output).await,
        Command::Put(arguments) => records::put(arguments, connection, output).await,
        Command::Delete(arguments) => records::delete(arguments, connection, output).await,
        Command::List(arguments) => records::list(arguments, connection, output).await,
        Command::Readers(arguments) => sharing::set_readers(arguments, connection, output).await,
        Command::Group(command) => sharing::group(command, connection, output).await,
        Command::Share(command) => sharing::share(command, connection, output).await,
        Command::Prefix(command) => prefix::run(command, connection, output).await,
        Command::Template(command) => Box::pin(template::run(command, connection, output)).await,
        Command::Firm(command) => Box::pin(firm::run(command, connection, output)).await,
        Command::Link(command) => Box::pin(link::run(command, connection, output)).await,
        Command::Trace(arguments) => Box::pin(trace::run(arguments, connection, output)).await,
        Command::Import(arguments) => Box::pin(import::run(arguments, connection, output)).await,
        Command::Export(arguments) => export::run(arguments, connection, output).await,
        Command::Verify(arguments) => verify::run(arguments, connection, output).await,
        Command::Audit(command) => audit::run(command, connection, output).await,
        Command::Backup(command) => backup::run(command, connection, output).await,
        Command::Status => status::status(connection, output).await,
        Command::LogLevel(arguments) => status::log_level(arguments, connection, output).await,
        Command::Login(arguments) => session::login(arguments, connection, output).await,
        Command::Logout => session::logout(connection, output).await,
        Command::Whoami => session::whoami(connection, output).await,
        Command::Password => session::password(connection, output).await,
        Command::Key(command) => principal::key::run(command, connection, output).await,
        Command::Person(command) => principal::person::run(command, connection, output).await,
        Command::Certificate(command) => {
            principal::certificate::run(command, connection, output).await
        }
        Command::Operator(command) => principal::operator::run(command, connection, output).await,
        Command::Keys(command) => keys::run(&command, output),
        Command::Site(command) => site::run(command, connection, output).await,
        Command::Handle(command) => handle::run(command, connection, output).await,
        Command::Config(command) => config::run(command, output),
        Command::Errors(command) => errors::run(&command, output),
        Command::Health => health::run(connection, output).await,
        Command::Demo(arguments) => demo::run(arguments, output).await,
        Command::Bench(arguments) => bench::run(arguments, connection, output).await,
        Command::Completions { shell } => completions(shell, output),
    }
}

fn completions(shell: clap_complete::Shell, output: &Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "idnode", &mut script);
    output.data(&String::from_utf8_lossy(&script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_leaf_has_examples() {
        fn walk(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            if command.has_subcommands() {
                command.get_subcommands().for_each(|sub| walk(sub, &path));
            } else {
                let help = command.get_before_help().map(ToString::to_string);
                assert!(
                    help.is_some_and(|help| help.contains(path.trim())),
                    "{path} shows no example of itself"
                );
            }
        }
        walk(&Arguments::command(), "");
    }

    #[test]
    fn no_flag_takes_a_secret() {
        fn walk(command: &clap::Command) {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                assert!(
                    !["key", "token", "password", "secret"].contains(&name),
                    "{name}"
                );
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Arguments::command());
    }
}
