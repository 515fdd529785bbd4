//! Check a Windows Media stream. See `docs/plugins/check_mms.md`.

fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_stream::mms::Mms>(env!("CARGO_BIN_NAME"))
}
