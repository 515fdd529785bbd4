//! Who announces the prefix, and may they?
fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_anycast::FleetCheck>(env!("CARGO_BIN_NAME"))
}
