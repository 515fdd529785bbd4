//! `cargo xtask fuzz [SECONDS] [TARGET]`: every target of `tests/fuzz` for a while, from recorded dialogues.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::sh;

const SECONDS: u32 = 60;

/// Of the fuzzer: an input that takes so long or so much is a finding too.
const LIMITS: [&str; 2] = ["-timeout=5", "-rss_limit_mb=256"];

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
        None => sh::read(fuzz("list").arg("--fuzz-dir").arg("tests/fuzz"))?,
    };
    for target in targets.lines() {
        println!("\n=== fuzz {target} for {seconds} s");
        // What this machine has found interesting so far; the recordings themselves are only read.
        let corpus = sh::root().join("target/fuzz-corpus").join(target);
        fs::create_dir_all(&corpus)?;
        // The codecs forbid `unsafe`: the address sanitizer, which takes a nightly compiler, would find nothing.
        let mut fuzz = fuzz("run");
        fuzz.args(["--fuzz-dir", "tests/fuzz", "--sanitizer", "none", target]).arg(corpus);
        fuzz.args(seeds(target).iter().map(|folder| format!("common/wire/testdata/{folder}")));
        sh::run(fuzz.arg("--").arg(format!("-max_total_time={seconds}")).args(LIMITS))?;
    }
    Ok(())
}

/// The folders of `common/wire/testdata` with recordings for a target: that of the same name unless said here.
fn seeds(target: &str) -> Vec<&str> {
    match target {
        "rtp" => vec!["rtsp"], // packets inside the dialogues
        "http1" => vec!["http1", "icy"],
        "icy" => vec!["icy", "media"],
        "m3u8" => vec!["hls"],
        "dead_air" => vec!["media", "ts"],
        "asf" => vec!["mms"], // the headers and packets inside
        "routing" => vec!["bird", "frr", "gobgp", "exabgp", "dns"],
        "pna" => vec!["pna", "realmedia"],
        "rdt" => vec!["realmedia"],
        same => vec![same],
    }
}

fn fuzz(subcommand: &str) -> Command {
    let mut cargo = sh::cargo();
    cargo.args(["fuzz", subcommand]);
    cargo
}
