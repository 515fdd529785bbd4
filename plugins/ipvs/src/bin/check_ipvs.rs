//! Check an IPVS director. See `docs/plugins/check_ipvs.md`.

fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_ipvs::Ipvs>(env!("CARGO_BIN_NAME"))
}
