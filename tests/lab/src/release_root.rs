//! Programs of other Debian releases, without installing anything: their packages and all they depend on, unpacked into a folder
//! in which they run by chroot. So tests see newer servers than the machine has.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};

use crate::Lab;
use crate::binaries::target_dir;
use crate::namespace::{run, tool};

/// Signatures are always verified. A release whose key this keyring lacks cannot be used.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The root of a release with some packages in it.
#[derive(Clone, Debug)]
pub struct ReleaseRoot(PathBuf);

impl ReleaseRoot {
    /// `trixie` (13) or `forky` (14) with `packages`: unpacked at the first call on this machine (10 s and 160 MB for Squid), found again
    /// below `target/weir-lab/roots` at later ones. Needs "release-root".
    pub fn new(release: &str, packages: &[&str]) -> Result<Self> {
        let folder = target_dir()?.join("weir-lab/roots");
        fs::create_dir_all(&folder)?;
        let name = format!("{release}-{}", packages.join("-"));
        let root = folder.join(&name);
        let lock = File::create(folder.join(format!(".{name}.lock")))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        if !root.exists() {
            let unfinished = folder.join(format!("unfinished-{name}"));
            let _ = fs::remove_dir_all(&unfinished);
            let scratch = folder.join(format!("apt-{name}"));
            let unpacked = unpack(release, packages, &scratch, &unfinished);
            let _ = fs::remove_dir_all(&scratch);
            unpacked.with_context(|| format!("unpacking {packages:?} of {release}"))?;
            fs::rename(&unfinished, &root)?;
        }
        Ok(Self(root))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `program` of the release inside the lab's network, with the lab's folder at its usual place, and `/dev`, `/proc` and a
    /// shared memory of its own. Mounts live in a namespace of the process and end with it.
    pub fn command(&self, lab: &Lab, program: &str) -> Command {
        let mut command = lab.command("unshare");
        command.args(["--mount", "sh", "-ec", ENTER, "enter"]).arg(&self.0).arg(lab.dir()).arg(program);
        command
    }
}

/// `$1` the root, `$2` the lab's folder, then the program and its arguments.
const ENTER: &str = r#"
root=$1 lab=$2; shift 2
mkdir -p "$root$lab"
mount --bind "$lab" "$root$lab"
mount --bind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
exec chroot "$root" "$@"
"#;

/// Lets apt resolve and fetch for a machine on which nothing is installed, and unpacks what it fetched.
fn unpack(release: &str, packages: &[&str], scratch: &Path, root: &Path) -> Result<()> {
    for folder in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(scratch.join(folder))?;
    }
    fs::write(scratch.join("status"), "")?;
    fs::write(
        scratch.join("sources.list"),
        format!("deb [signed-by={KEYRING}] {} {release} main\n", mirror()?),
    )?;
    let apt = |arguments: &[&str]| {
        let mut apt = tool("apt-get");
        for (key, file) in [
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::State::lists", "lists"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", "cache"),
        ] {
            apt.arg("-o").arg(format!("{key}={}", scratch.join(file).display()));
        }
        apt.args(["-o", "Dir::Etc::sourceparts=-", "-o", "APT::Sandbox::User=root", "-qq"]).args(arguments);
        run(&mut apt)
    };
    apt(&["update"])?;
    let install = ["install", "-y", "--no-install-recommends", "--download-only"];
    apt(&[&install[..], packages].concat())?;
    fs::create_dir_all(root)?;
    let mut count = 0;
    for file in fs::read_dir(scratch.join("cache/archives"))? {
        let file = file?.path();
        if file.extension().is_some_and(|extension| extension == "deb") {
            run(tool("dpkg").arg("-x").arg(&file).arg(root))?;
            count += 1;
        }
    }
    if count == 0 {
        bail!("apt fetched no package");
    }
    finish(root)
}

/// What the packages' scripts would have made.
fn finish(root: &Path) -> Result<()> {
    for link in ["bin", "sbin", "lib", "lib64"] {
        let at = root.join(link);
        if !at.exists() {
            std::os::unix::fs::symlink(format!("usr/{link}"), at)?;
        }
    }
    for folder in ["dev", "proc", "run", "tmp", "var/log", "var/spool", "etc"] {
        fs::create_dir_all(root.join(folder))?;
    }
    run(tool("chmod").arg("1777").arg(root.join("tmp")))?;
    // Users of servers are known by the machine's numbers on both sides.
    for file in ["passwd", "group", "hosts"] {
        fs::copy(Path::new("/etc").join(file), root.join("etc").join(file))?;
    }
    Ok(())
}

/// The mirror that the machine itself uses: `URIs:` of deb822 sources or `deb URL` lines.
fn mirror() -> Result<String> {
    let folder = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let files = folder.map(|entry| entry.path()).chain([PathBuf::from("/etc/apt/sources.list")]);
    let texts = files.filter_map(|file| fs::read_to_string(file).ok());
    let words: Vec<String> =
        texts.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    let debian = words
        .iter()
        .map(|word| word.trim_end_matches('/'))
        .find(|word| word.starts_with("http") && word.ends_with("/debian"));
    debian.map(ToOwned::to_owned).context("the machine's apt sources name no mirror of Debian")
}
