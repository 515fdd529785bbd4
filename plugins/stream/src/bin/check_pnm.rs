//! Check a RealNetworks stream over PNA. See `docs/plugins/check_pnm.md`.

fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_stream::pnm::Pnm>(env!("CARGO_BIN_NAME"))
}
