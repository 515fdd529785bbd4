//! The page `storedir`: disk caches, and the memory cache that workers share.

use super::values::{count, number};
use super::{Page, PageError, blocks};

/// All stores of one server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Store {
    /// Disk caches, each once, although every worker prints all of them.
    pub dirs: Vec<StoreDir>,
    /// Objects known to all workers.
    pub objects: u64,
    /// Bytes used and bytes allowed in the shared memory cache, with several workers.
    pub shared_memory: Option<(f64, f64)>,
}

/// One `cache_dir`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreDir {
    /// Its place in the configuration.
    pub number: u32,
    /// `ufs`, `aufs`, `diskd`, `rock`.
    pub kind: String,
    /// Where it lies.
    pub path: String,
    /// Bytes allowed.
    pub max: f64,
    /// Bytes used.
    pub used: f64,
    /// The file system's use in percent, whoever fills it; not printed for rock.
    pub file_system: Option<f64>,
    /// The same of its inodes.
    pub inodes: Option<f64>,
    /// Seconds since the object that would be replaced next was last used; LRU only.
    pub lru_age: Option<f64>,
}

/// Most disk caches that are kept; Squid itself allows 63.
const DIRS_MAX: usize = 256;

impl Store {
    /// Reads the page.
    ///
    /// # Errors
    /// When it is another page or cut off.
    pub fn parse(text: &str) -> Result<Self, PageError> {
        Page::StoreDir.check(text)?;
        let mut store = Self::default();
        for block in blocks::split(Page::StoreDir.name(), text)? {
            store.add(block);
        }
        Ok(store)
    }

    fn add(&mut self, block: &str) {
        let mut dir: Option<usize> = None;
        let mut memory = false;
        for line in block.lines() {
            let (label, value) = line.split_once(':').unwrap_or((line, ""));
            let (label, value) = (label.trim(), value.trim());
            if let Some(head) = label.strip_prefix("Store Directory #") {
                dir = self.dir(head, value);
                memory = false;
                continue;
            }
            let size = || number(value).map_or(0.0, |kb| kb * 1024.0);
            match (label, dir.and_then(|at| self.dirs.get_mut(at))) {
                ("Shared Memory Cache", _) => (dir, memory) = (None, true),
                ("Store Entries", None) => {
                    self.objects = self.objects.saturating_add(count(value).unwrap_or(0));
                }
                ("Maximum Size", None) if memory => {
                    self.shared_memory = Some((self.shared_memory.map_or(0.0, |(used, _)| used), size()));
                }
                ("Current Size", None) if memory => {
                    self.shared_memory = Some((size(), self.shared_memory.map_or(0.0, |(_, max)| max)));
                }
                ("Maximum Size", Some(dir)) => dir.max = size(),
                ("Current Size", Some(dir)) => dir.used = size().max(dir.used),
                ("Filesystem Space in use", Some(dir)) => dir.file_system = share(value),
                ("Filesystem Inodes in use", Some(dir)) => dir.inodes = share(value),
                ("LRU reference age", Some(dir)) => dir.lru_age = number(value).map(|days| days * 86_400.0),
                _ => {}
            }
        }
    }

    /// The place of the directory `N (KIND)` at `path`, which another worker may have named before.
    fn dir(&mut self, head: &str, path: &str) -> Option<usize> {
        let (number, kind) = head.split_once(' ')?;
        let number = number.parse().ok()?;
        if let Some(known) = self.dirs.iter().position(|d| d.number == number && d.path == path) {
            return Some(known);
        }
        if self.dirs.len() == DIRS_MAX {
            return None;
        }
        let kind = kind.trim_matches(['(', ')']).to_owned();
        self.dirs.push(StoreDir { number, kind, path: path.to_owned(), ..StoreDir::default() });
        Some(self.dirs.len() - 1)
    }
}

impl StoreDir {
    /// Used in percent of what is allowed.
    pub fn percent(&self) -> Option<f64> {
        (self.max > 0.0).then(|| 100.0 * self.used / self.max)
    }
}

/// `22725416/264212084 KB (9%)` in percent, finer than printed.
fn share(value: &str) -> Option<f64> {
    let (used, all) = value.split_once('/')?;
    let all = number(all).filter(|all| *all > 0.0)?;
    Some(100.0 * number(used)? / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_cache_is_described() {
        let store = Store::parse(include_str!("../../testdata/squid/5.7-storedir.txt")).unwrap();
        assert_eq!((store.objects, store.dirs.len()), (149, 1));
        let dir = &store.dirs[0];
        assert_eq!((dir.kind.as_str(), dir.path.as_str()), ("ufs", "/var/spool/squid-test/cache"));
        assert_eq!(
            (dir.max, dir.used, dir.percent()),
            (65536.0 * 1024.0, 1728.0 * 1024.0, Some(2.636_718_75))
        );
        assert_eq!(dir.file_system.map(f64::round), Some(9.0));
        assert_eq!(dir.lru_age, Some(0.03 * 86_400.0));
    }

    #[test]
    fn the_same_directory_of_two_blocks_is_one() {
        let one = include_str!("../../testdata/squid/7.7-storedir.txt");
        let store = Store::parse(&format!("{one}{}", one.replace("kid0", "kid1"))).unwrap();
        assert_eq!(store.dirs.len(), 1);
    }

    #[test]
    fn workers_without_disks_share_memory() {
        let store = Store::parse(include_str!("../../testdata/squid/5.7-smp2-storedir.txt")).unwrap();
        assert_eq!((store.dirs.len(), store.objects), (0, 104));
        assert_eq!(store.shared_memory, Some((160.0 * 1024.0, 16384.0 * 1024.0)));
    }
}
