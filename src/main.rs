//! The `idnode` binary.

fn main() -> std::process::ExitCode {
    idnode::cli::run()
}
