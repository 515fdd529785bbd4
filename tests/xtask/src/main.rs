//! The project's own commands: demo, test, bench, fuzz, dist. One file per command.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "these commands speak to a person")]

mod bench;
mod demo;
mod dist;
mod fuzz;
mod install;
mod sh;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  demo [--stay]            start a small platform on loopback and run the checks against it
  test [PACKAGE...]        install the real servers, then check, build and test everything, or these
  bench [RUNS] [GROUP...]  cost of our programs against others on the same servers (default 9 runs, all groups)
  fuzz [SECONDS] [TARGET]  fuzz each target (default 60 s), or one of them
  dist                     build the static binaries and lay out a package below target/dist";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["demo"] => demo::run(false),
        ["demo", "--stay"] => demo::run(true),
        ["test", packages @ ..] => test::run(packages),
        ["bench", rest @ ..] => bench::run(rest),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["dist"] => dist::run(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem:#}");
            ExitCode::FAILURE
        }
    }
}
