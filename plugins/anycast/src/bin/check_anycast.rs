//! Which node answers from here, and how far is it?
fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_anycast::VantageCheck>(env!("CARGO_BIN_NAME"))
}
