//! From files to blocks: conditions, parameters, includes, comments, quotes and braces.

use std::collections::HashMap;

use crate::ip_vs::expect::{ExpectError, MAX_DEPTH, MAX_LINES, MAX_TEXT, Surroundings};

/// The longest text that the parameters of one line may become.
const MAX_EXPANDED: usize = 1 << 20;

/// A keyword with its arguments and its block.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) words: Vec<String>,
    pub(super) place: String,
    pub(super) children: Vec<Node>,
}

impl Node {
    pub(super) fn keyword(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    pub(super) fn argument(&self, at: usize) -> Option<&str> {
        self.words.get(at).map(String::as_str)
    }

    /// The last child of one of these keywords: later lines override earlier ones.
    pub(super) fn last(&self, keywords: &[&str]) -> Option<&Self> {
        self.children.iter().rfind(|child| keywords.contains(&child.keyword()))
    }

    pub(super) fn has(&self, keyword: &str) -> bool {
        self.last(&[keyword]).is_some()
    }

    /// A keyword that is set by itself, and by `on`, `true` or `yes`; `None` when it is not there.
    pub(super) fn flag(&self, keyword: &str) -> Option<bool> {
        let node = self.last(&[keyword])?;
        Some(!matches!(node.argument(1), Some("off" | "false" | "no")))
    }

    pub(super) fn value(&self, keywords: &[&str]) -> Option<&str> {
        self.last(keywords)?.argument(1)
    }

    pub(super) fn error(&self, why: impl Into<String>) -> ExpectError {
        ExpectError { place: self.place.clone(), why: why.into() }
    }

    pub(super) fn number<T: std::str::FromStr>(&self, keyword: &str) -> Result<Option<T>, ExpectError> {
        let Some(node) = self.last(&[keyword]) else { return Ok(None) };
        let value = node.argument(1).and_then(|text| text.parse().ok());
        value.map(Some).ok_or_else(|| node.error(format!("{keyword} lacks a number")))
    }
}

/// The blocks of the file `name` and of those that it includes, and what could not be included.
pub(super) fn blocks(
    name: &str,
    text: &str,
    config_id: Option<&str>,
    surroundings: &mut dyn Surroundings,
) -> Result<(Node, Vec<(String, String)>), ExpectError> {
    let mut reader =
        Reader { config_id, lines: Vec::new(), parameters: HashMap::new(), size: 0, notes: Vec::new() };
    reader.read(name, text, surroundings, 0)?;
    Ok((tree(reader.lines)?, reader.notes))
}

/// Turns files into lines: conditions, parameters and includes are gone.
struct Reader<'a> {
    config_id: Option<&'a str>,
    lines: Vec<(String, String)>, // place, text
    parameters: HashMap<String, String>,
    size: usize,
    notes: Vec<(String, String)>,
}

impl Reader<'_> {
    fn read(
        &mut self,
        name: &str,
        text: &str,
        surroundings: &mut dyn Surroundings,
        depth: usize,
    ) -> Result<(), ExpectError> {
        self.size += text.len();
        let too_much = |why: &str| Err(ExpectError { place: name.to_owned(), why: why.to_owned() });
        if depth > MAX_DEPTH {
            return too_much("files include one another too deeply");
        }
        if self.size > MAX_TEXT {
            return too_much("the included files are too large");
        }
        let mut lines = text.lines().enumerate();
        while let Some((number, raw)) = lines.next() {
            let place = format!("{name}:{}", number + 1);
            let line = without_comment(raw);
            let Some(line) = self.conditional(line.trim()) else { continue };
            if line.starts_with('$')
                && let Some((name, value)) = line[1..].split_once('=')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            {
                let mut value = value.trim().to_owned();
                let parameter = name.to_owned();
                // A value goes on as long as its lines end in a backslash.
                while let Some(more) = value.strip_suffix('\\') {
                    let next = lines.next().map_or("", |(_, line)| without_comment(line).trim_end());
                    value = format!("{}\n{}", more.trim_end(), next);
                    if value.len() > MAX_TEXT {
                        return too_much("a parameter is too long");
                    }
                }
                self.parameters.insert(parameter, value.trim().to_owned());
                continue;
            }
            let mut expanded = String::new();
            self.repeat(line, &place, &mut expanded)?;
            for line in expanded.lines() {
                // A parameter of several lines may hold conditional ones.
                let Some(line) = self.conditional(line.trim()) else { continue };
                let mut words = line.split_whitespace();
                if let (Some(keyword), Some(pattern)) = (words.next(), words.next())
                    && is_include(keyword)
                {
                    match surroundings.include(pattern.trim_matches('"'), name) {
                        Ok(files) => {
                            for (name, text) in files {
                                self.read(&name, &text, surroundings, depth + 1)?;
                            }
                        }
                        Err(why) => self.notes.push((place.clone(), why)),
                    }
                } else if !line.is_empty() {
                    self.lines.push((place.clone(), line.to_owned()));
                }
                if self.lines.len() > MAX_LINES {
                    return too_much("there are too many lines");
                }
            }
        }
        Ok(())
    }

    /// The line without its condition, or `None` when it does not count: `@id line` and `@^id line`.
    fn conditional<'l>(&self, line: &'l str) -> Option<&'l str> {
        let Some(rest) = line.strip_prefix('@') else { return Some(line) };
        let (id, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let counts = match id.strip_prefix('^') {
            Some(id) => self.config_id != Some(id),
            None => self.config_id == Some(id),
        };
        counts.then_some(rest.trim_start())
    }

    /// The line, its parameters replaced: once for each value of the sequence or list that it begins with, `~SEQ(VAR, first, step,
    /// last)`, where step and first may be left out, `~SEQx` of hexadecimal numbers, or `~LST(VAR, value, ...)`.
    fn repeat(&mut self, line: &str, place: &str, out: &mut String) -> Result<(), ExpectError> {
        let error = |why: String| ExpectError { place: place.to_owned(), why };
        let Some((arguments, rest)) = line.strip_prefix('~').and_then(|line| line.split_once(')')) else {
            out.push_str(&self.expand(line, place)?);
            out.push('\n');
            return Ok(());
        };
        let arguments = self.expand(arguments, place)?;
        let (name, variable, values) = sequence(&arguments)
            .ok_or_else(|| error(format!("`~{arguments})` is no sequence or list that is known here")))?;
        if values.len() > MAX_LINES {
            return Err(error(format!("~{name} has too many values")));
        }
        let before = self.parameters.get(variable).cloned();
        for value in values {
            self.parameters.insert(variable.to_owned(), value);
            self.repeat(rest.trim_start(), place, out)?;
            if out.len() > MAX_TEXT {
                return Err(error(format!("~{name} makes too many lines")));
            }
        }
        match before {
            Some(value) => self.parameters.insert(variable.to_owned(), value),
            None => self.parameters.remove(variable),
        };
        Ok(())
    }

    /// Replaces `$NAME` and `${NAME}`, again and again, because values name other parameters.
    fn expand(&self, line: &str, place: &str) -> Result<String, ExpectError> {
        let mut line = line.to_owned();
        for _ in 0..MAX_DEPTH {
            let Some(next) = self.expand_once(&line) else { return Ok(line) };
            line = next;
            if line.len() > MAX_EXPANDED {
                break;
            }
        }
        Err(ExpectError {
            place: place.to_owned(),
            why: "parameters name one another without end".to_owned(),
        })
    }

    /// `None` when nothing was there to be replaced. Names without a value stay as they are, as with keepalived.
    fn expand_once(&self, line: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = line;
        let mut replaced = false;
        while let Some(at) = rest.find('$').filter(|_| out.len() <= MAX_EXPANDED) {
            let (before, after) = (&rest[..at], &rest[at + 1..]);
            out.push_str(before);
            let braced = after.starts_with('{');
            let name = after.trim_start_matches('{');
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
            let closed = !braced || name[end..].starts_with('}');
            if let (true, Some(value)) = (closed, self.parameters.get(&name[..end])) {
                out.push_str(value);
                rest = &name[end + usize::from(braced)..];
                replaced = true;
            } else {
                out.push('$');
                rest = after;
            }
        }
        out.push_str(rest);
        replaced.then_some(out)
    }
}

/// The name, variable and values of `SEQ(VAR, ...` or `LST(VAR, ...`; a list of several variables is not known here.
fn sequence(text: &str) -> Option<(&str, &str, Vec<String>)> {
    let (name, arguments) = text.split_once('(')?;
    let mut arguments = arguments.split(',').map(str::trim);
    let variable = arguments.next()?.trim_start_matches('$');
    if variable.is_empty() || !variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    if name == "LST" {
        return Some((name, variable, arguments.map(str::to_owned).collect()));
    }
    let radix = if name == "SEQx" { 16 } else { 10 };
    let numbers: Vec<i64> =
        arguments.map(|text| i64::from_str_radix(text, radix).ok()).collect::<Option<_>>()?;
    let (first, step, last) = match numbers[..] {
        [last] => (1, 1, last),
        [first, last] => (first, if first > last { -1 } else { 1 }, last),
        [first, step, last] => (first, step, last),
        _ => return None,
    };
    if step == 0 || !name.starts_with("SEQ") {
        return None;
    }
    let values = std::iter::successors(Some(first), |value| value.checked_add(step));
    let values = values.take_while(|value| if step > 0 { *value <= last } else { *value >= last });
    let text = |value: i64| if radix == 16 { format!("{value:x}") } else { value.to_string() };
    Some((name, variable, values.take(MAX_LINES + 1).map(text).collect()))
}

/// `include` and its strict forms: `includer`, `includem`, `includew`, `includeb`, `includea`.
pub(super) fn is_include(keyword: &str) -> bool {
    keyword
        .strip_prefix("include")
        .is_some_and(|rest| rest.len() <= 2 && rest.bytes().all(|b| b.is_ascii_lowercase()))
}

/// Everything before a `#` or `!` that stands outside of quotes.
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let end = line.find(|c| {
        quoted ^= c == '"';
        !quoted && (c == '#' || c == '!')
    });
    &line[..end.unwrap_or(line.len())]
}

/// The words of a line; quotes keep blanks and braces together. A brace of its own is told from a quoted one by a NUL, which no
/// text file holds.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut open) = (false, false);
    for c in line.chars() {
        match c {
            '"' => (quoted, open) = (!quoted, true),
            c if c.is_whitespace() && !quoted => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            '{' | '}' if !quoted && word.is_empty() => words.push(format!("\0{c}")),
            c => word.push(c),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    words
}

/// Lines to blocks.
fn tree(lines: Vec<(String, String)>) -> Result<Node, ExpectError> {
    let mut open = vec![Node::default()];
    let close = |open: &mut Vec<Node>| {
        if open.len() > 1
            && let (Some(node), Some(parent)) = (open.pop(), open.last_mut())
        {
            parent.children.push(node);
        }
    };
    for (place, line) in lines {
        let all = words(&line);
        for part in all.split_inclusive(|word| word.starts_with('\0')) {
            let (words, brace) = match part.split_last() {
                Some((last, words)) if last.starts_with('\0') => (words, last.as_str()),
                _ => (part, ""),
            };
            let node = Node { words: words.to_vec(), place: place.clone(), children: Vec::new() };
            let Some(parent) = open.last_mut() else { continue };
            if brace == "\0{" {
                // A brace on a line of its own opens the block of the keyword before it.
                let node = if words.is_empty() { parent.children.pop().unwrap_or_default() } else { node };
                if open.len() > MAX_DEPTH {
                    return Err(ExpectError {
                        place,
                        why: "blocks stand in one another too deeply".to_owned(),
                    });
                }
                open.push(node);
                continue;
            }
            if !words.is_empty() {
                parent.children.push(node);
            }
            if brace == "\0}" {
                close(&mut open);
            }
        }
    }
    while open.len() > 1 {
        close(&mut open);
    }
    Ok(open.pop().unwrap_or_default())
}
