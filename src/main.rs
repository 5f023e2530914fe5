//! The `herald` command: parse the command line, run the command, answer with its exit status.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    // Both libraries panic at their first use without a provider, or with two to choose from.
    let tls = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let tokens = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    if tls.is_err() || tokens.is_err() {
        return ExitCode::FAILURE;
    }
    herald::cli::run().await
}
