//! `cargo xtask fuzz [SECONDS] [TARGET]`: every target of `tests/fuzz` for a while.

use anyhow::{Context, Result, bail};

use crate::sh;

const SECONDS: u32 = 60;

pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (seconds, target) = match arguments {
        [] => (SECONDS, None),
        [one] => one.parse().map_or((SECONDS, Some(*one)), |seconds| (seconds, None)),
        [seconds, target] => (seconds.parse().context("SECONDS is a whole number")?, Some(*target)),
        _ => bail!("usage: cargo xtask fuzz [SECONDS] [TARGET]"),
    };
    if !sh::has_cargo("fuzz") {
        println!("Installing cargo-fuzz.");
        sh::run(sh::cargo().args(["install", "--locked", "cargo-fuzz"]))?;
    }
    let targets = match target {
        Some(target) => target.to_owned(),
        None => sh::read(fuzz().args(["list", "--fuzz-dir", "tests/fuzz"]))?,
    };
    for target in targets.lines() {
        println!("\n=== fuzz {target} for {seconds} s");
        let limit = format!("-max_total_time={seconds}");
        sh::run(fuzz().args(["run", "--fuzz-dir", "tests/fuzz", target, "--", &limit]))?;
    }
    Ok(())
}

/// cargo-fuzz instruments the code by options that only a nightly compiler offers; this lets the stable one take them.
fn fuzz() -> std::process::Command {
    let mut cargo = sh::cargo();
    cargo.arg("fuzz").env("RUSTC_BOOTSTRAP", "1");
    cargo
}
