//! A small text that is kept between runs, for what can only be told from a difference.
//!
//! One file per (plugin, target, user), replaced by an atomic rename, readable by its owner only, and ignored when it is broken,
//! foreign or not there: a check without memory says less, it does not fail. Temporary folders are everybody's, so nothing
//! there is trusted because of its name: folders and files must belong to us, and links are not followed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;

/// A longer state is not read.
pub const STATE_MAX: u64 = 1 << 20;
/// Where packages make a folder for the monitoring user.
const SYSTEM: &str = "/var/lib/weir";
/// A readable part of the target in the file's name; what makes it unique is its sum.
const READABLE_MAX: usize = 48;

/// The place of one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFile {
    path: PathBuf,
    header: String,
}

impl StateFile {
    /// The state of `plugin` about `target` in a folder that the caller trusts: an option, or `MUNIN_PLUGSTATE`.
    pub fn in_folder(folder: &Path, plugin: &str, target: &str) -> Self {
        let user = geteuid().as_raw();
        let readable: String = target
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' })
            .take(READABLE_MAX)
            .collect();
        let name = format!("{plugin}-{readable}-{:016x}-{user}.state", sum(target));
        // Two targets with one sum must not read each other's numbers: the whole target stands in the file.
        let header = format!("weir-state 1 {plugin} {}\n", target.escape_default());
        Self { path: folder.join(name), header }
    }

    /// The same in the folder for checks: `/var/lib/weir` if it is fit, else `/var/tmp/weir-UID`, which is made.
    ///
    /// # Errors
    /// When somebody else owns the folder or may write to it, or it cannot be made.
    pub fn of_user(plugin: &str, target: &str) -> Result<Self> {
        let system = Path::new(SYSTEM);
        if is_private(system).is_ok() && rustix::fs::access(system, rustix::fs::Access::WRITE_OK).is_ok() {
            return Ok(Self::in_folder(system, plugin, target));
        }
        let own = PathBuf::from(format!("/var/tmp/weir-{}", geteuid().as_raw()));
        match DirBuilder::new().mode(0o700).create(&own) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(Error::new(error.kind(), format!("cannot make {}: {error}", own.display())));
            }
            _ => is_private(&own)?,
        }
        Ok(Self::in_folder(&own, plugin, target))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was saved last; `None` when there is nothing, or nothing that can be trusted.
    pub fn load(&self) -> Option<String> {
        let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).ok()?;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&self.path).ok()?;
        let meta = file.metadata().ok()?;
        if !meta.is_file() || meta.uid() != geteuid().as_raw() || meta.len() > STATE_MAX {
            return None;
        }
        let mut text = String::new();
        file.take(STATE_MAX).read_to_string(&mut text).ok()?;
        Some(text.strip_prefix(&self.header)?.to_owned())
    }

    /// Replaces what was saved. A reader sees the old text or the new one.
    ///
    /// # Errors
    /// When the folder is full or may not be written to, and when the text is longer than what would be loaded again.
    pub fn save(&self, text: &str) -> Result<()> {
        if (self.header.len() + text.len()) as u64 > STATE_MAX {
            let why = format!("{} bytes are more than a state may have", text.len());
            return Err(Error::new(ErrorKind::FileTooLarge, why));
        }
        let unfinished = self.path.with_extension(format!("new{}", std::process::id()));
        // What a killed run of the same process id has left.
        let _ = fs::remove_file(&unfinished);
        let written =
            write_new(&unfinished, &self.header, text).and_then(|()| fs::rename(&unfinished, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written
    }
}

/// Creates a file that was not there, so that no link can lead the writing elsewhere.
fn write_new(path: &Path, header: &str, text: &str) -> Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(header.as_bytes())?;
    file.write_all(text.as_bytes())
}

/// Whether `folder` is a real folder of ours (or of root) that nobody else may write to.
fn is_private(folder: &Path) -> Result<()> {
    let meta = fs::symlink_metadata(folder)?;
    let owner = meta.uid() == geteuid().as_raw() || meta.uid() == 0;
    if meta.is_dir() && owner && meta.mode() & 0o022 == 0 {
        return Ok(());
    }
    let why = format!("{} is not a folder that only its owner, this user, may write to", folder.display());
    Err(Error::new(ErrorKind::PermissionDenied, why))
}

/// FNV-1a of 64 bits: the same in every version of this program, which the standard hasher does not promise.
fn sum(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("weir-state-test-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn what_was_saved_is_loaded_by_the_same_target_only() {
        let folder = folder("same");
        let file = StateFile::in_folder(&folder, "check_squid", "cache.example:3128/a b");
        assert_eq!(file.load(), None);
        file.save("hits 1\n").unwrap();
        file.save("hits 2\n").unwrap();
        assert_eq!(file.load().as_deref(), Some("hits 2\n"));
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing unfinished is left");
        let long = "x".repeat(usize::try_from(STATE_MAX).unwrap());
        assert!(file.save(&long).is_err(), "what would not be loaded is not saved");
        assert_eq!(file.load().as_deref(), Some("hits 2\n"));
        let other = StateFile { header: "weir-state 1 check_squid another\n".to_owned(), ..file.clone() };
        assert_eq!(other.load(), None, "a file of another target is not ours");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_link_or_a_broken_file_is_ignored_and_replaced() {
        let folder = folder("link");
        let file = StateFile::in_folder(&folder, "check_squid", "x");
        let victim = folder.join("victim");
        fs::write(&victim, format!("{}secret", file.header)).unwrap();
        symlink(&victim, file.path()).unwrap();
        assert_eq!(file.load(), None, "links are not followed");
        file.save("new").unwrap();
        assert!(fs::read_to_string(&victim).unwrap().ends_with("secret"), "the link's target is untouched");
        assert_eq!(file.load().as_deref(), Some("new"));
        fs::write(file.path(), [0xff; 9]).unwrap();
        assert_eq!(file.load(), None);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_of_another_user_is_not_believed() {
        let folder = folder("other");
        let file = StateFile::in_folder(&folder, "check_squid", "x");
        file.save("hits 1\n").unwrap();
        // Only root can give a file away.
        if geteuid().is_root() {
            std::os::unix::fs::chown(file.path(), Some(65534), None).unwrap();
            assert_eq!(file.load(), None);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_not_private() {
        let folder = folder("open");
        assert!(is_private(&folder).is_ok());
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(is_private(&folder).is_err());
        let link = folder.join("link");
        symlink("/", &link).unwrap();
        assert!(is_private(&link).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
