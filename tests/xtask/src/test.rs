//! `cargo xtask test`: everything that CI does, on any machine.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::{install, sh};

/// What the lines of all test binaries add up to.
#[derive(Default)]
struct Tally {
    passed: u32,
    failed: u32,
    skipped: u32,
}

struct Stage {
    name: &'static str,
    took: Duration,
    result: Result<()>,
}

pub(crate) fn run() -> Result<()> {
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

    stage("packages", &mut install::run);
    stage("format", &mut || sh::run(sh::cargo().args(["fmt", "--all", "--check"])));
    stage("clippy", &mut || {
        sh::run(sh::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    });
    let mut tally = Tally::default();
    if stage("build", &mut || sh::run(sh::cargo().args(["build", "--workspace"]))) {
        if sh::has_cargo("nextest") {
            stage("tests", &mut || tests(&["nextest", "run", "--workspace", "--no-fail-fast"], &mut tally));
            stage("doctests", &mut || tests(&["test", "--workspace", "--doc"], &mut tally));
        } else {
            stage("tests", &mut || tests(&["test", "--workspace", "--no-fail-fast"], &mut tally));
        }
    }
    if sh::has_cargo("deny") {
        stage("deny", &mut || sh::run(sh::cargo().args(["deny", "check"])));
    } else if sh::has_cargo("audit") {
        stage("audit", &mut || sh::run(sh::cargo().arg("audit")));
    }

    println!("\n=== summary");
    for Stage { name, took, result } in &stages {
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        println!("{name:10} {:7.1} s  {verdict}", took.as_secs_f64());
    }
    let Tally { passed, failed, skipped } = tally;
    println!("{passed} tests passed, {failed} failed, {skipped} skipped for want of a server or of root");
    let failures: Vec<&str> =
        stages.iter().filter(|stage| stage.result.is_err()).map(|stage| stage.name).collect();
    ensure!(failures.is_empty(), "failed: {}", failures.join(", "));
    Ok(())
}

/// Runs cargo with these arguments, shows every line and adds up what it says.
fn tests(arguments: &[&str], tally: &mut Tally) -> Result<()> {
    let mut cargo = sh::cargo();
    cargo.args(arguments);
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

/// The same program with standard error in standard output, so that lines keep their order.
fn one_pipe(command: &Command) -> Command {
    let mut shell = sh::program("sh");
    shell.args(["-c", "exec \"$@\" 2>&1", "sh"]).arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

impl Tally {
    /// Understands the closing lines of cargo test and of nextest, and the lab's line about a skipped test.
    fn add(&mut self, line: &str) {
        let before = |word: &str| {
            let words: Vec<&str> = line.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
            let found = words.iter().position(|candidate| *candidate == word)?;
            words.get(found.checked_sub(1)?)?.parse::<u32>().ok()
        };
        if line.starts_with("test result:") || line.trim_start().starts_with("Summary [") {
            self.passed += before("passed").unwrap_or_default();
            self.failed += before("failed").unwrap_or_default();
        } else if line.starts_with("*** SKIPPED ") {
            self.skipped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_test_runners_are_added_up_and_skipped_tests_counted() {
        let mut tally = Tally::default();
        tally.add(
            "test result: ok. 9 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 6.20s",
        );
        tally.add("     Summary [   1.234s] 12 tests run: 11 passed, 1 failed, 3 skipped");
        tally.add("*** SKIPPED gstreamer: this machine lacks gst ***");
        tally.add("test hosts::ok ... ok");
        assert_eq!((tally.passed, tally.failed, tally.skipped), (20, 2, 1));
    }
}
