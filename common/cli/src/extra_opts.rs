//! `--extra-opts=[section][@file]`, compatible with the ini files of the monitoring plugins.
//!
//! `key=value` becomes `--key=value` (`-k value` for one letter), `key=` a flag. Options from files come before those of
//! the command line, which override them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where a file is looked for when none is named, as in monitoring-plugins 2.3.
const FOLDERS: [&str; 4] =
    ["/etc/monitoring-plugins", "/usr/local/etc/monitoring-plugins", "/etc", "/usr/local/etc"];
const NAMES: [&str; 3] = ["monitoring-plugins.ini", "plugins.ini", "nagios-plugins.ini"];
/// An ini file is read up to here.
const FILE_MAX: usize = 1 << 20;

/// The arguments with each `--extra-opts` replaced by what the files say.
pub(crate) fn expand(argv: Vec<OsString>, program: &str) -> Result<Vec<OsString>> {
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
    let folders = std::env::split_paths(&own).chain(FOLDERS.iter().map(PathBuf::from));
    folders.flat_map(|folder| NAMES.map(|name| folder.join(name))).find(|file| file.is_file()).with_context(
        || format!("no {} in {}; name a file: --extra-opts=SECTION@FILE", NAMES[0], FOLDERS.join(", ")),
    )
}

fn read(file: &Path, section: &str) -> Result<Vec<OsString>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    if text.len() > FILE_MAX {
        bail!("{} is larger than {FILE_MAX} bytes", file.display());
    }
    section_options(&text, section).with_context(|| file.display().to_string())
}

fn section_options(text: &str, wanted: &str) -> Result<Vec<OsString>> {
    let mut here = false;
    let mut found = false;
    let mut options = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
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
            let Some((key, value)) = line.split_once('=') else {
                bail!("line {}: `{line}` is not key=value (a flag is written key=)", number + 1);
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

    const INI: &str =
        "; comment\n[check_rtsp]\nw = 0.5\nmin-bitrate=100000\nverbose=\n\n[other]\nx=1\nbroken\n";

    #[test]
    fn keys_become_options() {
        let options = section_options(INI, "check_rtsp").expect("readable");
        assert_eq!(options, ["-w", "0.5", "--min-bitrate=100000", "--verbose"]);
    }

    #[test]
    fn errors_name_the_place() {
        let error = |section| section_options(INI, section).expect_err("an error").to_string();
        assert!(error("other").contains("line 9") && error("other").contains("`broken`"));
        assert!(error("nosuch").contains("[nosuch]"));
    }

    #[test]
    fn without_the_option_nothing_changes() {
        let argv: Vec<OsString> = vec!["p".into(), "-w".into(), "1".into()];
        assert_eq!(expand(argv.clone(), "p").expect("ok"), argv);
    }
}
