//! Check a playlist and all that it leads to. See `docs/plugins/check_playlist.md`.

fn main() -> std::process::ExitCode {
    weir_cli::run_check::<weir_stream::playlist::PlaylistCheck>(env!("CARGO_BIN_NAME"))
}
