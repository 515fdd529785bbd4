//! Check an RTMP stream. See `docs/plugins/check_rtmp.md`.

fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_stream::rtmp::Rtmp>(env!("CARGO_BIN_NAME"))
}
