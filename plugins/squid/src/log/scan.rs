//! Reading a log: whole lines out of large blocks, until the end or until the time is over.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use weir_probe::Deadline;
use weir_wire::squid::access_log::Format;

use super::follow::{News, Piece, Place};
use super::tally::Tally;

/// One read; a longer line is no line.
const BLOCK: usize = 1 << 20;
/// This part of the time is for reading; the rest is for saying what was read.
const SHARE_OF_TIME: f64 = 0.8;

/// How far a scan came.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Where the next one begins.
    pub(crate) place: Option<Place>,
    /// Bytes read.
    pub(crate) bytes: u64,
    /// The time was over before the end.
    pub(crate) unfinished: bool,
    /// Text between the last run and this one is gone.
    pub(crate) lost: bool,
}

/// Counts all `news` of the log at `path`.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn scan(
    path: &Path,
    news: News,
    format: &Format,
    deadline: Deadline,
    tally: &mut Tally<'_>,
) -> Result<Scan> {
    let mut scan = Scan { lost: news.lost, ..Scan::default() };
    let mut block = vec![0; BLOCK];
    for mut piece in news.pieces {
        let offset = read(&mut piece, format, deadline, tally, &mut block)
            .with_context(|| format!("reading {}", path.display()))?;
        scan.bytes += offset.0 - piece.start;
        scan.place = Some(piece.place(offset.0));
        if !offset.1 {
            scan.unfinished = true;
            break;
        }
    }
    Ok(scan)
}

/// Reads one piece; returns the offset behind its last whole line, and whether its end was reached.
fn read(
    piece: &mut Piece,
    format: &Format,
    deadline: Deadline,
    tally: &mut Tally<'_>,
    block: &mut [u8],
) -> std::io::Result<(u64, bool)> {
    let mut offset = piece.start;
    let mut kept = 0;
    let mut skip = piece.mid_line;
    loop {
        if deadline.elapsed().as_secs_f64() > SHARE_OF_TIME * deadline.timeout().as_secs_f64() {
            return Ok((offset, false));
        }
        let got = piece.reader.read(&mut block[kept..])?;
        let text = &block[..kept + got];
        if got == 0 {
            // Nobody will write the rest of a line to a file that has been put aside.
            if piece.finished && !text.is_empty() && !skip {
                count(text, format, tally);
                offset += text.len() as u64;
            }
            return Ok((offset, true));
        }
        let Some(last) = memchr::memrchr(b'\n', text) else {
            kept += got;
            if kept == block.len() {
                // No line end within a whole block: what follows up to the next one belongs to the same monster.
                tally.unreadable += u64::from(!skip);
                offset += kept as u64;
                (kept, skip) = (0, true);
            }
            continue;
        };
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', &text[..=last]) {
            if !std::mem::take(&mut skip) {
                count(&text[begin..end], format, tally);
            }
            begin = end + 1;
        }
        let all = text.len();
        offset += begin as u64;
        block.copy_within(begin..all, 0);
        kept = all - begin;
    }
}

fn count(line: &[u8], format: &Format, tally: &mut Tally<'_>) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match format.read(line) {
        Some(entry) => tally.add(&entry),
        None if line.is_empty() => {}
        None => tally.unreadable += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::super::follow::{since, whole};
    use super::*;
    use std::fs;
    use std::time::Duration;

    const RECORDED: &[u8] = include_bytes!("../../../../common/wire/testdata/squid/5.7-access.log");

    fn run(name: &str, text: &[u8]) -> (u64, u64, Scan) {
        let file = std::env::temp_dir().join(format!("weir-scan-{}-{name}", std::process::id()));
        fs::write(&file, text).unwrap();
        let mut tally = Tally::new(None);
        let format = Format::new("squid").unwrap();
        let deadline = Deadline::after(Duration::from_mins(1));
        let scan = scan(&file, whole(&file).unwrap(), &format, deadline, &mut tally).unwrap();
        fs::remove_file(&file).unwrap();
        (tally.total.requests + tally.internal, tally.unreadable, scan)
    }

    #[test]
    fn every_line_counts_wherever_blocks_end() {
        let text = RECORDED.repeat(300);
        assert!(text.len() > 3 * BLOCK);
        let (requests, unreadable, scan) = run("blocks", &text);
        assert_eq!((requests, unreadable, scan.bytes), (112 * 300, 0, text.len() as u64));
    }

    #[test]
    fn a_monster_line_is_one_unreadable_line() {
        let monster = [RECORDED, &vec![b'x'; 3 * BLOCK], b"\n", RECORDED].concat();
        let (requests, unreadable, _) = run("monster", &monster);
        assert_eq!((requests, unreadable), (224, 1));
    }

    #[test]
    fn half_a_line_waits_for_its_end() {
        let file = std::env::temp_dir().join(format!("weir-scan-{}-half", std::process::id()));
        let half = RECORDED.len() - 20;
        let format = Format::new("squid").unwrap();
        let deadline = Deadline::after(Duration::from_mins(1));
        fs::write(&file, &RECORDED[..half]).unwrap();
        let mut tally = Tally::new(None);
        let first = scan(&file, since(&file, None).unwrap(), &format, deadline, &mut tally).unwrap();
        assert_eq!(tally.total.requests + tally.internal, 111);
        fs::write(&file, RECORDED).unwrap();
        scan(&file, since(&file, first.place).unwrap(), &format, deadline, &mut tally).unwrap();
        assert_eq!((tally.total.requests + tally.internal, tally.unreadable), (112, 0));
        fs::remove_file(&file).unwrap();
    }
}
