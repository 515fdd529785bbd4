//! Draw the sites of Squid's access log in Munin. See `docs/plugins/squid_sites_.md`.

weir_munin::markers!("auto", "autoconf suggest");

fn main() -> std::process::ExitCode {
    weir_cli::run_graph::<weir_squid::log::graph::SquidSites>(env!("CARGO_BIN_NAME"))
}
