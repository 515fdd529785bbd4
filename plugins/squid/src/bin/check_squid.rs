//! Check a Squid cache. See `docs/plugins/check_squid.md`.

fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_squid::check::CheckSquid>(env!("CARGO_BIN_NAME"))
}
