//! Check a stream over RTSP. See `docs/plugins/check_rtsp.md`.

fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_stream::rtsp::Rtsp>(env!("CARGO_BIN_NAME"))
}
