//! Check a live DASH channel. See `docs/plugins/check_dash.md`.

fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_stream::dash::Dash>(env!("CARGO_BIN_NAME"))
}
