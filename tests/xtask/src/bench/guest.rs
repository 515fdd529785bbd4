//! Rows that are measured inside a guest with a kernel of its own, because this machine's lacks what they ask.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use weir_lab::Lab;

use super::rows::Comparison;
use super::{Cost, Programs, cost, split};

/// The costs of each row, ours and theirs, run by run. Both take turns in one guest, which runs `ready` before.
///
/// The guest counts processor time in ticks of 10 ms and has one processor and nothing else to do: the clock stands for both.
pub(super) fn measure(
    lab: &Lab,
    programs: &Programs,
    ready: &str,
    rows: &[Comparison],
    runs: usize,
) -> Result<Vec<[Vec<Cost>; 2]>> {
    let (script, _) = turns(programs, ready, rows, runs)?;
    costs_of(&lab.uml().run(&script)?.file("costs")?, rows.len())
}

/// The script that lets ours and theirs take turns, and the programs that it calls.
pub(super) fn turns(
    programs: &Programs,
    ready: &str,
    rows: &[Comparison],
    runs: usize,
) -> Result<(String, Vec<PathBuf>)> {
    let launch = programs.find("weir-launch")?;
    let mut paths = vec![launch.clone()];
    let mut script = format!("set -e\n{ready}\nfor run in $(seq {runs}); do\n");
    for (number, row) in rows.iter().enumerate() {
        for (side, command) in [&row.ours, &row.theirs].into_iter().enumerate() {
            let (environment, words) = split(command);
            let (name, arguments) = words.split_first().context("a program")?;
            let program = programs.find(name)?;
            paths.push(program.clone());
            let set: Vec<String> = environment.iter().map(|(key, value)| format!("{key}={value}")).collect();
            writeln!(
                script,
                "echo \"{number} {side} $({} {} {} {})\" >> costs",
                set.join(" "),
                launch.display(),
                program.display(),
                arguments.join(" ")
            )?;
        }
    }
    script.push_str("done\n");
    Ok((script, paths))
}

/// Lines of the number of a row, its side (0 is ours) and a cost.
pub(super) fn costs_of(text: &str, rows: usize) -> Result<Vec<[Vec<Cost>; 2]>> {
    let mut costs = vec![[Vec::new(), Vec::new()]; rows];
    for line in text.lines() {
        let [number, side, rest] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else { bail!("`{line}`") };
        let cost = cost(rest)?;
        let row = costs.get_mut(number.parse::<usize>()?).context("a row")?;
        row[side.parse::<usize>()? & 1].push(Cost { cpu_ms: cost.wall_ms, ..cost });
    }
    Ok(costs)
}
