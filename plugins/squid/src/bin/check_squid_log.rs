//! Check the hit ratios of sites from Squid's access log. See `docs/plugins/check_squid_log.md`.

fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_squid::log::check::CheckSquidLog>(env!("CARGO_BIN_NAME"))
}
