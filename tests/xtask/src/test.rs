//! `cargo xtask test [PACKAGE...]`: everything that CI does, on any machine.

use std::fs;
use std::io::Write as _;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{install, sh};

/// Seconds after which an executable with tests is ended.
const TIMEOUT: &str = "900";

/// Families that prove themselves in a user namespace when we are not root: their tests say which of them need more.
const ROOTLESS: [&str; 2] = ["plugins/anycast", "plugins/latency"];

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
        stage("tests", &mut || tests(with(&["test"], &["--no-run", "--message-format=json"]), &mut tally));
        stage("doctests", &mut || doctests(with(&["test"], &["--doc", "--quiet"]), &mut tally));
    }
    if sh::has_cargo("deny") {
        stage("deny", &mut || {
            sh::run(sh::cargo().args([
                "deny",
                "--log-level",
                "error",
                "check",
                "--hide-inclusion-graph",
                "bans",
                "licenses",
                "sources",
            ]))
        });
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
    println!("{passed} passed, {failed} failed, {} skipped", skipped.lines().count());
    let failures: Vec<&str> =
        stages.iter().filter(|stage| stage.result.is_err()).map(|stage| stage.name).collect();
    ensure!(failures.is_empty(), "failed: {}", failures.join(", "));
    Ok(())
}

/// One executable with tests.
struct Suite {
    /// `weir-stream rtsp`.
    name: String,
    /// Whether it lies in `tests/`: those wait for real servers, and begin first.
    integration: bool,
    executable: PathBuf,
    /// Where cargo would run it.
    folder: PathBuf,
}

/// Builds the tests and runs some of them at a time: they wait more than they work. What one says is shown when it ends.
fn tests(build: Command, tally: &mut Tally) -> Result<()> {
    let mut suites = suites(build)?;
    suites.sort_by_key(|suite| !suite.integration);
    let processors = std::thread::available_parallelism()?.get();
    let workers = processors + 1;
    let (suites, shared, failed) =
        (Mutex::new(suites.into_iter()), Mutex::new(tally), Mutex::new(Vec::new()));
    let work = || -> Result<()> {
        loop {
            let Some(suite) = locked(&suites).next() else { return Ok(()) };
            let begin = Instant::now();
            let out = one_pipe(&suite.command(processors))
                .output()
                .with_context(|| format!("starting {}", suite.name))?;
            let text = String::from_utf8_lossy(&out.stdout);
            let mut tally = locked(&shared);
            println!("\n--- {}: {:.1} s\n{}", suite.name, begin.elapsed().as_secs_f64(), text.trim());
            text.lines().for_each(|line| tally.add(line));
            if !out.status.success() {
                locked(&failed).push(format!("{} ({})", suite.name, out.status));
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })?;
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    ensure!(failed.is_empty(), "{}", failed.join(", "));
    Ok(())
}

/// What the threads share stays whole whoever panics.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Builds and lists the executables, from cargo's messages.
fn suites(mut build: Command) -> Result<Vec<Suite>> {
    let out = build.stderr(Stdio::inherit()).output().context("starting cargo")?;
    ensure!(out.status.success(), "{} ended with {}", sh::words(&build), out.status);
    let mut suites = Vec::new();
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        let message: Value = serde_json::from_str(line).context("a message of cargo")?;
        let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
        let (Some(executable), Some(manifest), Some(target), Some(true)) = (
            text("/executable"),
            text("/manifest_path").map(Path::new),
            text("/target/name"),
            message.pointer("/profile/test").and_then(Value::as_bool),
        ) else {
            continue;
        };
        let folder = manifest.parent().context("a manifest without a folder")?.to_owned();
        let integration = text("/target/kind/0") == Some("test");
        let place = folder.strip_prefix(sh::root()).unwrap_or(&folder).display().to_string();
        suites.push(Suite {
            name: format!("{place} {target}"),
            integration,
            executable: executable.into(),
            folder,
        });
    }
    Ok(suites)
}

impl Suite {
    /// One that hangs is ended, and fails. Tests of servers wait: with as many threads as processors these are idle for three
    /// quarters of the time.
    fn command(&self, processors: usize) -> Command {
        let mut command = sh::program("timeout");
        command.args(["--kill-after=10", TIMEOUT]);
        let family = self.folder.strip_prefix(sh::root()).unwrap_or(&self.folder);
        if self.integration && ROOTLESS.iter().any(|rootless| family == Path::new(rootless)) && !is_root() {
            command.arg(sh::root().join("tests/lab/rootless.sh"));
        }
        command.arg(&self.executable).current_dir(&self.folder);
        if self.integration && std::env::var_os("RUST_TEST_THREADS").is_none() {
            command.env("RUST_TEST_THREADS", (2 * processors).to_string());
        }
        lab(&mut command);
        command
    }
}

fn is_root() -> bool {
    sh::read(sh::program("id").arg("-u")).is_ok_and(|id| id == "0")
}

fn doctests(mut cargo: Command, tally: &mut Tally) -> Result<()> {
    lab(&mut cargo);
    let out = one_pipe(&cargo).output().context("starting cargo")?;
    let text = String::from_utf8_lossy(&out.stdout);
    println!("{}", text.trim());
    text.lines().for_each(|line| tally.add(line));
    ensure!(out.status.success(), "{} ended with {}", sh::words(&cargo), out.status);
    Ok(())
}

/// Tells the lab whether a server that cannot run is a failure, and where to note what was skipped.
fn lab(command: &mut Command) {
    command.env("WEIR_LAB_SKIPPED", skipped_file());
    if install::required() {
        command.env("WEIR_LAB", "require");
    }
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
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

impl Tally {
    /// Understands the closing line of a test executable.
    fn add(&mut self, line: &str) {
        let before = |word: &str| {
            let words: Vec<&str> = line.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
            let found = words.iter().position(|candidate| *candidate == word)?;
            words.get(found.checked_sub(1)?)?.parse::<u32>().ok()
        };
        if line.starts_with("test result:") {
            self.passed += before("passed").unwrap_or_default();
            self.failed += before("failed").unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_added_up() {
        let mut tally = Tally::default();
        tally.add(
            "test result: ok. 9 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 6.20s",
        );
        tally.add("test hosts::ok ... ok");
        assert_eq!((tally.passed, tally.failed), (9, 1));
    }
}
