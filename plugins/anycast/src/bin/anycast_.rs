//! Draws who answers, how far, and who announces.
weir_munin::markers!("manual", "suggest");

fn main() -> std::process::ExitCode {
    weir_cli::run_graph::<weir_anycast::AnycastGraphs>(env!("CARGO_BIN_NAME"))
}
