//! Which ports `squid.conf` opens, so that a local Squid is found without being told.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where packages put the file.
const PLACES: [&str; 4] = [
    "/etc/squid/squid.conf",
    "/etc/squid3/squid.conf",
    "/usr/local/etc/squid/squid.conf",
    "/usr/local/squid/etc/squid.conf",
];
/// A longer configuration is read up to here.
const CONF_MAX: u64 = 4 << 20;
/// Files may include files; deeper than this nobody nests them.
const DEPTH_MAX: u8 = 4;
/// Most files that one `include` names.
const INCLUDES_MAX: usize = 256;

/// The `http_port`s of the configuration: `file` or the first place that has one.
///
/// # Errors
/// A few words: that there is none, or why it cannot be read.
pub(crate) fn ports(file: Option<&str>) -> Result<Vec<u16>, String> {
    let places = PLACES.iter().map(PathBuf::from);
    let found = file.map(PathBuf::from).or_else(|| places.into_iter().find(|place| place.exists()));
    let file = found.ok_or_else(|| format!("no {}", PLACES[0]))?;
    let mut ports = Vec::new();
    read(&file, &mut ports, DEPTH_MAX).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    ports.dedup();
    Ok(ports)
}

fn read(file: &Path, ports: &mut Vec<u16>, depth: u8) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(CONF_MAX).read_to_end(&mut bytes)?;
    for line in String::from_utf8_lossy(&bytes).lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("http_port"), Some(place)) => ports.extend(port(place)),
            (Some("include"), Some(pattern)) if depth > 0 => {
                for file in included(Path::new(pattern)) {
                    // One unreadable snippet does not hide the ports of the rest.
                    let _ = read(&file, ports, depth - 1);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// `3128`, `127.0.0.1:3128`, `[::1]:3128`, `cache.example:3128`
fn port(place: &str) -> Option<u16> {
    place.rsplit(':').next()?.parse().ok()
}

/// A file, or all of a folder by `*.conf`: the only pattern that packages use.
fn included(pattern: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (pattern.parent(), pattern.file_name().and_then(|n| n.to_str())) else {
        return Vec::new();
    };
    let Some(end) = name.strip_prefix('*') else { return vec![pattern.to_owned()] };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|file| file.to_str().is_some_and(|f| f.ends_with(end))).take(INCLUDES_MAX).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_in_included_files_too() {
        let folder = std::env::temp_dir().join(format!("weir-squid-conf-{}", std::process::id()));
        fs::create_dir_all(folder.join("conf.d")).unwrap();
        let file = folder.join("squid.conf");
        let include = folder.join("conf.d/*.conf");
        fs::write(&file, format!("# http_port 1\nhttp_port 3128\ninclude {}\n", include.display())).unwrap();
        fs::write(folder.join("conf.d/a.conf"), "  http_port [::1]:8080 accel vhost\nhttp_port x\n").unwrap();
        fs::write(folder.join("conf.d/b.rpmsave"), "http_port 2\n").unwrap();
        assert_eq!(ports(file.to_str()), Ok(vec![3128, 8080]));
        fs::remove_dir_all(folder).unwrap();
        assert!(ports(Some("/nonexistent/squid.conf")).is_err());
    }
}
