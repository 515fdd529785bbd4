//! Round trips, loss and jitter.
fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_latency::LatencyCheck>(env!("CARGO_BIN_NAME"))
}
