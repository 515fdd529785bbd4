//! Check a progressive HTTP stream. See `docs/plugins/check_http_stream.md`.

fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_stream::http_stream::HttpStream>(env!("CARGO_BIN_NAME"))
}
