//! The way out: standard output, exit codes, panics.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use weir_contract::{Outcome, Problem, State, fault, render};

/// Whoever sets this first may print: the check or its watchdog, never both.
static SPOKEN: AtomicBool = AtomicBool::new(false);

/// Whether the caller is the first to answer.
pub(crate) fn speak_first() -> bool {
    !SPOKEN.swap(true, Ordering::SeqCst)
}

/// Writes to standard output; a closed pipe is nobody's fault and changes no exit code.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The exit code of `--help` and `--version`: 0 for a person, 3 for a host, which must not take it for OK.
pub(crate) fn shown() -> ExitCode {
    if std::io::stdout().is_terminal() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(State::Unknown.exit_code())
    }
}

/// Prints a problem as a whole Nagios answer, then `more`.
pub(crate) fn fail(service: &'static str, problem: Problem, more: &str) -> ExitCode {
    let outcome = Outcome::failed(service, "", problem);
    say(&(render::nagios(&outcome, 0) + more));
    ExitCode::from(outcome.state().exit_code())
}

/// A panic is a bug of ours: the host hears UNKNOWN on standard output and sees exit code 3, never 101 or 134.
pub(crate) fn install_panic_hook(service: &'static str) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(|l| format!(" at {}:{}", l.file(), l.line())).unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("panic");
        let problem = Problem::new(&fault::INTERNAL, format!("internal error: {what}{place}"));
        if speak_first() {
            fail(service, problem, "");
        }
        #[allow(clippy::exit, reason = "unwinding would end in exit code 101")]
        std::process::exit(i32::from(State::Unknown.exit_code()));
    }));
}
