//! `cargo xtask test [PACKAGE...]`: everything that CI does, on any machine.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::{install, sh};

/// What the lines of all test binaries add up to.
#[derive(Default)]
struct Tally {
    passed: u32,
    failed: u32,
}

struct Stage {
    name: &'static str,
    took: Duration,
    result: Result<()>,
}

/// Everything, or only these packages.
pub(crate) fn run(packages: &[&str]) -> Result<()> {
    let mut stages = Vec::new();
    let mut stage = |name, work: &mut dyn FnMut() -> Result<()>| {
        println!("\n=== {name}");
        let begin = Instant::now();
        let result = work();
        if let Err(problem) = &result {
            println!("{name} FAILED: {problem:#}");
        }
        let done = result.is_ok();
        stages.push(Stage { name, took: begin.elapsed(), result });
        done
    };
    let chosen: Vec<&str> = packages.iter().flat_map(|package| ["-p", package]).collect();
    let scope = if chosen.is_empty() { vec!["--workspace"] } else { chosen.clone() };
    let with = |before: &[&str], after: &[&str]| {
        let mut cargo = sh::cargo();
        cargo.args(before).args(&scope).args(after);
        cargo
    };

    stage("packages", &mut install::run);
    let all = if chosen.is_empty() { vec!["--all"] } else { chosen.clone() };
    stage("format", &mut || sh::run(sh::cargo().arg("fmt").args(&all).arg("--check")));
    stage("clippy", &mut || sh::run(&mut with(&["clippy"], &["--all-targets", "--", "-D", "warnings"])));
    let _ = fs::remove_file(skipped_file());
    let mut tally = Tally::default();
    if stage("build", &mut || sh::run(&mut with(&["build"], &[]))) {
        if sh::has_cargo("nextest") {
            stage("tests", &mut || tests(with(&["nextest", "run"], &["--no-fail-fast"]), &mut tally));
            stage("doctests", &mut || tests(with(&["test"], &["--doc"]), &mut tally));
        } else {
            stage("tests", &mut || tests(with(&["test"], &["--no-fail-fast"]), &mut tally));
        }
    }
    if sh::has_cargo("deny") {
        stage("deny", &mut || sh::run(sh::cargo().args(["deny", "check", "bans", "licenses", "sources"])));
        stage("advisories", &mut advisories);
    } else {
        skip("licences and advisories: cargo install cargo-deny --locked")?;
    }

    println!("\n=== summary");
    for Stage { name, took, result } in &stages {
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        println!("{name:10} {:7.1} s  {verdict}", took.as_secs_f64());
    }
    let skipped = fs::read_to_string(skipped_file()).unwrap_or_default();
    for sentence in skipped.lines() {
        println!("SKIPPED    {sentence}");
    }
    let Tally { passed, failed } = tally;
    println!("{passed} tests passed, {failed} failed, {} skipped", skipped.lines().count());
    let failures: Vec<&str> =
        stages.iter().filter(|stage| stage.result.is_err()).map(|stage| stage.name).collect();
    ensure!(failures.is_empty(), "failed: {}", failures.join(", "));
    Ok(())
}

/// Runs cargo's tests, shows every line and adds up what it says.
fn tests(mut cargo: Command, tally: &mut Tally) -> Result<()> {
    cargo.env("WEIR_LAB_SKIPPED", skipped_file());
    if install::required() {
        cargo.env("WEIR_LAB", "require");
    }
    let mut child = one_pipe(&cargo).stdout(Stdio::piped()).spawn().context("starting cargo")?;
    for line in BufReader::new(child.stdout.take().context("pipe from cargo")?).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        tally.add(&line);
    }
    let status = child.wait()?;
    ensure!(status.success(), "{} ended with {status}", sh::words(&cargo));
    Ok(())
}

/// Asks for known holes in what we use. Their list comes from the network, and a machine without it has not looked.
fn advisories() -> Result<()> {
    let out = sh::cargo().args(["deny", "check", "advisories"]).output().context("starting cargo")?;
    let text = String::from_utf8_lossy(&out.stderr);
    println!("{text}");
    if text.contains("failed to fetch advisory database") {
        return skip("advisories: their list cannot be fetched here");
    }
    ensure!(out.status.success(), "cargo deny check advisories ended with {}", out.status);
    Ok(())
}

/// Says in the summary what was not looked at.
fn skip(sentence: &str) -> Result<()> {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(skipped_file())?;
    writeln!(file, "{sentence}").context("noting what was skipped")
}

/// Where tests note that they were skipped: both test runners hide what a passing test says.
fn skipped_file() -> PathBuf {
    sh::root().join("target/weir-lab-skipped")
}

/// The same program with standard error in standard output, so that lines keep their order.
fn one_pipe(command: &Command) -> Command {
    let mut shell = sh::program("sh");
    shell.args(["-c", "exec \"$@\" 2>&1", "sh"]).arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

impl Tally {
    /// Understands the closing lines of cargo test and of nextest.
    fn add(&mut self, line: &str) {
        let before = |word: &str| {
            let words: Vec<&str> = line.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
            let found = words.iter().position(|candidate| *candidate == word)?;
            words.get(found.checked_sub(1)?)?.parse::<u32>().ok()
        };
        if line.starts_with("test result:") || line.trim_start().starts_with("Summary [") {
            self.passed += before("passed").unwrap_or_default();
            self.failed += before("failed").unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_test_runners_are_added_up() {
        let mut tally = Tally::default();
        tally.add(
            "test result: ok. 9 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 6.20s",
        );
        tally.add("     Summary [   1.234s] 12 tests run: 11 passed, 1 failed, 3 skipped");
        tally.add("test hosts::ok ... ok");
        assert_eq!((tally.passed, tally.failed), (20, 2));
    }
}
