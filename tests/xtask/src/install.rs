//! Installs what the real servers of the lab need, by apt and npm, saying so. The lists are those of `weir_lab::packages`.

use std::fs;

use anyhow::{Context as _, Result, bail};
use weir_lab::packages;

use crate::sh;

/// Runs as root; its arguments are packages. A server that is only wanted for tests must not start with the machine's
/// own configuration, so services are forbidden to start meanwhile.
const INSTALL: &str = r#"
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod 755 $policy
    trap 'rm -f $policy' EXIT
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
"#;

/// Whether a missing server is a failure: in CI, or when the caller says so.
pub(crate) fn required() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
        || std::env::var("WEIR_LAB").is_ok_and(|mode| mode == "require")
}

/// Installs what is missing for all tests.
///
/// # Errors
/// When that fails and a missing server is a failure; else it only says what is missing.
pub(crate) fn run() -> Result<()> {
    let mut wanted = packages::all();
    // It comes from elsewhere as often as from the distribution.
    if !packages::has_npm_packages() && sh::read(sh::program("npm").arg("--version")).is_err() {
        wanted.extend(["nodejs", "npm"]);
    }
    for done in [by_apt(&wanted), by_npm()] {
        match done {
            Err(problem) if !required() => {
                println!("{problem:#}\nGoing on; tests that need it will be skipped, loudly.");
            }
            other => other?,
        }
    }
    Ok(())
}

/// Installs what is missing for these needs of the lab, all of which come by apt.
///
/// # Errors
/// When something is still missing: what, and how to get it.
pub(crate) fn needed(needs: &[&str]) -> Result<()> {
    by_apt(&packages::of(needs))
}

/// Installs what the lock file lists below the target folder, without running scripts of anybody.
fn by_npm() -> Result<()> {
    if packages::has_npm_packages() {
        return Ok(());
    }
    println!("Installing by npm, for the real servers of tests.");
    let folder = packages::npm_folder()?;
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("package.json"), packages::NPM_PACKAGE)?;
    fs::write(folder.join("package-lock.json"), packages::NPM_LOCK)?;
    let mut npm = sh::program("npm");
    // It warns that it would like a newer Node than Debian's, with which it runs.
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&folder);
    sh::run(&mut npm).with_context(|| format!("not installed by npm: {}", packages::NODE_MEDIA_SERVER))?;
    fs::write(folder.join("installed.json"), packages::NPM_LOCK)?;
    Ok(())
}

fn by_apt(wanted: &[&str]) -> Result<()> {
    let lacking = || {
        let installed = packages::installed_of(wanted);
        wanted.iter().copied().filter(|package| !installed.contains(*package)).collect::<Vec<_>>().join(" ")
    };
    let missing = lacking();
    if missing.is_empty() {
        println!("Every package for the real servers is here.");
        return Ok(());
    }
    println!("Installing by apt, for the real servers of tests and demo; their services are not started.");
    println!("  {missing}");
    let root = sh::read(sh::program("id").arg("-u"))? == "0";
    let mut shell = sh::program(if root { "sh" } else { "sudo" });
    if !root {
        println!("(as root, by sudo)");
        shell.arg("sh");
    }
    let done = shell.args(["-c", INSTALL, "install"]).args(missing.split(' ')).status();
    let missing = lacking();
    if !missing.is_empty() {
        let how = match done {
            Err(error) if root => format!("no shell: {error}"),
            Err(error) => format!("sudo: {error}"),
            Ok(status) => format!("apt-get ended with {status}"),
        };
        bail!("not installed ({how}); as root: apt-get install --no-install-recommends {missing}");
    }
    Ok(())
}
