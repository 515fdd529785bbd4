//! Check a live HLS channel. See `docs/plugins/check_hls.md`.

fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_stream::hls::Hls>(env!("CARGO_BIN_NAME"))
}
