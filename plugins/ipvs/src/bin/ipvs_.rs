//! Graphs of an IPVS director. See `docs/plugins/ipvs_.md`.

weir_munin::markers!("auto", "autoconf suggest");

fn main() -> std::process::ExitCode {
    weir_cli::run_graph::<weir_ipvs::IpvsGraphs>(env!("CARGO_BIN_NAME"))
}
