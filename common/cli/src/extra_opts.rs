//! `--extra-opts=[section][@file]`, compatible with the ini files of the monitoring plugins.
//!
//! `key=value` becomes `--key=value` (`-k value` for one letter), `key=` a flag; a blank and `#` begin a comment. Options from files
//! come before those of the command line, which override them.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What is looked for when no file is named, as monitoring-plugins 2.3.3 does: these names in the folders of `NAGIOS_CONFIG_PATH`, ...
const NAMES: [&str; 3] = ["monitoring-plugins.ini", "plugins.ini", "nagios-plugins.ini"];
/// ... then these files.
const FILES: [&str; 11] = [
    "/usr/local/etc/monitoring-plugins/monitoring-plugins.ini",
    "/usr/local/etc/monitoring-plugins.ini",
    "/etc/monitoring-plugins/monitoring-plugins.ini",
    "/etc/monitoring-plugins.ini",
    "/etc/nagios/plugins.ini",
    "/usr/local/nagios/etc/plugins.ini",
    "/usr/local/etc/nagios/plugins.ini",
    "/etc/opt/nagios/plugins.ini",
    "/etc/nagios-plugins.ini",
    "/usr/local/etc/nagios-plugins.ini",
    "/etc/opt/nagios-plugins.ini",
];
/// An ini file is read up to here.
const FILE_MAX: u64 = 1 << 20;
/// How long that may take: a pipe that nobody writes to and a dead file server never answer, and `-t` is not known yet.
const READ_MAX: Duration = Duration::from_secs(5);

/// The arguments with each `--extra-opts` replaced by what the files say.
///
/// # Errors
/// The whole story: which file, which line, what is wrong there.
pub(crate) fn expand(argv: Vec<OsString>, program: &str) -> Result<Vec<OsString>, String> {
    expand_all(argv, program).map_err(|error| format!("{error:#}"))
}

fn expand_all(argv: Vec<OsString>, program: &str) -> Result<Vec<OsString>> {
    let asks =
        |arg: &OsString| arg.to_str().is_some_and(|a| a == "--extra-opts" || a.starts_with("--extra-opts="));
    if !argv.iter().any(asks) {
        return Ok(argv);
    }
    let mut argv = argv.into_iter();
    let mut out: Vec<OsString> = argv.next().into_iter().collect();
    let (extra, plain): (Vec<_>, Vec<_>) = argv.partition(asks);
    for arg in extra {
        let text = arg.to_string_lossy();
        let place = text.strip_prefix("--extra-opts").and_then(|t| t.strip_prefix('=')).unwrap_or_default();
        let (section, file) = place.split_once('@').unwrap_or((place, ""));
        let section = if section.is_empty() { program } else { section };
        let file = if file.is_empty() { default_file()? } else { PathBuf::from(file) };
        out.extend(read(&file, section)?);
    }
    out.extend(plain);
    Ok(out)
}

fn default_file() -> Result<PathBuf> {
    if let Some(file) = std::env::var_os("MP_CONFIG_FILE").filter(|f| !f.is_empty()) {
        return Ok(file.into());
    }
    let own = std::env::var_os("NAGIOS_CONFIG_PATH").unwrap_or_default();
    let named = std::env::split_paths(&own).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    named.chain(FILES.map(PathBuf::from)).find(|file| file.is_file()).with_context(|| {
        format!("no {} in any of its usual places; name a file: --extra-opts=SECTION@FILE", NAMES[0])
    })
}

fn read(file: &Path, section: &str) -> Result<Vec<OsString>> {
    let bytes = contents(file.to_owned()).with_context(|| format!("cannot read {}", file.display()))?;
    if bytes.len() as u64 > FILE_MAX {
        bail!("{} is larger than {FILE_MAX} bytes", file.display());
    }
    // Comments and other sections may be in any encoding.
    let text = String::from_utf8_lossy(&bytes);
    section_options(text.trim_start_matches('\u{feff}'), section).with_context(|| file.display().to_string())
}

/// At most one byte more than is allowed.
fn contents(file: PathBuf) -> Result<Vec<u8>> {
    let (answer, answered) = mpsc::channel();
    std::thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        let read = File::open(file).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes));
        let _ = answer.send(read.map(|_| bytes));
    })?;
    let read = answered.recv_timeout(READ_MAX).with_context(|| format!("no answer within {READ_MAX:?}"))?;
    Ok(read?)
}

fn section_options(text: &str, wanted: &str) -> Result<Vec<OsString>> {
    let mut here = false;
    let mut found = false;
    let mut options = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let comment = line.match_indices('#').find(|(at, _)| line[..*at].ends_with([' ', '\t']));
        let line = line[..comment.map_or(line.len(), |(at, _)| at)].trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let Some(name) = name.strip_suffix(']') else {
                bail!("line {}: `{line}` lacks its `]`", number + 1)
            };
            here = name.trim() == wanted;
            found |= here;
        } else if here {
            // The rest of the line may be a secret.
            let word = line.split([' ', '\t', '=']).next().unwrap_or_default();
            if line.contains(char::REPLACEMENT_CHARACTER) {
                bail!("line {}: `{word}` is not followed by UTF-8", number + 1);
            }
            let Some((key, value)) = line.split_once('=') else {
                bail!("line {}: `{word}` is not followed by `=` (a flag is written key=)", number + 1);
            };
            let (key, value) = (key.trim(), value.trim());
            match (key.chars().count(), value) {
                (0, _) => bail!("line {}: the key is missing", number + 1),
                (1, "") => options.push(format!("-{key}").into()),
                (1, value) => options.extend([format!("-{key}").into(), value.into()]),
                (_, "") => options.push(format!("--{key}").into()),
                (_, value) => options.push(format!("--{key}={value}").into()),
            }
        }
    }
    if !found {
        bail!("there is no section [{wanted}]");
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INI: &str = "; comment\n[ check_rtsp ]\n  w = 0.5 # why\nmin-bitrate=100000\r\nuser=a#b\nverbose=\n\n[other]\nx=1\npassword tiger\n";

    #[test]
    fn keys_become_options() {
        let options = section_options(INI, "check_rtsp").expect("readable");
        assert_eq!(options, ["-w", "0.5", "--min-bitrate=100000", "--user=a#b", "--verbose"]);
    }

    #[test]
    fn errors_name_the_place_and_no_secret() {
        let error = |section| section_options(INI, section).expect_err("an error").to_string();
        let other = error("other");
        assert!(
            other.contains("line 10") && other.contains("`password`") && !other.contains("tiger"),
            "{other}"
        );
        assert!(error("nosuch").contains("[nosuch]"));
    }

    fn file(name: &str, bytes: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("weir-extra-opts-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).expect("written");
        path
    }

    fn expanded(file: &Path) -> Result<Vec<OsString>, String> {
        let argv = ["p".into(), format!("--extra-opts=@{}", file.display()).into()];
        let expanded = expand(argv.to_vec(), "p");
        if file.starts_with(std::env::temp_dir()) {
            std::fs::remove_file(file).expect("removed");
        }
        expanded
    }

    #[test]
    fn a_message_says_the_file_and_the_cause() {
        let missing = expanded(Path::new("/nonexistent/weir.ini")).expect_err("missing");
        assert!(missing.contains("/nonexistent/weir.ini") && missing.contains("No such file"), "{missing}");
        let other = expanded(&file("section", b"[other]\nx=\n")).expect_err("no section");
        assert!(other.contains("weir-extra-opts") && other.contains("no section [p]"), "{other}");
        let latin = expanded(&file("latin", b"[p]\nuser=J\xfcrgen\n")).expect_err("Latin 1");
        assert!(latin.contains("line 2") && latin.contains("UTF-8"), "{latin}");
    }

    #[test]
    fn a_byte_order_mark_and_comments_of_any_encoding_do_no_harm() {
        let path = file("bom", b"\xef\xbb\xbf# f\xfcr J\xfcrgen\n[p]\nt=3 # f\xfcnf\n");
        assert_eq!(expanded(&path).expect("readable"), ["p", "-t", "3"]);
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let error = expanded(Path::new("/dev/zero")).expect_err("endless");
        assert!(error.contains("larger than 1048576 bytes"), "{error}");
    }

    #[test]
    fn without_the_option_nothing_changes() {
        let argv: Vec<OsString> = vec!["p".into(), "-w".into(), "1".into()];
        assert_eq!(expand(argv.clone(), "p").expect("ok"), argv);
    }
}
