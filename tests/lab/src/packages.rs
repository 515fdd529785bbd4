//! What a test may need from the machine, and the Debian packages that bring it: the one list, read by tests
//! (`Lab::for_test`) and by `cargo xtask`, which installs them.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::binaries::target_dir;

/// The need that is no package: a private network namespace, which takes root.
pub const NAMESPACE: &str = "namespace";

/// The need that npm brings: see [`npm_folder`].
pub const NODE_MEDIA_SERVER: &str = "node-media-server";

/// The need that is no package either: users beside our own, which a user namespace of one user has not.
pub const USERS: &str = "users";

/// Needs that change to other users, give files to them or mount what only root may mount.
pub(crate) const OF_MANY_USERS: [&str; 9] =
    [USERS, "frr", "icinga2", "munin", "nagios4", "release-root", "squid", "uml", "vlc"];

/// Needs by the names that tests use, with the packages of Debian 12 behind each.
pub const NEEDS: &[(&str, &[&str])] = &[
    (NAMESPACE, &["iproute2", "util-linux", "procps"]),
    (USERS, &["util-linux"]),
    ("ffmpeg", &["ffmpeg"]),
    (
        "gst",
        &[
            "python3-gi",
            "gir1.2-gst-rtsp-server-1.0",
            "gir1.2-gst-plugins-base-1.0",
            "gstreamer1.0-rtsp",
            "gstreamer1.0-tools",
            "gstreamer1.0-plugins-base",
            "gstreamer1.0-plugins-good",
            "gstreamer1.0-plugins-ugly",
            "glib-networking",
        ],
    ),
    ("vlc", &["vlc-bin", "vlc-plugin-base", "vlc-plugin-access-extra"]),
    ("mplayer", &["mplayer"]),
    ("dvbinfo", &["dvbpsi-utils"]),
    ("xine", &["xine-console", "libxine2-bin", "libxine2-misc-plugins", "libxine2-ffmpeg", "bsdutils"]),
    ("libmms", &["libmms-dev", "gcc", "libc6-dev"]),
    ("perl-rtsp", &["rtsp-server-perl"]),
    ("icecast2", &["icecast2"]),
    ("nginx", &["nginx"]),
    ("nginx-rtmp", &["nginx", "libnginx-mod-rtmp"]),
    (NODE_MEDIA_SERVER, &[]),
    ("nft", &["nftables"]),
    ("dnsmasq", &["dnsmasq-base"]),
    ("openssl", &["openssl", "faketime"]),
    ("curl", &["curl"]),
    ("srt", &["srt-tools", "libsrt1.5-gnutls", "python3-minimal"]),
    ("squid", &["squid", "curl"]),
    ("uml", &["user-mode-linux", "iproute2", "kmod", "procps"]),
    ("ipvs", &["ipvsadm", "keepalived", "ldirectord", "python3", "dnsmasq-base"]),
    ("release-root", &["debian-archive-keyring", "apt", "dpkg", "util-linux"]),
    ("nagios4", &["nagios4-core"]),
    ("icinga2", &["icinga2-bin", "icinga2-common", "monitoring-plugins-basic"]),
    (
        "munin",
        &[
            "munin",
            "munin-node",
            "munin-plugins-core",
            "rrdtool",
            "librrds-perl",
            "libcgi-fast-perl",
            "libnet-snmp-perl",
            "fonts-dejavu-core",
            "faketime",
        ],
    ),
    ("bird", &["bird2"]),
    ("frr", &["frr"]),
    ("gobgp", &["gobgpd"]),
    ("exabgp", &["exabgp"]),
    ("rpki", &["stayrtr", "frr-rpki-rtrlib"]),
    ("knot", &["knot"]),
    ("nsd", &["nsd"]),
    ("bind9", &["bind9"]),
    ("delay", &["python3-minimal"]),
    ("mtr", &["mtr-tiny", "dnsutils"]),
    ("traceroute", &["traceroute"]),
    ("monitoring-plugins", &["monitoring-plugins-basic", "monitoring-plugins-standard"]),
];

/// Every package of the list once, in its order.
pub fn all() -> Vec<&'static str> {
    of(&NEEDS.iter().map(|(name, _)| *name).collect::<Vec<_>>())
}

/// The packages behind these needs, each once, in the order of the list.
pub fn of(needs: &[&str]) -> Vec<&'static str> {
    let mut seen = HashSet::new();
    let wanted = NEEDS.iter().filter(|(name, _)| needs.contains(name));
    wanted.flat_map(|(_, packages)| *packages).copied().filter(|package| seen.insert(*package)).collect()
}

/// The packages behind `need` that are not installed here. A need that the list does not know is its own answer,
/// so that a misspelt one fails instead of passing.
pub fn missing(need: &str) -> Vec<&str> {
    if need == NODE_MEDIA_SERVER && !has_npm_packages() {
        return vec!["by npm: cargo xtask test"];
    }
    match NEEDS.iter().find(|(name, _)| *name == need) {
        Some((_, packages)) => {
            packages.iter().copied().filter(|package| !installed().contains(*package)).collect()
        }
        None => vec![need],
    }
}

/// Where `cargo xtask test` installs what `tests/lab/npm/package-lock.json` lists.
///
/// # Errors
/// When there is no target folder.
pub fn npm_folder() -> anyhow::Result<PathBuf> {
    Ok(target_dir()?.join("weir-lab/npm"))
}

/// Whether what npm brings is there, as the lock file has it.
pub fn has_npm_packages() -> bool {
    let installed =
        npm_folder().and_then(|folder| Ok(std::fs::read_to_string(folder.join("installed.json"))?));
    installed.is_ok_and(|installed| installed == NPM_LOCK)
}

/// What npm shall bring, version by version.
pub const NPM_LOCK: &str = include_str!("../npm/package-lock.json");
/// The same in the form that npm wants beside it.
pub const NPM_PACKAGE: &str = include_str!("../npm/package.json");

/// The installed packages among those of the list; asked once per process.
fn installed() -> &'static HashSet<String> {
    static INSTALLED: OnceLock<HashSet<String>> = OnceLock::new();
    INSTALLED.get_or_init(|| installed_of(&all()))
}

/// Asks dpkg anew which of these packages are installed; empty where there is no dpkg.
pub fn installed_of(packages: &[&str]) -> HashSet<String> {
    let query = Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Abbrev} ${Package}\n"])
        .args(packages)
        .output();
    let Ok(answer) = query else { return HashSet::new() };
    let text = String::from_utf8_lossy(&answer.stdout);
    text.lines().filter_map(|line| line.strip_prefix("ii ")).map(|name| name.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_outside_the_list_is_missing() {
        assert_eq!(missing("ffmepg"), ["ffmepg"]);
    }

    #[test]
    fn a_package_named_twice_is_installed_once() {
        let every = all();
        assert_eq!(every.iter().filter(|package| **package == "nginx").count(), 1);
        assert_eq!(of(&["nginx-rtmp", "nginx"]), ["nginx", "libnginx-mod-rtmp"]);
    }
}
