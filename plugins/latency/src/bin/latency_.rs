//! Draws round trips and loss.
weir_munin::markers!("manual", "suggest");

fn main() -> std::process::ExitCode {
    weir_cli::run_graph::<weir_latency::LatencyGraphs>(env!("CARGO_BIN_NAME"))
}
