//! Draw a Squid cache in Munin. See `docs/plugins/squid_.md`.

weir_munin::markers!("auto", "autoconf suggest");

fn main() -> std::process::ExitCode {
    weir_cli::run_graph::<weir_squid::graph::SquidGraph>(env!("CARGO_BIN_NAME"))
}
