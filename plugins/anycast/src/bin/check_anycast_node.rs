//! Is the route announced from this node exactly when the service here is healthy?
fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_anycast::NodeCheck>(env!("CARGO_BIN_NAME"))
}
