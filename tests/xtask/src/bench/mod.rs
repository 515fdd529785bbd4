//! `cargo xtask bench [RUNS] [GROUP...]`: what our programs cost against others, on the same servers in one run. The
//! comparisons are the tables in `rows`.

mod emulated;
mod guest;
mod rows;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use weir_lab::Lab;

use crate::{dist, install, sh};
use rows::{Comparison, GROUPS, Group};

/// Odd, so that the median is a measured value.
const RUNS: usize = 9;

/// What one run of a program cost.
#[derive(Clone, Copy)]
struct Cost {
    cpu_ms: f64,
    wall_ms: f64,
    rss_mib: f64,
    code: i32,
}

/// Where the programs lie.
struct Programs {
    /// Our own, built with the profile `dist`.
    built: PathBuf,
    /// Where cargo installs rivals.
    tools: PathBuf,
}

pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (runs, names) = match arguments {
        [first, rest @ ..] if first.parse::<usize>().is_ok_and(|runs| runs > 0) => (first.parse()?, rest),
        names => (RUNS, names),
    };
    let groups = wanted(names)?;
    install::run()?;
    println!("\nBuilding with the profile dist.");
    let ours = groups.iter().flat_map(|group| group.binaries.iter().copied());
    let binaries: Vec<&str> = ours.chain(["weir-launch", "weir-noop"]).collect();
    let programs =
        Programs { built: dist::build(&["weir-bench"], &binaries)?, tools: sh::root().join("target/tools") };
    println!("\nMedians of {runs} runs; CPU is user + system.\n");
    println!("| what | program | CPU ms | wall ms | max RSS MiB | exit | CPU, ours to theirs | goal |");
    println!("|---|---|--:|--:|--:|--:|--:|---|");
    for group in groups {
        let lab = Lab::new(&format!("bench-{}", group.name))?;
        let started = match (group.start)(&lab) {
            Ok(started) => started,
            Err(problem) => {
                println!("| {} | not measured: {problem:#} |", group.name);
                continue;
            }
        };
        if let Some(ready) = &started.inside {
            let measure = if started.emulated { emulated::measure } else { guest::measure };
            match measure(&lab, &programs, ready, &started.rows, runs) {
                Ok(costs) => {
                    for (row, [ours, theirs]) in started.rows.iter().zip(&costs) {
                        row.print(median(ours), median(theirs));
                    }
                }
                Err(problem) => println!("| {} | not measured: {problem:#} |", group.name),
            }
            continue;
        }
        for comparison in &started.rows {
            match comparison.measure(&lab, &programs, runs) {
                Ok((ours, theirs)) => comparison.print(ours, theirs),
                Err(problem) => println!("| {} | not measured: {problem:#} |", comparison.what),
            }
        }
    }
    Ok(())
}

/// The groups of these names, or all of them.
fn wanted(names: &[&str]) -> Result<Vec<&'static Group>> {
    let all = || GROUPS.iter().copied().flatten();
    let known: Vec<&str> = all().map(|group| group.name).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        bail!(
            "`{name}` is no group of rows; usage: cargo xtask bench [RUNS] [GROUP...], GROUP is one of {}",
            known.join(", ")
        );
    }
    Ok(all().filter(|group| names.is_empty() || names.contains(&group.name)).collect())
}

impl Programs {
    /// The path of one of ours, else of a crate's, which is installed when it is not there, else of Nagios' plugins, else of the system.
    fn find(&self, name: &str) -> Result<PathBuf> {
        if rows::RIVAL_CRATES.contains(&name) && !self.tools.join("bin").join(name).exists() {
            println!("\nInstalling {name} to target/tools, to compare with.");
            sh::run(sh::cargo().args(["install", name, "--root"]).arg(&self.tools))?;
        }
        let folders = [
            self.built.as_path(),
            &self.tools.join("bin"),
            Path::new("/usr/lib/nagios/plugins"),
            Path::new("/usr/bin"),
            Path::new("/usr/sbin"),
        ];
        let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        found.with_context(|| format!("{name} is not installed"))
    }
}

impl Comparison {
    /// The medians, ours and theirs. The two take turns, so that a busy moment of the machine meets both.
    fn measure(&self, lab: &Lab, programs: &Programs, runs: usize) -> Result<(Cost, Cost)> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            ours.push(once(lab, programs, &self.ours)?);
            theirs.push(once(lab, programs, &self.theirs)?);
        }
        Ok((median(&ours), median(&theirs)))
    }

    fn print(&self, ours: Cost, theirs: Cost) {
        let line = |what: &str, command: &str, cost: Cost, ratio: &str, goal: &str| {
            let Cost { cpu_ms, wall_ms, rss_mib, code } = cost;
            let program = split(command).1.first().copied().unwrap_or_default();
            println!(
                "| {what} | {program} | {cpu_ms:.2} | {wall_ms:.1} | {rss_mib:.1} | {code} | {ratio} | {goal} |"
            );
        };
        let ratio = ours.cpu_ms / theirs.cpu_ms;
        let mut goals = Vec::new();
        let mut goal = |name: &str, seen: f64, limit: Option<f64>| {
            let verdict = |limit| if seen <= limit { "met" } else { "MISSED" };
            goals.extend(limit.map(|limit| format!("{name} <= {limit:.3} {}", verdict(limit))));
        };
        goal("CPU ratio", ratio, self.cpu_at_most);
        goal("RSS", ours.rss_mib, self.rss_at_most_mib);
        line(&self.what, &self.ours, ours, &format!("{ratio:.3}"), &goals.join(", "));
        line("", &self.theirs, theirs, "", "");
    }
}

fn median(costs: &[Cost]) -> Cost {
    let middle = |value: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = costs.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Cost {
        cpu_ms: middle(|cost| cost.cpu_ms),
        wall_ms: middle(|cost| cost.wall_ms),
        rss_mib: middle(|cost| cost.rss_mib),
        code: costs.last().map_or(-1, |cost| cost.code),
    }
}

/// A command line as `NAME=VALUE ... PROGRAM ARGUMENT ...`: the environment, and the rest.
fn split(command: &str) -> (Vec<(&str, &str)>, Vec<&str>) {
    let words: Vec<&str> = command.split(' ').collect();
    let environment: Vec<(&str, &str)> = words.iter().map_while(|word| word.split_once('=')).collect();
    let rest = words.into_iter().skip(environment.len()).collect();
    (environment, rest)
}

/// One run by `weir-launch`, from a thread inside the lab's network: no wrapper comes between launcher and program.
fn once(lab: &Lab, programs: &Programs, command: &str) -> Result<Cost> {
    let (environment, words) = split(command);
    let (name, arguments) = words.split_first().context("a program")?;
    let mut launch = Command::new(programs.find("weir-launch")?);
    launch.arg(programs.find(name)?).args(arguments).envs(environment).stdin(Stdio::null());
    cost(&lab.enter(|| sh::read(&mut launch))??)
}

/// What `weir-launch` prints: microseconds of processor and clock, KiB, the exit code.
fn cost(text: &str) -> Result<Cost> {
    let numbers: Vec<f64> = text.split(' ').filter_map(|number| number.parse().ok()).collect();
    let [cpu, wall, rss, code] = numbers[..] else { bail!("weir-launch printed {text}") };
    #[expect(clippy::cast_possible_truncation, reason = "an exit code")]
    Ok(Cost { cpu_ms: cpu / 1e3, wall_ms: wall / 1e3, rss_mib: rss / 1024.0, code: code as i32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_leading_words_are_environment() {
        let (environment, words) = split("url=rtsp://192.0.2.1/a stream_ config --x=y");
        assert_eq!(environment, [("url", "rtsp://192.0.2.1/a")]);
        assert_eq!(words, ["stream_", "config", "--x=y"]);
    }

    #[test]
    fn groups_are_found_by_their_names_which_differ() {
        let found = |words: &[&str]| -> Vec<&str> {
            wanted(words).expect("known").iter().map(|group| group.name).collect()
        };
        assert_eq!(found(&["start-up", "rtsp"]), ["rtsp", "start-up"]);
        let mut all = found(&[]);
        assert!(all.len() > 5);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), found(&[]).len(), "a name twice");
        let error = wanted(&["rtps"]).err().expect("unknown").to_string();
        assert!(error.contains("`rtps`") && error.contains("icecast"), "{error}");
    }

    #[test]
    fn the_median_is_the_middle_of_each_figure() {
        let cost = |cpu_ms, wall_ms| Cost { cpu_ms, wall_ms, rss_mib: 1.0, code: 0 };
        let middle = median(&[cost(9.0, 1.0), cost(2.0, 3.0), cost(1.0, 2.0)]);
        assert!((middle.cpu_ms - 2.0).abs() < 1e-9 && (middle.wall_ms - 2.0).abs() < 1e-9);
    }
}
