//! Every check against the Nagios plugin guidelines, every graph plugin against Munin's, without a network.
#![allow(clippy::expect_used, clippy::panic, reason = "a failing test ends here")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output, Stdio};

use weir_conformance::{checks, files, graphs, plugins, root};
use weir_lab::{Lab, bin};

fn run<A: AsRef<OsStr>>(name: &str, arguments: &[A]) -> Output {
    Command::new(bin(name).expect("built"))
        .args(arguments)
        .env_remove("MP_CONFIG_FILE")
        .stdin(Stdio::null())
        .output()
        .expect(name)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The answer to a wrong command line: exit code 3, one sentence on standard output, nothing on standard error.
fn assert_usage(name: &str, output: &Output, what: &str) {
    let text = stdout(output);
    let first = text.lines().next().unwrap_or_default();
    assert_eq!(output.status.code(), Some(3), "{name} {what}: {text}");
    assert!(first.contains(" UNKNOWN - ") && first.contains("[E-USAGE]"), "{name} {what}: {first}");
    assert!(output.stderr.is_empty(), "{name} {what}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn there_are_checks_and_graphs_to_judge() {
    assert!(checks().expect("metadata").iter().any(|name| name == "check_rtsp"));
    assert!(graphs().expect("metadata").iter().any(|name| name == "stream_"));
}

#[test]
fn help_and_version_are_whole_and_exit_3_under_a_host() {
    for name in checks().expect("metadata") {
        for flag in ["-h", "--help"] {
            let output = run(&name, &[flag]);
            let text = stdout(&output);
            assert_eq!(output.status.code(), Some(3), "{name} {flag}");
            for part in ["Usage:", "Examples:", "--timeout", "--output", "--extra-opts", "Exit codes:"] {
                assert!(text.contains(part), "{name} {flag} lacks {part}");
            }
            let example = text.split("Examples:").nth(1).unwrap_or_default();
            assert!(example.contains(&format!("{name} ")), "{name}: the examples do not call it");
            // A second marker in the help text would override the real one in a multi-call packaging.
            assert!(!text.contains("#%#"), "{name}");
        }
        let version = run(&name, &["-V"]);
        assert_eq!(version.status.code(), Some(3), "{name} -V");
        assert!(
            stdout(&version).starts_with(&format!("{name} {}", env!("CARGO_PKG_VERSION"))),
            "{}",
            stdout(&version)
        );
    }
}

#[test]
fn bad_input_is_unknown_with_one_clear_line() {
    for name in checks().expect("metadata") {
        assert_usage(&name, &run(&name, &["--no-such-option"]), "unknown option");
        assert_usage(&name, &run(&name, &["-t", "0"]), "-t 0");
        assert_usage(&name, &run(&name, &["-t", "ten"]), "-t ten");
        assert_usage(&name, &run(&name, &["-t", "3601"]), "-t 3601");
        assert_usage(&name, &run(&name, &["--output", "xml"]), "--output xml");
        assert_usage(
            &name,
            &run(&name, &["--problem-state", "E-TCP-REFUSED"]),
            "--problem-state without a state",
        );
        assert_usage(&name, &run(&name, &["--timeout-state", "maybe"]), "--timeout-state maybe");
        let missing = run(&name, &["--extra-opts=x@/nonexistent/weir.ini"]);
        assert_usage(&name, &missing, "missing ini file");
        assert!(stdout(&missing).contains("/nonexistent/weir.ini"), "{name}: the message names the file");
        // Bytes that are no text.
        assert_usage(&name, &run(&name, &[OsStr::from_bytes(b"--output=\xff\xfe")]), "bad UTF-8");
    }
}

#[test]
fn options_that_make_no_sense_are_told_in_the_format_that_was_asked_for() {
    let output = run("check_rtsp", &["rtsp://127.0.0.1:1/", "-w", "nosuch=1", "--output", "json"]);
    assert_eq!(output.status.code(), Some(3));
    let text = stdout(&output);
    assert!(text.starts_with('{') && text.contains("E-USAGE") && text.contains("nosuch"), "{text}");
}

#[test]
fn a_check_that_hangs_on_a_file_is_ended_after_its_deadline() {
    let lab = Lab::new("watchdog").expect("a lab");
    let pipe = lab.dir().join("nobody-writes");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let file = pipe.display().to_string();
    let seen = lab.check("check_rtsp", &["rtsp://127.0.0.1:1/", "-t", "1", "--password-file", &file]);
    let seen = seen.expect("it ends");
    seen.expect(3, &["UNKNOWN - still busy after 1.0 s [E-CHECK-TIMEOUT]"]);
    assert!((1..6).contains(&seen.took.as_secs()), "{seen:#?}");
}

#[test]
fn a_password_file_without_end_is_read_up_to_a_limit() {
    let lab = Lab::new("endless").expect("a lab");
    let seen = lab.bounded("check_rtsp", &["rtsp://127.0.0.1:1/", "-t", "5", "--password-file", "/dev/zero"]);
    seen.expect("it runs").expect(2, &["E-TCP-REFUSED"]);
}

#[test]
fn a_closed_standard_output_changes_no_exit_code() {
    for name in checks().expect("metadata") {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let status = Command::new(bin(&name).expect("built"))
            .arg("--no-such-option")
            .stdout(writer)
            .stderr(Stdio::null())
            .status()
            .expect("runs");
        assert_eq!(status.code(), Some(3), "{name}");
    }
}

#[test]
fn graph_plugins_carry_their_markers_once() {
    for name in graphs().expect("metadata") {
        let bytes = std::fs::read(bin(&name).expect("built")).expect("readable");
        let text = String::from_utf8_lossy(&bytes);
        // As munin-node-configure reads it: line by line, not anchored.
        let lines = |word: &str| {
            text.lines().filter(|line| line.contains(word)).map(str::to_owned).collect::<Vec<_>>()
        };
        let (family, capabilities) = (lines("#%# family="), lines("#%# capabilities="));
        assert!(
            matches!(family.as_slice(), [f] if f == "#%# family=auto" || f == "#%# family=manual"),
            "{name}: {family:?}"
        );
        // What cannot tell whether it is of use here says so by its family.
        let automatic = family[0].ends_with("auto");
        let told = matches!(capabilities.as_slice(), [c] if !automatic || c.contains("autoconf"));
        assert!(told, "{name}: {capabilities:?}");
        if capabilities[0].contains("suggest") {
            assert!(name.ends_with('_'), "{name}: only wildcard plugins may suggest");
        }
    }
}

#[test]
fn graph_plugins_answer_autoconf_and_explain_themselves() {
    for name in graphs().expect("metadata") {
        let autoconf = run(&name, &["autoconf"]);
        let text = stdout(&autoconf);
        assert_eq!(autoconf.status.code(), Some(0), "{name} autoconf");
        assert!(autoconf.stderr.is_empty(), "{name} autoconf: {}", String::from_utf8_lossy(&autoconf.stderr));
        let one_line = text.ends_with('\n') && text.lines().count() == 1;
        assert!(one_line && (text == "yes\n" || text.starts_with("no (")), "{name} autoconf: {text}");
        assert_eq!(run(&name, &["suggest"]).status.code(), Some(0), "{name} suggest");
        let help = run(&name, &["--help"]);
        assert_eq!(help.status.code(), Some(0));
        assert!(stdout(&help).contains("env."), "{name}: the help names the environment");
        let odd = run(&name, &["frobnicate"]);
        assert!(odd.stdout.is_empty() && odd.status.code() == Some(3), "{name} frobnicate");
    }
}

/// What every docs page tells.
const HEADINGS: [&str; 5] =
    ["## Options", "## Examples", "## Fault codes", "## Privileges", "## Troubleshooting"];

#[test]
fn every_plugin_ships_with_its_page_and_its_definitions() {
    let read = |folder: &str| {
        let texts = files(folder, "").into_iter().map(|file| std::fs::read_to_string(file).expect("text"));
        texts.collect::<Vec<_>>().join("\n")
    };
    let (nagios, icinga, munin) =
        (read("nagios-conf/commands"), read("nagios-conf/icinga2"), read("munin-conf"));
    let changelog = std::fs::read_to_string(root().join("CHANGELOG.md")).expect("CHANGELOG.md");
    for (_, name) in plugins().expect("metadata") {
        let page = root().join(format!("docs/plugins/{name}.md"));
        let page =
            std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(changelog.contains(&name), "CHANGELOG.md does not name {name}");
        if name.starts_with("check_") {
            for heading in HEADINGS {
                assert!(page.contains(heading), "docs/plugins/{name}.md lacks `{heading}`");
            }
            assert!(
                nagios.contains(&format!("/{name} ")),
                "nagios-conf/commands defines no command for {name}"
            );
            let definition = format!("object CheckCommand \"{name}\"");
            assert!(icinga.contains(&definition), "nagios-conf/icinga2 lacks `{definition}`");
        } else {
            assert!(munin.contains(&format!("[{name}")), "munin-conf has no section for {name}");
        }
    }
}
