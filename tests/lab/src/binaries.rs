//! Where cargo put things: the plugin binaries under test, and the folder for what is made once per machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The binary `name` of the same build as the running test, demo or benchmark. `WEIR_LAB_BIN` names another folder,
/// to run the same tests against packaged binaries.
///
/// # Errors
/// When it has not been built: cargo builds the binaries of the package under test, not those of its neighbours.
pub fn bin(name: &str) -> Result<PathBuf> {
    let folder = match std::env::var_os("WEIR_LAB_BIN") {
        Some(folder) => PathBuf::from(folder),
        None => build_dir()?,
    };
    let path = folder.join(name);
    if !path.is_file() {
        bail!("no {name} in {}: run `cargo build --workspace` first", folder.display());
    }
    Ok(path)
}

/// `target/debug` or its like: where the running executable lies, without `deps` and `examples`.
fn build_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("finding the running executable")?;
    let folder = exe.parent().unwrap_or(Path::new("/"));
    let inner = matches!(folder.file_name().and_then(|name| name.to_str()), Some("deps" | "examples"));
    Ok(if inner { folder.parent().unwrap_or(folder) } else { folder }.to_owned())
}

/// Cargo's target folder: the nearest one above the running executable which cargo has tagged.
///
/// # Errors
/// When the executable was moved out of it.
pub fn target_dir() -> Result<PathBuf> {
    let build = build_dir()?;
    let tagged = build.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    tagged.map(Path::to_owned).with_context(|| format!("{} is in no target folder of cargo", build.display()))
}
