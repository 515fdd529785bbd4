//! Check RTP and MPEG-TS, multicast or unicast. See `docs/plugins/check_rtp.md`.

fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_stream::rtp::Rtp>(env!("CARGO_BIN_NAME"))
}
