//! Check a virtual service through the director and at each real server. See `docs/plugins/check_vip.md`.

fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_ipvs::Vip>(env!("CARGO_BIN_NAME"))
}
