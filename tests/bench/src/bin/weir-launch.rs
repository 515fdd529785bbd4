//! Runs one program and prints what it cost: `CPU_MICROSECONDS WALL_MICROSECONDS MAX_RSS_KIB EXIT_CODE`.
//!
//! One launcher, one child: the kernel's sum over all ended children is then exactly that child. The launcher is small
//! and static, because a child begins with the memory figure of the process that it was forked from.
#![allow(clippy::print_stdout, reason = "its one line is its purpose")]

use std::error::Error;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().ok_or("usage: weir-launch PROGRAM [ARGUMENT...]")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    let status = command.status()?;
    let wall = begin.elapsed().as_micros();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = (duration(usage.user_time()) + duration(usage.system_time())).as_micros();
    println!("{cpu} {wall} {} {}", usage.max_rss(), status.code().unwrap_or(-1));
    Ok(ExitCode::SUCCESS)
}

fn duration(time: TimeVal) -> Duration {
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    Duration::from_secs(part(time.tv_sec())) + Duration::from_micros(part(time.tv_usec()))
}
