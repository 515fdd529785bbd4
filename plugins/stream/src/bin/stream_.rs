//! Draw channels with Munin. See `docs/plugins/stream_.md`.

weir_munin::markers!("auto", "autoconf suggest");

fn main() -> std::process::ExitCode {
    weir_cli::run_graph::<weir_stream::graph::StreamGraphs>(env!("CARGO_BIN_NAME"))
}
