//! Check any stream by its URL. See `docs/plugins/check_stream.md`.

fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_stream::any::AnyStream>(env!("CARGO_BIN_NAME"))
}
