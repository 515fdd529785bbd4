//! Installs what the real servers of the lab need, by apt, saying so. The list is that of `weir_lab::packages`.

use anyhow::{Result, bail};
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

/// Installs what is missing.
///
/// # Errors
/// When that fails and a missing server is a failure; else it only says what is missing.
pub(crate) fn run() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        println!("Every package for the real servers is here.");
        return Ok(());
    }
    println!("Installing by apt, for the real servers of tests and demo; their services are not started.");
    println!("  {}", missing.join(" "));
    let root = sh::read(sh::program("id").arg("-u"))? == "0";
    let mut shell = sh::program(if root { "sh" } else { "sudo" });
    if !root {
        shell.arg("sh");
    }
    let done = sh::run(shell.args(["-c", INSTALL, "install"]).args(&missing));
    let missing = self::missing();
    if !missing.is_empty() {
        let cause = done.err().map_or_else(|| "unknown".to_owned(), |problem| problem.to_string());
        let message = format!("not installed ({cause}): {}", missing.join(" "));
        if required() {
            bail!(message);
        }
        println!("{message}\nGoing on; tests that need them will be skipped, loudly.");
    }
    Ok(())
}

fn missing() -> Vec<&'static str> {
    let installed = packages::query_installed();
    packages::all().into_iter().filter(|package| !installed.contains(*package)).collect()
}
