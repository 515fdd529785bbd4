//! Check a stream over SRT. See `docs/plugins/check_srt.md`.

fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_stream::srt::Srt>(env!("CARGO_BIN_NAME"))
}
