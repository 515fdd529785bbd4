//! Where the last run ended, and what has been written since: in the file itself, or in those that it was renamed, copied or
//! compressed to.
//!
//! A place is an inode, an offset and a sum of the file's first bytes. The sum tells a file that was emptied and filled again (its
//! inode is the same) from one that grew, and finds the old file again when compression has given it another inode.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;

/// So many first bytes are summed: several lines, which begin with a time.
const HEAD_MAX: u64 = 256;
/// Rotated files that are looked at, newest first.
const ROTATED_MAX: usize = 64;
/// At the first run so much of the end of the file is read.
pub(crate) const FIRST_MAX: u64 = 16 << 20;

/// How far a file has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    inode: u64,
    /// Bytes that have been read, of the text as it was before any compression.
    pub(crate) offset: u64,
    /// How many first bytes are summed, and their sum.
    head: (u64, u64),
}

impl Place {
    pub(crate) fn encode(&self) -> String {
        format!("{} {} {} {}", self.inode, self.offset, self.head.0, self.head.1)
    }

    pub(crate) fn decode(text: &str) -> Option<Self> {
        let numbers: Vec<u64> = text.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
        let [inode, offset, length, sum] = numbers[..] else { return None };
        (length <= HEAD_MAX).then_some(Self { inode, offset, head: (length, sum) })
    }
}

/// A stretch of text that is to be read.
pub(crate) struct Piece {
    path: PathBuf,
    inode: u64,
    /// The text stands here already when `start` bytes have been read.
    pub(crate) reader: Box<dyn Read>,
    /// Where it begins in its file.
    pub(crate) start: u64,
    /// Nobody writes to it any more: a last line without its end is whole.
    pub(crate) finished: bool,
    /// It begins in the middle of a line, which is to be left out.
    pub(crate) mid_line: bool,
}

impl Piece {
    /// The place at `offset` of this piece's file.
    pub(crate) fn place(&self, offset: u64) -> Place {
        let length = offset.min(HEAD_MAX);
        Place { inode: self.inode, offset, head: (length, head_sum(&self.path, length).unwrap_or(0)) }
    }
}

/// What is to be read, and what cannot be.
pub(crate) struct News {
    /// In the order in which it was written; the last is the file itself.
    pub(crate) pieces: Vec<Piece>,
    /// Text was written that can no longer be found.
    pub(crate) lost: bool,
}

/// All of the file, as for a person who asks about it.
pub(crate) fn whole(path: &Path) -> io::Result<News> {
    Ok(News { pieces: vec![piece(path, 0, true)?], lost: false })
}

/// What has been written to `path` since `place`; without one, the last [`FIRST_MAX`] bytes.
pub(crate) fn since(path: &Path, place: Option<Place>) -> io::Result<News> {
    let meta = fs::metadata(path)?;
    let Some(place) = place else {
        let start = meta.len().saturating_sub(FIRST_MAX);
        let piece = Piece { mid_line: start > 0, ..piece(path, start, false)? };
        return Ok(News { pieces: vec![piece], lost: false });
    };
    let same = |path: &Path| head_sum(path, place.head.0).is_ok_and(|sum| sum == place.head.1);
    if meta.ino() == place.inode && meta.len() >= place.offset && same(path) {
        return Ok(News { pieces: vec![piece(path, place.offset, false)?], lost: false });
    }
    let mut rotated = rotated(path);
    // The inode decides only together with the text: inodes are given anew. An empty start says nothing.
    let by_inode = |(path, meta): &(PathBuf, Metadata)| meta.ino() == place.inode && same(path);
    let by_text = |(path, _): &(PathBuf, Metadata)| place.head.0 > 0 && same(path);
    let old = rotated.iter().position(by_inode).or_else(|| rotated.iter().position(by_text));
    let mut pieces = Vec::new();
    if let Some(old) = old {
        // `rotated` is newest first: what stands before the old file was written after it.
        let (path, _) = &rotated[old];
        pieces.push(piece(path, place.offset, true)?);
        let old_head = head_sum(path, HEAD_MAX).ok();
        rotated.truncate(old);
        for (path, _) in rotated.iter().rev() {
            // A copy of the old file holds nothing new.
            if head_sum(path, HEAD_MAX).is_ok_and(|sum| Some(sum) != old_head) {
                pieces.push(piece(path, 0, true)?);
            }
        }
    }
    pieces.push(piece(path, 0, false)?);
    // Nothing had been read of a file that was empty then: nothing of it can be missed.
    Ok(News { pieces, lost: old.is_none() && place.offset > 0 })
}

/// `access.log.1`, `access.log.2.gz`, `access.log-20261121`: newest first.
fn rotated(path: &Path) -> Vec<(PathBuf, Metadata)> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let of_log = |file: &PathBuf| {
        let other = file.file_name().and_then(|other| other.to_str()).unwrap_or_default();
        other.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '-']))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<(PathBuf, Metadata)> =
        entries.filter(of_log).filter_map(|file| Some((file.clone(), fs::metadata(&file).ok()?))).collect();
    files.retain(|(_, meta)| meta.is_file());
    // While a file is being compressed both are there, and the compressed one is not whole yet.
    let plain: Vec<PathBuf> = files.iter().map(|(path, _)| path.clone()).collect();
    files.retain(|(path, _)| !is_compressed(path) || !plain.contains(&path.with_extension("")));
    files.sort_by_key(|(_, meta)| std::cmp::Reverse(meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)));
    files.truncate(ROTATED_MAX);
    files
}

fn piece(path: &Path, start: u64, finished: bool) -> io::Result<Piece> {
    let inode = fs::metadata(path)?.ino();
    Ok(Piece { path: path.to_owned(), inode, reader: open(path, start)?, start, finished, mid_line: false })
}

/// The text of a file, compressed or not, behind its first `start` bytes.
fn open(path: &Path, start: u64) -> io::Result<Box<dyn Read>> {
    let mut file = File::open(path)?;
    if is_compressed(path) {
        let mut text = MultiGzDecoder::new(file);
        io::copy(&mut (&mut text).take(start), &mut io::sink())?;
        return Ok(Box::new(text));
    }
    file.seek(SeekFrom::Start(start))?;
    Ok(Box::new(file))
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

/// FNV-1a over the first `length` bytes of the text.
///
/// # Errors
/// Also when there are not so many.
fn head_sum(path: &Path, length: u64) -> io::Result<u64> {
    let mut head = Vec::new();
    open(path, 0)?.take(length).read_to_end(&mut head)?;
    if head.len() as u64 != length && length != HEAD_MAX {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(head.iter().fold(0xcbf2_9ce4_8422_2325, |sum, b| (sum ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A log in a folder of its own that knows what has been read of it.
    struct Log(PathBuf, Option<Place>);

    impl Log {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("weir-follow-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir(&folder).unwrap();
            Self(folder.join("access.log"), None)
        }

        fn write(&self, text: &str) {
            let mut file = fs::OpenOptions::new().create(true).append(true).open(&self.0).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn named(&self, end: &str) -> PathBuf {
            PathBuf::from(format!("{}{end}", self.0.display()))
        }

        /// Everything new, and whether something was lost.
        fn read(&mut self) -> (String, bool) {
            let news = since(&self.0, self.1).unwrap();
            let mut all = String::new();
            for mut piece in news.pieces {
                let mut text = String::new();
                piece.reader.read_to_string(&mut text).unwrap();
                self.1 = Some(piece.place(piece.start + text.len() as u64));
                all.push_str(&text);
            }
            // What a state file keeps is enough.
            self.1 = Place::decode(&self.1.unwrap().encode());
            (all, news.lost)
        }
    }

    impl Drop for Log {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.0.parent().unwrap());
        }
    }

    fn seen(text: &str) -> (String, bool) {
        (text.to_owned(), false)
    }

    #[test]
    fn growth_is_read_once() {
        let mut log = Log::new("growth");
        log.write("1 a\n");
        assert_eq!(log.read(), seen("1 a\n"));
        assert_eq!(log.read(), seen(""));
        log.write("2 b\n");
        assert_eq!(log.read(), seen("2 b\n"));
    }

    #[test]
    fn a_renamed_file_is_read_to_its_end() {
        let mut log = Log::new("renamed");
        log.write("1 a\n");
        log.read();
        log.write("2 b\n");
        fs::rename(&log.0, log.named(".0")).unwrap();
        log.write("3 c\n");
        assert_eq!(log.read(), seen("2 b\n3 c\n"));
        assert_eq!(log.read(), seen(""));
    }

    #[test]
    fn two_rotations_between_runs_lose_nothing() {
        let mut log = Log::new("twice");
        log.write("1 a\n");
        log.read();
        fs::rename(&log.0, log.named(".1")).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20)); // times of files tell which came first
        log.write("2 b\n");
        fs::rename(&log.0, log.named(".0")).unwrap();
        log.write("3 c\n");
        assert_eq!(log.read(), seen("2 b\n3 c\n"));
    }

    #[test]
    fn a_compressed_file_is_found_by_its_text() {
        let mut log = Log::new("compressed");
        log.write("1 a\n");
        log.read();
        log.write("2 b\n");
        let gz = File::create(log.named(".1.gz")).unwrap();
        let mut gz = flate2::write::GzEncoder::new(gz, flate2::Compression::fast());
        gz.write_all(&fs::read(&log.0).unwrap()).unwrap();
        gz.finish().unwrap();
        fs::remove_file(&log.0).unwrap();
        log.write("3 c\n");
        assert_eq!(log.read(), seen("2 b\n3 c\n"));
    }

    #[test]
    fn a_file_that_is_being_compressed_is_read_once() {
        let mut log = Log::new("compressing");
        log.write("1 a\n");
        log.read();
        log.write("2 b\n");
        fs::rename(&log.0, log.named(".1")).unwrap();
        fs::write(log.named(".1.gz"), [0x1f, 0x8b, 8]).unwrap();
        log.write("3 c\n");
        assert_eq!(log.read(), seen("2 b\n3 c\n"));
    }

    #[test]
    fn a_file_copied_and_emptied_is_read_from_its_start() {
        let mut log = Log::new("copied");
        log.write("1 a\n2 a\n");
        log.read();
        log.write("3 b\n");
        fs::copy(&log.0, log.named(".1")).unwrap();
        fs::OpenOptions::new().write(true).truncate(true).open(&log.0).unwrap();
        // Longer than before: only the text tells that it is another.
        log.write("4 c\n5 c\n6 c\n7 c\n");
        assert_eq!(log.read(), seen("3 b\n4 c\n5 c\n6 c\n7 c\n"));
    }

    #[test]
    fn a_file_that_is_gone_is_said_to_be_lost() {
        let mut log = Log::new("gone");
        log.write("1 a\n");
        log.read();
        fs::remove_file(&log.0).unwrap();
        log.write("2 b\n");
        assert_eq!(log.read(), ("2 b\n".to_owned(), true));
    }
}
