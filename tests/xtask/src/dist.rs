//! `cargo xtask dist`: the static, optimised binaries, and a folder with everything that a package needs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::sh;

/// Static, and at a fixed place: moving itself there costs a program of 7 MB a quarter of its start-up.
const FLAGS: &str = "-C target-feature=+crt-static -C relocation-model=static";
/// What goes beside the binaries.
const BESIDE: [&str; 7] =
    ["nagios-conf", "munin-conf", "docs", "README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];

pub(crate) fn run() -> Result<()> {
    let built = build(&[], &[])?;
    let package = sh::root().join("target/dist").join(format!("weir-{}", env!("CARGO_PKG_VERSION")));
    if package.exists() {
        fs::remove_dir_all(&package)?;
    }
    let bin = package.join("bin");
    fs::create_dir_all(&bin)?;
    for binary in binaries(&built)? {
        let name = binary.file_name().context("a binary has a name")?;
        println!("{:>9} bytes  {}", fs::metadata(&binary)?.len(), name.display());
        fs::copy(&binary, bin.join(name))?;
    }
    for name in BESIDE {
        let from = sh::root().join(name);
        if from.exists() {
            sh::run(sh::program("cp").arg("-r").arg(from).arg(&package))?;
        }
    }
    println!("packed: {}", package.display());
    Ok(())
}

/// Builds the binaries of every plugin family, and of the crates in `more`, with the profile `dist`, or only those in
/// `binaries` when it names some; the folder where they lie. Its own target folder: other flags would otherwise throw
/// away everyday's build.
pub(crate) fn build(more: &[&str], binaries: &[&str]) -> Result<PathBuf> {
    let host = sh::read(sh::program("rustc").args(["--print", "host-tuple"]))?;
    let mut cargo = sh::cargo();
    cargo.args(["build", "--profile", "dist", "--target", &host, "--target-dir", "target/dist"]);
    if binaries.is_empty() {
        cargo.arg("--bins");
    }
    for name in binaries {
        cargo.args(["--bin", name]);
    }
    for name in families()?.iter().map(String::as_str).chain(more.iter().copied()) {
        cargo.args(["-p", name]);
    }
    cargo.env("RUSTFLAGS", FLAGS);
    sh::run(&mut cargo)?;
    Ok(sh::root().join("target/dist").join(host).join("dist"))
}

/// The package names of the crates in `plugins`.
fn families() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(sh::root().join("plugins"))? {
        let manifest = fs::read_to_string(entry?.path().join("Cargo.toml"))?;
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = "));
        names.push(name.context("a crate has a name")?.trim_matches('"').to_owned());
    }
    names.sort();
    Ok(names)
}

/// The programs among the files that cargo leaves in `folder`.
fn binaries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let executable = fs::metadata(&path)?.permissions().mode() & 0o111 != 0;
        let ours = path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with("weir-"));
        if path.is_file() && path.extension().is_none() && executable && ours {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
