//! `by kidN {` ... `} by kidN`: with several workers some pages are one block of each (with 7 even with one process).

use super::PageError;
use super::page::is_block_start;

/// The texts of all workers; a page without blocks is one text.
pub(super) fn split<'a>(page: &'static str, text: &'a str) -> Result<Vec<&'a str>, PageError> {
    let mut blocks = Vec::new();
    let mut begin = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let after = offset + line.len();
        if is_block_start(line) {
            begin = Some(after);
        } else if line.starts_with("} by kid")
            && let Some(start) = begin.take()
        {
            blocks.push(&text[start..offset]);
        }
        offset = after;
    }
    match (begin, blocks.is_empty()) {
        (Some(_), _) => Err(PageError::Truncated {
            page,
            length: text.len(),
            lacks: "the end of a worker's block".to_owned(),
        }),
        (None, true) => Ok(vec![text]),
        (None, false) => Ok(blocks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_has_its_block() {
        let text = include_str!("../../testdata/squid/5.7-smp2-server_list.txt");
        assert_eq!(split("server_list", text).unwrap().len(), 2);
        let half = &text[..text.len() - 20];
        assert!(matches!(split("server_list", half), Err(PageError::Truncated { .. })));
        assert_eq!(split("info", "a\nb\n").unwrap(), ["a\nb\n"]);
    }
}
